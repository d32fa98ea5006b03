"""Fields against the schema: unknown ones, wrong types, missing ones."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from treecheck.conformance import is_unquoted
from treecheck.kinds import BUILT_IN_GROUPS, is_of_a_program, is_sync_set_patch
from treecheck.kube.pages import API_REFERENCE
from treecheck.model import Problem, as_text, at, show_path
from treecheck.registry import rule
from treecheck.schemas import custom_kinds, custom_part, schemas
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.conformance import SchemaError
    from treecheck.model import FieldPath, Resource

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
            below = "" if same else _place_below(resource, error.path, cluster)
            below = below or ("" if same else _place_beside(error, cluster))
            near = [] if below else near
            where = show_path(error.path[:-1]) or "the manifest"
            yield Problem(
                f"{name!r} is not a field of {where}: the API server refuses or drops it",
                fix=below
                or (f"Write {near[0]!r} in place of {name!r}." if near else _listed(known)),
                path=error.path,
                hides=tuple((*error.path[:-1], field) for field in near),
            )


def _known_fields(error: SchemaError, resource: Resource, cluster: Cluster) -> list[str]:
    definition = schemas(cluster.version).definition(error.definition)
    if not definition:  # of a custom kind
        definition = custom_part(resource.api_version, resource.kind, error.path[:-1])
    return sorted(definition.get("properties", {}))


def _place_beside(error: SchemaError, cluster: Cluster) -> str:
    """What to do with a field that belongs into a mapping beside it, or "".

    That is rollingUpdate beside `strategy`, labels beside `metadata`, volumeMounts beside
    `containers`.
    """
    known, name = schemas(cluster.version), str(error.path[-1])
    places = []
    for field, body in known.definition(error.definition).get("properties", {}).items():
        part = body.get("items", {}) if field == "containers" else body
        inner = known.definition(str(part.get("$ref", "")).removeprefix("#/$defs/"))
        if field != "status" and name in inner.get("properties", {}):
            places.append(field)
    if len(places) != 1:
        return ""
    if places == ["containers"]:
        return f"Move {name!r} to the container that it is for."
    return f"Move {name!r} to {show_path((*error.path[:-1], *places))}."


# Kinds, the mappings below their spec that people take it for, and what those are.
_JOB, _POD = "io.k8s.api.batch.v1.JobSpec", "io.k8s.api.core.v1.PodSpec"
_BELOW: dict[str, dict[str, str]] = {
    **{kind: {"spec.template.spec": _POD} for kind in ("DaemonSet", "Deployment", "Job")},
    "StatefulSet": {"spec.template.spec": _POD},
    "CronJob": {"spec.jobTemplate.spec": _JOB, "spec.jobTemplate.spec.template.spec": _POD},
}


def _place_below(resource: Resource, path: FieldPath, cluster: Cluster) -> str:
    """What to do with a field of a spec that belongs into a template below it, or ""."""
    for place, name in _BELOW.get(resource.kind, {}).items() if path[:-1] == ("spec",) else ():
        if path[-1] in schemas(cluster.version).definition(name).get("properties", {}):
            return f"Move {path[-1]!r} to {place}."
    return ""


def _listed(known: list[str]) -> str:
    if not known:
        return "Remove it."
    return f"Remove it, or move it to where it belongs; known here are {', '.join(known[:40])}."


@rule("wrong-type", source=_SOURCE)
def wrong_type(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A value of the wrong type.

    A list where one value belongs, text where a number belongs, a mapping left empty: the API
    server can't read the manifest and refuses it. (A number or boolean where text belongs is
    `unquoted-value`.) In the template of an ApplicationSet `"{{ .limit }}"` is text, and so it
    can't stand for a number: templatePatch can.
    """
    for error in resource.schema_errors:
        if error.keyword in {"type", "anyOf", "oneOf"} and not is_unquoted(error):
            wanted = type_names(error.expected)
            if (template := _in_template(resource, error.path)) is not None:
                yield _of_template(resource, error, template, wanted)
                continue
            yield Problem(
                f"{show_path(error.path) or 'the manifest'} is {shown(error.value)}, and {wanted} "
                "belongs there: the API server can't read the manifest",
                fix=f"Write {wanted}.",
                path=error.path,
            )


def _in_template(resource: Resource, path: FieldPath) -> Any:
    """What an ApplicationSet's template has for a field of an Application of its, or None."""
    return at(resource.maker.spec, "template", *path) if resource.maker is not None else None


def _of_template(resource: Resource, error: SchemaError, value: Any, wanted: str) -> Problem:
    """The problem that the API server refuses the ApplicationSet, once for each of them."""
    maker = resource.maker or resource
    path = ("spec", "template", *error.path)
    fix = f"Write {wanted}."
    if "{{" in str(value):
        fix = (
            f"Set {show_path(error.path)} in spec.templatePatch: it is text until it is filled in."
        )
    return Problem(
        f"{show_path(path)} is {shown(value)}, and {wanted} belongs there: the API server refuses "
        f"the ApplicationSet, before Argo CD fills its template in",
        fix=fix,
        path=path,
        resource=maker,
        cause=f"template of {maker.title}",
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
def nameless_manifest(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
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
    if _has_form_of_its_own(resource, cluster):
        return
    if not resource.name and resource.kind != "LimitRange":  # the API server names one itself
        yield Problem(
            f"the {resource.kind} has no name, so it can't be applied",
            fix="Add metadata.name.",
            path=("metadata", "name"),
        )


def _has_form_of_its_own(resource: Resource, cluster: Cluster) -> bool:
    """Whether a manifest of a custom group is for a program that keeps the name elsewhere.

    It has no metadata, as kind's Cluster, or other things in it, as a list of assistants.
    """
    if "." not in resource.group or resource.group in BUILT_IN_GROUPS:
        return False
    if resource.group.endswith(".grafana.app") and "metadata" not in resource.body:
        return True  # named by the file
    named = "name" in resource.body and "metadata" not in resource.body
    if named and not _is_served(resource.group, cluster):
        return True
    if "name" in resource.spec or not _METADATA.issuperset(resource.metadata):
        return True
    words = {"metadata", *(() if resource.kind.endswith("Configuration") else ("name", "spec"))}
    return words.isdisjoint(resource.body)


def _is_served(group: str, cluster: Cluster) -> bool:
    """Whether an API server is known to serve a custom group: the tree has resources of it."""

    def groups() -> set[str]:
        named = {each.group for each in cluster.tree if each.name}
        return named | {version.partition("/")[0] for version, _ in custom_kinds()}

    known = cluster.once("groups with named resources", groups)
    return group in known or group.endswith(".openshift.io")
