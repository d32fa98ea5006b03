"""What an AppProject permits, by Argo CD's own reading of its lists.

A pattern is a glob of gobwas/glob. In sourceRepos a `*` does not cross a `/`; in destinations it
does. A `!` in front denies, whatever the other entries allow.
Source: https://argo-cd.readthedocs.io/en/release-3.4/user-guide/projects/ and
https://github.com/argoproj/argo-cd/blob/v3.4.7/pkg/apis/application/v1alpha1/app_project_types.go.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from treecheck.kube.applications import IN_CLUSTER, IN_CLUSTER_NAME, means_own_cluster
from treecheck.model import as_list, as_mapping, as_text
from treecheck.placeholders import has_place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from treecheck.model import Manifest, Resource

# A token of a glob; groups: an escaped character, a class, and what stands for itself.
TOKEN = re.compile(r"\\(.)|\*\*|\*|\?|\[(![^\]]+|[^\]]+)\]|[{},]|(.)", re.DOTALL)


@cache
def glob(pattern: str, separator: str = "") -> re.Pattern[str]:
    """A glob of gobwas/glob as a regular expression; `*` and `?` don't match the separator."""
    one = f"[^{separator}]" if separator else "."
    parts: list[str] = []
    depth = 0
    for found in TOKEN.finditer(pattern):
        text = found[0]
        if text in {"*", "**", "?"}:
            parts.append({"*": f"{one}*", "**": ".*", "?": one}[text])
        elif found[2]:
            inner = found[2].replace("\\", r"\\")
            parts.append(f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]")
        elif text == "{" or (text == "}" and depth):
            depth += 1 if text == "{" else -1
            parts.append("(?:" if text == "{" else ")")
        elif text == "," and depth:
            parts.append("|")
        else:
            parts.append(re.escape(found[1] or text))
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error:
        return re.compile(re.escape(pattern))


def permits(pattern: str, value: str, separator: str = "") -> bool:
    """Whether an entry of a project's list allows a value; one with `!` allows what it lacks.

    What another program fills in, `${ORG}`, is not known yet, and taken for allowed.
    """
    if has_place(pattern) or has_place(value):
        return True
    if pattern.startswith("!"):
        return not glob(pattern[1:], separator).fullmatch(value)
    return pattern == "*" or glob(pattern, separator).fullmatch(value) is not None


# What Argo CD's own project `default` allows; a manifest of it that leaves a list out leaves it so.
# https://argo-cd.readthedocs.io/en/release-3.4/user-guide/projects/#the-default-project
_DEFAULT: dict[str, list[Any]] = {
    "sourceRepos": ["*"],
    "destinations": [{"server": "*", "namespace": "*"}],
    "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
}


def allowed_by(project: Resource, field: str) -> list[Any]:
    """The entries of a project's list."""
    if project.name == "default" and field not in project.spec:
        return _DEFAULT.get(field, [])
    return as_list(project.spec.get(field))


def permits_source(project: Resource, url: str) -> bool:
    """Whether a project allows a repository: an entry allows it, and none denies it."""
    allowed = False
    for pattern in map(as_text, allowed_by(project, "sourceRepos")):
        denies = pattern.startswith("!")
        plain = "!" * denies + _plain_url(pattern.removeprefix("!"))
        if permits(plain, _plain_url(url), "/"):
            allowed = True
        elif denies:
            return False
    return allowed


def _plain_url(url: str) -> str:
    """A repository's address without what Argo CD does not compare (`NormalizeGitURL`)."""
    url = url.strip().lower()
    if re.match(r"[^/:@]+@[^/:]+:", url):
        url = url.replace(":", "/", 1)
    return url.removesuffix(".git").removeprefix("ssh://")


def takes_in(project: Resource, namespace: str) -> bool:
    """Whether Applications of a namespace may be of a project: a glob or `/regular expression/`.

    Source: https://argo-cd.readthedocs.io/en/release-3.4/operator-manual/app-any-namespace/.
    """
    for pattern in map(as_text, as_list(project.spec.get("sourceNamespaces"))):
        inner = re.fullmatch(r"/(.*)/", pattern)
        try:
            if inner and re.search(inner[1], namespace):
                return True
        except re.error:
            return True  # written for Go's reader, not for ours
        if not inner and glob(pattern).fullmatch(namespace):
            return True
    return project.namespace == namespace


def permits_destination(
    project: Resource, where: Manifest, clusters: Iterable[Manifest] = ()
) -> bool:
    """Whether a project allows a destination (server or name, and namespace), as far as is known.

    Argo CD looks up the other of the two in its list of clusters, and an entry may name either. Of
    a cluster that is not among `clusters` (`Facts.clusters`) one of them is not known: an entry
    that asks for that one may allow the destination, and does not deny it.
    """
    server, name = _looked_up(as_text(where.get("server")), as_text(where.get("name")), clusters)
    allowed = False
    for entry in map(as_mapping, allowed_by(project, "destinations")):
        wanted = {key: as_text(entry.get(key)) for key in ("server", "name", "namespace")}
        by_name, by_server = _fits(wanted["name"], name), _fits(wanted["server"], server)
        inside = permits(wanted["namespace"], as_text(where.get("namespace")))
        denies = {key for key, pattern in wanted.items() if pattern.startswith("!")}
        if (by_name is not False or by_server is not False) and inside:
            allowed = True
        elif (
            ("name" in denies and by_name is False)
            or ("server" in denies and by_server is False and inside)
            or ("namespace" in denies and not inside and by_server is True)
        ):
            return False
    return allowed


def _looked_up(server: str, name: str, clusters: Iterable[Manifest]) -> tuple[str, str]:
    """(server, name) of a destination; "" for one that is not known."""
    if means_own_cluster(server, name):  # each of its names stands for the other
        return IN_CLUSTER, IN_CLUSTER_NAME
    for each in clusters:
        has = as_text(each.get("server")), as_text(each.get("name"))
        if (server and server == has[0]) or (name and name == has[1]):
            return server or has[0], name or has[1]
    return server, name


def _fits(pattern: str, value: str) -> bool | None:
    """Whether an entry's server or name fits a destination's; None where that is not known."""
    if not pattern:
        return False
    if pattern == "*":
        return True
    return permits(pattern, value) if value else None


def names_kind(entries: object, wanted: tuple[str, str, str]) -> bool:
    """Whether a list of a project names a (group, kind, name)."""
    group, kind, name = wanted
    return any(
        permits(as_text(entry.get("group")), group)
        and permits(as_text(entry.get("kind")), kind)
        and permits(as_text(entry.get("name")) or "*", name)
        for entry in map(as_mapping, as_list(entries))
    )
