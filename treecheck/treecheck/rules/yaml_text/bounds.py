"""Encoding, and texts that grow beyond all bounds when they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.pages import YAML_TEXT
from treecheck.model import Problem, Severity
from treecheck.reading import Fault
from treecheck.registry import Family, Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.facts import Facts
    from treecheck.files import SourceFile


@rule(
    "yaml-bomb",
    source="https://en.wikipedia.org/wiki/Billion_laughs_attack",
    scope=Scope.FILE,
)
def yaml_bomb(source: SourceFile, _facts: Facts) -> Iterator[Problem]:
    """A file that is too deep, too large, or whose aliases stand for too much.

    Read are 100 levels, 32 MiB, and aliases for 100,000 values; nobody writes more by hand, and a
    few lines of aliases of aliases can fill any memory.
    """
    if source.error is not None and source.error.fault is Fault.EXCESS:
        yield Problem(
            f"{source.error.problem}: readers refuse it, or run out of memory",
            fix="Write the values out, or split the file.",
            file=source.path,
            line=source.error.line,
        )


@rule(
    "yaml-encoding",
    source=f"{YAML_TEXT}#52-character-encodings",
    severity=Severity.WARNING,
    scope=Scope.FILE,
    family=Family.POLICY,
    insisted=True,
)
def yaml_encoding(source: SourceFile, _facts: Facts) -> Iterator[Problem]:
    """A file that is not plain UTF-8.

    Another encoding can't be read, or turns letters into others. A byte order mark at the start is
    only a warning: kubectl and kustomize pass it over, and for some other readers it becomes part
    of the first key.
    """
    if source.error is not None and source.error.fault is Fault.ENCODING:
        yield Problem(
            f"the file is {source.error.problem}, so the tools can't read it",
            fix="Save it as UTF-8.",
            file=source.path,
            line=source.error.line,
            severity=Severity.ERROR,
        )
    elif source.text.startswith("\ufeff"):
        yield Problem(
            "the file starts with a byte order mark, which some readers take for part of the text",
            fix="Save it as UTF-8 without a byte order mark.",
            file=source.path,
            line=1,
        )
