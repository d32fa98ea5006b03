"""Kubernetes' quantities as numbers: `250m` is 0.25, `64Mi` is 67,108,864."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from treecheck.errors import InputError
from treecheck.limits.words import QUANTITY_PATTERN

_PATTERN = re.compile(QUANTITY_PATTERN.removesuffix("$") + r"\Z")
_SUFFIXES: dict[str, Decimal] = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}


def quantity(value: Any) -> Decimal | None:
    """A quantity's number, or None if it is none. Source: Kubernetes' resource.Quantity."""
    text = str(value).strip()
    match = _PATTERN.match(text)
    if isinstance(value, bool) or match is None:
        return None
    suffix = match[2] or ""
    if suffix[:1] in {"e", "E"} and len(suffix) > 1 and suffix != "Ei":
        return Decimal(text) if abs(int(suffix[1:])) < 100 else None
    return Decimal(text.removesuffix(suffix)) * _SUFFIXES[suffix]


def parse_quantity(value: Any) -> Decimal:
    """A quantity as a number of its base unit: cores, bytes.

    Raises:
        InputError: it is not a quantity, or it is negative.
    """
    number = quantity(value)
    if number is None or number < 0:
        raise InputError(
            f"{value!r} is not a valid Kubernetes quantity; valid ones are 250m, 0.5, 128Mi"
        )
    return number
