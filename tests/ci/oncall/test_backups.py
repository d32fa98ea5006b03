"""What the repository holds, by answers recorded from pgBackRest 2.45, and where a restore begins.

The recorded one is of a database that was restored (timeline 2, with a differential backup) and
reverted (timeline 1 goes on, with another).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ci.errors import CiError, InputError
from ci.oncall.backups import Holdings, Lineage, age, newest_timeline
from ci.oncall.moment import LATEST, RestorePoint, moment, written

RECORDED = Path(__file__).parent / "recorded"
FULL = "20261129-085639F"
ON_TWO = f"{FULL}_20261129-085652D"
ON_ONE = f"{FULL}_20261129-085657D"
# `repo-get archive/main/15-1/00000002.history`, recorded together with it.
HISTORY = "1\t0/3001B68\tbefore 2026-11-29 08:56:46.761557+00\n\n"
ONE, TWO = Lineage(1, {}), Lineage.parse(2, HISTORY)
NOW = datetime(2026, 11, 29, 9, tzinfo=UTC)


def text(name: str = "reverted") -> str:
    return (RECORDED / f"pgbackrest-{name}.json").read_text(encoding="utf-8")


def holdings() -> Holdings:
    return Holdings.parse(text(), "coworking-prod")


def at(moment_: str) -> RestorePoint:
    when = moment(f"2026-11-29 {moment_} UTC")
    return RestorePoint(written(when), when)


def test_it_lists_each_backup_with_its_age_rows_and_proof() -> None:
    newest, middle, oldest = holdings().lines(NOW)

    assert newest.split()[:2] == [ON_ONE, "diff"]
    assert "2026-11-29 08:56:59 UTC   3 minutes old" in newest
    assert "timeline 2  not proven  tokens 100; users 5" in middle
    assert oldest.split()[:2] == [FULL, "full"]
    assert "23 MB" in oldest


def test_a_proof_and_damaged_pages_are_named() -> None:
    found = json.loads(text())
    found[0]["backup"][0] |= {"annotation": {"proven": str(int(NOW.timestamp()) - 7200)}}
    found[0]["backup"][1]["error"] = True
    _, middle, oldest = Holdings.parse(json.dumps(found), "n").lines(NOW)

    assert "proven 2 hours ago" in oldest
    assert "damaged pages" in middle


@pytest.mark.parametrize(
    ("target", "history", "label"),
    [
        # The history that went on after the revert has the newest backup.
        (RestorePoint(LATEST), ONE, ON_ONE),
        # What was left has its own, and not the newest.
        (RestorePoint(LATEST), TWO, ON_TWO),
        (at("08:56:50"), ONE, FULL),
        (at("08:56:50"), TWO, FULL),
        (at("08:59:00"), ONE, ON_ONE),
        (at("08:59:00"), TWO, ON_TWO),
        # In the second in which a backup ended it can't be restored to yet.
        (at("08:56:59.9"), ONE, FULL),
        (at("08:57:00"), ONE, ON_ONE),
        (RestorePoint(ON_TWO), ONE, ON_TWO),
    ],
)
def test_a_restore_begins_with_a_backup_of_the_history_that_it_follows(
    target: RestorePoint, history: Lineage, label: str
) -> None:
    assert holdings().choose(target, history).label == label


def test_a_backup_taken_after_a_timeline_was_left_is_not_of_the_next_one() -> None:
    """The differential one of timeline 1 ended at 0/5000100, and timeline 2 left at 0/3001B68."""
    by_label = {each.label: each for each in holdings().backups}

    assert [TWO.has(by_label[each]) for each in (FULL, ON_TWO, ON_ONE)] == [True, True, False]
    assert [ONE.has(by_label[each]) for each in (FULL, ON_TWO, ON_ONE)] == [True, False, True]


def test_a_backup_with_damaged_pages_is_not_chosen_and_can_be_named() -> None:
    found = json.loads(text())
    found[0]["backup"][2]["error"] = True
    damaged = Holdings.parse(json.dumps(found), "n")

    assert damaged.choose(RestorePoint(LATEST), ONE).label == FULL
    assert damaged.choose(RestorePoint(ON_ONE), ONE).label == ON_ONE


def test_a_moment_before_what_is_kept_names_the_oldest_valid_one() -> None:
    with pytest.raises(InputError) as caught:
        holdings().choose(at("08:56:42.5"), ONE)

    assert str(caught.value) == (
        "--to '2026-11-29 08:56:42.500000+0000' is before what is kept: the oldest backup ended at"
        " 2026-11-29 08:56:42 UTC"
    )
    assert '--to "2026-11-29 08:56:43 UTC"' in caught.value.hint
    assert holdings().choose(at("08:56:43"), ONE).label == FULL


@pytest.mark.parametrize("label", ["20261129-085639", "20260101-000000F", "latest", ""])
def test_an_unknown_backup_is_refused_and_the_newest_named(label: str) -> None:
    with pytest.raises(InputError) as caught:
        holdings().choose(RestorePoint(label) if label != LATEST else RestorePoint("Latest"), ONE)

    assert "is not a backup that is kept" in str(caught.value)
    assert f"--backup {ON_ONE}" in caught.value.hint


def test_a_history_without_backups_is_refused() -> None:
    with pytest.raises(InputError, match="no whole backup is kept of timeline 7"):
        holdings().choose(RestorePoint(LATEST), Lineage(7, {}))


def test_an_unused_repository_has_nothing_to_restore() -> None:
    with pytest.raises(InputError, match="repository of coworking-prod holds no backup"):
        Holdings.parse(text("unused"), "coworking-prod")


def test_a_repository_that_is_away_says_why_in_one_line() -> None:
    with pytest.raises(CiError) as caught:
        Holdings.parse(text("away"), "coworking-prod")

    assert "can't be asked: [ProtocolError] HTTP request failed with 404 (Not Found)" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_the_answer_to_a_wrong_key_is_read_although_it_is_not_json() -> None:
    """pgBackRest repeats the bytes that it could not decrypt, control characters among them."""
    answer = text("away").replace("[ProtocolError]", "[FormatError] line 1: q\ufffdr\x1ayW\x14")

    with pytest.raises(CiError, match="FormatError"):
        Holdings.parse(answer, "coworking-prod")


@pytest.mark.parametrize("answer", ["", "[]", "no", "{}", '[{"status": {}}]', "[1]"])
def test_what_is_no_answer_of_pgbackrest_is_reported(answer: str) -> None:
    with pytest.raises(CiError, match="no usable answer"):
        Holdings.parse(answer, "coworking-prod")


def test_the_newest_timeline_is_the_highest_by_its_hexadecimal_name() -> None:
    assert newest_timeline([]) == 1
    assert newest_timeline(["00000002.history", "00000010.history", "0000000F.history"]) == 16


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(seconds=119), "119 seconds"),
        (timedelta(seconds=120), "2 minutes"),
        (timedelta(minutes=120), "2 hours"),
        (timedelta(hours=48), "2 days"),
        (timedelta(days=9, hours=23), "9 days"),
    ],
)
def test_an_age_is_as_rough_as_a_person_needs_it(span: timedelta, said: str) -> None:
    assert age(span) == said
