"""A copy of a kustomization without what nobody fetches: charts, plugins and remote bases.

What is left is rendered as it stands, transformers and patches included, so that the tree's own
manifests are judged as they will be.
"""

from __future__ import annotations

import copy
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from treecheck.errors import InputError
from treecheck.files import load_text
from treecheck.model import as_list, as_mapping, as_text
from treecheck.reading import read_documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from treecheck.rendering import Kustomization

PLACEHOLDER = "treecheck.placeholder"
# Kustomize refuses a kustomization that makes nothing.
EMPTY = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "treecheck-placeholder", "annotations": {PLACEHOLDER: "true"}},
}
_ADDRESS = re.compile(r"(?:^|=)https?://")
CHART_FIELDS = ("helmCharts", "helmGlobals", "helmChartInflationGenerator")
PLUGIN_FIELDS = ("generators", "transformers", "validators")


def charts(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, namespace or "") of each Helm chart that a kustomization inflates."""
    for field, key, where in (
        ("helmCharts", "name", "namespace"),
        ("helmChartInflationGenerator", "chartName", "releaseNamespace"),
    ):
        for entry in map(as_mapping, as_list(body.get(field))):
            yield as_text(entry.get(key)) or "without a name", as_text(entry.get(where))


def fetched_files(body: dict[str, Any]) -> Iterator[str]:
    """The addresses that a kustomization's generators read instead of files."""
    for entry in _generators(body):
        for text in map(as_text, as_list(entry.get("files"))):
            found = _ADDRESS.search(text)
            if found is not None:
                yield text[found.start() :].removeprefix("=")


def _generators(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for field in ("configMapGenerator", "secretGenerator"):
        yield from map(as_mapping, as_list(body.get(field)))


def plugins(folder: Path, body: dict[str, Any]) -> Iterator[str]:
    """The generators and transformers of a kustomization that are programs outside kustomize."""
    for field in PLUGIN_FIELDS:
        for entry in map(as_text, as_list(body.get(field))):
            text = entry
            if "\n" not in entry and (folder / entry).is_file():
                text = load_text(folder / entry)
            elif "\n" not in entry:
                continue  # a folder: a kustomization of its own
            if "apiVersion: builtin" not in text:
                yield entry if "\n" not in entry else field


def copy_without_remote(closure: list[Kustomization], into: Path) -> Path:
    """Copy kustomizations to `into` without what nobody fetches; returns the folder that they keep.

    The first of `closure` is the one to render; its copy lies at the same place in the folder that
    is returned as it does below the common parent of all.
    """
    places = [path for each in closure for path in (each.folder, *each.files)]
    root = Path(os.path.commonpath([str(path) for path in places]))
    known = set(_local_names(closure))
    for each in closure:
        folder = into / each.folder.relative_to(root)
        folder.mkdir(parents=True, exist_ok=True)
        for file in each.files:
            copy = into / file.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        body = _without(each, known)
        if not _makes_something(body):
            (folder / "treecheck-placeholder.yaml").write_text(yaml.safe_dump(EMPTY), "utf-8")
            body["resources"] = ["treecheck-placeholder.yaml"]
        (folder / each.file.name).write_text(yaml.safe_dump(body), "utf-8")
    return root


def _without(kustomization: Kustomization, known: set[tuple[str, str]]) -> dict[str, Any]:
    """A kustomization's body without charts, plugins, remote bases, and patches of those."""
    remote = {*kustomization.remote, *kustomization.plugins}
    body = copy.deepcopy(kustomization.body)
    body = {key: value for key, value in body.items() if key not in CHART_FIELDS}
    for field in ("resources", "components", "bases", *PLUGIN_FIELDS):
        if field in body:
            body[field] = [each for each in as_list(body[field]) if each not in remote]
    for field in PLUGIN_FIELDS:
        if field in kustomization.plugins:  # written in place
            body.pop(field, None)
    for entry in _generators(body):
        files = [as_text(each) for each in as_list(entry.get("files"))]
        away = [each for each in files if _ADDRESS.search(each)]
        if away:  # the keys stay, with nothing in them
            entry["files"] = [each for each in files if each not in away]
            entry["literals"] = [*as_list(entry.get("literals")), *map(_empty, away)]
    if "patches" in body:
        body["patches"] = [
            each
            for each in as_list(body["patches"])
            if as_mapping(each).get("target") or _hits(kustomization.folder, each, known)
        ]
    if "patchesStrategicMerge" in body:
        body["patchesStrategicMerge"] = [
            each
            for each in as_list(body["patchesStrategicMerge"])
            if _hits(kustomization.folder, each, known)
        ]
    return body


def _empty(text: str) -> str:
    """A literal with the key of a generator's file: `key=https://…`, else the last of its path."""
    key, equals, _ = text.partition("=")
    return f"{key if equals and '/' not in key else text.rpartition('/')[2]}="


def _makes_something(body: dict[str, Any]) -> bool:
    fields = ["resources", "bases", "components", "generators"]
    fields += ["configMapGenerator", "secretGenerator"]
    return body.get("kind") == "Component" or any(as_list(body.get(field)) for field in fields)


def _local_names(closure: Iterable[Kustomization]) -> Iterator[tuple[str, str]]:
    """(kind, name) of the manifests and generators of kustomizations, as they are written."""
    for each in closure:
        listed = {(each.folder / as_text(text)).resolve() for text in _resources(each.body)}
        for file in listed & set(each.files):
            yield from map(_name, _documents(file))
        for field, kind in (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")):
            for entry in map(as_mapping, as_list(each.body.get(field))):
                yield kind, as_text(entry.get("name"))


def _hits(folder: Path, patch: Any, known: set[tuple[str, str]]) -> bool:
    """Whether a strategic merge patch is of a manifest that the tree itself has."""
    entry = as_mapping(patch)
    text = as_text(patch) or as_text(entry.get("patch"))
    path = as_text(entry.get("path")) or (text if "\n" not in text else "")
    bodies = _documents(folder / path) if path else _parsed(text)
    return any(name in known for name in map(_name, bodies))


def _resources(body: dict[str, Any]) -> list[Any]:
    return [*as_list(body.get("resources")), *as_list(body.get("bases"))]


def _name(body: dict[str, Any]) -> tuple[str, str]:
    return as_text(body.get("kind")), as_text(as_mapping(body.get("metadata")).get("name"))


def _documents(file: Path) -> list[dict[str, Any]]:
    try:
        return _parsed(load_text(file))
    except (InputError, OSError):
        return []


def _parsed(text: str) -> list[dict[str, Any]]:
    try:
        return [as_mapping(each.value) for each in read_documents(text, "a patch")]
    except InputError:
        return []
