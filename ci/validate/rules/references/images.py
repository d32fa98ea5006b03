"""The `images:` entries of kustomizations, against the images that the pods really name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.validate.kube.images import repository
from ci.validate.model import Problem, as_list, as_mapping, as_text
from ci.validate.registry import Scope, rule
from ci.validate.rendering import closure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci.validate.environment import Environment
    from ci.validate.model import Manifest, Resource
    from ci.validate.rendering import Kustomization


@rule(
    "image-entry-unused",
    scope=Scope.ENVIRONMENT,
    source="https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/images/",
)
def image_entry_unused(environment: Environment) -> Iterator[Problem]:
    """An `images:` entry that changes no container.

    Kustomize passes silently over an entry whose name no container has. A pipeline that writes
    its tag there deploys nothing, and every build of it is green.

    An entry is used when a rendered image has its new name (or, without one, its name).
    """
    entries: dict[Path, list[Manifest]] = {}
    users: dict[Path, dict[str, Resource]] = {}
    closures: dict[Path, list[Kustomization]] = {}
    for resource in environment.resources:
        folder = resource.part.folder
        if folder is None:
            continue
        for kustomization in closures.setdefault(folder, closure(folder)):
            listed = as_list(kustomization.body.get("images"))
            entries[kustomization.file] = [as_mapping(entry) for entry in listed]
            used = users.setdefault(kustomization.file, {})
            for _, container in resource.pod.containers() if resource.pod else ():
                used.setdefault(as_text(container.get("image")), resource)
    for file, found in entries.items():
        names = {repository(image) for image in users[file]}
        for entry in found:
            name = as_text(entry.get("name"))
            if name and (as_text(entry.get("newName")) or name) not in names:
                yield Problem(
                    f"no container of {file.parent.name} has the image {name}, so the tag "
                    f"{entry.get('newTag') or entry.get('digest')} written here reaches no pod"
                    f"{_there(names)}",
                    fix="Let `name` be the image as the base's container writes it.",
                    resource=_left_bare(users[file]),
                    file=file,
                    line=line_of(file, name),
                )


def _there(names: set[str]) -> str:
    return f"; the images are {', '.join(sorted(names))}" if names else ""


def _left_bare(users: dict[str, Resource]) -> Resource | None:
    """The workload whose image has no tag: most likely the entry was meant for it."""
    return next((user for image, user in users.items() if repository(image) == image), None)


def line_of(file: Path, name: str) -> int:
    """The first line of a file with a name in it, or 1."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if name and name in line:
            return number
    return 1
