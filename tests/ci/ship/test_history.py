"""What `python -m ci history` calls a change, and how it shows it."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import click
import pytest

from ci.errors import InputError
from ci.ship import history
from ci.version.image_file import Record
from ci.version.message import Message
from ci.version.order import Version

COMMIT = "1f2e3d4c" * 5
NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def record(tag: str | None, subject: str = "x", *, named: bool = False, **trailers: str) -> Record:
    lines = {name.replace("_", "-"): value for name, value in trailers.items()}
    message = Message("Ann", NOW, subject, (lines,) if lines else ())
    return Record(Version("c" * 40, tag, None, None, named), message)


@pytest.mark.parametrize(
    ("environment", "given", "earlier", "how"),
    [
        ("dev", record("1-aaaaaaa", Build="1", Promoted_From="dev"), [], "promotion"),
        ("dev", record("v1", Reason="r", Image="i", Build="1"), [], "hotfix"),
        ("dev", record("1-aaaaaaa", Build="1", Reason="r"), [], "build"),
        ("dev", record("1-aaaaaaa", Reason="r"), ["2", "1-aaaaaaa"], "reverted"),
        ("dev", record("1-aaaaaaa"), ["2"], "by hand"),
        ("dev", record("1-aaaaaaa", "deploy(dev): coworking 0 -> 1-aaaaaaa"), ["0"], "build"),
        ("prod", record("1-aaaaaaa", "deploy(prod): coworking 0 -> 1-aaaaaaa"), ["0"], "promotion"),
        ("prod", record("v1", "deploy(prod): coworking 0 -> v1"), ["0"], "hotfix"),
        ("prod", record("v1", "deploy(prod): coworking 0 -> v1"), ["0", "v1"], "reverted"),
        ("prod", record("v1", "deploy(prod): coworking 0 -> v1", named=True), ["v1"], "hotfix"),
        ("dev", record("v1", "deploy(prod): coworking 0 -> v1", named=True), ["0"], "by hand"),
    ],
)
def test_history_says_how_each_change_came(
    environment: str, given: Record, earlier: list[str], how: str
) -> None:
    assert history._how(given, iter(earlier), environment, "coworking") == how


def test_history_takes_no_subject_of_another_image_for_this_ones() -> None:
    given = record("v1", "deploy(prod): coworking 0 -> v1")
    assert history._how(given, iter(["0"]), "prod", "postgres") == "by hand"


def rows(*records: Record) -> list[history.Row]:
    file: Any = SimpleNamespace(
        records=lambda: iter(records),
        folder="overlays/dev/coworking/image",
        image="coworking",
        resolve=lambda _: None,
    )
    repository: Any = None
    return list(history.rows(repository, file))


def test_history_leaves_out_what_changed_no_tag() -> None:
    shown = rows(record("3"), record(None), record("2"), record("2"), record("1"))
    assert [row.tag for row in shown] == ["3", "2", "1"]
    assert [(row.commit, row.build, row.person, row.what) for row in shown[:1]] == [
        ("", None, "Ann", "x")
    ]


@pytest.mark.parametrize(
    ("tag", "recorded", "build", "commit"),
    [
        ("57-1f2e3d4c", None, 57, "1f2e3d4c"),  # by its tag
        ("57-1f2e3d4c", "0a1b2c3d", 57, "0a1b2c3d"),
        ("v1", "0a1b2c3d", 9, "0a1b2c3d"),
        ("v1", None, 9, ""),
    ],
)
def test_a_build_is_told_by_the_commit_that_it_was_made_of(
    tag: str, recorded: str | None, build: int, commit: str
) -> None:
    """The change itself was made by a machine."""
    given = record(tag, Build="1")
    given = given._replace(version=given.version._replace(source=recorded, build=9))
    asked: list[list[str]] = []

    def objects(names: list[str]) -> list[bytes]:
        asked.append(names)
        return [b"author Eve <e@x> 1 +0000\n\nCount each visit once\n"]

    file: Any = SimpleNamespace(
        records=lambda: iter([given]),
        folder="overlays/dev/coworking/image",
        image="coworking",
        resolve=str,
    )
    repository: Any = SimpleNamespace(objects=objects)
    (row,) = history.rows(repository, file)

    assert (row.commit, row.build) == (commit, build)
    assert (row.person, row.what) == (("Eve", "Count each visit once") if commit else ("Ann", "x"))
    assert asked == ([[commit]] if commit else [])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["nowhere"], "nowhere"), (["dev", "--limit", "0"], "0 is not in the range")],
)
def test_history_refuses_what_it_can_not_show(
    words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "open_remote", None)  # nothing is asked for before
    with pytest.raises((InputError, click.UsageError), match=sentence):
        history.command.main(words, standalone_mode=False)


def test_a_row_of_history_is_one_line_with_its_columns() -> None:
    row = history.Row(
        *("2026-05-01T12:00:59+00:00", "57-1f2e3d4c", "build", COMMIT, 57),
        *("Ann\x1b", "Count\teach", "c"),
    )
    assert history._line(row) == "  ".join(
        [
            *("2026-05-01 12:00", f"{'57-1f2e3d4c':20}", f"{'build 57 of 1f2e3d4c':24}"),
            *(f"{'Ann?':16}", "Count?each"),
        ]
    )
    assert "  by hand                   " in history._line(row._replace(how="by hand"))
