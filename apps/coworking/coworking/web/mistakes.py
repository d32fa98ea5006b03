"""What is wrong with an address, for a manager: in words that name no parameter.

The API's sentence for the same mistake is for programs; it is on the page too, below this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coworking.periods import MAX_BUCKETS, MAX_DAYS

if TYPE_CHECKING:
    from coworking.periods import ParameterError

_NAMES = {"from": "The first date", "to": "The last date", "through": "The last date"}
_SENTENCES = {
    "tz": "There is no time zone “{value}”. Choose one of the list.",
    "days": "The dates can’t be chosen in this way. Choose them again.",
    "range": "The dates can’t be chosen in this way. Choose them again.",
    "compare": "There is no comparison “{value}”. Choose one of the list.",
    "at": "There is no such hour of the week. Choose it in the chart.",
    "theme": "There are no colours “{value}”.",
}


def explained(error: ParameterError) -> str:
    """Say what to choose differently."""
    if "more than once" in str(error):
        return "The address says the same thing twice."
    if error.parameter in _NAMES:
        return _date(error)
    if error.parameter == "by":
        if "buckets" in str(error):
            return (
                f"These dates have more than {MAX_BUCKETS:,} {error.value}s. Choose fewer days, or "
                f"group by {error.valid}."
            )
        return f"There is no grouping “{error.value}”. Choose one of the list."
    sentence = _SENTENCES.get(error.parameter)
    if sentence is None:
        return "The address has a part that this page doesn’t know."
    return sentence.format(value=error.value)


def _date(error: ParameterError) -> str:
    name, said = _NAMES[error.parameter], str(error)
    if "days before to" in said:
        return f"These are more than {MAX_DAYS // 365.25:.0f} years. Choose a later first date."
    if "is before from" in said or "is not after from" in said:
        return "The last date is before the first one. Choose a later last date."
    if "calendar" in said:
        return f"{name}, {error.value}, is not in the calendar."
    if "is not within" in said:
        return f"{name}, {error.value}, is not between 1900 and 2199."
    return f"{name}, “{error.value}”, can’t be read. Choose it in the calendar."
