"""Applications that bring other Applications."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.files import kustomization_file
from treecheck.kube.applications import applications, prunes, source_folder, sources
from treecheck.model import Problem, as_text
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

# Addresses that Argo CD fetches itself; idpbuilder's `cnoe://` begins at another folder.
FETCHED = re.compile(r"(https?|ssh|git)://|[\w.-]+@")
READ = {".json", ".jsonnet", ".yaml", ".yml"}  # what Argo CD reads of a folder
OTHERS = {"chart", "directory", "helm", "kustomize", "plugin"}  # ways of reading it otherwise


@rule(
    "application-children-missed",
    kinds=("Application",),
    source="https://argo-cd.readthedocs.io/en/release-3.4/user-guide/directory/#recursive-resource-detection",
    unless=("application-path-missing", "application-source"),
)
def application_children_missed(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An Application of a folder that has Applications only in the folders below it.

    Argo CD reads the files of the folder itself, and not of those below it unless
    `directory.recurse` is true. Without a kustomization and without another manifest there the
    Application brings none of them; where it prunes, it deletes those that it brought before. It
    speaks where those below are of the same repository and nothing else in the tree brings them.
    """
    file, (source, *more) = resource.origin.file, sources(resource)
    path, url = as_text(source.get("path")), source.get("repoURL")
    folder = source_folder(file, path) if file and path else None
    if file is None or folder is None or more or resource.maker or OTHERS & set(source):
        return
    here = [each for each in folder.iterdir() if each.suffix in READ and each != file]
    elsewhere = not path.strip("./") or not FETCHED.match(as_text(url))
    if elsewhere or here or kustomization_file(folder) or (folder / "Chart.yaml").exists():
        return
    missed = [
        child
        for child in applications(cluster)
        if child.part.loose and child is not resource and child.origin.file
        if child.origin.file.is_relative_to(folder)
        if any(each.get("repoURL") == url for each in sources(child))
    ]
    if missed:
        first = missed[0].origin.file
        below = first.parent.relative_to(folder).as_posix() if first else ""
        effect = ", and deletes them where it brought them before" if prunes(resource) else ""
        yield Problem(
            f"folder {path} has no manifest for it, and Argo CD does not read the folders below: "
            f"it does not bring Application {_names(missed)}{effect}",
            fix=f"Write the path {path}/{below}, or add directory.recurse: true.",
            path=("spec", "source", "path"),
        )


def _names(missed: list[Resource]) -> str:
    names = sorted({each.name for each in missed})
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
