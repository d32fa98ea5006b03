"""Fields against the schema: unknown ones, wrong types, missing ones."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from treecheck.conformance import is_unquoted
from treecheck.kinds import BUILT_IN_GROUPS, is_of_a_program, is_sync_set_patch
from treecheck.kube.pages import API_REFERENCE
from treecheck.model import Problem, as_text, show_path
from treecheck.registry import rule
from treecheck.schemas import custom_part, schemas
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.conformance import SchemaError
    from treecheck.model import Resource

_SOURCE = API_REFERENCE


@rule("unknown-field", source=_SOURCE)
def unknown_field(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A field that does not exist.

    The API server refuses the manifest when it checks fields strictly, as kubectl and Argo CD
    ask it to, and otherwise drops the field in silence: the setting that somebody wrote is not
    in force. Most are misspelt, or indented one level too far or too little.
    """
    for error in resource.schema_errors:
        if error.keyword == "additionalProperties":
            name = str(error.path[-1])
            known = _known_fields(error, resource, cluster)
            folded = {field.casefold(): field for field in known}
            same = folded.get(name.replace("-", "").replace("_", "").casefold())
            near = [same] if same else difflib.get_close_matches(name, known, n=1)
            where = show_path(error.path[:-1]) or "the manifest"
            yield Problem(
                f"{name!r} is not a field of {where}: the API server refuses or drops it",
                fix=f"Write {near[0]!r} in place of {name!r}." if near else _listed(known),
                path=error.path,
                hides=tuple((*error.path[:-1], field) for field in near),
            )


def _known_fields(error: SchemaError, resource: Resource, cluster: Cluster) -> list[str]:
    definition = schemas(cluster.version).definition(error.definition)
    if not definition:  # of a custom kind
        definition = custom_part(resource.api_version, resource.kind, error.path[:-1])
    return sorted(definition.get("properties", {}))


def _listed(known: list[str]) -> str:
    if not known:
        return "Remove it."
    return f"Remove it, or move it to where it belongs; known here are {', '.join(known[:40])}."


@rule("wrong-type", source=_SOURCE)
def wrong_type(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A value of the wrong type.

    A list where one value belongs, text where a number belongs, a mapping left empty: the API
    server can't read the manifest and refuses it. (A number or boolean where text belongs is
    `unquoted-value`.)
    """
    for error in resource.schema_errors:
        if error.keyword in {"type", "anyOf", "oneOf"} and not is_unquoted(error):
            wanted = type_names(error.expected)
            yield Problem(
                f"{show_path(error.path) or 'the manifest'} is {shown(error.value)}, and {wanted} "
                "belongs there: the API server can't read the manifest",
                fix=f"Write {wanted}.",
                path=error.path,
            )


def type_names(expected: Any) -> str:
    """Types of JSON Schema in people's words."""
    words = {
        "object": "a mapping",
        "array": "a list",
        "string": "text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
    }
    return (
        " or ".join(words.get(each, each) for each in expected or () if each != "null") or "another"
    )


_METADATA = frozenset({"annotations", "finalizers", "labels", "namespace", "ownerReferences"})


@rule(
    "nameless-manifest",
    source="https://kubernetes.io/docs/concepts/overview/working-with-objects/#required-fields",
)
def nameless_manifest(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A manifest without apiVersion, kind or name.

    Nothing can be done with it: it is not known what it is, or under which name it is kept. The
    configuration of programs such as kind, Talos and istioctl looks like a manifest and needs no
    name. A form in which every field is empty is for people to fill in.
    """
    if is_of_a_program(resource.body) or is_sync_set_patch(resource.body):
        return
    if not any(resource.body.values()):
        return  # a form to fill in
    for field in ("apiVersion", "kind"):
        if not as_text(resource.body.get(field)):
            yield Problem(
                f"the manifest has no {field}, so no API takes it",
                fix=f"Add {field}.",
                path=(field,),
            )
            return
    custom = "." in resource.group and resource.group not in BUILT_IN_GROUPS
    if custom and ("name" in resource.spec or not _METADATA.issuperset(resource.metadata)):
        return  # of a program with a form of its own, such as a list of assistants
    words = {"metadata", *(() if resource.kind.endswith("Configuration") else ("name", "spec"))}
    if custom and words.isdisjoint(resource.body):
        return  # of a program too
    if not resource.name and resource.kind != "LimitRange":  # the API server names one itself
        yield Problem(
            f"the {resource.kind} has no name, so it can't be applied",
            fix="Add metadata.name.",
            path=("metadata", "name"),
        )
