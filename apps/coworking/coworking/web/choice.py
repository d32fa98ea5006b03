"""What the dashboard's address asks for, and the short address of what its form sends.

The form has one button for each preset and one for its dates, and sends every field with each of
them. So no edit is lost, whichever is pressed, and it works without JavaScript. `kept` says what
the dates were when the page was made: only dates that were edited replace a preset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flask import request

from coworking.comparisons import Compare
from coworking.hours import HourOfWeek
from coworking.periods import (
    DEFAULT_DAYS,
    ONE_DAY,
    Granularity,
    ParameterError,
    find_zone,
    parse_date,
)
from coworking.presets import Preset
from coworking.web import services
from coworking.web.pages import PARAMETERS, THEMES
from coworking.web.v1.queries import not_one_of, refuse_repeated, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from zoneinfo import ZoneInfo

    from coworking.periods import Period

DAYS = {"7": "7 days", "30": "30 days", "90": "90 days"}
OLDER_DAYS = ("365",)  # bookmarks have it; "12 months" took its place
RANGES = {
    Preset.THIS_WEEK: "This week",
    Preset.THIS_MONTH: "This month",
    Preset.LAST_MONTH: "Last month",
    Preset.YEAR_TO_DATE: "Year to date",
    Preset.LAST_12_MONTHS: "12 months",
}
COMPARISONS = {
    Compare.PREVIOUS: "the period before",
    Compare.YEAR: "the same dates last year",
    Compare.WEEKDAYS: "the same weekdays before",
}
SENT = "kept"  # the form's own field: it is in no address
DATES = ("from", "through", "to")


class WantedView(NamedTuple):
    """What the address asks for; None where it leaves the choice to the page."""

    first: date | None
    end: date | None
    days: int
    preset: Preset | None
    zone: ZoneInfo
    by: Granularity | None
    compare: Compare
    at: HourOfWeek | None


def read(picked: Mapping[str, str]) -> WantedView:
    """Read the address; an empty parameter counts as left out.

    Raises:
        ParameterError: one can't be used.
    """
    for name in request.args:
        if name not in PARAMETERS:
            raise unknown(name, request.args[name], PARAMETERS)
    choices: dict[str, tuple[str, ...]] = {
        "days": (*DAYS, *OLDER_DAYS),
        "range": tuple(Preset),
        "theme": THEMES,
        "by": tuple(Granularity),
        "compare": tuple(Compare),
    }
    for name, valid in choices.items():
        if name in picked and picked[name] not in valid:
            raise not_one_of(name, picked[name], valid)
    _refuse_two_ranges(picked)
    found = WantedView(
        first=parse_date("from", picked["from"]) if "from" in picked else None,
        end=_end(picked),
        days=int(picked.get("days", DEFAULT_DAYS)),
        preset=Preset(picked["range"]) if "range" in picked else None,
        zone=find_zone(picked.get("tz", services().config.place_time_zone)),
        by=Granularity(picked["by"]) if "by" in picked else None,
        compare=Compare(picked.get("compare", Compare.PREVIOUS)),
        at=HourOfWeek.read(picked["at"]) if "at" in picked else None,
    )
    refuse_repeated(request.args)
    return found


def _refuse_two_ranges(picked: Mapping[str, str]) -> None:
    given = [name for name in ("days", "range") if name in picked]
    dates = [name for name in DATES if name in picked]
    if given and (dates or len(given) > 1):
        others = "from, through or to" if dates else "range"
        raise ParameterError(
            given[0],
            picked[given[0]],
            f"can't be combined with {others}",
            "",
            hint="Leave one out.",
        )
    if "through" in picked and "to" in picked:
        raise ParameterError(
            "to", picked["to"], "can't be combined with through", "", hint="Leave one out."
        )


def _end(picked: Mapping[str, str]) -> date | None:
    """The first date left out: the day after `through`, which is the last date, or `to`."""
    if "through" not in picked:
        return parse_date("to", picked["to"]) if "to" in picked else None
    last = parse_date("through", picked["through"])
    if "from" in picked and last < parse_date("from", picked["from"]):
        raise ParameterError(
            "through", picked["through"], f"is before from={picked['from']}", picked["from"]
        )
    return last + ONE_DAY


def sent(arguments: Mapping[str, str]) -> dict[str, str]:
    """The parameters of the address that shows what a form was sent with: the fewest."""
    picked = {name: value for name, value in arguments.items() if value}
    preset, *dates = (*picked.pop(SENT, "").split(" "), "", "")[:3]
    name, _, value = preset.partition("=")
    if "days" in picked or "range" in picked:
        picked = {each: picked[each] for each in picked if each not in DATES}
    elif name in ("days", "range") and dates == [picked.get(each, "") for each in DATES[:2]]:
        picked = {name: value, **{each: picked[each] for each in picked if each not in DATES}}
    defaults = {
        "days": str(DEFAULT_DAYS),
        "tz": services().config.place_time_zone,
        "compare": Compare.PREVIOUS,
        "theme": THEMES[0],
    }
    return {each: text for each, text in picked.items() if text != defaults.get(each)}


def fields(picked: Mapping[str, str], period: Period | None) -> dict[str, object]:
    """What the form shows: the dates of the page, or as they were typed if they can't be used."""
    first, last = picked.get("from", ""), picked.get("through", "")
    if period is not None:
        first, last = str(period.first), str(period.end - ONE_DAY)
    custom = any(name in picked for name in DATES)
    preset = "dates" if custom else "days=" + picked.get("days", str(DEFAULT_DAYS))
    if "range" in picked:
        preset = f"range={picked['range']}"
    return {
        "presets": [
            *(("days", days, text) for days, text in DAYS.items()),
            *(("range", preset.value, text) for preset, text in RANGES.items()),
        ],
        "preset": preset,
        "dates": {"from": first, "through": last},
        "offered": PARAMETERS,
        "kept": f"{preset} {first} {last}",
        "groupings": list(Granularity),
        "comparisons": COMPARISONS,
        "compare": picked.get("compare", Compare.PREVIOUS),
        "form": True,
    }
