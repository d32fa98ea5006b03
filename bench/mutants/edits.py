"""The small changes that can be made to a module, each on its own.

    >>> [edit.new for edit in edits(b"def f(a):\\n    return a < 3\\n")]
    ['None', '<=', '4', '2']

What nobody can notice is left out: types, docstrings, the words of messages, names of encodings,
log lines, and how long something waits.
"""

from __future__ import annotations

import ast
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMPARED = {"==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">"} | {
    "in": "not in",
    "not in": "in",
    "is": "is not",
    "is not": "is",
}
_COMPARISON = re.compile(rb"not\s+in\b|is\s+not\b|in\b|is\b|[=!<>]=|[<>]")
_CALCULATED = {b"+": b"-", b"-": b"+", b"*": b"//", b"/": b"*", b"|": b"&", b"&": b"|"} | {
    b"<<": b">>",
    b">>": b"<<",
}
_OTHER_CALL = {"sorted": b"list", "min": b"max", "max": b"min", "any": b"all", "all": b"any"}
# Words for people, and settings whose other value does the same.
_WORDS = {"help", "hint", "fix", "metavar", "title", "explanation", "source", "encoding", "strict"}
_LOGS = re.compile(r"log(ger|ging)?|_log")
_DURATION = re.compile(
    r"time|second|minute|hour|days|wait|sleep|pause|period|deadline|interval|delay", re.IGNORECASE
)
_TYPES = {"isinstance", "issubclass", "cast", "TypeVar", "field"}
_MAKES_TYPES = {"dataclass", "property", "cache", "lru_cache", "overload", "staticmethod"}
_DURATIONS = {"sleep", "timedelta", "TypeVar"}


@dataclass(frozen=True, slots=True)
class Replacement:
    """One change of a module's text: what stands between two places in bytes becomes `new`."""

    start: int
    end: int
    new: str
    line: int
    last_line: int

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.new.encode() + source[self.end :]

    def shown(self, source: bytes) -> str:
        """The change as one line, for a person."""
        old = source[self.start : self.end].decode()
        return f"{_short(old) or 'nothing'} -> {_short(self.new) or 'nothing'}"


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 60 else f"{words[:57]}..."


def edits(source: bytes) -> list[Replacement]:
    """Every change that leaves another valid module, in the order of the text."""
    return [each for each in candidates(source) if is_valid(each, source)]


def candidates(source: bytes) -> list[Replacement]:
    """Every change, also those few that `is_valid` refuses: looking at one takes 10 ms."""
    found = set(_Places(source).below(ast.parse(source)))
    return sorted(found, key=lambda each: (each.start, each.end, each.new))


def is_valid(edit: Replacement, source: bytes) -> bool:
    """Whether what comes out is a module, and another one."""
    try:
        return ast.dump(ast.parse(edit.apply(source))) != ast.dump(ast.parse(source))
    except SyntaxError:
        return False


