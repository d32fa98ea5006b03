"""The classes that claims, Ingresses and pods name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from treecheck.kube.classes import comes_with_clusters, is_sibling, is_slip
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
    bring. Where they don't, a name is reported that is a slip of one in the tree (of a
    PriorityClass also one of the same family: shop-lowest beside shop-low); whether the
    cluster came with another one is not known, and the summary says so. An empty
    storageClassName asks for no class at all, and a claim may wait for a volume of the tree that
    names the same class: such a class need not exist.
    """
    for wanted in _classes(resource, cluster):
        listed = cluster.facts.knows(wanted.key)
        in_tree = {found.name for found in cluster.of_kind(wanted.kind)}
        if not listed and not in_tree:
            continue
        for path, name in wanted.uses:
            if name and name not in wanted.known | in_tree:
                yield _missing(wanted, path, name, in_tree, listed=listed)


def _missing(
    wanted: Class, path: FieldPath, name: str, in_tree: set[str], *, listed: bool
) -> Problem:
    known = ", ".join(sorted(wanted.known | in_tree)) or "none"
    fix = (
        f"Name one of these, add the {wanted.kind} to the tree, or name it under {wanted.key} in "
        "the facts."
    )
    if listed:
        wrong = f"there is no {wanted.kind} {name} on the cluster; known: {known}"
        return Problem(wrong, fix=fix, path=path, lacking=wanted.kind)
    near = is_sibling if wanted.kind == "PriorityClass" else is_slip
    meant = [each for each in sorted(in_tree) if near(name, each)]
    usual = comes_with_clusters(wanted.kind, name)
    unsure = (
        f"{wanted.kind} {name} is not in this tree, and the facts don't list {wanted.key}, so "
        "whether the cluster has it can't be known"
    )
    return Problem(
        f"unknown {wanted.kind} {name}, very likely a slip of {' or '.join(meant)}",
        fix=f"Write {' or '.join(meant)}, or name {name} under {wanted.key} in the facts.",
        path=path,
        absent="",
        lacking=wanted.kind,
        unsure="" if meant and not usual else unsure,
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
