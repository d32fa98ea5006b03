"""Custom resource definitions without their schemas, for the time that kustomize takes to build.

A schema is most of a definition, kustomize only passes it on, and takes seconds for each in each
folder. So it gets a copy of the files with a mark in the place of each schema.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from treecheck.errors import InputError
from treecheck.files import load_text
from treecheck.model import as_list, as_mapping, as_text, at
from treecheck.partial import may_be_path, strings
from treecheck.unchanged import manifests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from treecheck.rendering import Kustomization

SMALLEST = 30_000  # bytes of a file: a smaller one costs less than its copy
MARK = "treecheck-schema-"
KIND = "CustomResourceDefinition"
_LISTING = frozenset({"resources", "bases", "components"})
_GENERATING = frozenset({"configMapGenerator", "secretGenerator"})


class Slim:
    """The files of kustomizations that have schemas, and those schemas."""

    def __init__(self, closure: list[Kustomization], beside: list[Kustomization]) -> None:
        """`beside` are the kustomizations that an Application adds to those of its folder."""
        self.files: dict[Path, str] = {}  # each with the text that stands for it
        self._schemas: dict[str, Any] = {}
        large = {f for each in closure for f in each.files if f.stat().st_size >= SMALLEST}
        if not large or any(map(_may_change_schemas, [*closure, *beside])):
            return
        elsewhere = {file for each in [*closure, *beside] for file in _named(each, _LISTING)}
        for file in sorted(large - elsewhere):
            self._take(file)

    def _take(self, file: Path) -> None:
        if file.suffix in {".yaml", ".yml"} and "openAPIV3Schema" in load_text(file):
            text, schemas = _without_schemas(file, load_text(file))
            if text:
                self.files[file] = text
                self._schemas |= schemas

    def write(self, copy: Path, root: Path) -> None:
        """Put the files into a copy of a folder."""
        for file, text in self.files.items():
            (copy / file.relative_to(root)).write_text(text, encoding="utf-8")

    def restore(self, body: dict[str, Any]) -> None:
        """Put the schemas back into what kustomize made of a manifest."""
        for version in _versions(body) if self._schemas else ():
            mark = as_text(at(version, "schema", "openAPIV3Schema", "description"))
            version["schema"] = self._schemas.get(mark, version["schema"])


@lru_cache(maxsize=256)
def _without_schemas(file: Path, _text: str) -> tuple[str, dict[str, Any]]:
    """What stands for a file of this text, and the schemas by their marks; "" where unsure.

    Most files are part of several folders.
    """
    schemas: dict[str, Any] = {}
    bodies = manifests(file) or []
    place = hashlib.sha256(str(file).encode()).hexdigest()[:16]
    for body in bodies:
        for version in _versions(body):
            mark = f"{MARK}{place}-{len(schemas)}"
            schemas[mark] = version["schema"]
            version["schema"] = {"openAPIV3Schema": {"description": mark}}
    documents = (json.dumps(body, ensure_ascii=False) for body in bodies)
    return "---\n".join(f"{each}\n" for each in documents), schemas


def _versions(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The versions of a definition that have a schema."""
    if body.get("kind") == KIND:
        for version in map(as_mapping, as_list(at(body, "spec", "versions"))):
            if "schema" in version:
                yield version


def _named(kustomization: Kustomization, left_out: frozenset[str]) -> Iterator[Path]:
    """The files that a kustomization names in other fields than some."""
    for field, value in kustomization.body.items():
        for text in strings(value) if field not in left_out else ():
            if may_be_path(text) and (kustomization.folder / text).is_file():
                yield (kustomization.folder / text).resolve()


def _may_change_schemas(kustomization: Kustomization) -> bool:
    """Whether a patch, a replacement or a setting of a kustomization speaks of a schema."""
    left_out = _LISTING | _GENERATING
    fields = {key: value for key, value in kustomization.body.items() if key not in left_out}
    texts = [json.dumps(fields, default=str)]
    try:
        texts += map(load_text, _named(kustomization, left_out))
    except InputError:
        return True
    return "openapi" in fields or any("schema" in each.casefold() for each in texts)
