"""The StorageClass that a claim gets when it names none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.alternatives import may_meet
from treecheck.kube.storage import DEFAULT, is_default
from treecheck.model import Problem, Severity, as_mapping, each
from treecheck.registry import Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

CLASSES = "https://kubernetes.io/docs/concepts/storage/storage-classes/"


@rule("default-class-missing", source=CLASSES + "#default-storageclass")
def default_class_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A claim without a StorageClass, where no class is the default one.

    It stays Pending, and its pods with it. Looked at where the facts say which class is the default
    (`defaultStorageClass`, "" for none); the classes of the tree count too. EKS has had none since
    1.30.
    """
    facts = cluster.facts
    if not facts.knows("defaultStorageClass") or facts.default_storage_class:
        return
    if any(is_default(each) for each in cluster.of_kind("StorageClass")):
        return
    for path, spec in _claims(resource):
        # An empty name asks for no class, and a named volume has its own.
        if "storageClassName" not in spec and "volumeName" not in spec and "selector" not in spec:
            yield Problem(
                "it names no StorageClass, and none is the default: the claim stays Pending",
                fix=f'Name a storageClassName, or annotate a StorageClass with {DEFAULT}: "true".',
                path=path,
                absent="",
            )


def _claims(resource: Resource) -> Iterator[tuple[FieldPath, Manifest]]:
    """(place, spec) of the claims that a resource is, or that it makes."""
    if resource.kind == "PersistentVolumeClaim" and resource.group == "":
        yield ("spec",), resource.spec
    for place, claim in each(resource, "spec", "volumeClaimTemplates"):
        yield ("spec", *place[1:], "spec"), as_mapping(claim.get("spec"))
    for place, volume in each(resource.pod.spec, "volumes") if resource.pod else ():
        if "ephemeral" in volume and resource.pod is not None:
            template = as_mapping(as_mapping(volume["ephemeral"]).get("volumeClaimTemplate"))
            path = (*resource.pod.spec_path, *place, "ephemeral", "volumeClaimTemplate", "spec")
            yield path, as_mapping(template.get("spec"))


@rule(
    "default-class-twice",
    scope=Scope.CLUSTER,
    severity=Severity.WARNING,
    source=CLASSES + "#default-storageclass",
    unless=("duplicate-resource", "shared-resource"),
)
def default_class_twice(cluster: Cluster) -> Iterator[Problem]:
    """Two StorageClasses that are both the default.

    A claim without a class gets the one that was made last. Which that is depends on the order of
    the sync, and differs between clusters.
    """
    found = [each for each in cluster.of_kind("StorageClass") if is_default(each)]
    for other in found[1:]:
        if other.name == found[0].name or not may_meet(found[0], other, cluster):
            continue
        yield Problem(
            f"StorageClass {found[0].name} is the default too: a claim without a class gets the one"
            " that was made last",
            fix="Let one of them be the default.",
            path=("metadata", "annotations"),
            resource=other,
            related=(found[0],),
        )
