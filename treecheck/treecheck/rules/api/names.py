"""Metadata: names by kind, labels, annotations, finalizers, owners."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from treecheck.kinds import BUILT_IN_GROUPS
from treecheck.kube.names import fits
from treecheck.kube.pod_security import level_faults
from treecheck.limits.words import (
    DNS_1035,
    DNS_LABEL,
    LABEL_KEY,
    LABEL_VALUE,
    MEANINGS,
    SUBDOMAIN,
    Keywords,
)
from treecheck.model import Problem, as_list, as_mapping, as_text, show_path
from treecheck.registry import rule
from treecheck.typed import of_type
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

_LABELS_SOURCE = "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/"
_NAMES_SOURCE = "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"
ANNOTATIONS_LIMIT = 256 * 1024

# (group, kind) -> the form of its name; every other kind takes a DNS subdomain.
NAME_FORMS: dict[tuple[str, str], Keywords] = {
    ("policy", "PodDisruptionBudget"): {"pattern": "^[^/%]+$"},
    ("", "Namespace"): DNS_LABEL,
    ("", "Service"): DNS_1035,
    ("apps", "StatefulSet"): DNS_LABEL,
    ("batch", "CronJob"): {**SUBDOMAIN, "maxLength": 52},
    ("batch", "Job"): {**SUBDOMAIN, "maxLength": 63},
}
_PATH_NAMES = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})
_STANDARD_FINALIZERS = frozenset({"foregroundDeletion", "orphan", "kubernetes"})


@rule("resource-name", source=_NAMES_SOURCE)
def resource_name(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A resource's name is none that its kind may have.

    Names become host names, file names and parts of URLs. Services and Namespaces are the strictest
    (one DNS label); a CronJob's has at most 52 characters, since its Jobs' names are longer.
    """
    name, namespace = (as_text(resource.metadata.get(key)) for key in ("name", "namespace"))
    if namespace and not fits(namespace, DNS_LABEL):
        yield Problem(
            f"{shown(namespace)} is not a name of a namespace",
            fix=f"Write {MEANINGS[str(DNS_LABEL['pattern'])]}.",
            path=("metadata", "namespace"),
            hides=((),),
            cause=namespace,
        )
    if not name:
        return
    if resource.group == "rbac.authorization.k8s.io" and resource.kind in _PATH_NAMES:
        if name in {".", ".."} or "/" in name or "%" in name:
            yield _misnamed(resource, "a name without / and %, other than . and ..")
        return
    if "." not in resource.group and resource.group not in BUILT_IN_GROUPS:
        return  # no API server can have it: a definition's group has a dot
    if resource.group.endswith(".openshift.io"):
        return  # served by an API server of its own, whose rules we don't know
    custom = "." in resource.group and resource.group not in BUILT_IN_GROUPS
    if custom and resource.part.loose and re.fullmatch(r"(?:[A-Z][a-z0-9]+)+", name):
        return  # a class's name: the file is the input of a program
    form = NAME_FORMS.get((resource.group, resource.kind), SUBDOMAIN)
    if not fits(name, form):
        wanted = MEANINGS.get(str(form["pattern"]), "a name without / and %").partition(
            ", such as"
        )[0]
        counted = "maxLength" not in form or "at most" in wanted
        limit = "" if counted else f", at most {form['maxLength']}"
        yield _misnamed(resource, wanted + limit)


def _misnamed(resource: Resource, wanted: str) -> Problem:
    ends = [each for each in (resource.name[:1], resource.name[-1:]) if each in {"-", "."}]
    because = f": it begins or ends with {ends[0]}" if ends else ""
    if ends:
        wanted += ", with a letter or digit at both ends"
    return Problem(
        f"{shown(resource.name)} is not a name for a {resource.kind}{because}",
        fix=f"Write {wanted}.",
        path=("metadata", "name"),
    )


