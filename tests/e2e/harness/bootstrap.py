"""argocd/bootstrap.md as a person reads it: its lines, typed into a shell one after the other."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "argocd" / "bootstrap.md"
# The one thing that isn't run: it asks AWS for the cluster's address, which KUBECONFIG holds here.
NEEDS_AWS = ("aws eks update-kubeconfig ",)
OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "ARGS")


# The part of the page for clusters that are not bare.
WHERE_ARGO_CD_IS = "On a cluster that has Argo CD already"


class Section(NamedTuple):
    """A part of the page: its heading, and the lines of its blocks of commands."""

    heading: str
    lines: tuple[str, ...]


def sections(text: str) -> list[Section]:
    """The page's parts; a comment behind a command stays with it."""
    found = []
    for part in re.split(r"^#+ ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        blocks = re.findall(r"^```\w*\n(.*?)^```$", body, re.MULTILINE | re.DOTALL)
        lines = [line for block in blocks for line in block.splitlines() if line.strip()]
        found.append(Section(heading.strip(), tuple(lines)))
    return found


def lines(heading: str = "", page: Path = PAGE) -> tuple[str, ...]:
    """The lines to type: of the first block of the page, or of the part with this heading."""
    text = page.read_text(encoding="utf-8")
    if heading:
        return next(each.lines for each in sections(text) if each.heading == heading)
    first = re.search(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert first is not None, f"{page} has no block of commands"
    return tuple(line for line in first[1].splitlines() if line.strip())


def line_with(words: str) -> str:
    """The one line of the page that has these words."""
    found = [
        line
        for section in sections(PAGE.read_text(encoding="utf-8"))
        for line in section.lines
        if words in line
    ]
    assert len(found) == 1, f"{PAGE} has {len(found)} lines with {words}"
    return found[0]


def runnable(typed: tuple[str, ...]) -> Iterator[str]:
    """The lines less those that need AWS."""
    for line in typed:
        if not line.startswith(NEEDS_AWS):
            yield line


def type_line(line: str, folder: Path, variables: Mapping[str, str]) -> str:
    """Type a line into a shell in a folder; returns what it printed.

    Raises:
        AssertionError: it ended with another status than 0.
    """
    # `make e2e-long ARGS=…` hands its arguments to each `make` below it; a person's shell has none.
    inherited = {name: text for name, text in os.environ.items() if name not in OF_MAKE}
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={**inherited, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    output = f"{done.stdout}{done.stderr}"
    assert done.returncode == 0, f"bootstrap.md: {line}\nended with {done.returncode}:\n{output}"
    return output
