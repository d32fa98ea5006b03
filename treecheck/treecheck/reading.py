"""Reads YAML as Kubernetes does, in one bounded pass, and notes what looks wrong in the text.

PyYAML's own constructor follows YAML 1.1 to the letter (`12:30` is 750, a date is an object).
kubectl and Argo CD read with sigs.k8s.io/yaml, which is go-yaml 2: `yes` and `on` are booleans,
`0644` is octal, `1e3` is a number, `12:30` and dates are text. This module builds values from the
parser's events by those rules, so that a check sees what the cluster will see.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # its stub leaves it out

from treecheck.errors import InputError

if TYPE_CHECKING:
    from treecheck.model import FieldPath

MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 100
# Values that aliases stand for, on top of those written out: the billion-laughs limit.
MAX_ALIASED = 100_000

_BOOLEANS = {
    word: value
    for words, value in (("y yes true on", True), ("n no false off", False))
    for word in (w for lower in words.split() for w in (lower, lower.title(), lower.upper()))
}
_NULLS = {"", "~", "null", "Null", "NULL"}
_INTEGER = re.compile(r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
# What YAML 1.1 reads as a number in base 60, or as a date, and Kubernetes as text.
_OTHERWISE = re.compile(r"[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+\Z|\d{4}-\d\d?-\d\d?\Z")


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A key written twice in one mapping: the later one wins, or the reader refuses it.

    `same` tells that it has the same value again, so that nothing is lost.
    """

    path: FieldPath
    line: int
    first_line: int
    same: bool = False


@dataclass(frozen=True, slots=True)
class Plain:
    """An unquoted scalar that readers of YAML disagree about, or that is not text."""

    path: FieldPath
    line: int
    text: str
    value: Any


@dataclass(slots=True)
class Document:
    """One YAML document: its value, its first line and the line after its last.

    `tagged` tells whether a value has a tag, such as `!!str`.
    """

    value: Any
    line: int
    end: int = 0
    duplicates: list[Duplicate] = field(default_factory=list)
    plain: list[Plain] = field(default_factory=list)
    tagged: bool = False


class Fault(StrEnum):
    """Why a text was not read: it is not YAML, not UTF-8, more than is read, or out of reach."""

    SYNTAX = "syntax"
    ENCODING = "encoding"
    EXCESS = "excess"
    ACCESS = "access"


class YamlError(InputError):
    """The text is not YAML, or exceeds what is read; `line` counts from 1."""

    def __init__(self, name: str, line: int, problem: str, fault: Fault = Fault.SYNTAX) -> None:
        super().__init__(f"{name}:{line}: {problem}")
        self.line = line
        self.problem = problem
        self.fault = fault


def read_documents(text: str, name: str) -> list[Document]:
    """The documents in `text`, empty ones left out.

    Raises:
        YamlError: it is not YAML, or nests deeper than 100, or its aliases stand for more than
            100,000 values, or it is larger than 32 MiB.
    """
    if len(text) > MAX_BYTES:
        raise YamlError(
            name, 1, f"larger than {MAX_BYTES // 1024 // 1024} MiB; nothing is read", Fault.EXCESS
        )
    try:
        parser = CParser(text)
    except (yaml.YAMLError, UnicodeError) as error:
        raise YamlError(name, 1, _reason(error)) from error
    documents: list[Document] = []
    try:
        while True:
            event: Any = parser.get_event()
            if event is None or isinstance(event, yaml.StreamEndEvent):
                return documents
            if type(event) is yaml.DocumentStartEvent:
                line = event.start_mark.line + 1  # type: ignore[union-attr]  # libyaml always sets it
                document = _Builder(name).build(parser, line)
                if document.value is not None:
                    documents.append(document)
    except yaml.YAMLError as error:
        raise YamlError(name, _line_of(error), _reason(error)) from error
    except (UnicodeError, ValueError, OverflowError) as error:
        raise YamlError(name, 1, f"not YAML: {error}") from error


def _line_of(error: Any) -> int:
    mark: Any = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    # A line without its colon: libyaml notices at the next one, and knows where it began.
    if getattr(error, "context", None) == "while scanning a simple key":
        mark = getattr(error, "context_mark", None) or mark
    return int(mark.line) + 1 if mark else 1


def _reason(error: Exception) -> str:
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"not YAML: {problem}"


_MISSING = object()


