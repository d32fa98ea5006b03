"""The times in Argo CD's own ConfigMaps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.model import Problem, as_mapping, as_text
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

SETTINGS = "https://argo-cd.readthedocs.io/en/release-3.4/operator-manual/argocd-cm-yaml/"
# ConfigMap -> the keys that hold a time as Go writes it, and those that hold a number of seconds.
TIMES = {
    "argocd-cm": re.compile(
        r"timeout\.(hard\.)?reconciliation(\.jitter)?|users\.session\.duration"
    ),
    "argocd-cmd-params-cm": re.compile(
        r"(controller|server|reposerver|applicationsetcontroller)\.[a-z.]*\.(expiration|duration)"
        r"|reposerver\.git\.request\.timeout"
    ),
}
SECONDS = re.compile(r"[a-z.]+\.timeout\.seconds")
# https://pkg.go.dev/time#ParseDuration; days, which older releases of Argo CD took, are left alone.
DURATION = re.compile(r"[-+]?(0|(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d))+")
UNITS = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "min": "m", "mins": "m",
    "minute": "m", "minutes": "m", "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "": "s",
}  # fmt: skip


@rule("argocd-time", kinds=("ConfigMap",), source=SETTINGS)
def argocd_time(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A time in Argo CD's settings that Argo CD can't read.

    It reads `60s`, `5m` and `1h30m`, and of a `.seconds` key a whole number. Of anything else it
    writes a warning into its log and takes its default: `1min` for timeout.reconciliation is 120 s.
    """
    times = TIMES.get(resource.name)
    for key, value in as_mapping(resource.body.get("data")).items() if times else ():
        text = as_text(value).strip()
        if times is None or not text:
            continue
        if times.fullmatch(key) and not _is_duration(text):
            wrong, fix = "not a time", f"Write {_meant(text)}."
        elif SECONDS.fullmatch(key) and not text.isdecimal():
            wrong, fix = "not a whole number of seconds", "Write the number alone, such as '60'."
        else:
            continue
        yield Problem(
            f"{key} is {text[:40]!r}, which is {wrong}: Argo CD takes its default instead",
            fix=fix,
            path=("data", key),
        )


def _is_duration(text: str) -> bool:
    """Whether Go reads a text as a time; 0 alone needs no unit.

    >>> [_is_duration(text) for text in ("1h30m", "0", "1.5s", "60", "1min", "5 m")]
    [True, True, True, False, False, False]
    """
    return DURATION.fullmatch(text) is not None and (
        text.strip("+-0") == "" or not text[-1:].isdigit()
    )


def _meant(text: str) -> str:
    """The time that a wrong one means, where that is plain; otherwise an example."""
    found = re.fullmatch(r"(\d+)\s*([A-Za-z]*)", text)
    unit = UNITS.get(found[2].casefold()) if found else None
    return f"{found[1]}{unit}" if found and unit else "a number with its unit, such as 60s or 5m"
