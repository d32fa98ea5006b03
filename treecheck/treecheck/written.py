"""The manifests and the deletions of kustomizations as they are written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.errors import InputError
from treecheck.files import load_text, parse
from treecheck.model import as_list, as_mapping, as_text
from treecheck.rendering import closure, read_kustomization

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from treecheck.files import SourceFile
    from treecheck.model import Manifest
    from treecheck.rendering import Kustomization

_COMMENT = re.compile(
    r"^[ \t]*#[# \t]*-[ \t]*[\"']?([\w./-]{1,200})[\"']?[ \t]*(?:#[^\n]*)?$", re.MULTILINE
)
_DELETE = re.compile(r"\$patch[\"']?: *[\"']?delete|\bop[\"']?: *[\"']?remove\b")


def mappings(file: Path) -> list[Manifest]:
    """The mappings of a file: its documents, or the items of a list in its place."""
    try:
        documents = parse(load_text(file), str(file))
    except (InputError, OSError):
        return []
    return [
        as_mapping(each)
        for document in documents
        for each in (document.value if isinstance(document.value, list) else [document.value])
    ]


def listed(kustomization: Kustomization) -> Iterator[Manifest]:
    """The manifests that a kustomization builds on as they are written.

    What renders may have another name (by a transformer, or by a patch of it), or be gone (by a
    patch further out). Of what generators make it has kind and name alone.
    """
    for each in closure(kustomization.folder):
        for kind in ("ConfigMap", "Secret"):
            field = f"{kind[0].lower()}{kind[1:]}Generator"
            for entry in map(as_mapping, as_list(each.body.get(field))):
                yield {"kind": kind, "metadata": {"name": entry.get("name")}}
        for resource in map(as_text, as_list(each.body.get("resources"))):
            file = each.folder / resource
            if file.is_file():
                yield from mappings(file)


def commented_out(kustomization: Kustomization) -> Iterator[Manifest]:
    """The manifests of the files that a kustomization names in a comment: for later, or for some.

    A folder in a comment stands for the files that its kustomization lists.
    """
    for name in _COMMENT.findall(load_text(kustomization.file)):
        path = kustomization.folder / name
        inner = read_kustomization(path) if path.is_dir() else None
        if inner is not None:
            yield from listed(inner)
        elif path.is_file():
            yield from mappings(path)


def taken_out(kustomizations: Iterable[Kustomization]) -> set[Path]:
    """The folders that some kustomizations name in a comment: `# - ../../web`."""
    return {
        (each.folder / name).resolve()
        for each in kustomizations
        for name in _COMMENT.findall(load_text(each.file))
    }


def left_over(
    folders: Iterable[Path], kustomizations: Iterable[Kustomization], deployed: set[Path]
) -> set[Path]:
    """Those of some folders that nothing names, while something names folders beside them.

    A folder beside it that builds on one of its siblings, as an overlay on its base, says nothing.
    Nor is one built of which a kustomization above lists a file: `web/ks.yaml`.
    A base that nothing builds on is left over where the tree says what it deploys.
    """
    kustomizations = [*kustomizations]
    passed = {
        file.parent
        for each in kustomizations
        for file in each.files
        if each.folder in file.parent.parents
    }
    beside = {
        inner.parent
        for each in kustomizations
        for inner in each.folders
        if inner.parent != each.folder.parent
    }
    beside |= {each.parent for each in deployed}
    return {
        each
        for each in folders
        if each not in deployed
        and (
            each in passed or each.parent in beside or (deployed and each.name in {"base", "bases"})
        )
    }


def mark_data(kustomizations: Iterable[Kustomization], files: dict[Path, SourceFile]) -> None:
    """Mark the files that generators take as they are, and those that Helm reads: values.yaml."""
    for each in kustomizations:
        for path in _values(each):
            if path in files:
                files[path].merged = False
        for field in ("configMapGenerator", "secretGenerator"):
            for entry in map(as_mapping, as_list(each.body.get(field))):
                for text in map(as_text, as_list(entry.get("files"))):
                    path = (each.folder / text.rpartition("=")[2]).resolve()
                    if path in files and path.name.startswith("values"):
                        files[path].merged = False
                    elif path in files:
                        files[path].opaque = True


def _values(kustomization: Kustomization) -> Iterator[Path]:
    """The files of values that a kustomization's charts name: kustomize hands them on to Helm."""
    for entry in map(as_mapping, as_list(kustomization.body.get("helmCharts"))):
        for text in (entry.get("valuesFile"), *as_list(entry.get("additionalValuesFiles"))):
            if as_text(text):
                yield (kustomization.folder / as_text(text)).resolve()


def deletes(kustomization: Kustomization) -> bool:
    """Whether a patch of a kustomization takes something away: a resource, or a part of one."""
    return any(_DELETE.search(text) for text in _patches(kustomization))


def _patches(kustomization: Kustomization) -> Iterator[str]:
    """The texts of a kustomization's patches."""
    for field in ("patches", "patchesJson6902", "patchesStrategicMerge"):
        for patch in as_list(kustomization.body.get(field)):
            text = as_text(as_mapping(patch).get("patch")) or as_text(patch)
            path = as_text(as_mapping(patch).get("path")) or as_text(patch)
            if "\n" not in path and path and (kustomization.folder / path).is_file():
                try:
                    text = load_text(kustomization.folder / path)
                except InputError:
                    continue
            yield text
