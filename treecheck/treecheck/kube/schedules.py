"""Cron schedules and time zones, as a CronJob reads them."""

from __future__ import annotations

import zoneinfo

_MACROS = frozenset(
    {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
# Of each field: smallest, largest, and the names that stand for numbers from the smallest on.
_CRON_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of the month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)


def is_zone(name: str) -> bool:
    """Whether there is a time zone of this name; `Local`, that of a process, does not count."""
    if name.lower() == "local":
        return False
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def bad_schedule(schedule: str) -> str:
    """Why a cron schedule can't be read, or an empty text."""
    if schedule.startswith(("TZ=", "CRON_TZ=")) or "TZ" in schedule:
        return "a time zone goes into timeZone"
    if schedule.startswith("@"):
        known = schedule in _MACROS or schedule.startswith("@every ")
        return "" if known else "there is no such word"
    fields = schedule.split()
    if len(fields) != len(_CRON_FIELDS):
        return f"it has {len(fields)} fields, and a schedule has 5"
    for text, (name, low, high, words) in zip(fields, _CRON_FIELDS, strict=True):
        for part in text.split(","):
            if not _cron_part(part.lower(), low, high, words):
                return f"{part!r} is no {name} ({low} to {high})"
    return ""


def longest_pause(schedule: str) -> int | None:
    """The most minutes between two moments of a sound schedule, week after week.

    None of one that not every week is alike in, by a day of the month or a month.

    >>> longest_pause("0 */6 * * *")
    360
    """
    fields = schedule.lower().split()
    if len(fields) != len(_CRON_FIELDS) or not {"*", "?"} >= {fields[2], fields[3]}:
        return None
    minutes, hours, _, _, days = (
        _cron_values(text, low, high, words)
        for text, (_, low, high, words) in zip(fields, _CRON_FIELDS, strict=True)
    )
    moments = sorted((d * 24 + h) * 60 + m for d in days for h in hours for m in minutes)
    week = 7 * 24 * 60
    after = [*moments[1:], *(moment + week for moment in moments[:1])]
    return max((b - a for a, b in zip(moments, after, strict=True)), default=None)


def _cron_values(text: str, low: int, high: int, words: list[str]) -> set[int]:
    """The numbers that a sound field of a schedule means."""
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        start = low if span in {"*", "?"} else _cron_number(first, low, words) or 0
        end = start if not slash and not dash and span not in {"*", "?"} else high
        end = (_cron_number(last, low, words) or 0) if dash else end
        found |= set(range(start, end + 1, int(step) if slash else 1))
    return found


def _cron_part(part: str, low: int, high: int, words: list[str]) -> bool:
    span, slash, step = part.partition("/")
    if slash and not (step.isdigit() and int(step) > 0):
        return False
    if span in {"*", "?"}:
        return True
    first, dash, last = span.partition("-")
    numbers = [_cron_number(each, low, words) for each in ([first, last] if dash else [first])]
    if any(number is None or not low <= number <= high for number in numbers):
        return False
    return not dash or (numbers[0] or 0) <= (numbers[1] or 0)


def _cron_number(text: str, low: int, words: list[str]) -> int | None:
    if text in words:
        return words.index(text) + low
    return int(text) if text.isdigit() else None
