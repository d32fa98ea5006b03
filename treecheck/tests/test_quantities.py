"""Kubernetes' quantities as numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from treecheck.errors import InputError
from treecheck.quantities import parse_quantity, quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", "3"),
        (3, "3"),
        (0.5, "0.5"),
        ("250m", "0.25"),
        ("7u", "0.000007"),
        ("7n", "0.000000007"),
        ("2k", "2000"),
        ("2M", "2000000"),
        ("2G", "2000000000"),
        ("2T", "2000000000000"),
        ("2P", "2000000000000000"),
        ("2E", "2000000000000000000"),
        ("2Ki", "2048"),
        ("2Mi", "2097152"),
        ("2Gi", "2147483648"),
        ("2Ti", "2199023255552"),
        ("2Pi", "2251799813685248"),
        ("2Ei", "2305843009213693952"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("5e-1", "0.5"),
        ("1e99", "1e99"),
        (" 1 ", "1"),
        ("-1", "-1"),
    ],
)
def test_a_quantity_is_its_number(text: Any, number: str) -> None:
    assert quantity(text) == Decimal(number)


@pytest.mark.parametrize("value", ["", "1 Gi", "1KiB", "1.2.3", "Gi", "1e100", True, None, [1]])
def test_what_is_not_a_quantity_has_no_number(value: Any) -> None:
    assert quantity(value) is None


@pytest.mark.parametrize("value", ["-1", "one"])
def test_a_negative_one_or_another_word_is_refused(value: str) -> None:
    with pytest.raises(InputError, match=f"'{value}' is not a valid Kubernetes quantity"):
        parse_quantity(value)


def test_none_at_all_is_a_quantity() -> None:
    assert parse_quantity("0") == 0
