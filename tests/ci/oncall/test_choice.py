"""Which entry of a history a rollback goes back to."""

from __future__ import annotations

from typing import Any

import pytest

from ci.argocd.application import Application, Entry
from ci.errors import InputError
from ci.oncall.choice import Choice, choose


def history(*revisions: str) -> Application:
    lines: list[dict[str, Any]] = [
        {"id": number, "revision": name} for number, name in enumerate(revisions, start=1)
    ]
    return Application.parse(
        {"metadata": {"name": "coworking-prod"}, "spec": {}, "status": {"history": lines}}
    )


def tag(revision: str) -> str:
    """A commit deploys the version of its first letter; those with `?` are gone."""
    return "" if revision.startswith("?") else revision[0].upper()


def chosen(revisions: list[str], unwanted: str, to: str | None = None) -> tuple[int, str]:
    choice: Choice = choose(history(*revisions), unwanted, tag, to)
    assert isinstance(choice.entry, Entry)
    assert choice.unwanted == unwanted
    return choice.entry.id, choice.tag


@pytest.mark.parametrize(
    ("revisions", "unwanted", "expected"),
    [
        pytest.param(["a1", "b1"], "B", (1, "A"), id="the one before"),
        pytest.param(["a1", "a2", "b1", "b2"], "B", (2, "A"), id="its newest entry"),
        pytest.param(["a1", "b1", "c1"], "B", (1, "A"), id="below what git asks for"),
        pytest.param(["a1", "b1"], "C", (2, "B"), id="the unwanted one is stuck"),
        pytest.param(["a1", "b1", "a2", "c1"], "C", (3, "A"), id="no version that was left"),
        pytest.param(["?1", "a1", "b1"], "B", (2, "A"), id="older ones may be unknown"),
    ],
)
def test_it_goes_to_the_newest_version_that_nobody_left(
    revisions: list[str], unwanted: str, expected: tuple[int, str]
) -> None:
    assert chosen(revisions, unwanted) == expected


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        pytest.param("1", (1, "A"), id="an id"),
        pytest.param("a000000", (1, "A"), id="a commit's beginning"),
        pytest.param("a0000001", (1, "A"), id="a commit"),
        pytest.param("B", (3, "B"), id="a tag is its newest entry"),
        pytest.param("2", (2, "B"), id="the older entry of a tag"),
    ],
)
def test_a_person_names_an_entry_by_its_id_commit_or_tag(
    to: str, expected: tuple[int, str]
) -> None:
    assert chosen(["a0000001", "b0000001", "b0000002"], "B", to) == expected


@pytest.mark.parametrize("to", ["a00000", "0000001", "9", "", "a00000012"])
def test_too_little_of_a_commit_names_nothing(to: str) -> None:
    with pytest.raises(InputError, match="is not an entry") as refused:
        chosen(["a0000001", "b0000001"], "B", to)
    assert "Name an entry's id (1, 2)" in refused.value.hint


def test_the_ten_newest_entries_are_offered() -> None:
    with pytest.raises(InputError) as refused:
        chosen([f"a{number}" for number in range(12)], "A", "Z")
    assert "(3, 4, 5, 6, 7, 8, 9, 10, 11, 12)" in refused.value.hint


def test_an_empty_history_offers_none() -> None:
    with pytest.raises(InputError) as refused:
        chosen([], "A", "Z")
    assert "Name an entry's id (none)" in refused.value.hint


@pytest.mark.parametrize(
    ("revisions", "unwanted", "left"),
    [
        pytest.param(["a1"], "A", "", id="the only one"),
        pytest.param([], "", "", id="nothing at all"),
        pytest.param(
            ["a1", "b1", "c1", "d1", "e1", "a2"],
            "A",
            "3 (C), 4 (D), 5 (E)",
            id="the three newest that were left",
        ),
        pytest.param(
            ["a1", "b1", "c1", "b2", "a2"],
            "A",
            "3 (C), 4 (B)",
            id="in the order that they ran last",
        ),
    ],
)
def test_it_chooses_none_that_was_left_and_names_those(
    revisions: list[str], unwanted: str, left: str
) -> None:
    with pytest.raises(InputError, match=f"no version before {unwanted or '[?]'};") as refused:
        chosen(revisions, unwanted)
    assert (f"Versions that were left since: {left}." in refused.value.hint) == bool(left)
    assert ("left since" in refused.value.hint) == bool(left)


def test_it_does_not_guess_past_an_entry_that_it_cannot_read() -> None:
    with pytest.raises(InputError, match=r"of entry 2, 3 in the history .* A \(entry 1\)") as no:
        chosen(["a1", "?1", "?2"], "C")
    assert "--to 1" in no.value.hint
    assert chosen(["a1", "?1", "?2"], "C", "1") == (1, "A")
