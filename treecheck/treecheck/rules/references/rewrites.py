"""What ingress-nginx makes of a request's path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.model import Problem, as_list, as_mapping, as_text, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Resource

REWRITE = "nginx.ingress.kubernetes.io/rewrite-target"
GROUP = re.compile(r"\$([1-9])")
OPENED = re.compile(r"\((?!\?)|\(\?P?<\w|\(\?'")  # the beginning of a group that is counted


@rule(
    "rewrite-without-group",
    kinds=("Ingress",),
    source="https://kubernetes.github.io/ingress-nginx/examples/rewrite/",
)
def rewrite_without_group(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A rewrite by a group, such as `$2`, that a path of the Ingress does not have.

    nginx puts nothing in its place: whatever is asked for below that path, the backend gets the
    same path each time. The annotation counts for all paths of its Ingress.
    """
    target = as_text(resource.annotations.get(REWRITE))
    asked = max(map(int, GROUP.findall(target)), default=0)
    if not asked:
        return
    wrong = [(place, path) for place, path in _paths(resource) if _groups(path) < asked]
    for place, path in wrong[:1]:
        has = f"{groups} group only" if (groups := _groups(path)) else "no group"
        others = ", ".join(other for _, other in wrong[1:])
        too = f"; the same of {others}" if others else ""
        yield Problem(
            f"it is rewritten to {target}, and the path {path} has {has}: ${asked} is empty there, "
            f"and the backend never learns what a client asked for{too}",
            fix="Give the path the group, as /api(/|$)(.*) has for /$2, or put it into an Ingress "
            "of its own, without the annotation.",
            path=place,
        )


def _paths(ingress: Resource) -> Iterator[tuple[FieldPath, str]]:
    """(place, path) of all rules."""
    for place, item in each(ingress, "spec", "rules"):
        for number, entry in enumerate(as_list(as_mapping(item.get("http")).get("paths"))):
            path = as_text(as_mapping(entry).get("path"))
            if path:
                yield (*place, "http", "paths", number, "path"), path


def _groups(path: str) -> int:
    """How many groups of a regular expression are counted."""
    return len(OPENED.findall(re.sub(r"\\.|\[[^]]*\]", "", path)))
