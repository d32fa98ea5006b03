"""One pass of a resource's compiled schema: its errors, and a body that rules can rely on."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from treecheck.kube.secrets import is_secret
from treecheck.model import as_mapping, at
from treecheck.schemas import schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.model import FieldPath, Resource

_EMPTY: dict[str, Any] = {"object": {}, "array": [], "string": "", "boolean": False}


@dataclass(frozen=True, slots=True)
class SchemaError:
    """Where a value leaves its schema.

    Attributes:
        keyword: the keyword of JSON Schema that failed: `type`, `required`, `enum`, …
        path: the value; of an unknown or missing field, that field itself.
        value: what is written there.
        expected: what the keyword allows: type names, the field names known there, values, …
        definition: the type's name in Kubernetes' own document, or "".
    """

    keyword: str
    path: FieldPath
    value: Any
    expected: Any
    definition: str


def conform(resource: Resource, version: tuple[int, int]) -> None:
    """Fill `resource.schema_errors`, and take values that have no business there out of its body.

    Nulls go first: the API server reads a null field as one that is absent.
    """
    body = without_nulls(resource.body)
    validator = schemas(version).validator(resource.api_version, resource.kind)
    if validator is None:
        resource.rewrite(body)
        return
    errors: list[SchemaError] = []
    for error in validator.iter_errors(body):
        errors += _translate(error)
    resource.schema_errors = errors
    resource.hidden += tuple(_secrets(body, errors))
    resource.rewrite(_fixed(body, errors) if errors else body)


def _secrets(body: Any, errors: list[SchemaError]) -> Iterator[str]:
    """The values that leave their schema, and are secret by the name that they stand under."""
    for error in errors:
        name = next((each for each in reversed(error.path) if isinstance(each, str)), "")
        if name == "value":
            name = str(as_mapping(at(body, *error.path[:-1])).get("name"))
        if not isinstance(error.value, dict | list) and is_secret(name, str(error.value)):
            yield str(error.value)


def without_nulls(value: Any) -> Any:
    """`value` itself when no null is in it, otherwise a copy without them."""
    if isinstance(value, dict):
        changed = {
            key: new for key, item in value.items() if (new := without_nulls(item)) is not item
        }
        if not changed and None not in value.values():
            return value
        return {key: changed.get(key, item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        items = [without_nulls(item) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)) and None not in items:
            return value
        return [item for item in items if item is not None]
    return value


def _translate(error: Any) -> list[SchemaError]:
    kind = error.kind
    path: FieldPath = tuple(error.instance_path)
    steps = list(error.schema_path)
    keyword = str(steps[-1]) if steps else kind.name
    named = [steps[i + 1] for i, step in enumerate(steps[:-1]) if step == "$defs"]
    definition = str(named[-1]) if named else ""
    if kind.name == "additionalProperties":
        return [
            SchemaError(kind.name, (*path, name), at(error.instance, name), None, definition)
            for name in kind.unexpected
        ]
    if kind.name == "required":
        return [SchemaError(kind.name, (*path, kind.property), None, None, definition)]
    if kind.name == "propertyNames":
        name = kind.error.instance
        return [SchemaError(kind.name, (*path, name), name, None, definition)]
    expected: Any = getattr(kind, "types", None) or getattr(kind, "options", None)
    for attribute in ("limit", "pattern"):
        expected = expected if expected is not None else getattr(kind, attribute, None)
    return [SchemaError(keyword, path, error.instance, expected, definition)]


def _fixed(body: Any, errors: list[SchemaError]) -> Any:
    """A copy without unknown fields, values of a wrong type and words that are not a value."""
    body = copy.deepcopy(body)
    removed: list[SchemaError] = [
        each for each in errors if each.keyword in {"type", "additionalProperties", "anyOf", "enum"}
    ]
    for error in removed:
        if not error.path:
            return {}
        parent, last = at(body, *error.path[:-1]), error.path[-1]
        if isinstance(parent, dict) and isinstance(last, str):
            parent.pop(last, None)
        elif isinstance(parent, list) and isinstance(last, int):
            types = [name for name in error.expected or () if name != "null"]
            if error.keyword != "enum":
                parent[last] = copy.copy(_EMPTY.get(types[0] if types else "", 0))
    return body


def is_unquoted(error: SchemaError) -> bool:
    """Whether a plain number or boolean stands where only text may."""
    types = [name for name in error.expected or () if name != "null"]
    return types == ["string"] and isinstance(error.value, (bool, int, float))
