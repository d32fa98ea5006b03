"""The formats that findings are printed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.output.json_format import as_json
from treecheck.output.junit import as_junit
from treecheck.output.sarif import as_sarif
from treecheck.output.text import as_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from treecheck.engine import Report

# `--format` -> the function that turns a report into the text to print.
FORMATS: dict[str, Callable[[Report], str]] = {
    "text": as_text,
    "json": as_json,
    "sarif": as_sarif,
    "junit": as_junit,
}
