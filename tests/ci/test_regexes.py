"""No pattern of `ci` or `treecheck` takes long, whatever a stranger's text repeats."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import signal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

parser: Any = importlib.import_module("re._parser")
CALLS = {"compile", "findall", "finditer", "fullmatch", "match", "search", "split", "sub"}
# Seconds of CPU for a text of LONG repeats. A pattern that looks at each pair of its places takes
# a hundredth of that; one that looks at four of them, or doubles with each, takes longer.
LIMIT = 0.25
LONG = 150
ENDS = ("\n\0", "a")
RAW = re.compile(r"(?i:r|rf|fr)[\"']")
FLAGS = {"VERBOSE": re.VERBOSE, "DOTALL": re.DOTALL, "MULTILINE": re.MULTILINE}
REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
INNER: dict[str, Callable[[Any], Any]] = {
    "BRANCH": lambda value: value[1][0],
    "SUBPATTERN": lambda value: value[3],
    "ATOMIC_GROUP": lambda value: value,
}


def sources(package: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every module's file, and its names."""
    top = importlib.import_module(package)
    names = [each.name for each in pkgutil.walk_packages(top.__path__, package + ".")]
    for name in [package, *(each for each in names if not each.endswith("__main__"))]:
        module = importlib.import_module(name)
        assert module.__file__ is not None
        yield Path(module.__file__), vars(module)


def written(text: str, names: dict[str, Any]) -> Iterator[tuple[int, str, int]]:
    """(line, pattern, flags) of each raw text in a source, and of what is given to `re`.

    One that is put together from a function's own names can't be read here, and is left out.
    """
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        flags = 0
        wanted = node
        if isinstance(node, ast.Call) and is_of_re(node.func) and node.args:
            wanted = node.args[0]
            for each in ast.walk(node):
                flags |= FLAGS.get(getattr(each, "attr", ""), 0)
        elif not is_raw(node, lines):
            continue
        try:
            found = eval(compile(ast.Expression(wanted), "pattern", "eval"), dict(names))  # type: ignore[arg-type]
        except Exception:  # noqa: BLE001 - whatever it needs is not here
            continue
        if isinstance(found, str):
            yield wanted.lineno, found, flags  # type: ignore[attr-defined]


def is_of_re(function: ast.expr) -> bool:
    """Whether a called function is one of the module `re` that takes a pattern."""
    return (
        isinstance(function, ast.Attribute)
        and function.attr in CALLS
        and getattr(function.value, "id", "") == "re"
    )


def is_raw(node: ast.AST, lines: list[str]) -> bool:
    """Whether a part of a source is a raw text, as patterns are."""
    if not isinstance(node, ast.Constant | ast.JoinedStr):
        return False
    return RAW.match(lines[node.lineno - 1].encode()[node.col_offset :].decode()) is not None


def sample(items: Any) -> str:
    """A short text that a part of a pattern matches, more or less: looking around is left out."""
    return "".join(_one(name, value) for name, value in items)


def _one(op: Any, value: Any) -> str:
    name = str(op)
    if name == "LITERAL":
        return chr(value)
    if name == "IN":
        return next((each for each in map(_member, value) if each), "-")
    if name in REPEATS:
        return sample(value[2]) * max(value[0], 1)
    if name in INNER:
        return sample(INNER[name](value))
    return "x" if name in {"ANY", "NOT_LITERAL"} else ""


def _member(member: Any) -> str:
    name, value = str(member[0]), member[1]
    if name == "LITERAL":
        return chr(value)
    if name == "RANGE":
        return chr(value[0])
    if name == "NEGATE":
        return ""
    return {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "w"}.get(str(value), "-")


def pumps(items: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """(what comes before, what to repeat) for each repeat in a pattern, the inner ones too."""
    for op, value in items:
        name = str(op)
        if name in {"MAX_REPEAT", "MIN_REPEAT"}:
            if value[1] is parser.MAXREPEAT:
                yield before, sample(value[2])
                for each in _choices(value[2]):
                    yield before, each
            yield from pumps(value[2], before)
        elif name == "SUBPATTERN":
            yield from pumps(value[3], before)
        elif name == "BRANCH":
            for each in value[1]:
                yield from pumps(each, before)
        before += _one(op, value)


def _choices(items: Any) -> Iterator[str]:
    """What each branch, and each member of a set, in a part of a pattern matches."""
    for op, value in items:
        if str(op) == "IN":
            yield from (_member(each) for each in value)
        elif str(op) == "BRANCH":
            yield from (sample(each) for each in value[1])
        elif str(op) == "SUBPATTERN":
            yield from _choices(value[3])


def texts(pattern: str, flags: int) -> Iterator[str]:
    found = dict.fromkeys(pumps(parser.parse(pattern, flags)))
    for before, pump in found:
        for end in ENDS if pump else ():
            yield before + pump * (LONG // len(pump)) + end


class TooLongError(Exception):
    """A pattern used more CPU than LIMIT."""


def is_quick(pattern: str, flags: int) -> bool:
    """Whether a pattern reads every one of its `texts` within LIMIT seconds of CPU."""

    def stop(*_: object) -> NoReturn:
        raise TooLongError

    compiled = re.compile(pattern, flags)
    old = signal.signal(signal.SIGVTALRM, stop)
    try:
        for text in texts(pattern, flags):
            signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
            compiled.search(text)
            compiled.fullmatch(text)
    except TooLongError:
        return False
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)
    return True


@cache
def all_patterns(package: str) -> dict[tuple[str, int], str]:
    """(pattern, flags) -> where it is first written."""
    found: dict[tuple[str, int], str] = {}
    for path, names in sources(package):
        for line, pattern, flags in written(path.read_text(encoding="utf-8"), names):
            try:
                re.compile(pattern, flags)
            except (re.error, RecursionError):
                continue  # another raw text
            found.setdefault((pattern, flags), f"{path.name}:{line}")
    return found


@pytest.mark.parametrize("package", ["treecheck", "ci"])
def test_no_pattern_takes_long(package: str) -> None:
    patterns = all_patterns(package)

    assert len(patterns) > 100
    slow = [f"{at}: {each[0]}" for each, at in patterns.items() if not is_quick(*each)]
    assert slow == []


@pytest.mark.parametrize(
    ("pattern", "quick"),
    [
        (r"(?:a+)+b", False),
        (r"(?:a|a)*b", False),
        (r"(?:\{\{.*?\}\}[ \t]*)+$", False),
        (r"(\w+\s*)+:", False),
        (r"x*x*x*x*y", False),
        (r"(?:(?>\{\{.*?\}\})[ \t]*)+$", True),
        (r"[a-z]+(?:-[a-z]+)*", True),
        (r"a+b", True),
    ],
)
def test_it_notices_a_pattern_that_takes_long(pattern: str, quick: bool) -> None:
    assert is_quick(pattern, re.DOTALL) is quick
