"""The query parameters of /api/v1: how each is read, and how it appears in the OpenAPI document."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from coworking.comparisons import Compare
from coworking.members import AtRisk
from coworking.periods import (
    DEFAULT_DAYS,
    MAX_BUCKETS,
    Granularity,
    ParameterError,
    find_zone,
    nearest,
    parse_date,
)
from coworking.reports import NOT_SEEN_DAYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails
    from werkzeug.datastructures import MultiDict

Format = Literal["json", "csv"]

_FORMAT_SCHEMA = {"type": "string", "enum": list(get_args(Format))}
_FIRST_SCHEMA = {"type": "string", "format": "date", "example": "2024-05-01"}
_END_SCHEMA = {"type": "string", "format": "date", "example": "2024-06-01"}
_ZONE_SCHEMA = {"type": "string", "default": "UTC", "example": "Europe/Berlin"}


def _without_null_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


def _local_date(name: str) -> BeforeValidator:
    return BeforeValidator(lambda text: parse_date(name, text))


class Query(BaseModel):
    """The parameters of an endpoint: every model of them extends this one."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    _schemas: ClassVar[dict[type[BaseModel], dict[str, Any]]] = {}

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """Return what pydantic does, kept: the OpenAPI extension asks for it at each request."""
        if args or options:
            return super().model_json_schema(*args, **options)
        if cls not in cls._schemas:
            cls._schemas[cls] = super().model_json_schema()
        return cls._schemas[cls]


Zone = Annotated[
    ZoneInfo,
    BeforeValidator(find_zone),
    WithJsonSchema(_ZONE_SCHEMA),
    Field(alias="tz", description="The IANA time zone of the dates and hours."),
]
AskedFormat = Annotated[
    Format | None,
    WithJsonSchema(_FORMAT_SCHEMA),
    Field(
        description="The representation; without it, the header `Accept` decides.",
        json_schema_extra=_without_null_default,
    ),
]


LocalEnd = Annotated[
    date | None,
    _local_date("to"),
    WithJsonSchema(_END_SCHEMA),
    Field(
        alias="to",
        description="The first local date left out. Without it, the day after the newest whole day "
        "with check-ins.",
        json_schema_extra=_without_null_default,
    ),
]


class ReportQuery(Query):
    """What a report takes that has no period."""

    zone: Zone = ZoneInfo("UTC")
    format: AskedFormat = None


class PeriodQuery(Query):
    """What a report of a period takes."""

    first: Annotated[date | None, _local_date("from"), WithJsonSchema(_FIRST_SCHEMA)] = Field(
        None,
        alias="from",
        description=f"The first local date. Without it, {DEFAULT_DAYS} days before `to`.",
        json_schema_extra=_without_null_default,
    )
    end: LocalEnd = None
    zone: Zone = ZoneInfo("UTC")
    format: AskedFormat = None


class OverviewQuery(PeriodQuery):
    """A period, and which other one it is compared with."""

    compare: Compare = Field(
        Compare.PREVIOUS,
        description="`previous`: as many days, just before. `year`: the same dates of the year "
        "before. `weekdays`: as many days, whole weeks earlier.",
    )


class AtRiskQuery(ReportQuery):
    """Which members, as of when, and which page of them."""

    which: AtRisk = Field(
        AtRisk.NOT_SEEN,
        alias="list",
        description="`not-seen`: active members who have checked in before, but not in the "
        f"{NOT_SEEN_DAYS} days before `to`. `never-came`: active members who had joined by then "
        "and had not checked in.",
    )
    end: LocalEnd = None
    after: int = Field(
        0, ge=0, le=2_147_483_647, description="`meta.next` of the page before; 0 is the first."
    )
    limit: int = Field(100, ge=1, le=1000, description="How many members a page has at most.")


class BucketQuery(PeriodQuery):
    """A period, and how to cut it."""

    by: Granularity = Field(
        Granularity.DAY,
        description=f"How long a bucket is; a range may have at most {MAX_BUCKETS:,} of them, but "
        "months are never too many.",
    )


def query_named(name: str) -> type[Query]:
    """The model of that name, which pydantic gives as its errors' title."""
    models = [Query]
    for model in models:  # grows while it is walked
        models += model.__subclasses__()
    return next(model for model in models if model.__name__ == name)


def names(model: type[BaseModel]) -> list[str]:
    """The parameters that a query model takes, as they are written in a URL."""
    return [field.alias or name for name, field in model.model_fields.items()]


def refuse_repeated(arguments: MultiDict[str, str]) -> None:
    """Refuse a parameter that is given twice: nobody can know which of the two was meant.

    Call this after the first values were found valid, because the error suggests one of them.

    Raises:
        ParameterError: naming the first one.
    """
    for name, values in arguments.lists():
        if len(values) > 1:
            raise ParameterError(name, ", ".join(values), "is given more than once", values[0])


def explained(error: ValidationError, model: type[BaseModel]) -> ParameterError:
    """Turn pydantic's first complaint about a query into the error that the API answers."""
    first: ErrorDetails = error.errors(include_url=False)[0]
    raised = first.get("ctx", {}).get("error")
    if isinstance(raised, ParameterError):
        return raised
    name, value = str(first["loc"][0]), str(first["input"])
    if first["type"] == "extra_forbidden":
        return unknown(name, value, names(model))
    choices = re.findall(r"'([^']+)'", first.get("ctx", {}).get("expected", ""))
    if choices:
        return not_one_of(name, value, choices)
    return _not_valid(name, value, first["msg"], model)


def _not_valid(name: str, value: str, why: str, model: type[BaseModel]) -> ParameterError:
    """Any other complaint of pydantic's; the parameter's default is a value that is valid."""
    fields = {field.alias or key: field for key, field in model.model_fields.items()}
    default = fields[name].get_default(call_default_factory=False)
    example = (fields[name].examples or [default])[0]
    return ParameterError(name, value, f"is not valid: {why[:1].lower()}{why[1:]}", str(example))


def not_one_of(name: str, value: str, choices: Sequence[str]) -> ParameterError:
    """The error for a value that isn't on a short list."""
    valid = nearest(value, choices, otherwise=choices[0])
    return ParameterError(name, value, f"is not one of {', '.join(choices)}", valid)


def unknown(name: str, value: str, known: Sequence[str]) -> ParameterError:
    """The error for a parameter that doesn't exist; it suggests the nearest that does."""
    near = nearest(name, known, otherwise="")
    return ParameterError(
        name,
        value,
        f"is not a parameter here; valid are {', '.join(known)}",
        near or known[0],
        hint=f"Did you mean {near}?" if near else "Leave it out.",
    )
