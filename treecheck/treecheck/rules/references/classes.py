"""The classes that claims, Ingresses and pods name."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from treecheck.kube.classes import (
    USUAL_CLASSES,
    comes_with_clusters,
    is_longer,
    is_sibling,
    is_slip,
)
from treecheck.model import Problem, as_mapping, as_text, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Resource

# The API server makes these itself (scheduling.k8s.io).
SYSTEM_PRIORITY_CLASSES = {"system-cluster-critical", "system-node-critical"}


class Class(NamedTuple):
    """A kind of class, its key in the facts, what the facts know, and where it is named."""

    kind: str
    key: str
    known: frozenset[str]
    uses: list[tuple[FieldPath, str]]


@rule(
    "class-missing",
    source="https://kubernetes.io/docs/concepts/storage/storage-classes/",
)
def class_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A storage, ingress, priority or runtime class that the cluster does not have.

    A claim with an unknown StorageClass stays Pending, an Ingress with an unknown class is served
    by nobody, and pods with an unknown PriorityClass or RuntimeClass are refused.

    Where the facts list the classes of a kind, every other name is missing that the tree does not
    bring. Where they don't, a name is reported that is a slip of one in the tree, of one that
    several others name, or of an IngressClass that everybody knows (`ngnix`). A PriorityClass is
    also reported where the tree has one of the same family (shop-critical beside shop-low), and a
    StorageClass where it is one of the tree and another word (gp3-fast beside gp3) and no claim
    names that one. Whether the cluster came with another class is not known, and the summary says
    so. An empty storageClassName asks for no class at all, and a claim may wait for a volume of the
    tree that names the same class: such a class need not exist.
    """
    for wanted in _classes(resource, cluster):
        in_tree = {found.name for found in cluster.of_kind(wanted.kind)}
        for path, name in wanted.uses:
            if not name or name in wanted.known | in_tree:
                continue
            if cluster.facts.knows(wanted.key):
                yield _not_listed(wanted, path, name, in_tree)
            elif meant := _meant(cluster, wanted.kind, name, in_tree):
                yield _slip(wanted, path, name, meant)
            elif in_tree:
                yield _slip(wanted, path, name, [])


def _not_listed(wanted: Class, path: FieldPath, name: str, in_tree: set[str]) -> Problem:
    known = ", ".join(sorted(wanted.known | in_tree)) or "none"
    return Problem(
        f"there is no {wanted.kind} {name} on the cluster; known: {known}",
        fix=f"Name one of these, add the {wanted.kind} to the tree, or name it under {wanted.key} "
        "in the facts.",
        path=path,
        lacking=wanted.kind,
    )


def _slip(wanted: Class, path: FieldPath, name: str, meant: list[str]) -> Problem:
    unsure = (
        f"{wanted.kind} {name} is not in this tree, and the facts don't list {wanted.key}, so "
        "whether the cluster has it can't be known"
    )
    slip = any(is_slip(name, each) for each in meant)
    near = "very likely a slip of" if slip else "and its family in the tree is"
    return Problem(
        f"unknown {wanted.kind} {name}, {near} {' or '.join(meant)}",
        fix=f"Write {' or '.join(meant)}, or name {name} under {wanted.key} in the facts.",
        path=path,
        absent="",
        lacking=wanted.kind,
        unsure="" if meant and not comes_with_clusters(wanted.kind, name) else unsure,
    )


def _meant(cluster: Cluster, kind: str, name: str, in_tree: set[str]) -> list[str]:
    """The classes for one of which a name that the tree does not define very probably stands."""
    uses = cluster.once("class uses", lambda: _uses(cluster))
    near = is_sibling if kind == "PriorityClass" else is_slip
    found = {each for each in in_tree if near(name, each)}
    if kind == "StorageClass":
        found |= {each for each in in_tree if is_longer(name, each) and not uses[kind, each]}
    known = USUAL_CLASSES[kind] if kind == "IngressClass" else frozenset()
    known |= {
        other for of, other in uses if of == kind and uses[kind, other] > max(1, uses[kind, name])
    }
    return sorted(found | {each for each in known if is_slip(name, each) and _framed(name, each)})


def _framed(name: str, meant: str) -> bool:
    """Whether two names begin and end alike: `nginxb` beside `nginx` may be another class."""
    return (name[0], name[-1]) == (meant[0], meant[-1])


def _uses(cluster: Cluster) -> Counter[tuple[str, str]]:
    """(kind, name) of each class that resources name -> how often."""
    return Counter(
        (wanted.kind, name)
        for resource in cluster.resources
        for wanted in _classes(resource, cluster)
        for _, name in wanted.uses
    )


def _classes(resource: Resource, cluster: Cluster) -> Iterator[Class]:
    facts, spec = cluster.facts, resource.spec
    storage: list[tuple[FieldPath, str]] = []
    if resource.kind == "PersistentVolumeClaim" and "volumeName" not in spec:
        storage.append((("spec", "storageClassName"), as_text(spec.get("storageClassName"))))
    for place, claim in each(spec, "volumeClaimTemplates"):
        name = as_text(as_mapping(claim.get("spec")).get("storageClassName"))
        storage.append((("spec", *place, "spec", "storageClassName"), name))
    if storage:
        volumes = cluster.of_kind("PersistentVolume")
        static = {as_text(volume.spec.get("storageClassName")) for volume in volumes}
        yield Class("StorageClass", "storageClasses", facts.storage_classes | static, storage)
    if resource.kind == "Ingress":
        ingress = [(("spec", "ingressClassName"), as_text(spec.get("ingressClassName")))]
        yield Class("IngressClass", "ingressClasses", facts.ingress_classes, [*ingress])
    if resource.pod is not None:
        pod = resource.pod
        priority = as_text(pod.spec.get("priorityClassName"))
        runtime = as_text(pod.spec.get("runtimeClassName"))
        known = facts.priority_classes | SYSTEM_PRIORITY_CLASSES
        path = (*pod.spec_path, "priorityClassName")
        yield Class("PriorityClass", "priorityClasses", known, [(path, priority)])
        path = (*pod.spec_path, "runtimeClassName")
        yield Class("RuntimeClass", "runtimeClasses", facts.runtime_classes, [(path, runtime)])
