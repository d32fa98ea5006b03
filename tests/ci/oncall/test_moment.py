"""What a person may name for a restore, and the sentence for what they may not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ci.errors import InputError
from ci.oncall.moment import LATEST, RestorePoint, target_of

NOW = datetime(2026, 11, 29, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "to"),
    [
        ("2026-11-28 10:00 UTC", "2026-11-28 10:00:00+0000"),
        ("2026-11-28T10:00:30Z", "2026-11-28 10:00:30+0000"),
        ("2026-11-28 10:00:30.5 UTC", "2026-11-28 10:00:30.500000+0000"),
        ("2026-11-28 11:00 +01:00", "2026-11-28 10:00:00+0000"),
        ("2026-11-28 04:30-0530", "2026-11-28 10:00:00+0000"),
        (" 2026-11-28 10:00:00+00 ", "2026-11-28 10:00:00+0000"),
    ],
)
def test_a_moment_is_written_as_postgresql_reads_it(text: str, to: str) -> None:
    target = target_of(text, None, NOW)

    assert target is not None
    assert (target.to, target.is_backup) == (to, False)


def test_latest_and_a_backup_are_not_moments() -> None:
    label = "20261128-100000F"

    assert target_of(LATEST, None, NOW) == RestorePoint(LATEST)
    assert target_of(None, label, NOW) == RestorePoint(label)
    assert RestorePoint(label).is_backup
    assert not RestorePoint(LATEST).is_backup
    assert target_of(None, None, NOW) is None


@pytest.mark.parametrize(
    ("text", "sentence", "valid"),
    [
        ("yesterday", "--to 'yesterday' is not a valid moment", '--to "2026-11-28 10:00 UTC"'),
        ("2026-11-28", "--to '2026-11-28' is not a valid moment", '--to "2026-11-28 10:00 UTC"'),
        ("28.11.2026 10:00 UTC", "is not a valid moment", '--to "2026-11-28 10:00 UTC"'),
        ("2026-11-31 10:00 UTC", "day is out of range for month", '--to "2026-11-28 10:00 UTC"'),
        ("2026-11-28 25:00 UTC", "hour must be in 0..23", '--to "2026-11-28 10:00 UTC"'),
        ("2026-11-28 10:00", "has no time zone", '--to "2026-11-28 10:00 UTC"'),
        ("2026-11-28 10:00 CET", "is not a valid moment", '--to "2026-11-28 10:00 UTC"'),
        ("2026-11-29 08:30 UTC", "not in the past: it is 2026-11-29 08:30:00 UTC", "--to latest"),
        ("2126-11-28 10:00 UTC", "--to '2126-11-28 10:00 UTC' is not in the past", "--to latest"),
        ("", "--to '' is not a valid moment", "`latest`"),
        ("2026-11-28 10:00 UTC; DROP TABLE tokens", "is not a valid moment", "`latest`"),
    ],
)
def test_what_is_not_a_moment_gets_a_sentence_and_a_valid_one(
    text: str, sentence: str, valid: str
) -> None:
    with pytest.raises(InputError) as caught:
        target_of(text, None, NOW)

    assert sentence in str(caught.value)
    assert valid in caught.value.hint


def test_a_moment_and_a_backup_together_are_refused() -> None:
    with pytest.raises(InputError, match="--to and --backup are both given"):
        target_of(LATEST, "20261128-100000F", NOW)
