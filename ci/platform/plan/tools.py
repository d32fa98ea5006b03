"""The programs that a first deploy needs, with the oldest version of each that works."""

from __future__ import annotations

import re
from typing import NamedTuple

from ci.errors import InputError
from ci.run import execute

Version = tuple[int, ...]


class Tool(NamedTuple):
    """A program.

    Attributes:
        program: its name on the PATH.
        least: the oldest version that works; of several lines of releases one each.
        ask: its arguments that print the version.
        why: why not an older one.
        source: where to get it.
    """

    program: str
    least: tuple[Version, ...]
    ask: tuple[str, ...]
    why: str
    source: str


TOOLS = (
    Tool("git", ((2, 28),), ("--version",), "", "https://git-scm.com/downloads"),
    Tool("make", ((3, 81),), ("--version",), "", "your system's packages; on macOS Xcode's tools"),
    Tool("python3", ((3, 11),), ("--version",), "", "https://www.python.org/downloads"),
    Tool(
        "aws",
        # CodeConnections came in March 2024; these are of that June.
        ((2, 16), (1, 33)),
        ("--version",),
        "an older one has no `aws codeconnections`",
        "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
    ),
    Tool(
        "eksctl",
        ((0, 200),),
        ("version",),
        "the first that hands our kubelet settings to Amazon Linux 2023",
        "https://eksctl.io/installation",
    ),
    Tool(
        "kubectl",
        ((1, 31),),
        ("version", "--client"),
        "one minor version from the cluster's",
        "https://kubernetes.io/docs/tasks/tools",
    ),
    Tool(
        "argocd",
        ((3, 4),),
        ("version", "--client", "--short"),
        "the server's own minor version",
        "https://argo-cd.readthedocs.io/en/stable/cli_installation",
    ),
)


def shown(version: Version) -> str:
    """A version as people write it."""
    return ".".join(str(part) for part in version)


def will_do(tool: Tool, version: Version) -> bool:
    """Whether a version is new enough: in its own line of releases where there are several."""
    line = next((one for one in tool.least if one[0] == version[0]), tool.least[0])
    return version >= line


def installed(tool: Tool) -> Version | None:
    """The version on the PATH, or None when it does not say one.

    Raises:
        InputError: it is not installed.
    """
    done = execute([tool.program, *tool.ask], timeout=20)
    found = re.search(rb"(\d+)\.(\d+)(?:\.(\d+))?", done.stdout + done.stderr)
    if done.status != 0 or found is None:
        return None
    return tuple(int(part) for part in found.groups() if part is not None)


def missing() -> tuple[list[str], list[str]]:
    """What is missing or too old, and what does not say its version; a few words each."""
    wrong, silent = [], []
    for tool in TOOLS:
        try:
            version = installed(tool)
        except (InputError, OSError):
            wrong.append(f"{tool.program} {shown(tool.least[0])} ({tool.source})")
            continue
        if version is None:
            silent.append(tool.program)
        elif not will_do(tool, version):
            least = shown(tool.least[0])
            wrong.append(f"{tool.program} {least} instead of {shown(version)} ({tool.source})")
    return wrong, silent
