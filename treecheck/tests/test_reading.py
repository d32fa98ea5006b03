"""How YAML is read: by the rules of Kubernetes' own reader, with lines, and within limits."""

from __future__ import annotations

import pytest

from treecheck import reading
from treecheck.reading import MAX_ALIASED, MAX_DEPTH, Fault, YamlError, read_documents


def test_each_document_knows_its_first_line_and_the_line_after_its_last() -> None:
    found = read_documents("# a page\na: 1\nb: 2\n---\n\n# more\nc: 3\n---\n---\n- 4\n", "a.yaml")

    assert [(each.value, each.line, each.end) for each in found] == [
        ({"a": 1, "b": 2}, 2, 4),
        ({"c": 3}, 7, 8),
        ([4], 10, 11),
    ]


def test_a_text_alone_begins_where_its_document_does() -> None:
    assert [(each.value, each.line) for each in read_documents("\n--- x\n", "a.yaml")] == [("x", 2)]


@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_the_deepest_nesting_is_read_and_one_more_is_refused(opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    read_documents(opening * MAX_DEPTH + closing * MAX_DEPTH, "a.yaml")

    with pytest.raises(YamlError, match=f"a.yaml:2: nested deeper than {MAX_DEPTH}") as caught:
        read_documents("#\n" + opening * (MAX_DEPTH + 1), "a.yaml")
    assert caught.value.fault is Fault.EXCESS


def test_aliases_stand_for_as_many_values_as_the_limit_and_for_no_more() -> None:
    """A list of 999 and itself counts as 1,000."""
    times = MAX_ALIASED // 1000
    kept = "a: &a [" + ", ".join(["1"] * 999) + "]\nb: ["
    read_documents(kept + ", ".join(["*a"] * times) + "]\n", "a.yaml")

    with pytest.raises(YamlError, match=r"a.yaml:2: aliases stand for more than 100,000 values"):
        read_documents(kept + ", ".join(["*a"] * (times + 1)) + "]\n", "a.yaml")


def test_an_alias_without_an_anchor_is_named_with_its_line() -> None:
    with pytest.raises(YamlError, match=r"a.yaml:2: alias \*b has no anchor before it"):
        read_documents("a: 1\nb: *b\n", "a.yaml")


def test_an_alias_may_be_a_key_and_a_value() -> None:
    (found,) = read_documents("a: &a b\n*a : *a\nc: [*a]\n", "a.yaml")
    assert found.value == {"a": "b", "b": "b", "c": ["b"]}


def test_a_merged_mapping_yields_to_what_is_written_beside_it() -> None:
    text = "one: &one {a: 1, b: 2}\ntwo: &two {b: 3, c: 4}\nall: {<<: [*one, *two], a: 0}\n"
    (found,) = read_documents(text, "a.yaml")
    assert found.value["all"] == {"a": 0, "b": 2, "c": 4}


def test_a_key_that_is_written_twice_is_named_with_both_lines() -> None:
    (found,) = read_documents("a:\n  b: 1\n  c: 2\n  b: 3\n", "a.yaml")

    assert [(each.path, each.line, each.first_line) for each in found.duplicates] == [
        (("a", "b"), 4, 2)
    ]
    assert found.value == {"a": {"b": 3, "c": 2}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("12:30", "12:30"),
        ("2026-11-29", "2026-11-29"),
        ("0644", 0o644),
        ("0o17", 0o17),
        ("0x1F", 31),
        ("0b101", 5),
        ("-0b101", -5),
        ("1_000", 1000),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-1.", -1.0),
        ("~", None),
        ("Null", None),
        ("0", 0),
        ("08", 8.0),
        ("1.2.3", "1.2.3"),
        ("'yes'", "yes"),
        ('"1"', "1"),
        ("!!str 1", "1"),
    ],
)
def test_a_scalar_is_what_the_cluster_reads(text: str, value: object) -> None:
    (found,) = read_documents(f"a: {text}\n", "a.yaml")
    assert (found.value["a"], type(found.value["a"])) == (value, type(value))


def test_a_larger_text_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 10)
    assert read_documents("a: 123456\n", "a.yaml")

    with pytest.raises(YamlError, match=r"a.yaml:1: larger than 0 MiB; nothing is read"):
        read_documents("a: 1234567\n", "a.yaml")
