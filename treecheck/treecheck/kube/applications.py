"""Argo CD's Applications: where they deploy to, and which resources of the tree they bring.

Source: https://argo-cd.readthedocs.io/en/release-3.4/operator-manual/application.yaml.
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING

from treecheck.files import git_root
from treecheck.model import as_list, as_mapping, as_text, each
from treecheck.repositories import address, alike

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

GROUP = "argoproj.io"
# A duration as Go reads one; a plain number is of seconds.
DURATION = re.compile(r"-?\d+|-?((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+")
# The cluster that Argo CD runs on, by its address and by its name.
IN_CLUSTER, IN_CLUSTER_NAME = "https://kubernetes.default.svc", "in-cluster"


def applications(cluster: Cluster, name: str = "") -> Iterator[Resource]:
    """The Applications of the tree, or those of one name."""

    def by_name() -> dict[str, list[Resource]]:
        found: dict[str, list[Resource]] = {}
        for one in cluster.of_kind("Application"):
            for key in ("", one.name) if one.group == GROUP else ():
                found.setdefault(key, []).append(one)
        return found

    yield from cluster.once("applications", by_name).get(name, ())


def sources(application: Resource) -> list[Manifest]:
    """An Application's sources, one or several."""
    return sources_of(application.spec)


def sources_of(spec: Manifest) -> list[Manifest]:
    """The sources of an Application's spec, or of a template of one."""
    return list(map(as_mapping, as_list(spec.get("sources")) or [spec.get("source")]))


def lands_in(spec: Manifest, unseen: list[Manifest], own: str) -> list[str]:
    """The namespace into which sources that nobody sees bring resources; none where it is any.

    Argo CD's own namespace, `own`, is where Applications land, and those bring more anywhere; its
    own charts (argo-cd, argo-rollouts) are no Applications.
    """
    place = as_text(as_mapping(spec.get("destination")).get("namespace"))
    charts = [as_text(each.get("chart")) for each in unseen]
    of_argo = all(each.startswith("argo") and "apps" not in each for each in charts)
    return [] if "{{" in place or not place or (place == own and not of_argo) else [place]


def source_folder(file: Path, path: str) -> Path | None:
    """The folder that a source's path means, from the root of the repository of a file."""
    for base in (git_root(file.parent), *file.parents):
        if base is not None and (base / path).is_dir():
            return base / path
    return None


def is_alike(source: Manifest, cluster: Cluster) -> bool:
    """Whether a source is of another repository that has some folders like this one's."""

    def others() -> set[str]:
        named = [each for each in cluster.tree if each.kind == "Application"]
        here = next((each.origin.file for each in named if each.origin.file), None)
        found = (one for each in named for one in sources(each))
        return alike(found, lambda path: here is not None and source_folder(here, path) is not None)

    return address(source) in cluster.once("alike", others)


def destination(application: Resource) -> Manifest:
    """An Application's destination."""
    return as_mapping(application.spec.get("destination"))


def cluster_of(application: Resource) -> str:
    """The cluster that an Application means, by its address or else by its name.

    A misspelt address or name of Argo CD's own cluster counts as that cluster, and so does none at
    all: one rule reports it, and the others see the resources where they were meant to be.
    """
    where = destination(application)
    server, name = as_text(where.get("server")), as_text(where.get("name"))
    if means_own_cluster(server, name):
        return IN_CLUSTER
    return server or name or IN_CLUSTER


def means_own_cluster(server: str, name: str) -> bool:
    """Whether a destination is Argo CD's own cluster, or can only be a slip for it."""
    if server:
        host = server.rpartition("://")[2]
        return host == "kubernetes" or host.startswith(("kubernetes.default", "kubernetes.svc"))
    return name.casefold().replace("_", "").replace("-", "") == IN_CLUSTER_NAME.replace("-", "")


def sync_policy(application: Resource) -> Manifest:
    """An Application's syncPolicy."""
    return as_mapping(application.spec.get("syncPolicy"))


def prunes(application: Resource) -> bool:
    """Whether Argo CD deletes by itself what is no longer in git.

    An Application's Prune=false or Prune=confirm counts for all of its resources (Argo CD 3.4).
    """
    keeps = {"Prune=false", "Prune=confirm"} & set(sync_options(application))
    return bool(as_mapping(sync_policy(application).get("automated")).get("prune")) and not keeps


def sync_options(application: Resource) -> list[str]:
    """The options of an Application's syncPolicy."""
    return [as_text(option) for option in as_list(sync_policy(application).get("syncOptions"))]


def makers(cluster: Cluster, namespace: str) -> list[Resource]:
    """The Applications that are to make a namespace, of whichever cluster."""

    def all_makers() -> dict[str, list[Resource]]:
        found: dict[str, list[Resource]] = {}
        for one in applications(cluster):
            if "CreateNamespace=true" in sync_options(one):
                found.setdefault(as_text(destination(one).get("namespace")), []).append(one)
        return found

    return cluster.once("makers", all_makers).get(namespace, [])


def resources_of(cluster: Cluster, application: Resource) -> list[Resource]:
    """The resources of the tree that an Application brings, as far as the tree has its path."""
    return cluster.of_part(application.name)


def projects_named(cluster: Cluster, application: Resource) -> list[Resource]:
    """The AppProjects of an Application's project's name: in its own namespace, else anywhere.

    Applications in any namespace belong to projects of Argo CD's own. Two of one name are of two
    Argo CDs: what comes with the Application is of its own.
    """
    name = as_text(application.spec.get("project")) or "default"
    named = [each for each in cluster.of_kind("AppProject") if each.name == name]
    found = [each for each in named if each.namespace == application.namespace] or named
    return [each for each in found if each.part == application.part] or found


def project_of(cluster: Cluster, application: Resource) -> Resource | None:
    """The AppProject that an Application is of; None where there is none or several may be it."""
    found = projects_named(cluster, application)
    return found[0] if len(found) == 1 else None


def ignored_pointers(application: Resource, resource: Resource) -> Iterator[tuple[FieldPath, str]]:
    """(place, JSON pointer) of a resource's fields that an Application does not compare.

    Group and kind of an entry are globs; one without a name or namespace is of all.
    """
    for place, entry in each(application, "spec", "ignoreDifferences"):
        wanted = [as_text(entry.get(key)) for key in ("group", "kind", "name", "namespace")]
        has = [resource.group, resource.kind, resource.name, resource.namespace]
        fits = [fnmatch.fnmatchcase(a, b) for a, b in zip(has[:2], wanted[:2], strict=True)]
        fits += [not b or a == b for a, b in zip(has[2:], wanted[2:], strict=True)]
        if all(fits):
            for index, pointer in enumerate(as_list(entry.get("jsonPointers"))):
                yield (*place, "jsonPointers", index), as_text(pointer)


def steps(pointer: str) -> FieldPath:
    """A JSON pointer (RFC 6901) as a path; what looks like a number is a place in a list.

    >>> steps("/spec/ports/0/name")
    ('spec', 'ports', 0, 'name')
    """
    parts = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
    return tuple(int(part) if part.isdecimal() else part for part in parts)


def keeps_ignored(application: Resource) -> bool:
    """Whether an Application's syncs leave alone what it does not compare."""
    return "RespectIgnoreDifferences=true" in sync_options(application)
