"""What an Application's sources add to the folders that they render."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.files import git_root
from treecheck.kube.applications import applications, is_alike, resources_of, sources
from treecheck.kube.images import listed_images, repository
from treecheck.kube.renderers import image_override
from treecheck.kube.targets import is_meant
from treecheck.model import Problem, as_list, as_mapping, as_text, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

KUSTOMIZE = "https://argo-cd.readthedocs.io/en/release-3.4/user-guide/kustomize/"
SOURCES = "https://argo-cd.readthedocs.io/en/release-3.4/user-guide/multiple_sources/"


@rule("application-image-unused", kinds=("Application",), source=KUSTOMIZE)
def application_image_unused(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An image of an Application's kustomize options that no container has.

    Kustomize passes over it in silence: a tag that is written there reaches no pod. What an image
    updater or `argocd app set` writes is such an entry.
    """
    brought = resources_of(cluster, resource)
    images = {repository(image) for found in brought for image in listed_images(found.body)}
    for field, source in _placed(resource):
        for index, text in enumerate(
            map(as_text, as_list(as_mapping(source.get("kustomize")).get("images")))
        ):
            entry = image_override(text)
            if images and entry.get("newName", entry["name"]) not in images:
                yield Problem(
                    f"no container that it brings has the image {entry['name']}, so {text} reaches "
                    f"no pod; the images are {', '.join(sorted(images))}",
                    fix="Name the image as the container writes it.",
                    path=("spec", *field, "kustomize", "images", index),
                    absent=as_text(as_mapping(resource.spec.get("destination")).get("namespace")),
                )


@rule("application-patch-unused", kinds=("Application",), source=KUSTOMIZE + "#patches")
def application_patch_unused(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A patch of an Application's kustomize options whose target is none of its resources.

    Kustomize passes over it in silence, and what it is to change stays as it is.
    """
    brought = resources_of(cluster, resource)
    for field, source in _placed(resource):
        options = as_mapping(source.get("kustomize"))
        before, after = (
            f"(?:{re.escape(as_text(options.get(key)))})?" for key in ("namePrefix", "nameSuffix")
        )
        for place, patch in each(options, "patches"):
            target = as_mapping(patch.get("target"))
            if not brought or not target or "namespace" in target:
                continue
            if not any(is_meant(target, found, (before, after)) for found in brought):
                told = ", ".join(f"{key} {value}" for key, value in target.items())
                yield Problem(
                    f"this patch changes {told}, and the Application brings no such resource",
                    fix="Name a resource that it brings.",
                    path=("spec", *field, "kustomize", *place, "target"),
                    absent=as_text(as_mapping(resource.spec.get("destination")).get("namespace")),
                )


def _placed(application: Resource) -> Iterator[tuple[FieldPath, Manifest]]:
    """(place below spec, source) of an Application's sources."""
    several = "sources" in application.spec
    for index, source in enumerate(sources(application)):
        yield (("sources", index) if several else ("source",)), source


@rule("values-file-missing", kinds=("Application",), source=SOURCES)
def values_file_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A values file of another source that is not there.

    `$NAME/…` starts at the root of the repository of the source with `ref: NAME`, whatever `path`
    that source has. Argo CD can't make the manifests, and the Application stays in Unknown.
    """
    refs = {as_text(source.get("ref")): source for source in sources(resource) if "ref" in source}
    for field, source in _placed(resource):
        files = as_list(as_mapping(source.get("helm")).get("valueFiles"))
        for index, text in enumerate(map(as_text, files)):
            name, slash, rest = text.removeprefix("$").partition("/")
            if not text.startswith("$") or not slash:
                continue
            ignored = as_mapping(source.get("helm")).get("ignoreMissingValueFiles") is True
            fault = "" if ignored else _values_fault(resource, cluster, refs, name, rest)
            if fault:
                yield Problem(
                    f"{text}: {fault}: Argo CD can't make its manifests",
                    fix="Write the path from the repository's root.",
                    path=("spec", *field, "helm", "valueFiles", index),
                )


def _values_fault(
    resource: Resource, cluster: Cluster, refs: dict[str, Manifest], name: str, rest: str
) -> str:
    """What is wrong with a values file of another source, or ""."""
    if name not in refs:
        return f"no source has ref: {name}"
    file = resource.origin.file
    if file is None or "{{" in rest or not _is_this_repository(file, refs[name], cluster):
        return ""
    if any((base / rest).is_file() for base in _roots(file)):
        return ""
    path = as_text(refs[name].get("path"))
    added = f" (the source's path {path} is not added)" if path else ""
    return f"the repository has no {rest}{added}"


def _is_this_repository(file: Path, source: Manifest, cluster: Cluster) -> bool:
    """Whether a source is of the repository that a file lies in, by a folder that it names."""
    if is_alike(source, cluster):
        return False
    url = source.get("repoURL")
    own = [as_text(source.get("path"))]
    others = [
        as_text(other.get("path"))
        for application in applications(cluster)
        for other in sources(application)
        if other.get("repoURL") == url
    ]
    return any((base / p).is_dir() for p in (*own, *others) if p for base in _roots(file))


def _roots(file: Path) -> list[Path]:
    """The folders that may be the repository's root, as seen from a file of it."""
    root = git_root(file.parent)
    return [*([root] if root is not None else []), *file.parents]
