"""Amounts of CPU and memory: Kubernetes quantities as exact numbers.

>>> parse("1.5"), parse("250m"), parse("64Mi")
(Fraction(3, 2), Fraction(1, 4), Fraction(67108864, 1))
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

from ci.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MIB = 2**20
# k8s.io/apimachinery, api/resource: the suffixes of a serialised quantity.
_FACTORS = {
    **{suffix: Fraction(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti"), 1)},
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 10**3),
    "": Fraction(1),
    **{suffix: Fraction(1000) ** power for power, suffix in enumerate("kMGT", 1)},
}
_QUANTITY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(Ki|Mi|Gi|Ti|[numkMGT]?|e[+-]?\d{1,2})")


def parse(value: object) -> Fraction:
    """A quantity as a number of its base unit: cores, bytes.

    Raises:
        InputError: it is none.
    """
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        raise InputError(f"{value!r} is no Kubernetes quantity; valid ones are 250m, 0.5, 128Mi")
    number, suffix = match.groups()
    factor = Fraction(10) ** int(suffix[1:]) if suffix.startswith("e") else _FACTORS[suffix]
    return Fraction(number) * factor


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
        ceil(parse(merged.get("cpu", 0)) * 1000), ceil(parse(merged.get("memory", 0)) / MIB)
    )
