"""Compiled JSON Schemas of Kubernetes' kinds, for one release, and of the custom kinds we know.

The schemas are those that the package kubernetes-validate carries (made from Kubernetes' own
OpenAPI document). Its own call reads a megabyte of JSON for every resource; here the definitions
are read once, a kind is compiled when it is first met, and `limits` (what the API server demands
beyond its schema, as data) are written into them, so that one pass checks both.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from treecheck.errors import InputError
from treecheck.limits import LIMITS, OPTIONAL, REQUIRED
from treecheck.limits.words import BASE64_PATTERN, QUANTITY_PATTERN
from treecheck.reading import read_documents

if TYPE_CHECKING:
    from collections.abc import Callable

    from treecheck.model import FieldPath

_CUSTOM = ("argoproj.io/v1alpha1", "bitnami.com/v1alpha1")
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_REF = "#/$defs/"
_FORMATS: dict[str, dict[str, Any]] = {
    "int32": {"minimum": -(2**31), "maximum": 2**31 - 1},
    "int64": {"minimum": -(2**63), "maximum": 2**63 - 1},
    "byte": {"pattern": BASE64_PATTERN},
}


@functools.cache
def _folder() -> Path:
    """Where kubernetes-validate keeps its schemas; importing it would cost its own libraries."""
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        raise InputError("the package kubernetes-validate is not installed", hint="Run `make up`.")
    return Path(spec.origin).parent / "kubernetes-json-schema"


@functools.cache
def versions() -> tuple[tuple[int, int], ...]:
    """The releases of Kubernetes whose schemas are here, as (major, minor), oldest first."""
    names = (
        re.fullmatch(r"v(\d+)\.(\d+)\.\d+-local-strict", each.name) for each in _folder().iterdir()
    )
    return tuple(sorted((int(name[1]), int(name[2])) for name in names if name))


def parse_version(text: str) -> tuple[int, int]:
    """`1.30`, `v1.30` or `1.30.4` as (1, 30).

    Raises:
        InputError: it is not a version, or one without schemas here.
    """
    match = re.fullmatch(r"v?(\d+)\.(\d+)(\.\d+)?([-+].*)?", text)
    version = (int(match[1]), int(match[2])) if match else None
    if version not in versions():
        known = ", ".join(f"{major}.{minor}" for major, minor in versions())
        raise InputError(f"Kubernetes {text!r} is none that can be checked; known are {known}")
    return version


def version_of(text: str) -> tuple[int, int]:
    """The release that a text names; of an empty one, the newest that can be checked.

    Raises:
        InputError: as `parse_version`.
    """
    return parse_version(text) if text else versions()[-1]


class Schemas:
    """The schemas of one release; `validator` compiles a kind's when it is first asked for."""

    def __init__(self, version: tuple[int, int]) -> None:
        self.version = version
        name = f"v{version[0]}.{version[1]}.0-local-strict/_definitions.json"
        self._definitions: dict[str, Any] = json.loads(
            _folder().joinpath(name).read_text(encoding="utf-8")
        )["$defs"]
        self._kinds: dict[tuple[str, str], str] = {}
        for definition, schema in self._definitions.items():
            for each in schema.get("x-kubernetes-group-version-kind", ()):
                api_version = "/".join(filter(None, (each["group"], each["version"])))
                self._kinds.setdefault((api_version, each["kind"]), definition)
        self._fields: dict[str, dict[str, tuple[str, str]]] = {}
        self._prepared: dict[str, dict[str, Any]] = {}
        self._compiled: dict[tuple[str, str], jsonschema_rs.Draft202012Validator | None] = {}

    def kinds(self) -> dict[tuple[str, str], str]:
        """(apiVersion, kind) -> the name of its definition, for every kind that is served."""
        return self._kinds

    def definition(self, name: str) -> dict[str, Any]:
        """A definition as Kubernetes publishes it; {} if there is none."""
        found: dict[str, Any] = self._definitions.get(name, {})
        return found

    def validator(self, api_version: str, kind: str) -> jsonschema_rs.Draft202012Validator | None:
        """The compiled schema of a kind, or None if it is none that is known."""
        key = (api_version, kind)
        if key not in self._compiled:
            self._compiled[key] = self._compile(api_version, kind)
        return self._compiled[key]

    def _compile(self, api_version: str, kind: str) -> jsonschema_rs.Draft202012Validator | None:
        definition = self._kinds.get((api_version, kind))
        needed: dict[str, Any] = {}
        queue = [definition or _METADATA]
        while queue:
            name = queue.pop()
            if name not in needed:
                needed[name] = self._prepare(name)
                queue.extend(needed[name]["x-needs"])
        if definition is None:
            custom = _custom(api_version)
            if kind not in custom:
                return None
            needed, definition = {**needed, **custom}, kind
        return jsonschema_rs.Draft202012Validator({"$ref": _REF + definition, "$defs": needed})

    def _prepare(self, name: str) -> dict[str, Any]:
        """A definition with our limits in it, and the names of those that it refers to."""
        if name not in self._prepared:
            needs: set[str] = set()
            schema = _rewrite(self._definitions[name], needs)
            if name == _QUANTITY:
                schema = {"type": ["string", "number"], "pattern": QUANTITY_PATTERN}
            elif name == _INT_OR_STRING:
                schema = {"type": ["string", "integer"], **_FORMATS["int32"]}
            self._prepared[name] = {**_limited(short(name), schema), "x-needs": sorted(needs)}
        return self._prepared[name]

    def fields(self, definition: str) -> dict[str, tuple[str, str]]:
        """The fields of a type that hold other types: name -> (how, the type's full name).

        `how` is "one", or "list" or "map" of them.
        """
        if definition not in self._fields:
            found: dict[str, tuple[str, str]] = {}
            for name, schema in self.definition(definition).get("properties", {}).items():
                for how, inner in (
                    ("one", schema),
                    ("list", schema.get("items")),
                    ("map", schema.get("additionalProperties")),
                ):
                    target = inner.get("$ref", "") if isinstance(inner, dict) else ""
                    target = target.removeprefix(_REF)
                    if self.definition(target).get("properties"):
                        found[name] = (how, target)
            self._fields[definition] = found
        return self._fields[definition]

    def part(self, definition: str, path: FieldPath) -> dict[str, Any]:
        """The schema of what lies at a path in a type; {} where there is none."""
        found = self.definition(definition)
        for step in path:
            inner = found.get("items") if isinstance(step, int) else None
            if isinstance(step, str):
                inner = found.get("properties", {}).get(step)
            found = self.resolve(inner) if isinstance(inner, dict) else {}
        return found

    def resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The definition that a schema refers to, or the schema itself."""
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return self.definition(reference.removeprefix(_REF))
        return schema


def short(definition: str) -> str:
    """The last three words of a definition's name: `core.v1.Container`."""
    return ".".join(definition.split(".")[-3:])


