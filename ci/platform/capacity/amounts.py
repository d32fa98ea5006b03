"""Amounts of CPU and memory, added up as a scheduler does: whole millicores and MiB.

>>> requested({"requests": {"cpu": "250m", "memory": "64Mi"}})
Amount(cpu=250, memory=64)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from treecheck.quantities import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Amount:
    """CPU in millicores and memory in MiB, each rounded up to whole ones."""

    cpu: int = 0
    memory: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.cpu + other.cpu, self.memory + other.memory)

    def __mul__(self, times: int) -> Amount:
        return Amount(self.cpu * times, self.memory * times)

    def within(self, other: Amount) -> bool:
        """Whether both fit into the other."""
        return self.cpu <= other.cpu and self.memory <= other.memory


def total(amounts: Iterable[Amount]) -> Amount:
    """The sum; nothing is Amount(0, 0)."""
    return sum(amounts, Amount())


def largest(amounts: Iterable[Amount]) -> Amount:
    """The larger CPU and the larger memory, each for itself."""
    listed = list(amounts)
    return Amount(
        max((one.cpu for one in listed), default=0), max((one.memory for one in listed), default=0)
    )


def requested(resources: Mapping[str, Any] | None) -> Amount:
    """What a container's `resources` request; a missing request is its limit, as the API fills it.

    Raises:
        InputError: a quantity is none.
    """
    given = resources or {}
    merged = {**(given.get("limits") or {}), **(given.get("requests") or {})}
    return Amount(
        ceil(parse_quantity(merged.get("cpu", 0)) * 1000),
        ceil(parse_quantity(merged.get("memory", 0)) / MIB),
    )
