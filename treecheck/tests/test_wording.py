"""How values are shown in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from treecheck.engine import check
from treecheck.facts import Facts
from treecheck.inputs import gather
from treecheck.wording import shown, without

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 1}, "a mapping"),
        ([1], "a list"),
        ("grün", '"grün"'),
        (None, "null"),
        (True, "true"),
        ("x" * 58, f'"{"x" * 58}"'),
        ("x" * 59, f'"{"x" * 56}…"'),
    ],
)
def test_a_value_is_shown_as_it_is_written(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_longer_value_is_hidden_before_a_shorter_one_within_it() -> None:
    assert without("of red-green, red and reddish", ["red", "red-green"]) == (
        "of (hidden), (hidden) and reddish"
    )


def test_what_is_too_short_to_be_a_secret_stays() -> None:
    assert without("a is 12, b is 123", ["12", "123"]) == "a is 12, b is (hidden)"


def test_a_secrets_values_are_hidden_in_what_is_said_of_it_alone(tmp_path: Path) -> None:
    manifest = (
        "apiVersion: v1\nkind: {}\nmetadata: {{name: a, labels: {{app: x-73318842-}}}}\n"
        "{}: {{PIN: x-73318842-}}\n---\n"
    )
    text = manifest.format("Secret", "stringData") + manifest.format("ConfigMap", "data")
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")

    found = check(
        gather([str(tmp_path / "a.yaml")], Facts()), Facts(), (1, 32), only=["label-syntax"]
    )

    said = {each.resource.partition(" ")[0]: each.message + each.fix for each in found.findings}
    assert "73318842" not in said["Secret"]
    assert "(hidden)" in said["Secret"]
    assert "73318842" in said["ConfigMap"]