class _Frame:
    """An open mapping or sequence."""

    __slots__ = ("again", "anchor", "key", "lines", "merges", "size", "value")

    def __init__(self, value: dict[str, Any] | list[Any], anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.key: Any = _MISSING
        self.again: int | None = None  # which of the document's duplicates the key is
        self.lines: dict[str, int] = {}
        self.merges: list[Any] = []
        self.size = 1


class _Builder:
    """Builds one document from events, without recursion."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stack: list[_Frame] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.aliased = 0
        self.document = Document(None, 1)

    def build(self, parser: CParser, line: int) -> Document:
        """Consume the events up to the document's end."""
        self.document.line = line
        while True:
            event: Any = parser.get_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent:
                self._open({}, event)
            elif kind is yaml.SequenceStartEvent:
                self._open([], event)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._close(event)
            elif kind is yaml.AliasEvent:
                self._alias(event)
            else:
                self.document.end = event.end_mark.line + 1
                return self.document

    def _open(self, value: dict[str, Any] | list[Any], event: Any) -> None:
        if len(self.stack) >= MAX_DEPTH:
            line = event.start_mark.line + 1
            raise YamlError(self.name, line, f"nested deeper than {MAX_DEPTH}", Fault.EXCESS)
        if not self.stack:
            self.document.line = event.start_mark.line + 1
        if event.tag is not None:
            self.document.tagged = True
        self.stack.append(_Frame(value, event.anchor))

    def _close(self, event: Any) -> None:
        frame = self.stack.pop()
        value = frame.value
        if frame.merges and isinstance(value, dict):
            for merged in frame.merges:
                for source in merged if isinstance(merged, list) else [merged]:
                    if isinstance(source, dict):
                        for key, item in source.items():
                            value.setdefault(key, item)
        self._place(value, event.start_mark.line + 1, frame.size, frame.anchor)

    def _alias(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if event.anchor not in self.anchors:
            raise YamlError(self.name, line, f"alias *{event.anchor} has no anchor before it")
        value, size = self.anchors[event.anchor]
        self.aliased += size
        if self.aliased > MAX_ALIASED:
            problem = f"aliases stand for more than {MAX_ALIASED:,} values"
            raise YamlError(self.name, line, problem, Fault.EXCESS)
        frame = self.stack[-1] if self.stack else None
        waits = frame is not None and frame.key is _MISSING and isinstance(frame.value, dict)
        if frame is not None and waits and isinstance(value, str | bool | int | float):
            self._key(frame, _as_key(value), line)  # `*app : …`
            return
        self._place(value, line, size, None)

    def _scalar(self, event: Any) -> None:
        text = event.value
        line = event.start_mark.line + 1
        plain = event.implicit[0]
        value: Any = resolve(text) if plain else _tagged(text, event.tag)
        if event.tag is not None:
            self.document.tagged = True
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.key is _MISSING and isinstance(frame.value, dict):
            if text == "<<" and (plain or event.tag == "tag:yaml.org,2002:merge"):
                frame.key = _MERGE
            else:
                self._key(frame, text, line)
                if event.anchor is not None:
                    self.anchors[event.anchor] = (value, 1)
            return
        if plain and (value is not text or _OTHERWISE.match(text)) and value is not None:
            self.document.plain.append(Plain(self._path(), line, text, value))
        self._place(value, line, 1, event.anchor)

    def _key(self, frame: _Frame, key: str, line: int) -> None:
        if key in frame.lines:
            path = (*self._path(last=False), key)
            frame.again = len(self.document.duplicates)
            self.document.duplicates.append(Duplicate(path, line, frame.lines[key]))
        else:
            frame.lines[key] = line
        frame.key = key

    def _place(self, value: Any, line: int, size: int, anchor: str | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = (value, size)
        if not self.stack:
            self.document.value = value
            return
        frame = self.stack[-1]
        frame.size += size
        if isinstance(frame.value, list):
            frame.value.append(value)
        elif frame.key is _MERGE:
            frame.merges.append(value)
            frame.key = _MISSING
        elif frame.key is _MISSING:
            raise YamlError(self.name, line, "a mapping or list can't be the key of a mapping here")
        else:
            if frame.again is not None:
                self._compare(frame, frame.again, value)
            frame.value[frame.key] = value
            frame.key = _MISSING

    def _compare(self, frame: _Frame, number: int, value: Any) -> None:
        found = self.document.duplicates[number]
        same = bool(frame.value[frame.key] == value)
        self.document.duplicates[number] = replace(found, same=same)
        frame.again = None

    def _path(self, *, last: bool = True) -> FieldPath:
        steps: list[str | int] = []
        frames = self.stack if last else self.stack[:-1]
        for frame in frames:
            if isinstance(frame.value, list):
                steps.append(len(frame.value))
            else:
                steps.append(frame.key if isinstance(frame.key, str) else "<<")
        return tuple(steps)


_MERGE = object()


def _as_key(value: str | float) -> str:
    """The key that a value makes: booleans as JSON writes them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tagged(text: str, tag: str | None) -> Any:
    if tag in {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:bool"}:
        return resolve(text)
    return None if tag == "tag:yaml.org,2002:null" else text


def resolve(text: str) -> Any:
    """What an unquoted scalar means to Kubernetes: None, a boolean, a number or the text itself."""
    first = text[:1]
    if first.isalpha() or not first or first == "~":
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        return None if text in _NULLS else text
    if first in "0123456789+-.":
        if _INTEGER.match(text):
            return _integer(text)
        if _FLOAT.match(text):
            return float(text)
        if text.lower() in {".inf", "+.inf", "-.inf", ".nan"}:
            return float(text.lower().replace(".", ""))
    return text


def _integer(text: str) -> int | float | str:
    digits = text.replace("_", "")
    if len(digits) > 40:
        return float(digits) if digits.lstrip("+-").isdigit() and len(digits) < 300 else text
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        return sign * int(digits, 8)
    return sign * int(digits, 0)