def _limited(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A definition with what the API server demands beyond it."""
    properties = schema.get("properties", {})
    for field, limit in LIMITS.get(name, {}).items():
        if field in properties:
            properties[field] = {**properties[field], **limit}
    required = {*schema.get("required", ()), *REQUIRED.get(name, ())}
    required -= set(OPTIONAL.get(name, ()))
    return {**schema, "required": sorted(required)} if required else {**schema, "required": []}


@functools.lru_cache(maxsize=4)
def schemas(version: tuple[int, int]) -> Schemas:
    """The schemas of a release, read once."""
    return Schemas(version)


@functools.cache
def custom_kinds() -> dict[tuple[str, str], str]:
    """(apiVersion, kind) -> kind, of the custom kinds that we have schemas of."""
    return {
        (version, kind): kind
        for version in _CUSTOM
        for kind, schema in _custom(version).items()
        if "apiVersion" in schema.get("properties", {})
    }


def custom_part(api_version: str, kind: str, path: FieldPath) -> dict[str, Any]:
    """Our own schema of what lies at a path in a custom kind; {} where there is none."""
    parts = _custom(api_version)
    found: dict[str, Any] = parts.get(kind, {})
    for step in path:
        inner = found.get("items") if isinstance(step, int) else None
        if isinstance(step, str):
            inner = found.get("properties", {}).get(step)
        found = inner if isinstance(inner, dict) else {}
        if "$ref" in found:
            found = parts.get(str(found["$ref"]).removeprefix(_REF), {})
    return found


def misspelt_step(version: tuple[int, int], group: str, kind: str, path: FieldPath) -> str:
    """The field that a path's first unknown step resembles; "" where it may be right.

    The kind may be of any version of its group. What no schema describes may have any field.
    """
    near: list[str] = []
    own = [each for each in custom_kinds() if each[1] == kind and each[0].startswith(f"{group}/")]
    for api_version, of in own:
        near.append(_resembled(functools.partial(custom_part, api_version, of), path))
    known = schemas(version)
    for (api_version, of), definition in known.kinds().items():
        if of == kind and api_version.rpartition("/")[0] == group:
            near.append(_resembled(functools.partial(known.part, definition), path))
    return near[0] if near and all(near) else ""


def _resembled(part: Callable[[FieldPath], dict[str, Any]], path: FieldPath) -> str:
    for index, step in enumerate(path):
        fields = part(path[:index]).get("properties", {})
        if isinstance(step, str) and fields and step not in fields:
            return next(iter(difflib.get_close_matches(step, fields, n=1, cutoff=0.75)), "")
    return ""


@functools.cache
def _custom(api_version: str) -> dict[str, Any]:
    """Our own schemas of a group's custom kinds and their parts, by name."""
    file = Path(__file__).parent / "custom" / f"{api_version.partition('/')[0]}.yaml"
    if api_version not in _CUSTOM or not file.is_file():
        return {}
    found: dict[str, Any] = read_documents(file.read_text(encoding="utf-8"), file.name)[0].value
    return {name: _bounded(schema) for name, schema in found["$defs"].items()}


def _bounded(value: Any) -> Any:
    """A copy of a custom kind's schema in which whole numbers have 64 bits, as in Kubernetes."""
    if isinstance(value, dict):
        copy = {key: _bounded(item) for key, item in value.items()}
        return {**_FORMATS["int64"], **copy} if copy.get("type") == "integer" else copy
    return [_bounded(item) for item in value] if isinstance(value, list) else value


def _rewrite(value: Any, needs: set[str]) -> Any:
    """Copy a schema: references noted in `needs`, values bounded by their format."""
    if isinstance(value, dict):
        copy = {
            key: _rewrite(item, needs)
            for key, item in value.items()
            if key not in {"description", "default"} or isinstance(item, dict)
        }
        reference = copy.get("$ref")
        if isinstance(reference, str) and reference.startswith(_REF):
            needs.add(reference.removeprefix(_REF))
        form = copy.get("format")
        return {**copy, **_FORMATS[form]} if isinstance(form, str) and form in _FORMATS else copy
    if isinstance(value, list):
        return [_rewrite(item, needs) for item in value]
    return value
