"""A time on the command line: bounded, since Python's own waits take neither `nan` nor `inf`."""

from __future__ import annotations

import math
from typing import Any

import click


class Duration(click.FloatRange):
    """A number from 0 up to `most`; click's own range lets `nan` through."""

    def __init__(self, most: float) -> None:
        super().__init__(0, most)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range 0<=x<={self.max}.", param, ctx)
        return number
