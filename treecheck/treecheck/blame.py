"""Finds the line to blame: that of a patch, a generator, or the manifest a resource came from."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import yaml

from treecheck.errors import InputError
from treecheck.files import kustomization_file, load_text
from treecheck.kube.targets import is_meant
from treecheck.model import FieldPath, as_list, as_mapping, as_text, at
from treecheck.rendering import Kustomization, closure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from treecheck.model import Manifest, Resource

# The fields that tell one item of a list from another, most telling first.
_IDENTITY = ("name", "containerPort", "mountPath", "port", "key", "ip", "topologyKey", "host")
# What a kustomization may have put before and after a name.
ANY_AFFIX = (r"(?:.*-)?", r"(?:-.*)?")
_OF_NAMES = re.compile(r"[a-z0-9.-]*")
_Node = yaml.Node


def blame(resource: Resource, path: FieldPath) -> tuple[Path | None, int]:
    """The file and line (from 1) to blame for a field of a resource.

    An overlay's own line wins over the base's: patches, image and replica transformers of the
    kustomizations are searched from the outermost inwards, then the file that the resource comes
    from. A field that nothing wrote is blamed on its nearest parent that something did.
    """
    if resource.maker is not None:
        return blame(resource.maker, ("spec", "template", *path))
    if resource.part.folder is not None and not _is_reference(resource, path):
        for kustomization in _closure(resource.part.folder):
            found = _transformed(kustomization, resource, path)
            if found is not None:
                return found
    file = resource.origin.file
    if file is None:
        return None, 0
    if resource.origin.generated:
        return _generated(file, resource, path)
    exact = resource.part.file is not None
    at_line = _lines(file).get(resource.origin.line) if exact else None
    nodes = _documents(file) if at_line is None else (at_line,)
    # Of `web` and `web-admin` the longer name is that of what became `prod-web-admin`.
    mine = [node for node in nodes if _is(node, resource, exact=exact)]
    if mine:
        return file, _locate(max(mine, key=_length_of_name), resource.body, path)[0]
    return file, resource.origin.line


def _is_reference(resource: Resource, path: FieldPath) -> bool:
    """Whether a path is that of an item's name, and the resource's own file has the item.

    A patch repeats the name only to say which item it changes.
    """
    file = resource.origin.file
    if len(path) < 2 or path[-1] != "name" or not isinstance(path[-2], int) or file is None:
        return False
    own = (node for node in _documents(file) if _is(node, resource, exact=False))
    return any(_locate(node, resource.body, path)[1] == len(path) for node in own)


def written(resource: Resource, path: FieldPath, value: Any = None) -> str:
    """The text of a scalar as its file has it, or "" where it can't be found.

    Of a list or mapping in one line it is the piece that reads as `value`. A line that holds
    another value is not where this one was written: a replacement set it.
    """
    file, line = blame(resource, path)
    if file is None or not line:
        return ""
    try:
        lines = load_text(file).splitlines()
    except InputError:
        return ""
    text = lines[line - 1].strip() if line <= len(lines) else ""
    if re.search(r"[\[{].*[\]}]", text):
        pieces = re.split(r"[,\[\]{}]|: ", text)
        return next((piece.strip() for piece in pieces if _reads_as(piece, value)), "")
    before, colon, after = text.partition(" #")[0].rpartition(": ")
    scalar = (after if colon else before + after).strip()
    scalar = scalar if colon else scalar.removeprefix("- ").strip()
    return scalar if _reads_as(scalar, value) else ""


def _reads_as(text: str, value: Any) -> bool:
    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError:
        return False
    return type(read) is type(value) and bool(read == value)


@lru_cache(maxsize=64)
def _closure(folder: Path) -> tuple[Kustomization, ...]:
    return tuple(closure(folder))


@lru_cache(maxsize=256)
def _documents(file: Path) -> tuple[_Node, ...]:
    """The documents of a file as nodes, which know their lines."""
    try:
        return _compose(load_text(file))
    except InputError:
        return ()


@lru_cache(maxsize=256)
def _lines(file: Path) -> dict[int, _Node]:
    """The documents of a file by their first line."""
    return {_line(node): node for node in _documents(file)}


@lru_cache(maxsize=256)
def _compose(text: str) -> tuple[_Node, ...]:
    try:
        nodes = [
            node for node in yaml.compose_all(text, Loader=yaml.CSafeLoader) if node is not None
        ]
    except (yaml.YAMLError, ValueError):
        return ()
    return tuple(item for node in nodes for item in _items(node))


def _items(node: _Node) -> list[_Node]:
    kind, inner = _child(node, "kind"), _child(node, "items")
    if kind is not None and str(kind.value).endswith("List") and inner is not None:
        return list(inner.value)
    return [node]


def _child(node: _Node, key: str) -> _Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _line(node: _Node, key: str | None = None) -> int:
    """The line of a node, or of the key in a mapping."""
    if key is not None and isinstance(node, yaml.MappingNode):
        for name, _ in node.value:
            if name.value == key:
                return int(name.start_mark.line) + 1
    return int(node.start_mark.line) + 1


def _is(node: _Node, resource: Resource, *, exact: bool) -> bool:
    kind, metadata = _child(node, "kind"), _child(node, "metadata")
    name = _child(metadata, "name") if metadata is not None else None
    if kind is None or kind.value != resource.kind:
        return False
    if name is None:
        return not resource.name
    if exact and metadata is not None:
        namespace = _child(metadata, "namespace")
        if namespace is not None and namespace.value != as_text(resource.metadata.get("namespace")):
            return False
    return name.value == resource.name or (not exact and _is_affixed(name.value, resource.name))


def _is_affixed(name: str, made: str) -> bool:
    """Whether a name is what kustomize put a prefix, a suffix or a hash to; their ends are free."""
    return len(name) > 1 and (
        made.startswith(f"{name}-") or made.endswith(f"-{name}") or (f"-{name}-" in made)
    )


def _length_of_name(node: _Node) -> int:
    name = _child(_child(node, "metadata") or node, "name")
    return len(name.value) if name is not None else 0


def _locate(node: _Node, value: Any, path: FieldPath) -> tuple[int, int]:
    """(line of the deepest part of `path` that the node has, how many steps of it were found)."""
    line = _line(node)
    for depth, step in enumerate(path):
        child: _Node | None = None
        if isinstance(step, str):
            child = _child(node, step)
            next_line = _line(node, step)
        else:
            child = _item(node, at(value, step), step)
            next_line = _line(child) if child is not None else line
        if child is None:
            return line, depth
        node, line = child, next_line
        value = at(value, step)
    return line, len(path)


def _item(node: _Node, wanted: Any, index: int) -> _Node | None:
    """The item of a list that was rendered as item `index`, with the value `wanted`."""
    if not isinstance(node, yaml.SequenceNode):
        return None
    for field in _IDENTITY:
        identity = at(wanted, field)
        if identity is None:
            continue
        for item in node.value:
            mine = _child(item, field)
            if mine is not None and str(mine.value) == str(identity):
                return item  # type: ignore[no-any-return]  # yaml publishes no type of a node's value
        return None
    for item in node.value:
        if isinstance(item, yaml.ScalarNode) and item.value == str(wanted):
            return item
    return node.value[index] if index < len(node.value) else None


def _transformed(
    kustomization: Kustomization, resource: Resource, path: FieldPath
) -> tuple[Path, int] | None:
    """Where a patch or transformer of one kustomization wrote exactly this field."""
    if not path:
        return None
    if (found := _affix(kustomization, resource, path)) is not None:
        return found
    for file, node, target in _patches(kustomization):
        if is_meant(target, resource, ANY_AFFIX) if target else _is(node, resource, exact=False):
            if isinstance(node, yaml.SequenceNode):
                if written := _by_operation(node, resource.body, path):
                    return file, written
                continue
            line, depth = _locate(node, resource.body, path)
            if depth == len(path):
                return file, line
    return _by_field(kustomization, resource, path)


def _by_operation(operations: _Node, body: Manifest, path: FieldPath) -> int | None:
    """The line in a JSON6902 patch that wrote a field, or something that holds it.

    The last one that did: `op: add`, `path: /spec/ports/-`.
    """
    for each in reversed(operations.value):
        pointer, value = _child(each, "path"), _child(each, "value")
        if pointer is None or value is None:
            continue
        steps = str(pointer.value).removeprefix("/").split("/")
        if len(steps) > len(path) or not all(map(_is_step, steps, path)):
            continue
        made = at(body, *path[: len(steps)])
        if steps[-1] != "-" or _is_value(value, made):
            rest = path[len(steps) :]
            return _locate(value, made, rest)[0] if rest else _line(each, "value")
    return None


def _is_step(written: str, step: str | int) -> bool:
    """Whether a step of a JSON pointer may be one of a path; `-` is the end of a list."""
    name = written.replace("~1", "/").replace("~0", "~")
    return name == str(step) or (name == "-" and isinstance(step, int))


def _is_value(node: _Node, made: Any) -> bool:
    """Whether a list's item is what a patch put at its end."""
    for field in _IDENTITY:
        if (mine := _child(node, field)) is not None:
            return str(mine.value) == str(at(made, field))
    return not isinstance(node, yaml.ScalarNode) or node.value == str(made)


