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
from treecheck.files import kustomization_file, load_text, parse
from treecheck.model import as_list, as_mapping, as_text

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
INFLATOR = "kind: HelmChartInflationGenerator"
PATCH_FIELDS = ("patches", "patchesStrategicMerge", "patchesJson6902")
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
    """The addresses that a kustomization's generators and patches read instead of files."""
    for patch in _patches(body):
        if _ADDRESS.match(path := _patch_path(patch)):
            yield path
    for entry in _generators(body):
        for text in map(as_text, as_list(entry.get("files"))):
            found = _ADDRESS.search(text)
            if found is not None:
                yield text[found.start() :].removeprefix("=")


def _patches(body: dict[str, Any]) -> Iterator[Any]:
    for field in PATCH_FIELDS:
        yield from as_list(body.get(field))


def _patch_path(patch: Any) -> str:
    """The file or address that an entry of patches names, or ""."""
    return as_text(as_mapping(patch).get("path")) or as_text(patch)


def _generators(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for field in ("configMapGenerator", "secretGenerator"):
        yield from map(as_mapping, as_list(body.get(field)))


def plugins(folder: Path, body: dict[str, Any]) -> Iterator[str]:
    """The generators and transformers of a kustomization that need programs outside kustomize.

    Helm inflates a chart, where Argo CD's `kustomize.buildOptions` has `--enable-helm`.
    """
    for field in PLUGIN_FIELDS:
        for entry in map(as_text, as_list(body.get(field))):
            if "\n" in entry:
                texts = [entry]
            else:
                texts = [load_text(file) for _, file in _manifests(folder, entry) if file.is_file()]
            if any("apiVersion: builtin" not in each or INFLATOR in each for each in texts):
                yield entry if "\n" not in entry else field


def named_files(folder: Path, body: dict[str, Any]) -> Iterator[Path]:
    """The files that a kustomization's generators and transformers read, by their manifests.

    Such a manifest names them from its own folder or from the kustomization's; a folder of them is
    itself a kustomization.
    """
    for field in PLUGIN_FIELDS:
        for entry in map(as_text, as_list(body.get(field))):
            if "\n" in entry:
                texts = [(folder, each) for each in _parsed(entry)]
            else:
                texts = [
                    (at, each)
                    for at, file in _manifests(folder, entry)
                    for each in _documents(file)
                ]
            for place, manifest in texts:
                for text in strings(manifest):
                    for base in dict.fromkeys((place, folder)):
                        if may_be_path(text) and (base / text).is_file():
                            yield (base / text).resolve()


def _manifests(folder: Path, entry: str) -> Iterator[tuple[Path, Path]]:
    """(folder, file) of each manifest that an entry of generators or transformers stands for."""
    file = kustomization_file(folder / entry) if may_be_path(entry) else None
    if file is None:
        yield (folder / entry).parent, folder / entry
        return
    for body in _documents(file):
        for name in map(as_text, _resources(body)):
            if (file.parent / name).is_file():
                yield file.parent, file.parent / name


def strings(value: Any) -> Iterator[str]:
    """Every text in a kustomization, and of `key=path` the path too."""
    if isinstance(value, str):
        yield value
        if "=" in value:
            yield value.partition("=")[2]
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def may_be_path(text: str) -> bool:
    """Whether the file system can be asked for a path: it raises an error for a longer one."""
    names = text.split("/")  # and for a longer name in it
    return "\0" not in text and len(text) < 1024 and all(len(n.encode()) < 256 for n in names)


def common_root(closure: list[Kustomization]) -> Path:
    """The folder that has all of some kustomizations and their files."""
    places = [path for each in closure for path in (each.folder, *each.files)]
    return Path(os.path.commonpath([str(path) for path in places]))


def copy_files(closure: list[Kustomization], into: Path) -> Path:
    """Copy kustomizations and their files to `into`; returns the folder that they keep.

    The first of `closure` is the one to render; its copy lies at the same place in the folder that
    is returned as it does below the common parent of all.
    """
    root = common_root(closure)
    for each in closure:
        folder = into / each.folder.relative_to(root)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(each.file, folder / each.file.name)
        for file in each.files:
            copy = into / file.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    return root


def leave_out_remote(closure: list[Kustomization], root: Path, copy: Path) -> None:
    """Take what nobody fetches out of the copies of kustomizations."""
    known = set(_local_names(closure))
    for each in closure:
        folder = copy / each.folder.relative_to(root)
        body = _without(each, known)
        if not _makes_something(body):
            (folder / "treecheck-placeholder.yaml").write_text(yaml.safe_dump(EMPTY), "utf-8")
            body["resources"] = ["treecheck-placeholder.yaml"]
        (folder / each.file.name).write_text(yaml.safe_dump(body), "utf-8")


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
    for field in PATCH_FIELDS:
        if field in body:
            body[field] = [
                each
                for each in as_list(body[field])
                if not _ADDRESS.match(_patch_path(each))
                and (as_mapping(each).get("target") or _hits(kustomization.folder, each, known))
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
    """Whether a strategic merge patch is of a manifest that the tree itself has, or isn't there.

    Kustomize is to say that it is not.
    """
    entry = as_mapping(patch)
    text = as_text(patch) or as_text(entry.get("patch"))
    path = as_text(entry.get("path")) or (text if "\n" not in text else "")
    bodies = _documents(folder / path) if path else _parsed(text)
    if path and may_be_path(path) and not (folder / path).exists():
        return True
    return any(name in known for name in map(_name, bodies))


def _resources(body: dict[str, Any]) -> list[Any]:
    return [*as_list(body.get("resources")), *as_list(body.get("bases"))]


def _name(body: dict[str, Any]) -> tuple[str, str]:
    return as_text(body.get("kind")), as_text(as_mapping(body.get("metadata")).get("name"))


def _documents(file: Path) -> list[dict[str, Any]]:
    try:
        return _parsed(load_text(file), str(file))
    except (InputError, OSError):
        return []


def _parsed(text: str, name: str = "a patch") -> list[dict[str, Any]]:
    try:
        return [as_mapping(each.value) for each in parse(text, name)]
    except InputError:
        return []
