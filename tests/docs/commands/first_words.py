"""Tells a command from a sentence that begins with a tool's name, by the word that follows."""

from __future__ import annotations

import difflib
import re
import subprocess
from functools import cache

from tests.docs.commands import aws, flags
from tests.docs.commands.shell import PLACEHOLDER
from treecheck.kustomize import kubectl


def is_command(tool: str, word: str) -> bool:
    """Whether a word is an option, a subcommand of the tool, or a misspelt one."""
    if word.startswith("-") or word == PLACEHOLDER:
        return True
    return bool(difflib.get_close_matches(word, first_words(tool), n=1, cutoff=0.8))


@cache
def first_words(tool: str) -> frozenset[str]:
    """The subcommands of a tool, its topmost ones."""
    if tool == "aws":
        return frozenset(aws.services())
    if tool == "kubectl":
        done = subprocess.run([kubectl(), "--help"], capture_output=True, text=True, check=True)
        return frozenset(re.findall(r"^ {2}([a-z][a-z-]*) +", done.stdout, re.MULTILINE))
    return frozenset(name.split()[0] for name in flags.commands(tool))