def _patches(kustomization: Kustomization) -> Iterator[tuple[Path, _Node, Manifest]]:
    """(file, patch, target) of each; without a target, it changes the resource that it names."""
    own = set(kustomization.body.get("resources") or [])
    targets: dict[Path, Manifest] = {}
    listed = (as_list(kustomization.body.get(key)) for key in ("patches", "patchesJson6902"))
    for patch in (each for patches in listed for each in patches):
        inline, target = as_text(at(patch, "patch")), as_mapping(at(patch, "target"))
        targets[kustomization.folder / as_text(at(patch, "path"))] = target
        if inline:
            for node in _compose(inline):
                yield kustomization.file, _shift(node, kustomization.file, inline), target
    for file in kustomization.files:
        if file.suffix in {".yaml", ".yml"} and file.name not in own:
            for node in _documents(file):
                yield file, node, targets.get(file, {})


def _shift(node: _Node, file: Path, inline: str) -> _Node:
    """An inline patch's lines, counted in the file that it is written in."""
    lines = load_text(file).splitlines()
    wanted = [line.strip() for line in inline.splitlines() if line.strip()]
    start = next(
        (i for i in range(len(lines)) if wanted and lines[i].strip().endswith(wanted[0])), 0
    )
    return _Shifted(start).apply(node)


