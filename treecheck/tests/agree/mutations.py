"""Random single-field mutations of manifests, the same ones for the same seed."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from treecheck.model import at

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from treecheck.model import FieldPath
    from treecheck.schemas import Schemas

TEXTS = (
    *("", " ", "Bogus", "UPPER", "under_score", "with space", "-dash", "dash-", "x/y", "a..b", "*"),
    *("1", "0", "-1", "true", "é", "10Gi", "1.5", "100%", "0%", "101%", "http", "TCP", "5m", "/x"),
    *(
        "../up",
        "a" * 63,
        "a" * 64,
        "a" * 254,
        "10.0.0.0/8",
        "10.0.0.1",
        "example.com",
        "a/b/c",
        "$x",
    ),
)
NUMBERS = (-1, 0, 1, 2, 100, 101, 511, 512, 999, 65535, 65536, 100_000, 2**31, 2**63)
OTHERS: tuple[Any, ...] = (True, False, [], {}, ["x"], {"x": "y"}, 1.5, "text", 7)
# Fields that the API server fills itself, or that have nothing to do with what people write.
SKIPPED = frozenset(
    {"apiVersion", "kind", "status", "managedFields", "resourceVersion", "uid", "generation"}
    | {"selfLink", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"}
    | {"generateName", "namespace"}
)


@dataclass(frozen=True, slots=True)
class Mutation:
    """A manifest with one field changed, and how."""

    what: str
    path: FieldPath
    body: dict[str, Any]


def mutate(body: dict[str, Any], schemas: Schemas, chance: random.Random) -> Mutation:
    """One mutation of a manifest: a field changed, removed, renamed, repeated or added."""
    changed = copy.deepcopy(body)
    kind = chance.random()
    if kind < 0.3:
        added = _add(changed, schemas, chance)
        if added is not None:
            return added
    paths = [path for path in _paths(changed) if path]
    path = chance.choice(paths)
    if kind < 0.42:
        return _remove(changed, path)
    if kind < 0.5:
        return _restructure(changed, path, chance)
    value = at(changed, *path)
    new = _other(value, chance)
    _put(changed, path, new)
    return Mutation(f"set {new!r:.60}", path, changed)


def _paths(value: Any, path: FieldPath = ()) -> Iterator[FieldPath]:
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            if not (key in SKIPPED and len(path) < 2):
                yield from _paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _paths(item, (*path, index))


def _put(body: Any, path: FieldPath, value: Any) -> None:
    at(body, *path[:-1])[path[-1]] = value


def _remove(body: Any, path: FieldPath) -> Mutation:
    parent = at(body, *path[:-1])
    del parent[path[-1]]
    return Mutation("removed", path, body)


def _restructure(body: Any, path: FieldPath, chance: random.Random) -> Mutation:
    """Repeat an item of a list, or rename a key."""
    parent, last = at(body, *path[:-1]), path[-1]
    if isinstance(parent, list):
        parent.append(copy.deepcopy(parent[int(last)]))
        return Mutation("repeated", path, body)
    name = str(last)
    new = chance.choice(
        [name + "s", name[:-1] or "x", name.upper(), name + " x", "a" * 64, name + "_1"]
    )
    if new not in parent:
        parent[new] = parent.pop(name)
    return Mutation(f"renamed to {new:.20}", path, body)


def _other(value: Any, chance: random.Random) -> Any:
    if chance.random() < 0.15:
        return copy.deepcopy(chance.choice(OTHERS))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return chance.choice([*NUMBERS, value + 1, -value, value * 1000])
    if isinstance(value, str):
        return chance.choice(
            [*TEXTS, value + "x", value[:-1], value.upper(), value * 2, f"{value}-"]
        )
    return [] if isinstance(value, list) else {}


def _schema_at(schemas: Schemas, body: Any, path: FieldPath) -> dict[str, Any]:
    """The published schema of a field; {} where it is unknown or open."""
    schema = schemas.definition(schemas.kinds().get((body["apiVersion"], body["kind"]), ""))
    for step in path:
        if isinstance(step, int):
            schema = schema.get("items") or {}
        else:
            more = schema.get("additionalProperties")
            schema = schema.get("properties", {}).get(step) or (
                more if isinstance(more, dict) else {}
            )
        schema = schemas.resolve(schema)
    return schema


def _add(body: Any, schemas: Schemas, chance: random.Random) -> Mutation | None:
    """Add a field that the schema knows, with a value of its type."""
    places = [path for path in _paths(body) if isinstance(at(body, *path), dict)]
    chance.shuffle(places)
    for path in places:
        schema = _schema_at(schemas, body, path)
        known = [name for name in schema.get("properties", {}) if name not in SKIPPED]
        missing = sorted(set(known) - set(at(body, *path)))
        if missing:
            name = chance.choice(missing)
            value = _sample(schemas, schema["properties"][name], chance, 0)
            at(body, *path)[name] = value
            return Mutation(f"added {value!r:.60}", (*path, name), body)
    return None


def _sample(schemas: Schemas, schema: dict[str, Any], chance: random.Random, depth: int) -> Any:
    """A value of a schema's type: required fields and at most one more."""
    schema = schemas.resolve(schema)
    types = schema.get("type") or (schema.get("oneOf") or [{}])[0].get("type") or "object"
    kind = types if isinstance(types, str) else types[0]
    if kind == "string":
        return chance.choice(schema.get("enum") or TEXTS)
    if kind in {"integer", "number"}:
        return chance.choice(NUMBERS[:11])
    if kind == "boolean":
        return chance.random() < 0.5
    if kind == "array":
        return [_sample(schemas, schema.get("items") or {}, chance, depth + 1)]
    properties = schema.get("properties", {})
    if not properties:
        more = schema.get("additionalProperties")
        inner = more if isinstance(more, dict) else {"type": "string"}
        return {"key": _sample(schemas, inner, chance, depth + 1)}
    names = set(schema.get("required", ()))
    if depth < 4 and chance.random() < 0.8:
        names.add(chance.choice(sorted(properties)))
    return {name: _sample(schemas, properties[name], chance, depth + 1) for name in sorted(names)}
