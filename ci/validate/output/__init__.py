"""The formats that findings are printed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.validate.output.json_format import as_json
from ci.validate.output.junit import as_junit
from ci.validate.output.sarif import as_sarif
from ci.validate.output.text import as_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.validate.engine import Report

# `--format` -> the function that turns a report into the text to print.
FORMATS: dict[str, Callable[[Report], str]] = {
    "text": as_text,
    "json": as_json,
    "sarif": as_sarif,
    "junit": as_junit,
}