class _Shifted:
    """Copies a tree of nodes with every line moved down."""

    def __init__(self, by: int) -> None:
        self.by = by

    def apply(self, node: _Node) -> _Node:
        """The copy."""
        mark = node.start_mark
        moved = yaml.Mark(mark.name, mark.index, mark.line + self.by, mark.column, None, 0)
        if isinstance(node, yaml.MappingNode):
            pairs = [(self.apply(key), self.apply(value)) for key, value in node.value]
            return yaml.MappingNode(node.tag, pairs, moved, node.end_mark)
        if isinstance(node, yaml.SequenceNode):
            copied = [self.apply(item) for item in node.value]
            return yaml.SequenceNode(node.tag, copied, moved, node.end_mark)
        return yaml.ScalarNode(node.tag, node.value, moved, node.end_mark)


def _by_field(
    kustomization: Kustomization, resource: Resource, path: FieldPath
) -> tuple[Path, int] | None:
    """The line of `images:`, `replicas:` or `namespace:` that set a field."""
    body, file = kustomization.body, kustomization.file
    if path[-1] == "image":
        image = as_text(at(resource.body, *path))
        for index, entry in enumerate(as_list(body.get("images"))):
            if image.startswith(str(at(entry, "newName") or at(entry, "name"))):
                written = next((k for k in ("newTag", "digest", "newName") if k in entry), "name")
                return in_file(file, ("images", index, written), body)
    if path == ("spec", "replicas"):
        for index, entry in enumerate(as_list(body.get("replicas"))):
            if at(entry, "name") == resource.name:
                return in_file(file, ("replicas", index, "count"), body)
    if path == ("metadata", "namespace") and "namespace" in body:
        return in_file(file, ("namespace",), body)
    return None


def _affix(
    kustomization: Kustomization, resource: Resource, path: FieldPath
) -> tuple[Path, int] | None:
    """The line of a `namePrefix` or `nameSuffix` with what no name may have, in a name."""
    name = as_text(at(resource.body, *path)) if path[-1] == "name" else ""
    for field in ("namePrefix", "nameSuffix"):
        affix = as_text(kustomization.body.get(field))
        if not _OF_NAMES.fullmatch(affix) and affix in name:
            return in_file(kustomization.file, (field,), kustomization.body)
    return None


def in_file(file: Path, path: FieldPath, body: Any) -> tuple[Path, int]:
    """A file and the line in it of the deepest part of `path` that its first document has."""
    nodes = _documents(file)
    return file, _locate(nodes[0], body, path)[0] if nodes else 1


def _generated(file: Path, resource: Resource, path: FieldPath) -> tuple[Path, int]:
    """The generator's entry, and in it the literal of a key."""
    nodes = _documents(file)
    root = nodes[0] if nodes else None
    if root is None or kustomization_file(file.parent) != file:
        return file, resource.origin.line
    generators = _child(root, f"{resource.kind[0].lower()}{resource.kind[1:]}Generator")
    for entry in as_list(generators.value if generators is not None else None):
        name = _child(entry, "name")
        if name is None or not resource.name.startswith(str(name.value)):
            continue
        key = path[1] if len(path) > 1 and path[0] in {"data", "stringData"} else None
        for field in ("literals", "files", "envs"):
            listed = _child(entry, field)
            for item in as_list(listed.value if listed is not None else None):
                if key is not None and str(item.value).partition("=")[0] == key:
                    return file, _line(item)
        return file, _line(entry)
    return file, resource.origin.line


def forget() -> None:
    """Drop what is remembered of files; for tests that change them."""
    _closure.cache_clear()
    _documents.cache_clear()
    _lines.cache_clear()
    _compose.cache_clear()