class _Places:
    """Finds the places of one module."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._edits: dict[type[ast.AST], Callable[..., Iterator[Replacement]]] = {
            ast.Compare: self._compare,
            ast.BoolOp: self._bool,
            ast.UnaryOp: self._not,
            ast.BinOp: self._calculation,
            ast.Constant: self._constant,
            ast.If: self._condition,
            ast.IfExp: self._condition,
            ast.comprehension: self._filters,
            ast.Call: self._call,
            ast.Dict: self._mapping,
            ast.Set: self._members,
            ast.List: self._members,
            ast.Tuple: self._members,
            ast.Return: self._return,
            ast.Break: self._loop,
            ast.Continue: self._loop,
            ast.Expr: self._statement,
            ast.AugAssign: self._statement,
            ast.Raise: self._statement,
            ast.Delete: self._statement,
        }

    def below(self, node: ast.AST) -> Iterator[Replacement]:
        for child in _children(node):
            if type(child) in self._edits:
                yield from self._edits[type(child)](child)
            yield from self.below(child)

    def _start(self, node: ast.AST) -> int:
        return self._lines[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined, no-any-return]  # ast.AST declares no place

    def _end(self, node: ast.AST) -> int:
        return self._lines[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined, no-any-return]  # ast.AST declares no place

    def _edit(self, start: int, end: int, new: bytes) -> Replacement:
        line = self.source.count(b"\n", 0, start) + 1
        last = line + self.source.count(b"\n", start, end)
        return Replacement(start, end, new.decode(), line, last)

    def _whole(self, node: ast.AST, new: bytes) -> Replacement:
        return self._edit(self._start(node), self._end(node), new)

    def _word(self, left: ast.AST, right: ast.AST, word: re.Pattern[bytes]) -> re.Match[bytes]:
        found = word.search(self.source, self._end(left), self._start(right))
        assert found is not None, (left, right)
        return found

    def _compare(self, node: ast.Compare) -> Iterator[Replacement]:
        terms = [node.left, *node.comparators]
        for left, right in itertools.pairwise(terms):
            found = self._word(left, right, _COMPARISON)
            word = " ".join(found.group().decode().split())
            yield self._edit(found.start(), found.end(), COMPARED[word].encode())
        for term in terms:
            if isinstance(term, ast.Constant) and isinstance(term.value, str):
                yield self._edit(self._end(term) - 1, self._end(term) - 1, b"x")

    def _bool(self, node: ast.BoolOp) -> Iterator[Replacement]:
        old, new = (b"and", b"or") if isinstance(node.op, ast.And) else (b"or", b"and")
        for left, right in itertools.pairwise(node.values):
            found = self._word(left, right, re.compile(rb"\b" + old + rb"\b"))
            yield self._edit(found.start(), found.end(), new)

    def _not(self, node: ast.UnaryOp) -> Iterator[Replacement]:
        if isinstance(node.op, ast.Not):
            yield self._edit(self._start(node), self._start(node) + 3, b"")

    def _calculation(self, node: ast.BinOp) -> Iterator[Replacement]:
        if any(
            isinstance(each, (ast.JoinedStr, ast.List)) or _is_text(each) for each in _terms(node)
        ):
            return
        found = self._word(node.left, node.right, re.compile(rb"//|\*\*|<<|>>|[-+*/%|&@^]"))
        if found.group() in _CALCULATED:
            yield self._edit(found.start(), found.end(), _CALCULATED[found.group()])

    def _constant(self, node: ast.Constant) -> Iterator[Replacement]:
        if isinstance(node.value, bool):
            yield self._whole(node, str(not node.value).encode())
        elif isinstance(node.value, int):
            yield self._whole(node, str(node.value + 1).encode())
            if node.value:
                yield self._whole(node, str(node.value - 1).encode())

    def _condition(self, node: ast.If | ast.IfExp) -> Iterator[Replacement]:
        yield from self._turned(node.test)

    def _filters(self, node: ast.comprehension) -> Iterator[Replacement]:
        for test in node.ifs:
            yield from self._turned(test)

    def _turned(self, test: ast.expr) -> Iterator[Replacement]:
        """A condition turned round, unless its only word is turned round already."""
        if not isinstance(test, (ast.Compare, ast.UnaryOp)):
            old = self.source[self._start(test) : self._end(test)]
            yield self._whole(test, b"not (" + old + b")")

    def _call(self, node: ast.Call) -> Iterator[Replacement]:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in _TYPES:
            return
        if name in _OTHER_CALL:
            yield self._whole(node.func, _OTHER_CALL[name])
        for keyword in node.keywords:
            off = isinstance(keyword.value, ast.Constant) and not keyword.value.value
            duration = keyword.arg and _DURATION.search(keyword.arg)
            if keyword.arg and keyword.arg not in _WORDS and not off and not duration:
                yield self._without(keyword)
        two = [each for each in node.args[:2] if not isinstance(each, ast.Starred)]
        if len(two) == 2:
            first, between, second = (
                self.source[self._start(two[0]) : self._end(two[0])],
                self.source[self._end(two[0]) : self._start(two[1])],
                self.source[self._start(two[1]) : self._end(two[1])],
            )
            new = second + between + first
            yield self._edit(self._start(two[0]), self._end(two[1]), new)

    def _mapping(self, node: ast.Dict) -> Iterator[Replacement]:
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                yield self._cut(self._start(key), self._end(value))

    def _members(self, node: ast.Set | ast.List | ast.Tuple) -> Iterator[Replacement]:
        enough = 3 if isinstance(node, ast.Tuple) else 2
        if len(node.elts) >= enough and all(isinstance(each, ast.Constant) for each in node.elts):
            for each in node.elts:
                yield self._without(each)

    def _without(self, node: ast.AST) -> Replacement:
        return self._cut(self._start(node), self._end(node))

    def _cut(self, start: int, end: int) -> Replacement:
        """One item taken out of a list of items, with the comma behind or before it."""
        behind = re.compile(rb"\s*,[ ]?").match(self.source, end)
        if behind:
            return self._edit(start, behind.end(), b"")
        before = re.compile(rb",\s*$").search(self.source[:start])
        return self._edit(before.start() if before else start, end, b"")

    def _return(self, node: ast.Return) -> Iterator[Replacement]:
        value = node.value
        if value is not None and not (isinstance(value, ast.Constant) and value.value is None):
            yield self._whole(value, b"None")

    def _loop(self, node: ast.Break | ast.Continue) -> Iterator[Replacement]:
        yield self._whole(node, b"continue" if isinstance(node, ast.Break) else b"break")

    def _statement(self, node: ast.stmt) -> Iterator[Replacement]:
        if not isinstance(node, ast.Expr) or isinstance(node.value, (ast.Call, ast.Yield)):
            yield self._whole(node, b"pass")


def _terms(node: ast.BinOp) -> list[ast.expr]:
    return [
        term
        for side in (node.left, node.right)
        for term in (_terms(side) if isinstance(side, ast.BinOp) else [side])
    ]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))


def _name(node: ast.AST) -> str:
    """The last word of a name, of an attribute or of what is called."""
    if isinstance(node, ast.Call):
        return _name(node.func)
    return getattr(node, "attr", getattr(node, "id", ""))


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node in which a change can be noticed."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _unnoticed(node, name, child):
                yield child


def _unnoticed(node: ast.AST, field: str, child: ast.AST) -> bool:
    if field == "decorator_list":
        return _name(child) in _MAKES_TYPES
    if isinstance(node, ast.Call) and field == "args" and _name(node) in _DURATIONS:
        return True
    if isinstance(node, ast.Raise):  # the words of its message
        return True
    rule = _UNNOTICED.get(type(child))
    return rule is not None and rule(child)


def _is_for_types_or_main(node: ast.If) -> bool:
    return "TYPE_CHECKING" in ast.dump(node.test) or "__main__" in ast.dump(node.test)


def _is_word_or_duration(node: ast.keyword) -> bool:
    return node.arg in _WORDS or bool(node.arg and _DURATION.search(node.arg))


def _logs_or_sleeps(node: ast.Expr) -> bool:
    function = node.value.func if isinstance(node.value, ast.Call) else None
    if _name(node.value) in _DURATIONS:
        return True
    return isinstance(function, ast.Attribute) and bool(_LOGS.fullmatch(_name(function.value)))


def _names_or_durations(node: ast.Assign | ast.AnnAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    names = [_name(target) for target in targets]
    return "__all__" in names or any(_DURATION.search(each) for each in names)


_UNNOTICED: dict[type[ast.AST], Callable[[Any], bool]] = {
    ast.If: _is_for_types_or_main,
    ast.keyword: _is_word_or_duration,
    ast.Expr: _logs_or_sleeps,
    ast.Assign: _names_or_durations,
    ast.AnnAssign: _names_or_durations,
    ast.JoinedStr: lambda _: True,
    ast.Assert: lambda _: True,
}
