"""What of a schema's errors is known by its form alone, and which body is left for the rules."""

from __future__ import annotations

from typing import Any

import pytest

from treecheck.conformance import SchemaError, is_unquoted, without_nulls
from treecheck.schemas import schemas, versions


@pytest.mark.parametrize(
    ("value", "expected", "unquoted"),
    [
        (5, ["string"], True),
        (1.5, ["string"], True),
        (True, ["string", "null"], True),
        (5, ["string", "integer"], False),
        (5, ["boolean"], False),
        ([5], ["string"], False),
        ({"a": 5}, ["string"], False),
        (5, None, False),
    ],
)
def test_quotes_are_missing_where_only_text_may_stand(
    value: Any, expected: Any, unquoted: bool
) -> None:
    assert is_unquoted(SchemaError("type", ("a",), value, expected, "")) is unquoted


def test_a_body_without_nulls_is_itself_and_no_copy() -> None:
    body = {"a": [1, {"b": ""}], "c": {}}
    assert without_nulls(body) is body


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": None, "b": 1}, {"b": 1}),
        ({"a": {"b": None}, "c": [0]}, {"a": {}, "c": [0]}),
        ([1, None, 2], [1, 2]),
        ([{"a": None, "b": 0}, 3], [{"b": 0}, 3]),
        ({"a": [None]}, {"a": []}),
    ],
)
def test_a_null_reads_as_absent_and_the_rest_stays(value: Any, expected: Any) -> None:
    assert without_nulls(value) == expected


@pytest.mark.parametrize(
    ("value", "valid"),
    [(2**63 - 1, True), (2**63, False), (-(2**63), True), (-(2**63) - 1, False)],
)
def test_a_number_of_64_bits_has_its_bounds(value: int, valid: bool) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "generation": value},
    }
    validator = schemas(versions()[-1]).validator("v1", "ConfigMap")
    assert validator is not None
    assert validator.is_valid(body) is valid
