"""CHANGELOG.md names what came and what went since the newest dated version."""

from __future__ import annotations

import datetime
import re

import pytest
import yaml

from tests.docs.released import CHANGELOG, FILE, names, sections

TEXT = CHANGELOG.read_text(encoding="utf-8")
HEADINGS = list(sections(TEXT))
RECORDED = yaml.safe_load(FILE.read_text(encoding="utf-8"))
DATED = re.compile(r"(?P<version>\d+\.\d+\.\d+) \((?P<date>\d{4}-\d\d-\d\d)\)")


def lines_missing(
    before: dict[str, list[str]], now: dict[str, list[str]], unreleased: str
) -> list[str]:
    """A sentence for each name that came or went and that no line of `Unreleased` has in backticks.

    A setting counts in capitals too, as `make configure` takes it.
    """
    code = " ".join(re.findall(r"`([^`]+)`", unreleased))
    missing = []
    for kind, present in now.items():
        changed = [("new", each) for each in present if each not in before[kind]]
        changed += [("removed", each) for each in before[kind] if each not in present]
        for how, name in changed:
            words = {name, name.upper()} if kind == "setting" else {name}
            if not any(re.search(rf"(?<![\w-]){each}(?![\w-])", code) for each in words):
                missing.append(f"the {how} {kind} `{name}`")
    return missing


def test_every_new_or_removed_name_has_a_line() -> None:
    before = {kind: RECORDED[kind] for kind in names()}
    missing = lines_missing(before, names(), sections(TEXT)["Unreleased"])
    assert not missing, (
        f"{CHANGELOG.name} says nothing about {', '.join(missing)}. Add a line below"
        ' "## Unreleased" that has the name in backticks and says what users notice, such as:\n'
        f"- {missing[0].split()[-1]} …"
    )


@pytest.mark.parametrize(
    ("kind", "before", "now", "line"),
    [
        ("verb", [], ["greet"], "- `python -m ci greet NAME` greets."),
        ("verb", ["greet"], [], "- `greet` is gone; say hello yourself."),
        ("setting", [], ["owners"], "- `make configure OWNERS=@ada` asks Ada."),
        ("variable", [], ["LOG_LEVEL"], "- `LOG_LEVEL` is new."),
        ("rule", [], ["bare-pod"], "- `validate` reports a\n  bare pod (`bare-pod`)."),
    ],
)
def test_a_line_that_names_it_is_enough(
    kind: str, before: list[str], now: list[str], line: str
) -> None:
    nothing = {key: list[str]() for key in names()}
    was, there = nothing | {kind: before}, nothing | {kind: now}
    (name,) = before + now
    how = "new" if now else "removed"
    assert lines_missing(was, there, line) == []
    assert lines_missing(was, there, "- Something else.") == [f"the {how} {kind} `{name}`"]
    assert lines_missing(was, there, f"- A longer `{name}-name`.") == [f"the {how} {kind} `{name}`"]


def test_the_newest_comes_first_and_every_other_version_has_its_date() -> None:
    assert HEADINGS[0] == "Unreleased"
    matches = [DATED.fullmatch(each) for each in HEADINGS[1:]]
    assert all(matches), f"write a heading as 1.2.3 (2026-11-24): {HEADINGS}"
    dated = [
        (datetime.date.fromisoformat(each["date"]), [*map(int, each["version"].split("."))])
        for each in matches
        if each
    ]
    assert dated == sorted(dated, reverse=True)


def test_the_recorded_names_are_those_of_the_newest_dated_version() -> None:
    assert RECORDED["version"] == HEADINGS[1], "run python -m tests.docs.released"
