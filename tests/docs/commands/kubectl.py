"""`kubectl` lines, by the kubectl of our requirements: it parses them, and prints its help."""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.docs.commands.flags import Flags, nearest, split
from treecheck.kustomize import GO, kubectl
from treecheck.rules.references.roles import API_RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_UNKNOWN = re.compile(r"unknown (?:shorthand )?flag: (?:'\w' in )?(-[\w-]+)")
_FLAGS = re.compile(r"^ +(?:(-\w), )?(--[\w-]+)=(true|false)?", re.MULTILINE)
_USAGE = re.compile(r"^Usage:\n +kubectl ([a-z][a-z-]*(?: [a-z][a-z-]*)*)", re.MULTILINE)
_BELOW = re.compile(r"^ {2}([a-z][a-z-]*) +", re.MULTILINE)
# Commands whose first word is a type of resource, or several, as `kubectl get pods,svc`.
_TYPED = {
    "annotate", "autoscale", "delete", "describe", "edit", "get", "label", "patch", "scale", "wait",
    "rollout history", "rollout pause", "rollout restart", "rollout resume", "rollout status",
    "rollout undo", "set env", "set image", "set resources", "taint",
}  # fmt: skip
# Short names (`kubectl api-resources`), and what Argo CD, sealed-secrets and storage bring.
_OTHER_TYPES = (
    "all cj cm crd deploy ds ep ev hpa ing limits netpol no ns pdb po pv pvc quota rs sa sc sts "
    "svc app apps application applications appproj appprojs appproject appprojects sealedsecret "
    "sealedsecrets customresourcedefinition customresourcedefinitions storageclass storageclasses "
    "volumeattachment volumeattachments"
)


def faults(words: Sequence[str], *, mention: bool = False) -> list[str]:
    """What is wrong with a line, a sentence each; `words` begins with `kubectl`.

    The flag that asks for help comes first, so that no other takes it for its value. All flags are
    parsed before it counts: an unknown one, or a value of another type, ends with an error.
    """
    known = _TOGETHER.get(tuple(words))
    status, said = (0, known) if known else _ask(("--help=true", *words[1:]))
    if status != 0:
        return [_sentence(said, words)]
    usage = _USAGE.search(said)
    if usage is None:
        return []
    command, below = usage[1], _BELOW.findall(said) if "Commands:" in said else []
    given = dict(pairwise(words)).get(command.split()[-1], "")
    # A value may stand there as well, `kubectl create -f FILE`; a group's word stands there alone.
    if below and re.fullmatch(r"[a-z][a-z-]*", given) and given not in below:
        return [f"unknown command kubectl {command} {given}{nearest(given, below)}"]
    return [
        f"unknown type of resource {each}{nearest(each, types())}"
        for each in _named_types(command, words, said)
        if "…" not in each and each.partition(".")[0].lower() not in types()
    ]


# A line whose flags are right -> the help of its command.
_TOGETHER: dict[tuple[str, ...], str] = {}


def ask_together(lines: Iterable[Sequence[str]]) -> None:
    """Ask about all lines of a command at once, so that `faults` need not start kubectl for each.

    What is wrong in one is wrong in all of them together; then, and where the command has commands
    below it, each line is still asked about alone.
    """
    alike: dict[str, list[tuple[str, ...]]] = {}
    for line in lines:
        words = tuple(line)
        start = 3 if words[1:2] == ("-n",) else 1
        # A flag at the end would take the next line's first word for its value.
        if start < len(words) and not words[-1].startswith("-") and "--" not in words:
            alike.setdefault(words[start], []).append(words)
    for command, known in alike.items():
        status, said = _ask(("--help=true", *(word for words in known for word in words[1:])))
        usage = _USAGE.search(said)
        if status == 0 and usage is not None and usage[1] == command:
            _TOGETHER.update(dict.fromkeys(known, said))


def _named_types(command: str, words: Sequence[str], said: str) -> Iterator[str]:
    """The types of resources that a line names, where its command takes any."""
    known = _FLAGS.findall(said + _ask(("options",))[1])
    flags = Flags(
        frozenset(name for *names, default in known for name in names if not default),
        frozenset(name for *names, default in known for name in names if default),
    )
    before = words[1 : words.index("--")] if "--" in words else words[1:]
    rest = [word for word in split(before, flags) if not word.startswith("-")]
    rest = rest[len(command.split()) :]
    if command in _TYPED and rest:
        yield from (each.partition("/")[0] for each in rest[0].split(","))
    elif command in {"exec", "logs", "port-forward"} and rest and "/" in rest[0]:
        yield rest[0].partition("/")[0]


@cache
def types() -> frozenset[str]:
    """The words for types of resources: plural, singular, short."""
    plurals = frozenset().union(*API_RESOURCES.values())
    singular = {re.sub("ies$", "y", name).removesuffix("s") for name in plurals}
    singular |= {name.removesuffix("es") for name in plurals if name.endswith("sses")}
    return plurals | singular | frozenset(_OTHER_TYPES.split())


@cache
def _ask(arguments: tuple[str, ...]) -> tuple[int, str]:
    done = subprocess.run(
        [kubectl(), *arguments],
        env=GO | os.environ | {"KUBECONFIG": os.devnull},
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
    known = [name for short, long, _ in _FLAGS.findall(helps) for name in (short, long) if name]
    return f"unknown flag {unknown[1]}{nearest(unknown[1], known)}"
