"""What of a schema's errors is known by its form alone, and which body is left for the rules."""

from __future__ import annotations

from typing import Any

import pytest

from treecheck.conformance import SchemaError, is_unquoted, without_nulls


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
