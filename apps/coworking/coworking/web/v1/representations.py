"""A report as JSON or CSV, and which of the two the client wants."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, NamedTuple

from flask import request
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import NotAcceptable

from coworking.web.bodies import Body

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coworking.web.v1.answers import Answer
    from coworking.web.v1.queries import Format

MEDIA_TYPES: dict[Format, str] = {"json": "application/json", "csv": "text/csv"}


class Representation(NamedTuple):
    """An answer, and the same as rows for CSV.

    Attributes:
        answer: what JSON has.
        columns: the names of the columns.
        rows: a mapping each, with those keys in that order.
    """

    answer: Answer
    columns: Sequence[str]
    rows: Sequence[Mapping[str, object]]

    def body(self, fmt: Format) -> Body:
        """Write it in that format."""
        if fmt == "csv":
            text, parameters = _csv(self.columns, self.rows), "; charset=utf-8; header=present"
        else:
            text, parameters = self.answer.model_dump_json() + "\n", ""
        return Body(text.encode(), MEDIA_TYPES[fmt] + parameters)


def wanted(asked: Format | None) -> Format:
    """The format that the parameter `format` names, or else the best of the header `Accept`.

    Parameters of a media type there, such as a charset, do not matter: there is one form of each.

    Raises:
        NotAcceptable: neither JSON nor CSV is acceptable (RFC 9110, 15.5.7).
    """
    if asked is not None:
        return asked
    if not request.accept_mimetypes:
        return "json"
    accepted = MIMEAccept(
        [(name.partition(";")[0].strip(), quality) for name, quality in request.accept_mimetypes]
    )
    best = accepted.best_match(MEDIA_TYPES.values())
    for name, media_type in MEDIA_TYPES.items():
        if media_type == best:
            return name
    raise NotAcceptable(
        f"Accept={request.headers['Accept'][:60]!r} allows neither "
        f"{' nor '.join(MEDIA_TYPES.values())}. Valid, for example: Accept: application/json"
    )


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    """RFC 4180: a header line, CRLF. Numbers, instants and fixed words only, so no formulas."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