@rule("label-syntax", source=_LABELS_SOURCE)
def label_syntax(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A label, in metadata or in a selector, whose key or value can't be one.

    A value has at most 63 letters, digits, `-`, `_` and `.`; no spaces, slashes or colons. What
    needs more is an annotation.
    """
    for path, labels in _label_places(resource, cluster):
        for key, value in labels.items():
            if not fits(str(key), LABEL_KEY):
                yield _bad_label((*path, key), f"{shown(key)} is not a key of a label", LABEL_KEY)
            elif isinstance(value, str) and not fits(value, LABEL_VALUE):
                text = f"{shown(value)} is not a value of a label"
                yield _bad_label((*path, key), text, LABEL_VALUE)


def _bad_label(path: FieldPath, text: str, form: Keywords) -> Problem:
    return Problem(
        f"{show_path(path)}: {text}",
        fix=f"Write {MEANINGS[str(form['pattern'])]}.",
        path=path,
    )


def _checked_metadata(resource: Resource, cluster: Cluster) -> list[tuple[FieldPath, Manifest]]:
    """The metadata that the API server checks: of a CronJob, not that of its Jobs.

    Of a custom kind it knows only the resource's own.
    """
    found = of_type(resource, cluster, "meta.v1.ObjectMeta")
    jobs = ("spec", "jobTemplate", "metadata")
    return [each for each in found if each[0] != jobs] or [(("metadata",), resource.metadata)]


def _label_places(
    resource: Resource, cluster: Cluster
) -> Iterator[tuple[FieldPath, dict[str, Any]]]:
    """Every mapping of labels in a resource: metadata, selectors, node selectors."""
    for path, value in _checked_metadata(resource, cluster):
        yield (*path, "labels"), as_mapping(value.get("labels"))
    for path, value in of_type(resource, cluster, "meta.v1.LabelSelector"):
        yield (*path, "matchLabels"), as_mapping(value.get("matchLabels"))
    for path, value in of_type(resource, cluster, "core.v1.PodSpec"):
        yield (*path, "nodeSelector"), as_mapping(value.get("nodeSelector"))
    if resource.kind in {"Service", "ReplicationController"} and not resource.group:
        yield ("spec", "selector"), as_mapping(resource.spec.get("selector"))


@rule("annotation-syntax", source=_LABELS_SOURCE)
def annotation_syntax(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An annotation whose key can't be one, or annotations of more than 256 KiB.

    A key is `prefix/name`: the prefix a DNS name, the name at most 63 letters, digits, `-`, `_` and
    `.`. All annotations of a resource together have at most 256 KiB.
    """
    for path, value in _checked_metadata(resource, cluster):
        annotations = as_mapping(value.get("annotations"))
        for key in annotations:
            if not fits(str(key).lower(), LABEL_KEY):
                yield Problem(
                    f"{shown(key)} is not a key of an annotation",
                    fix=f"Write {MEANINGS[str(LABEL_KEY['pattern'])]}.",
                    path=(*path, "annotations", key),
                )
        size = sum(len(str(k).encode()) + len(str(v).encode()) for k, v in annotations.items())
        if size > ANNOTATIONS_LIMIT:
            yield Problem(
                f"the annotations have {size:,} bytes, and can have {ANNOTATIONS_LIMIT:,}",
                fix="Move what is long into a ConfigMap.",
                path=(*path, "annotations"),
            )


@rule(
    "finalizer-syntax",
    source="https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/",
)
def finalizer_syntax(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A finalizer that is not a qualified name, or two that contradict each other.

    A finalizer is `domain/name`, so that it is clear who removes it; the API server refuses others,
    and one that nobody knows keeps the resource from ever being deleted.
    """
    listed = [(("metadata", "finalizers"), resource.metadata.get("finalizers"))]
    if resource.kind == "Namespace":
        listed.append((("spec", "finalizers"), resource.spec.get("finalizers")))
    for path, finalizers in listed:
        for index, name in enumerate(as_list(finalizers)):
            text = as_text(name)
            known = text in _STANDARD_FINALIZERS or fits(text, LABEL_KEY)
            if _qualifies(resource) and text not in _STANDARD_FINALIZERS:
                known = known and "/" in text
            if isinstance(name, str) and not known:
                yield Problem(
                    f"{shown(text)} is not a finalizer",
                    fix="Write domain/name, such as example.com/cleanup.",
                    path=(*path, index),
                )
    if {"orphan", "foregroundDeletion"} <= set(map(as_text, listed[0][1] or ())):
        yield Problem(
            "the finalizers orphan and foregroundDeletion contradict each other",
            fix="Keep one of the two.",
            path=("metadata", "finalizers"),
        )


def _qualifies(resource: Resource) -> bool:
    """Whether the API server wants a domain before a finalizer's name.

    It does of the built-in kinds but PodDisruptionBudgets, whose metadata it checks as it does that
    of custom kinds.
    """
    return resource.group in BUILT_IN_GROUPS and resource.kind != "PodDisruptionBudget"


@rule(
    "owner-reference",
    source="https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/",
)
def owner_reference(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """An owner that names no resource, or two owners that both control.

    An owner is named by apiVersion, kind, name and uid. The uid is made by the cluster, so that
    owners have no place in files: Kubernetes writes them itself.
    """
    controllers = 0
    for index, owner in enumerate(as_list(resource.metadata.get("ownerReferences"))):
        path = ("metadata", "ownerReferences", index)
        empty = [field for field in ("kind", "name", "uid") if owner.get(field) == ""]
        version = as_text(owner.get("apiVersion"))
        controllers += owner.get("controller") is True
        if empty:
            text, field = f"{empty[0]} is empty", empty[0]
        elif "apiVersion" in owner and (version.count("/") > 1 or not version.rpartition("/")[2]):
            text, field = f"{shown(version)} is not an apiVersion", "apiVersion"
        elif (version, owner.get("kind")) == ("v1", "Event"):
            text, field = "an Event can't own anything", "kind"
        elif owner.get("controller") is True and controllers > 1:
            text, field = "only one owner can be the controller", "controller"
        else:
            continue
        yield Problem(
            f"metadata.ownerReferences[{index}]: {text}",
            fix="Remove ownerReferences.",
            path=(*path, field),
        )


@rule(
    "pod-security-level",
    source="https://kubernetes.io/docs/concepts/security/pod-security-admission/",
    kinds=("Namespace",),
)
def pod_security_level(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A Namespace with a Pod Security level that does not exist.

    The levels are privileged, baseline and restricted. The API server refuses another one.
    """
    for key, wrong, fix in level_faults(resource.labels):
        yield Problem(wrong, fix=fix, path=("metadata", "labels", key))
