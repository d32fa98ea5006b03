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
    from ci.validate.model import Manifest


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
    images: dict[Path, set[str]] = {}
    for resource in environment.resources:
        if resource.part.folder is not None:
            names = images.setdefault(resource.part.folder, set())
            for _, container in resource.pod.containers() if resource.pod else ():
                names.add(repository(as_text(container.get("image"))))
    for folder, names in images.items():
        for kustomization in closure(folder):
            for entry in map(as_mapping, as_list(kustomization.body.get("images"))):
                made = _made(entry)
                if made and made not in names:
                    yield Problem(
                        f"no container of {folder.name} has the image {entry.get('name')}, so the "
                        f"tag {entry.get('newTag') or entry.get('digest')} written here reaches no "
                        "pod",
                        fix="Let `name` be the image as the base's container writes it.",
                        file=kustomization.file,
                        line=_line(kustomization.file, as_text(entry.get("name"))),
                    )


def _made(entry: Manifest) -> str:
    return as_text(entry.get("newName")) or as_text(entry.get("name"))


def _line(file: Path, name: str) -> int:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if name and name in line:
            return number
    return 1
