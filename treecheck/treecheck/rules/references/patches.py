"""Patches and replacements of kustomizations, against the resources that they are to change."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from treecheck.files import line_of, load_text
from treecheck.kube.targets import is_meant, matches_name
from treecheck.model import Origin, Part, Problem, Resource, as_list, as_mapping, as_text
from treecheck.registry import Scope, rule
from treecheck.rendering import built_by, closure, read_kustomization, unrendered
from treecheck.written import commented_out, listed, mappings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest
    from treecheck.rendering import Kustomization

PATCHES = "https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/patches/"
REPLACEMENTS = "https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/replacements/"


SOME = {"name", "labelSelector", "annotationSelector"}  # what picks some of a kind


class Target(NamedTuple):
    """What a patch or a replacement of a kustomization says it changes."""

    file: Path
    select: Manifest


@rule("patch-hits-nothing", scope=Scope.CLUSTER, source=PATCHES)
def patch_hits_nothing(cluster: Cluster) -> Iterator[Problem]:
    """A patch whose target no resource is.

    Kustomize refuses a patch for a resource that is not there, but not one with a `target`: a
    misspelt name or kind there changes nothing, in silence. Left alone are patches that delete, or
    that have a target in a file which the kustomization names in a comment, components that nothing
    in the tree names, folders that are empty on purpose (`resources: []`), and kustomizations that
    build on addresses outside the tree.
    """
    yield from _unmet(cluster, _patched, "this patch changes")


@rule("replacement-hits-nothing", scope=Scope.CLUSTER, source=REPLACEMENTS)
def replacement_hits_nothing(cluster: Cluster) -> Iterator[Problem]:
    """A replacement whose target no resource is.

    The value is read and copied nowhere, and kustomize says nothing. A file of replacements that
    several folders share has to find its target in one of them.
    """
    yield from _unmet(cluster, _replaced, "this replacement changes")


def _unmet(
    cluster: Cluster, targets: Callable[[Kustomization], Iterator[Target]], what: str
) -> Iterator[Problem]:
    known = cluster.once("built by", lambda: built_by(cluster.resources))
    affixes = _affixes(kustomization for kustomization, _ in known)
    for kustomization, resources in known:
        alone = {each.part.folder for each in resources} <= {kustomization.folder}
        if alone and kustomization.body.get("kind") == "Component":
            continue  # it patches what those bring who name it, and here nobody does
        if any(each.folder == kustomization.folder for each in cluster.unseen):
            continue  # what it patches comes from elsewhere
        if kustomization.body.get("resources") == []:
            continue  # empty on purpose: what it patches is still to come
        builders = _builders(kustomization, resources)
        for file, select in targets(kustomization):
            shared = not file.is_relative_to(kustomization.folder.resolve())
            component = kustomization.body.get("kind") == "Component"
            if (component or shared) and not SOME & set(select):
                continue  # it is for each shape that a workload may have
            if not (
                any(is_meant(select, each, affixes) for each in resources)
                or any(map(unrendered, (each.folder for each in builders)))
                or any(_is_named(select, body) for each in builders for body in listed(each))
                or any(is_meant(select, each, affixes) for each in _around(file, cluster))
                or any(is_meant(select, each, affixes) for each in _for_later(kustomization))
            ):
                place = kustomization.called
                where = f"what names component {place}" if component else f"folder {place}"
                yield Problem(
                    f"{what} {_told(select)}, and no resource of {where} is that",
                    fix=_hint(select, resources),
                    file=file,
                    line=line_of(file, as_text(select.get("name")) or "target:"),
                )


def _builders(kustomization: Kustomization, resources: list[Resource]) -> list[Kustomization]:
    """The kustomizations whose resources one changes: of a component, those that name it."""
    if kustomization.body.get("kind") != "Component":
        return [kustomization]
    folders = dict.fromkeys(each.part.folder for each in resources if each.part.folder is not None)
    return [found for each in folders if (found := read_kustomization(each)) is not None]


def _around(file: Path, cluster: Cluster) -> Iterator[Resource]:
    """What folders make that build on the file of a patch, or of its kustomization, in the tree.

    What Applications deploy is taken out of the folders around it: that a patch there finds its
    resource shows only in the Application's own folder. A file of its own may serve many folders.
    """
    folders = dict.fromkeys(each.part.folder for each in cluster.tree)
    outer = {
        folder
        for folder in folders
        if folder and any(file in {each.file, *each.files} for each in closure(folder))
    }
    return (each for each in cluster.tree if each.part.folder in outer)


def _for_later(kustomization: Kustomization) -> Iterator[Resource]:
    """What a kustomization will bring once somebody takes away the `#` before it."""
    part = Part(kustomization.folder.name, kustomization.folder.name)
    for body in commented_out(kustomization):
        yield Resource(body, part, Origin(kustomization.file, 1))


def _patched(kustomization: Kustomization) -> Iterator[Target]:
    for field in ("patches", "patchesJson6902"):
        for patch in map(as_mapping, as_list(kustomization.body.get(field))):
            target = as_mapping(patch.get("target"))
            text = as_text(patch.get("patch"))
            path = kustomization.folder / as_text(patch.get("path"))
            if path.is_file():
                text = load_text(path)
            if target and not re.search(r"\$patch[\"']?: *[\"']?delete", text):
                yield Target(kustomization.file, target)


def _replaced(kustomization: Kustomization) -> Iterator[Target]:
    for entry in map(as_mapping, as_list(kustomization.body.get("replacements"))):
        file, found = kustomization.file, [entry]
        if "path" in entry:
            file = (kustomization.folder / as_text(entry["path"])).resolve()
            found = mappings(file)
        for replacement in found:
            for target in map(as_mapping, as_list(replacement.get("targets"))):
                if as_mapping(target.get("select")):
                    yield Target(file, as_mapping(target["select"]))


def _affixes(kustomizations: Iterable[Kustomization]) -> tuple[str, str]:
    """Patterns of what kustomizations put before and after names."""
    found: list[list[str]] = [[], [r"-[a-z0-9]{10}"]]  # a generated name ends in a hash
    for each in kustomizations:
        for texts, field in zip(found, ("namePrefix", "nameSuffix"), strict=True):
            if as_text(each.body.get(field)):
                texts.append(re.escape(as_text(each.body[field])))
    before, after = (f"(?:{'|'.join(each)})*" if each else "" for each in found)
    return before, after


def _is_named(select: Manifest, manifest: Manifest) -> bool:
    """Whether a selector means a manifest, by kind and name; one without a name means none."""
    named = {"kind": manifest, "name": as_mapping(manifest.get("metadata"))}
    patterns = {field: as_text(select.get(field)) for field in named}
    return bool(patterns["name"]) and all(
        matches_name(rf"(?:{pattern})\Z", as_text(named[field].get(field)))
        for field, pattern in patterns.items()
        if pattern
    )


def _told(select: Manifest) -> str:
    return ", ".join(f"{key} {value}" for key, value in select.items() if isinstance(value, str))


def _hint(select: Manifest, resources: list[Resource]) -> str:
    kind = as_text(select.get("kind"))
    names = sorted({each.name for each in resources if each.kind == kind})
    if names:
        return f"Name one that there is; of kind {kind}: {', '.join(names[:10])}."
    kinds = sorted({each.kind for each in resources})
    return f"Name a kind that there is: {', '.join(kinds[:20])}."
