"""Asks a line's tool about it: the one table of tools and their checkers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.docs.commands import aws, flags, kubectl, verbs
from tests.docs.commands.lines import ROOT
from tests.docs.commands.shell import PLACEHOLDER

if TYPE_CHECKING:
    from tests.docs.commands.lines import Line

CHECKERS = {
    "aws": aws.faults,
    "eksctl": flags.faults,
    "argocd": flags.faults,
    "kubectl": kubectl.faults,
    "ci": verbs.faults,
}
# The folders of the tree in which a command's files lie.
_PATH = re.compile(r"(?:^|=|file://)((?:apps|argocd|base|infra|overlays)/[^\s:]+)$")


def faults(line: Line) -> list[str]:
    """What is wrong with a line; each sentence names its file, its number and its words."""
    if line.words[0] == "ci" and (line.file, line.words[1]) in verbs.NO_VERB:
        return []
    # A line of Python whose command is filled in when it runs; the plan shows what it prints.
    named = [word for word in line.words[1:] if not word.startswith("-")]
    if named[:1] == [PLACEHOLDER] and (len(named) == 1 or line.words[1] == PLACEHOLDER):
        return []
    found = CHECKERS[line.words[0]](line.words, mention=line.mention)
    for word in line.words[1:]:
        path = _PATH.search(word)
        if path and PLACEHOLDER not in path[1] and not (ROOT / path[1]).exists():
            found.append(f"{path[1]} is not in the tree")
    return [f"{line}: {each}" for each in found]
