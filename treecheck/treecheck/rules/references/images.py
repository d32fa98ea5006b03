"""The `images:` entries of kustomizations, against the images that the pods really name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.blame import in_file
from treecheck.files import read_any, yaml_files
from treecheck.kube.images import listed_images, repository
from treecheck.model import Problem, as_list, as_mapping, as_text, mappings_in
from treecheck.registry import Scope, rule
from treecheck.rendering import brings_more, built_by, closure
from treecheck.written import deletes, listed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from treecheck.cluster import Cluster
    from treecheck.model import Resource
    from treecheck.rendering import Kustomization


@rule(
    "image-entry-unused",
    scope=Scope.CLUSTER,
    source="https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/images/",
)
def image_entry_unused(cluster: Cluster) -> Iterator[Problem]:
    """An `images:` entry that changes no container.

    Kustomize passes silently over an entry whose name no container has. A pipeline that writes
    its tag there deploys nothing, and every build of it is green.

    An entry is used when a rendered image has its new name (or, without one, its name), of any
    folder that builds on the kustomization. While one of those can't be built that is not known;
    nor where a chart, a plugin or a remote base brings containers that nobody fetches, nor where a
    patch further out deletes, and a manifest as it is written has the image: the entry changes
    what is deleted later. Nor is an entry reported whose image is in a manifest below one of its
    folders that none of them lists: a person or a script adds that.
    """
    for kustomization, resources in built_by(cluster.resources):
        if not kustomization.body.get("images") or _changes_others(kustomization, cluster):
            continue
        users = _users(resources)
        names = {repository(image) for image in users}
        for index, entry in enumerate(map(as_mapping, as_list(kustomization.body.get("images")))):
            name = as_text(entry.get("name"))
            wanted = repository(as_text(entry.get("newName")) or name)  # it may have its tag too
            if not name or wanted in names:
                continue
            everywhere = _users_everywhere(kustomization, cluster)
            others = {repository(image) for image in everywhere or ()}
            if (
                everywhere is not None
                and wanted not in others
                and not _deleted_later(kustomization, cluster, name)
                and not _waits(kustomization, name)
            ):
                yield _unused(cluster, kustomization, index, users, everywhere)


def _unused(
    cluster: Cluster,
    kustomization: Kustomization,
    index: int,
    users: dict[str, Resource],
    everywhere: dict[str, Resource],
) -> Problem:
    entry = as_mapping(as_list(kustomization.body.get("images"))[index])
    folder, name = kustomization.folder, as_text(entry.get("name"))
    written = entry.get("newTag") or entry.get("digest")
    what = f"tag {written}" if written else f"name {as_text(entry.get('newName'))}"
    bare = next((user for user in cluster.resources if name in listed_images(user.body)), None)
    if bare is not None and kustomization.body.get("kind") == "Component":
        around = bare.part.folder.name if bare.part.folder else bare.part.name
        wrong = (
            f"{bare.title} has the image {name}, and folder {around} does not name the component "
            f"{folder.name}, so the {what} written here does not reach it"
        )
        fix = f"Name {folder.name} under `components` in {around}'s kustomization."
    else:
        images = sorted({repository(image) for image in (*users, *everywhere)})
        there = f"; the images are {', '.join(images)}" if images else ""
        wrong = (
            f"no container of folder {kustomization.called} has the image {name}, so the {what} "
            f"written here reaches no pod{there}"
        )
        fix = "Let `name` be the image as the base's container writes it."
    return Problem(
        wrong,
        fix=fix,
        resource=_left_bare(users),
        file=kustomization.file,
        line=in_file(kustomization.file, ("images", index, "name"), kustomization.body)[1],
    )


def _changes_others(kustomization: Kustomization, cluster: Cluster) -> bool:
    """Whether entries may change other fields than containers', or containers of other trees.

    They change what their kustomization builds on, and a component's what the folders around it do.
    """
    if any(each.body.get("configurations") for each in _around(kustomization, cluster)):
        return True  # they may name other fields that hold images
    component = kustomization.body.get("kind") == "Component"
    around = _outer(kustomization, cluster) if component else []
    return any(brings_more(folder) for folder in (kustomization.folder, *around))


def _users_everywhere(kustomization: Kustomization, cluster: Cluster) -> dict[str, Resource] | None:
    """The images of every folder that builds on a kustomization; None where one can't be built."""

    if any(_builds_on(each.folder, kustomization) for each in cluster.unseen):
        return None
    mine = set(_outer(kustomization, cluster))
    return _users([each for each in cluster.tree if each.part.folder in mine])


def _deleted_later(kustomization: Kustomization, cluster: Cluster, name: str) -> bool:
    """Whether a folder that builds on a kustomization has the image, and deletes something."""
    around = _around(kustomization, cluster)
    if not any(deletes(each) for each in around if each.file != kustomization.file):
        return False
    bodies = [body for each in around for body in listed(each)]
    return name in {repository(as_text(each.get("image"))) for each in mappings_in(bodies)}


def _waits(kustomization: Kustomization, name: str) -> bool:
    """Whether a file below the folders of a kustomization has the image, and none of them lists it.

    A script or a person adds it when it is needed: the Job that splits a database, say.
    """
    if kustomization.body.get("kind") == "Component":
        return False
    inner = list(closure(kustomization.folder))
    known = {file.resolve() for each in inner for file in (each.file, *each.files)}
    image = re.compile(rf"\bimage: *[\"']?{re.escape(name)}(?:[:@][^\s\"']*)?[\"']?[ ,}}\n]")
    return any(
        image.search(read_any(path).text)
        for each in inner
        for path in yaml_files(each.folder)
        if path.resolve() not in known
    )


def _around(kustomization: Kustomization, cluster: Cluster) -> list[Kustomization]:
    """A kustomization with all that build on it, or that those build on too."""
    return [kustomization, *(e for each in _outer(kustomization, cluster) for e in closure(each))]


def _outer(kustomization: Kustomization, cluster: Cluster) -> list[Path]:
    """The rendered folders that build on a kustomization, of the whole tree."""
    folders = dict.fromkeys(each.part.folder for each in cluster.tree)
    return [folder for folder in folders if folder and _builds_on(folder, kustomization)]


def _builds_on(folder: Path | None, kustomization: Kustomization) -> bool:
    return folder is not None and any(each.file == kustomization.file for each in closure(folder))


def _users(resources: list[Resource]) -> dict[str, Resource]:
    """The images that containers name, each with the first workload that does."""
    found: dict[str, Resource] = {}
    for resource in resources:
        if resource.kind == "CustomResourceDefinition":
            continue  # kustomize leaves those alone
        for image in listed_images(resource.body):
            found.setdefault(image, resource)
    return found


def _left_bare(users: dict[str, Resource]) -> Resource | None:
    """The workload whose image has no tag: most likely the entry was meant for it."""
    return next((user for image, user in users.items() if repository(image) == image), None)
