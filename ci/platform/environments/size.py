"""How many nodes the cluster has, as infra/eksctl/cluster.yaml says it.

A line that grew says for whom, so that removing an environment gives its nodes back:

    desiredCapacity: 3 # 1 for staging
"""

from __future__ import annotations

import re
from typing import NamedTuple

_LINE = re.compile(
    r"(?m)^(?P<head> +(?P<key>desiredCapacity|maxSize): )(?P<count>\d+)(?: # (?P<why>.*))?$"
)
_FOR = re.compile(r"(?P<count>\d+) for (?P<name>[a-z0-9-]+)")


class Size(NamedTuple):
    """The first node group's numbers."""

    desired: int
    most: int


def size(text: str) -> Size | None:
    """The first node group's size; None where the file writes it in another form."""
    found = {each["key"]: int(each["count"]) for each in reversed(list(_LINE.finditer(text)))}
    if found.keys() != {"desiredCapacity", "maxSize"}:
        return None
    return Size(found["desiredCapacity"], found["maxSize"])


def grown(text: str, to: int, name: str) -> str:
    """The file with so many nodes in its first group; what is added is for an environment."""
    done: set[str] = set()

    def line(match: re.Match[str]) -> str:
        more = to - int(match["count"])
        if match["key"] in done:
            return match[0]
        done.add(match["key"])
        if more <= 0:
            return match[0]
        why = ", ".join(filter(None, (match["why"], f"{more} for {name}")))
        return f"{match['head']}{to} # {why}"

    return _LINE.sub(line, text)


def shrunk(text: str, name: str) -> str:
    """The file without the nodes that are for an environment."""

    def line(match: re.Match[str]) -> str:
        listed = (match["why"] or "").split(", ")
        mine = [
            each for each in listed if (is_for := _FOR.fullmatch(each)) and is_for["name"] == name
        ]
        if not mine:
            return match[0]
        less = sum(int(each.split(" ", 1)[0]) for each in mine)
        why = ", ".join(each for each in listed if each not in mine)
        return f"{match['head']}{int(match['count']) - less}{f' # {why}' if why else ''}"

    return _LINE.sub(line, text)
