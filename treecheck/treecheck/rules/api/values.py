"""Single values that the schema allows and the API server refuses: the limits, as findings."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from treecheck.kube.merged import is_merged
from treecheck.kube.pages import API_REFERENCE
from treecheck.limits.words import BASE64_PATTERN, MEANINGS, QUANTITY_PATTERN
from treecheck.model import Problem, as_list, as_mapping, as_text, at, show_path
from treecheck.placeholders import is_hint
from treecheck.registry import rule
from treecheck.schemas import schemas
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.conformance import SchemaError
    from treecheck.model import FieldPath, Resource

_SOURCE = API_REFERENCE


def _of(resource: Resource, *keywords: str) -> list[SchemaError]:
    return [each for each in resource.schema_errors if each.keyword in keywords]


@rule("required-field", source=_SOURCE)
def required_field(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A field that must be there is missing.

    The API server refuses the manifest. (Where a neighbour of it is not a field at all, it is most
    likely the one that is missing, misspelt: see `unknown-field`.) A part of something that is
    there already, which server-side apply merges into it, may leave the rest out.
    """
    if is_merged(resource):
        return
    unknown = {error.path[:-1] for error in _of(resource, "additionalProperties")}
    for error in _of(resource, "required"):
        if error.path[:-1] in unknown:
            continue
        where = show_path(error.path[:-1]) or "the manifest"
        name = as_text(at(resource.body, *error.path[:-1], "name"))
        bare = error.path[-1] == "image"
        yield Problem(
            f"{where}{f' ({name})' if bare and name else ''} has no {error.path[-1]!r}",
            fix="Add image, or give the container the name of the one that a patch is to change."
            if bare
            else f"Add {error.path[-1]}.",
            path=error.path,
            hides=(error.path[:-1],) if bare else (),
        )


