"""What other people's trees show: lessons, inputs of tests, files that a program completes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_others_trees import DEPLOYED, SERVER, SERVICE
from test_strangers_trees import SETTINGS, rules

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("folder", "found"), [("e2e", 0), ("live", 1)])
def test_what_a_test_of_a_program_reads_is_left_alone(
    folder: str, found: int, tmp_path: Path
) -> None:
    half = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 1}\n"

    names = rules(tmp_path, {f"test/{folder}/a.yaml": half} | DEPLOYED, "required-field")
    assert sorted({*names}) == ["required-field"] * found


@pytest.mark.parametrize(("folder", "found"), [("study-guide", 0), ("course-notes", 0), ("a", 1)])
def test_a_lesson_is_an_example(folder: str, found: int, tmp_path: Path) -> None:
    service = SERVICE.replace("PORTS", "{port: 80}")

    names = rules(tmp_path, {f"{folder}/a.yaml": service} | DEPLOYED, "service-selects-nothing")
    assert names == ["service-selects-nothing"] * found


@pytest.mark.parametrize(("name", "found"), [("web-$zone", 0), ("web_zone", 1)])
def test_a_shell_fills_in_a_name(name: str, found: int, tmp_path: Path) -> None:
    text = SETTINGS.replace("settings", name)

    assert rules(tmp_path, {"a.yaml": text}, "resource-name") == ["resource-name"] * found


@pytest.mark.parametrize(
    ("image", "found"),
    [("a:{{ ENV.TAG }}", 0), ("a/PROJECT_ID/b:1", 0), ("$IMAGE", 0), ("a: b", 1)],
)
def test_a_program_fills_in_a_value(image: str, found: int, tmp_path: Path) -> None:
    text = SERVER.replace("registry.example.com/web:1", image).replace("PORTS", "")

    names = rules(tmp_path, {"a.yaml": text}, "image-name-invalid")
    assert names == ["image-name-invalid"] * found


@pytest.mark.parametrize(("kind", "found"), [("RoleConfiguration", 0), ("Role", 1)])
def test_the_settings_of_a_program_need_no_name(kind: str, found: int, tmp_path: Path) -> None:
    text = f"apiVersion: setup.example.com/v1\nkind: {kind}\nspec: {{a: b}}\n"

    names = rules(tmp_path, {"a.yaml": text}, "nameless-manifest")
    assert names == ["nameless-manifest"] * found
