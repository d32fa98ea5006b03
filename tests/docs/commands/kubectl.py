"""`kubectl` lines, by the kubectl of our requirements: it parses them, and prints its help."""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.docs.commands.flags import nearest
from treecheck.kustomize import kubectl

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNKNOWN = re.compile(r"unknown (?:shorthand )?flag: (?:'\w' in )?(-[\w-]+)")
_FLAGS = re.compile(r"^ +(?:(-\w), )?(--[\w-]+)=", re.MULTILINE)
# A command with commands below it and its own use besides: `kubectl create -f FILE`.
_BELOW = re.compile(r"^ {2}([a-z][a-z-]*) +", re.MULTILINE)


def faults(words: Sequence[str], *, mention: bool = False) -> list[str]:
    """What is wrong with a line, a sentence each; `words` begins with `kubectl`.

    The flag that asks for help comes first, so that no other takes it for its value. All flags are
    parsed before it counts: an unknown one, or a value of another type, ends with an error.
    """
    status, said = _ask(("--help=true", *words[1:]))
    if status != 0:
        return [_sentence(said, words)]
    usage = re.search(r"^Usage:\n +kubectl ([a-z][a-z-]*(?: [a-z][a-z-]*)*)", said, re.MULTILINE)
    below = _BELOW.findall(said) if "Commands:" in said else []
    if usage is None or not below:
        return []
    command = usage[1].split()[-1]
    given = dict(pairwise(words)).get(command, "")
    # A value may stand there as well, `kubectl create -f FILE`; a group's word stands there alone.
    if re.fullmatch(r"[a-z-]+", given) and not given.startswith("-") and given not in below:
        return [f"unknown command kubectl {usage[1]} {given}{nearest(given, below)}"]
    return []


@cache
def _ask(arguments: tuple[str, ...]) -> tuple[int, str]:
    done = subprocess.run(
        [kubectl(), *arguments],
        env=os.environ | {"KUBECONFIG": os.devnull},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def _sentence(said: str, words: Sequence[str]) -> str:
    said = " ".join(said.split()).removeprefix("error: ")
    unknown = _UNKNOWN.search(said)
    if unknown is None:
        return said.replace(" Did you mean this? ", "; the nearest is ")
    own = said.partition("See 'kubectl ")[2].partition(" --help'")[0].split()
    helps = _ask((*own, "--help"))[1] + _ask(("options",))[1]
    known = [name for pair in _FLAGS.findall(helps) for name in pair if name]
    return f"unknown flag {unknown[1]}{nearest(unknown[1], known)}"
