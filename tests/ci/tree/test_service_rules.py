"""What the checker says of settings that the service would refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

import ci.platform.rules  # noqa: F401  # its rules are registered by importing them
from coworking.config import SETTINGS, fault
from treecheck.engine import check
from treecheck.facts import Facts
from treecheck.inputs import gather
from treecheck.schemas import versions

if TYPE_CHECKING:
    from pathlib import Path

DEBUG = (
    "the service refuses LOG_LEVEL=debug: input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR': "
    "it ends at its start"
)


def messages(tmp_path: Path, variables: dict[str, str], image: str = "coworking:1") -> list[str]:
    container = {
        "name": "coworking",
        "image": f"registry.example.com/{image}",
        "envFrom": [{"configMapRef": {"name": "settings"}}],
    }
    place = {"namespace": "coworking-dev"}
    manifests = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web", **place},
            "spec": {"containers": [container]},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", **place},
            "data": variables,
        },
    ]
    file = tmp_path / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(manifests), encoding="utf-8")
    report = check(gather([str(file)], Facts()), Facts(), versions()[0], only=["setting-refused"])
    return [each.message for each in report.findings]


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        (
            {"LOG_LEVEL": "debug"},
            [DEBUG],
        ),
        ({"LOG_LEVEL": "DEBUG", "DB_PORT": "5432", "OTHER": "x"}, []),
        ({"DB_PASSWORD_FILE": "/run/secrets/coworking/DB_PASSWORD"}, []),
        ({"DB_PORT": "$(OTHER_PORT)"}, []),
    ],
)
def test_a_value_that_the_service_refuses_is_found(
    variables: dict[str, str], found: list[str], tmp_path: Path
) -> None:
    assert messages(tmp_path, variables) == found


def test_another_programs_variables_are_its_own(tmp_path: Path) -> None:
    assert messages(tmp_path, {"LOG_LEVEL": "debug"}, image="other:1") == []


@pytest.mark.parametrize("name", SETTINGS)
def test_the_service_takes_its_own_examples(name: str) -> None:
    assert fault(name, SETTINGS[name].example) == ""
