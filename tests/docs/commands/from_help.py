"""Makes the list of a tool's commands and flags from its own `--help`.

    make flags TOOL=argocd PROGRAM=/path/to/argocd > tests/docs/commands/argocd.yaml

Facts only: names, and which flags take a value; no sentence of the help is kept.
"""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Groups of commands that a GitOps repository has a use for; the rest would be a list to no purpose.
GROUPS = {
    "argocd": (
        "account", "admin initial-password", "app", "cluster", "context", "login", "logout", "proj",
        "relogin", "repo", "repocreds", "version",
    ),
    "eksctl": (
        "create", "delete", "drain", "get", "scale", "update", "upgrade", "utils", "version",
    ),
}  # fmt: skip
VERSION = {"argocd": ("version", "--client", "--short"), "eksctl": ("version",)}
# `  -f, --config-file string   load …`; a switch has no word between its name and its sentence.
_FLAG = re.compile(
    r"^ +(?:(-\w), )?(--[\w-]+)( [a-zA-Z0-9][\w:=\[\],/-]*)?(?: {2,}|$)", re.MULTILINE
)
_LINES = re.MULTILINE | re.DOTALL
_COMMAND = re.compile(r"^  ([a-z][a-z0-9-]+) +", re.MULTILINE)


def run(program: str, *words: str) -> str:
    """What the program prints."""
    done = subprocess.run([program, *words], capture_output=True, text=True, check=True)
    return done.stdout


def flags(text: str) -> tuple[str, str]:
    """(flags with a value, switches) of a part of a help text."""
    values, switches = set(), set()
    for short, name, kind in _FLAG.findall(text):
        (values if kind else switches).update(filter(None, (short, name)))
    return " ".join(sorted(values)), " ".join(sorted(switches))


def split(text: str) -> tuple[str, str, str]:
    """(commands, own flags, global flags): the parts of a help text."""
    shared = re.search(r"^(?:Global|Common) [Ff]lags:\n(.*?)(?:\n\n|\Z)", text, _LINES)
    below = re.search(r"^(?:Available )?Commands:\n(.*?)(?:\n\n|\Z)", text, _LINES)
    own = text.replace(shared[0], "") if shared else text
    return below[1] if below else "", own.partition("lags:\n")[2], shared[1] if shared else ""


def tree(program: str, *words: str) -> Iterator[tuple[str, str, str]]:
    """(command, flags with a value, switches) of a command and of all below it."""
    below, own, _ = split(run(program, *words, "--help"))
    yield (" ".join(words), *flags(own))
    for name in _COMMAND.findall(below):
        if name not in {"help", "completion"}:
            yield from tree(program, *words, name)


def main(tool: str, program: str) -> None:
    """Print the list."""
    version = run(program, *VERSION[tool]).split()[-1]
    _, _, shared = split(run(program, *GROUPS[tool][0].split(), "--help"))
    values, switches = flags(shared)
    print(f"# The commands and flags of {tool} {version}, made from its own help by from_help.py.")
    print(f'version: "{version}"')
    print(f"global:\n  values: {values}\n  switches: {switches}\ncommands:")
    for group in GROUPS[tool]:
        for name, values, switches in tree(program, *group.split()):
            print(f'  {name}:\n    values: "{values}"\n    switches: "{switches}"')


if __name__ == "__main__":
    main(*sys.argv[1:])
