"""What can't meet in one cluster, as far as the tree shows: examples, and other environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.applications import applications, sources
from treecheck.model import Resource, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest

LOOSE = "the manifests"  # the set of those that nothing applies
# Folders of manifests for people to look at, each file by itself.
SHOWN = frozenset(
    {"doc", "docs", "example", "examples", "sample", "samples", "test", "tests", "testdata"}
)
ENVIRONMENTS = frozenset(
    {
        "acceptance", "dev", "development", "live", "local", "preprod", "prod", "production", "qa",
        "sandbox", "stage", "staging", "test", "uat",
    }
)  # fmt: skip


def may_meet(one: Resource, other: Resource, cluster: Cluster) -> bool:
    """Whether something says that two resources run on one cluster.

    Two files of examples don't, nor do two folders of plain files that nothing applies together,
    nor files of a folder that has a resource twice: people apply one of them. Nor does what
    Applications of two environments bring, each of a folder of its own, nor what an Application
    brings and what none does.
    """
    if one.part == other.part:
        return True
    files = one.origin.file, other.origin.file
    if one.part.loose and other.part.loose and files[0] and files[1]:
        together = files[0].parent == files[1].parent and not _is_shown(one)
        return together and files[0].parent not in _to_choose_from(cluster)
    if _is_shown(one) or _is_shown(other):
        return False
    homes = [list(applications(cluster, each.part.name)) for each in (one, other)]
    if not all(homes):
        return next(applications(cluster), None) is None
    return any(not are_apart(a, b) for a in homes[0] for b in homes[1])


def _to_choose_from(cluster: Cluster) -> set[Path]:
    """The folders of plain files of which two have a resource of the same name."""

    def find() -> set[Path]:
        first: dict[tuple[object, ...], Path] = {}
        return {
            file.parent
            for each in cluster.resources
            if each.part.loose and each.kind != "Namespace" and (file := each.origin.file)
            if first.setdefault((file.parent, each.key), file) != file
        }

    return cluster.once("files to choose from", find)


def _is_shown(resource: Resource) -> bool:
    return resource.part.loose and not SHOWN.isdisjoint(resource.part.group.split("/"))


def are_apart(one: Resource, other: Resource) -> bool:
    """Whether two Applications are of two environments: their files differ in that folder alone.

    Each environment has a folder of Applications then, `apps/uat/web.yaml` beside
    `apps/prod/web.yaml`, and may well have a cluster with an Argo CD of its own.
    """
    if one.origin.file is None or other.origin.file is None:
        return False
    parts = one.origin.file.parent.parts, other.origin.file.parent.parts
    if len(parts[0]) != len(parts[1]):
        return False
    differing = [pair for pair in zip(*parts, strict=True) if pair[0] != pair[1]]
    return len(differing) == 1 and ENVIRONMENTS.issuperset(differing[0])


def are_roots(one: Resource, other: Resource) -> bool:
    """Whether people apply two Applications by hand, each out of the folder that it syncs.

    Where such bring Applications and projects of one name, each is the first of an Argo CD.
    """
    return all(
        (each.part.loose or each.part.name == each.name)  # which brings itself
        and each.origin.file is not None
        and any(_lies_in(each.origin.file, source) for source in sources(each))
        for each in (one, other)
    )


def _lies_in(file: Path, source: Manifest) -> bool:
    path = as_text(source.get("path")).strip("./")
    return bool(path) and file.parent.as_posix().endswith("/" + path)


def by_file(
    loose: list[Resource], is_new: Callable[[Resource], bool]
) -> Iterator[tuple[None, str, list[Resource]]]:
    """What nothing applies, as one set; a file with something that is deployed too is one itself.

    Such a file is another form of that: an example of a page, or an older one. A Helm chart is a
    set of its own too, and so is each of the folders that define the same resource, with what all
    of a cluster share: its classes, its projects.
    """
    files: dict[str, list[Resource]] = {}
    for each in loose:
        files.setdefault(each.part.chart or each.part.name, []).append(each)
    charts = {each.part.chart for each in loose if each.part.chart}
    mixed = {name for name, found in files.items() if len({*map(is_new, found)}) > 1} | charts
    rest = [each for each in loose if (each.part.chart or each.part.name) not in mixed]
    yield from ((None, name, files[name]) for name in files if name in mixed)
    others = _clashing(rest)
    last = [each for each in rest if each.part.group not in others]
    shared = [each for each in last if each.kind == "AppProject" or not each.namespace]
    for folder in others:
        found = [each for each in rest if each.part.group == folder]
        yield None, folder, [*found, *map(_context, shared)]
    if last:
        yield None, LOOSE, last


def _context(resource: Resource) -> Resource:
    """A resource as others may refer to it; it is checked elsewhere."""
    body, part, origin = resource.body, resource.part, resource.origin
    return Resource(body, part, origin, checked=False, maker=resource.maker)


def _clashing(loose: list[Resource]) -> dict[str, None]:
    """The folders of which another one defines the same resource: lessons, say, one after another.

    Whoever applies one does not apply the other.
    """
    folders: dict[tuple[str, ...], dict[str, None]] = {}
    for each in loose:
        if each.kind != "Namespace":
            folders.setdefault(each.key, {})[each.part.group] = None
    return {name: None for found in folders.values() if len(found) > 1 for name in found}