@rule("unknown-value", source=_SOURCE)
def unknown_value(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A word that is none of those that the field takes.

    The API server refuses the manifest. The words are case-sensitive.
    """
    for error in _of(resource, "enum", "const"):
        known = [str(each) for each in error.expected or () if each != ""]
        near = difflib.get_close_matches(str(error.value), known, n=1, cutoff=0.5)
        yield Problem(
            f"{show_path(error.path)} is {shown(error.value)}, which is not a value of it",
            fix=f"Write {near[0]}." if near else f"Write one of {', '.join(known)}.",
            path=error.path,
        )


@rule("number-out-of-range", source=_SOURCE)
def number_out_of_range(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A number smaller or larger than the field allows.

    Ports end at 65535, most counts and seconds start at 0 or 1, file modes end at 0777 (octal: a
    mode without its leading zero is another number). The API server refuses the manifest.
    """
    for error in _of(resource, "minimum", "maximum"):
        if _overflows(error, cluster.version) or _scales_to_none(resource, error.path):
            continue
        side = "at least" if error.keyword == "minimum" else "at most"
        yield Problem(
            f"{show_path(error.path)} is {shown(error.value)}, and it must be {side} "
            f"{error.expected}",
            fix=f"Write a number that is {side} {error.expected}.",
            path=error.path,
        )


def _scales_to_none(resource: Resource, path: FieldPath) -> bool:
    """Whether an autoscaler goes down to 0 by what it may: the gate HPAScaleToZero admits that."""
    kinds = {
        as_text(as_mapping(each).get("type")) for each in as_list(resource.spec.get("metrics"))
    }
    zero = resource.spec.get("minReplicas") == 0 and path == ("spec", "minReplicas")
    return (
        resource.kind == "HorizontalPodAutoscaler" and zero and bool(kinds & {"External", "Object"})
    )


@rule("number-too-large", source=_SOURCE)
def number_too_large(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A number with more digits than its field can hold.

    Most fields hold 32 bits, up to 2147483647; users, groups and some seconds 64. The API server
    can't read the manifest.
    """
    for error in _of(resource, "minimum", "maximum"):
        if _overflows(error, cluster.version):
            yield Problem(
                f"{show_path(error.path)} is {shown(error.value)}, more than the field can hold",
                fix="Write a smaller number.",
                path=error.path,
            )


def _overflows(error: SchemaError, version: tuple[int, int]) -> bool:
    """Whether a number of a built-in kind does not fit into the bits of its field."""
    field = [step for step in error.path if isinstance(step, str)][-1]
    known = schemas(version).definition(error.definition)
    schema = known.get("properties", {}).get(field, known)
    form = schema.get("format") or schema.get("items", {}).get("format")
    if form is None:
        return False
    bits = 63 if form == "int64" else 31
    return not -(2**bits) <= error.value < 2**bits


@rule("malformed-quantity", source=f"{API_REFERENCE}common-definitions/quantity/")
def malformed_quantity(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """An amount of CPU, memory or storage that can't be read.

    A quantity is a number and a suffix without a space: `250m`, `1.5`, `64Mi`, `2G`. There is no
    `MB`, `mb` or `Gib`.
    """
    for error in _of(resource, "pattern"):
        if error.expected == QUANTITY_PATTERN:
            yield Problem(
                f"{show_path(error.path)} is {shown(error.value)}, which is not a quantity",
                fix="Write a number with a suffix such as m, Mi, Gi, k, M or G, without a space.",
                path=error.path,
            )


@rule("not-base64", source="https://kubernetes.io/docs/concepts/configuration/secret/")
def not_base64(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """Plain text where base64 belongs.

    `data` of a Secret and `binaryData` of a ConfigMap hold base64; the API server can't read
    anything else there. Plain text goes into `stringData` or `data`. In a plain file that nothing
    applies, a comment or `<base64 of …>` is for a person to write over.
    """
    for error in _of(resource, "pattern"):
        if resource.part.to_copy and is_hint(str(error.value)):
            continue  # nothing says that anybody applies it as it is
        if error.expected == BASE64_PATTERN and "{{" not in str(error.value):
            plain = "stringData" if resource.kind == "Secret" else "data"
            yield Problem(
                f"{show_path(error.path)} is not base64",
                fix=f"Encode it, or move it to {plain}.",
                path=error.path,
            )


@rule("malformed-text", source=_SOURCE)
def malformed_text(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A name, key, path or address that is written as none.

    Each such field has a format: DNS names for what others look up, at most 15 characters for a
    port's name, a path without `..`. The API server refuses the manifest.
    """
    seen: set[FieldPath] = set()
    for error in _of(resource, "minLength", "maxLength", "pattern", "format"):
        if error.expected in {QUANTITY_PATTERN, BASE64_PATTERN} or error.path in seen:
            continue
        seen.add(error.path)
        yield Problem(
            f"{show_path(error.path)} is {shown(error.value)}, and {_wanted(error)} belongs there",
            fix=f"Write {_wanted(error)}.",
            path=error.path,
        )


def _wanted(error: SchemaError) -> str:
    if error.keyword == "minLength":
        return "some text"
    if error.keyword == "maxLength":
        return f"a text of at most {error.expected} characters"
    return MEANINGS.get(str(error.expected), f"text of the form {error.expected}")


@rule("malformed-key", source=_SOURCE)
def malformed_key(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A key of a ConfigMap or Secret that can't be a file's name.

    Keys are letters, digits, `-`, `_` and `.`, at most 253 characters. The API server refuses the
    manifest.
    """
    for error in _of(resource, "propertyNames"):
        name = shown(error.value)
        yield Problem(
            f"{name} is not a key for {show_path(error.path[:-1])}",
            fix="Write a key of letters, digits, - _ and ., at most 253.",
            path=error.path,
        )


@rule("wrong-count", source=_SOURCE)
def wrong_count(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A list or mapping with too few or too many entries.

    Some must not be empty (containers, access modes, verbs), some end at a number. The API server
    refuses the manifest.
    """
    words = {
        "minItems": "at least",
        "maxItems": "at most",
        "minProperties": "at least",
        "maxProperties": "at most",
    }
    for error in _of(resource, *words):
        side = f"{words[error.keyword]} {error.expected}"
        yield Problem(
            f"{show_path(error.path)} must have {side} {_entries(error.expected)}: the API server "
            "refuses the manifest",
            fix=f"Give it {side}.",
            path=error.path,
        )


def _entries(count: Any) -> str:
    return "entry" if count == 1 else "entries"
