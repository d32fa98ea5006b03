"""`argocd` and `eksctl` lines, by the lists of flags in argocd.yaml and eksctl.yaml.

Each list says which release it is of and how it was made; from_help.py makes one again.
"""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

HERE = Path(__file__).parent


class Flags(NamedTuple):
    """The flags of a command, with their dashes: those with a value, and switches."""

    values: frozenset[str]
    switches: frozenset[str]


@cache
def commands(tool: str) -> Mapping[str, Flags]:
    """The commands of a tool, such as `account generate-token`, with their own and global flags."""
    listed: Any = yaml.safe_load((HERE / f"{tool}.yaml").read_text(encoding="utf-8"))
    shared = listed["global"]
    return {
        name: Flags(
            frozenset(f"{own.get('values', '')} {shared['values']}".split()),
            frozenset(f"{own.get('switches', '')} {shared['switches']}".split()),
        )
        for name, own in listed["commands"].items()
    }


def faults(words: Sequence[str], *, mention: bool = False) -> list[str]:
    """What is wrong with a line, a sentence each; `words` begins with the tool's name."""
    known = commands(words[0])
    both = Flags(
        frozenset().union(*(each.values for each in known.values())),
        frozenset().union(*(each.switches for each in known.values())),
    )
    positional = [word for word in split(words[1:], both) if not word.startswith("-")]
    name = max(
        (each for each in known if positional[: len(each.split())] == each.split()),
        key=len,
        default="",
    )
    if not name:
        wanted = " ".join(positional[:2])
        groups = {each.split()[0] for each in known}
        return [f"unknown command {words[0]} {wanted}{nearest(wanted, [*known, *groups])}"]
    flags = known[name]
    return [
        f"unknown flag {word}{nearest(word, flags.values | flags.switches)}"
        for word in split(words[1:], flags)
        if word.startswith("-") and word not in flags.values | flags.switches
    ]


def split(words: Sequence[str], flags: Flags) -> Iterator[str]:
    """Flags by their names, without their values, and all else; as pflag reads them."""
    rest = iter(words)
    for word in rest:
        if word == "--":
            yield from rest
        elif word.startswith("--"):
            name, equals, _ = word.partition("=")
            yield name
            if name in flags.values and not equals:
                next(rest, None)
        elif word.startswith("-") and len(word) > 1:
            yield from _short(word, rest, flags)
        else:
            yield word


def _short(word: str, rest: Iterator[str], flags: Flags) -> Iterator[str]:
    """Short flags, several in one word perhaps; the last may have its value behind it."""
    for index, letter in enumerate(word[1:], 1):
        yield f"-{letter}"
        if f"-{letter}" in flags.values:
            if index == len(word) - 1:
                next(rest, None)
            return


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence: which of the known words is nearest, or nothing where none is near."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; the nearest is {close[0]}" if close else ""
