"""Where pods may run: labels that nodes have, and other pods that they are to be near."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from treecheck.cluster import matches
from treecheck.kube.nodes import is_declared
from treecheck.kube.services import nearest
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, PodTemplate, Resource

LABELS = "https://kubernetes.io/docs/reference/labels-annotations-taints/"
ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
REGION_LABEL = "topology.kubernetes.io/region"
ARCHITECTURES = {"386", "amd64", "arm", "arm64", "ppc64le", "riscv64", "s390x"}
SYSTEMS = {"linux", "windows"}
# The labels of nodes in Kubernetes' own domains; kubernetes.io/role is an installer's (kops).
NODE_LABELS = {
    HOST, ZONE, "kubernetes.io/os", "kubernetes.io/arch", "kubernetes.io/role",
    REGION_LABEL, "beta.kubernetes.io/os", "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
}  # fmt: skip
DOMAINS = {"kubernetes.io", "topology.kubernetes.io", "failure-domain.beta.kubernetes.io"}
REGION = re.compile(r"[a-z]{2}(-gov)?-[a-z]+-\d")


@rule("node-label-unknown", source=LABELS)
def node_label_unknown(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pod that asks for a label, or a value of one, which no node has.

    A nodeSelector or a required affinity on it keeps the pod Pending; a topologyKey that is
    misspelt spreads nothing. Looked at are Kubernetes' own labels, what resembles one of them, and
    the values of the operating system, the architecture and the zone. A label that the tree or the
    facts give to a node is one.
    """
    for path, key, values in _node_labels(resource.pod) if resource.pod else ():
        wrong = _wrong_label(key, values)
        if wrong and not is_declared(cluster, key, values):
            yield Problem(
                f"{wrong[0]}: what asks for it matches no node",
                fix=wrong[1],
                path=path,
                severity=None if "/" in key else Severity.WARNING,  # a person may give it by hand
            )


def _wrong_label(key: str, values: list[str]) -> tuple[str, str] | None:
    """(what is wrong, how to fix it) of a node's label that is asked for."""
    if key not in NODE_LABELS:
        domain = key.partition("/")[0] if "/" in key else ""
        near = difflib.get_close_matches(key, sorted(NODE_LABELS), n=1, cutoff=0.5)
        alike = difflib.SequenceMatcher(None, key, near[0]).ratio() if near else 0
        bare = next(
            (label for label in (HOST, ZONE, REGION_LABEL) if key == label.split("/")[1]), ""
        )
        if bare:
            told = f"no node comes with a label {key}, and nothing in the tree gives it to one"
            return told, f"Write {bare}."
        if "/" in key and (domain in DOMAINS or alike > 0.92):
            hint = _meant_label(key) or (near[0] if near else "")
            hint = hint or "one of " + ", ".join(sorted(NODE_LABELS))
            return f"no node has a label {key}", f"Write {hint}."
        return None
    known = {"os": SYSTEMS, "arch": ARCHITECTURES}.get(key.rpartition("/")[2])
    for value in values:
        if known and value not in known:
            return f"{key} is never {value}", f"Write one of {', '.join(sorted(known))}."
        if key == ZONE and REGION.fullmatch(value):
            return f"{value} is a region and no zone", f"Write a zone, such as {value}a."
    return None


def _meant_label(key: str) -> str:
    """The one label that a wrong one shortens or lengthens: `kubernetes.io/host` the hostname."""
    longer = [label for label in NODE_LABELS if label.startswith(key) or key.startswith(label)]
    plain = [each for each in NODE_LABELS if each.replace("-", "") == key.replace("-", "")]
    found = plain or longer
    return found[0] if len(found) == 1 else ""


def _node_labels(pod: PodTemplate) -> Iterator[tuple[FieldPath, str, list[str]]]:
    """(place, label, values) of the nodes' labels that a pod asks for."""
    spec, here = pod.spec, pod.spec_path
    for key, value in as_mapping(spec.get("nodeSelector")).items():
        yield (*here, "nodeSelector", key), key, [as_text(value)]
    node = as_mapping(as_mapping(spec.get("affinity")).get("nodeAffinity"))
    required = as_mapping(node.get("requiredDuringSchedulingIgnoredDuringExecution"))
    for number, term in enumerate(map(as_mapping, as_list(required.get("nodeSelectorTerms")))):
        for spot, item in each(term, "matchExpressions"):
            where = (*here, "affinity", "nodeAffinity")
            where += ("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
            where += (number, *spot)
            if item.get("operator") in {"In", "Exists"}:
                yield (
                    where,
                    as_text(item.get("key")),
                    list(map(as_text, as_list(item.get("values")))),
                )
    for path, term in _pod_terms(pod):
        yield (*path, "topologyKey"), as_text(term.get("topologyKey")), []
    for place, item in each(spec, "topologySpreadConstraints"):
        where = (*here, *place, "topologyKey")
        yield where, as_text(item.get("topologyKey")), []


def _pod_terms(pod: PodTemplate) -> Iterator[tuple[FieldPath, Manifest]]:
    """The terms of a pod's affinity and anti-affinity to other pods."""
    affinity = as_mapping(pod.spec.get("affinity"))
    for kind in ("podAffinity", "podAntiAffinity"):
        for field, wants in as_mapping(affinity.get(kind)).items():
            for index, want in enumerate(map(as_mapping, as_list(wants))):
                path = (*pod.spec_path, "affinity", kind, field, index)
                if "podAffinityTerm" in want:
                    yield (*path, "podAffinityTerm"), as_mapping(want["podAffinityTerm"])
                else:
                    yield path, want


@rule(
    "affinity-to-nobody",
    source="https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/",
    unless=("selector-mismatch",),
)
def affinity_to_nobody(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An affinity or anti-affinity to pods that are not there.

    A required affinity to nobody keeps the pod Pending; an anti-affinity to nobody lets all
    replicas land on one node. Terms that choose namespaces by label are left alone, and a
    preference that matches nobody where another one of the same list matches: it adds nothing, and
    the pods are placed by the other.
    """
    matched: set[FieldPath] = set()
    unmatched: list[tuple[FieldPath, Manifest, list[str]]] = []
    for path, term in _pod_terms(resource.pod) if resource.pod else ():
        selector = as_mapping(term.get("labelSelector"))
        if not selector or "namespaceSelector" in term:
            continue
        namespaces = list(map(as_text, as_list(term.get("namespaces")))) or [resource.namespace]
        pods = [pod for each in namespaces for pod in cluster.pods(each)]
        if any(matches(selector, pod.labels) for pod in pods):
            matched.add(_preferences(path))
        else:
            unmatched.append((path, selector, namespaces))
    for path, selector, namespaces in unmatched:
        preference = _preferences(path)
        if not preference or preference not in matched:
            pods = [pod for each in namespaces for pod in cluster.pods(each)]
            near = nearest(as_mapping(selector.get("matchLabels")), pods)
            effect = "are not kept apart" if "podAntiAffinity" in path else "stay Pending"
            if effect == "stay Pending" and preference:
                effect = "may run anywhere"
            yield Problem(
                f"its labelSelector matches no pod in namespace {' or '.join(namespaces)}, so the "
                f"pods {effect}",
                fix=f"Make the selector match the intended pods{near}.",
                path=(*path, "labelSelector"),
                absent=namespaces[0],
            )


def _preferences(path: FieldPath) -> FieldPath:
    """The list of preferences that a term is in; nothing for a required term."""
    return path[:-2] if path[-1] == "podAffinityTerm" else ()
