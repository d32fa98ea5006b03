"""What claims ask of the storage that is to serve them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from treecheck.model import Problem, as_list, as_mapping, as_text
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

MODES = "https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes"
EBS = "https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/parameters.md"
# Provisioners of disks, which one node at a time can have. (Google's can be read by several.)
DISKS = {
    "disk.csi.azure.com", "ebs.csi.aws.com", "ebs.csi.eks.amazonaws.com", "kubernetes.io/aws-ebs",
    "kubernetes.io/azure-disk",
}  # fmt: skip
EBS_CLASSES = {"gp2", "gp3"}  # EKS's own class, and the name that everybody gives the next
SHARED = ("ReadWriteMany", "ReadOnlyMany")
EBS_TYPES = ("gp2", "gp3", "io1", "io2", "sbg1", "sbp1", "sc1", "st1", "standard")


@rule(
    "access-mode-unsupported",
    source=MODES,
    kinds=("PersistentVolumeClaim", "StatefulSet"),
)
def access_mode_unsupported(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A claim to share a disk that one node at a time can have.

    No volume is made, and the pod stays Pending: volume capabilities are not supported. Files that
    several nodes share need a file server (EFS, Azure Files, Filestore). Raw block devices are
    left alone.
    """
    for path, spec in _claims(resource):
        name = as_text(spec.get("storageClassName"))
        stored = cluster.get("StorageClass", "", name)
        provisioner = as_text(stored.body.get("provisioner")) if stored else ""
        disk = provisioner in DISKS or (stored is None and name in EBS_CLASSES)
        if not disk or spec.get("volumeMode") == "Block":
            continue
        for index, mode in enumerate(as_list(spec.get("accessModes"))):
            if mode in SHARED:
                yield Problem(
                    f"StorageClass {name} makes disks, and no disk can be {mode}: the claim and "
                    "its pods stay Pending",
                    fix="Write ReadWriteOnce, or name a class of shared file systems.",
                    path=(*path, "accessModes", index),
                    related=(stored,) if stored else (),
                )


def _claims(resource: Resource) -> Iterator[tuple[FieldPath, Manifest]]:
    """(place, spec) of the claims that a resource is or makes."""
    if resource.kind == "PersistentVolumeClaim":
        yield ("spec",), resource.spec
    templates = as_list(resource.spec.get("volumeClaimTemplates"))
    for index, template in enumerate(templates):
        yield (
            ("spec", "volumeClaimTemplates", index, "spec"),
            as_mapping(as_mapping(template).get("spec")),
        )


@rule("volume-type-unknown", source=EBS, kinds=("StorageClass",))
def volume_type_unknown(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A StorageClass of a type of EBS volume that AWS does not have.

    The class is accepted, and none of its claims ever gets a volume: invalid volume type.
    """
    parameters = as_mapping(resource.body.get("parameters"))
    kind = as_text(parameters.get("type"))
    if "ebs" in as_text(resource.body.get("provisioner")) and kind and kind not in EBS_TYPES:
        yield Problem(
            f"EBS has no volumes of type {kind}: no claim of this class gets one",
            fix=f"Write one of {', '.join(EBS_TYPES)}.",
            path=("parameters", "type"),
        )


# Each by its project's own examples.
PROVISIONERS = (
    "ebs.csi.aws.com", "efs.csi.aws.com", "fsx.csi.aws.com", "ebs.csi.eks.amazonaws.com",
    "pd.csi.storage.gke.io", "filestore.csi.storage.gke.io", "disk.csi.azure.com",
    "file.csi.azure.com", "kubernetes.io/no-provisioner", "kubernetes.io/aws-ebs",
    "kubernetes.io/gce-pd", "rancher.io/local-path", "driver.longhorn.io", "nfs.csi.k8s.io",
    "dobs.csi.digitalocean.com", "csi.hetzner.cloud", "rook-ceph.rbd.csi.ceph.com",
    "rook-ceph.cephfs.csi.ceph.com", "rbd.csi.ceph.com", "cephfs.csi.ceph.com",
    "openebs.io/local", "secrets-store.csi.k8s.io",
)  # fmt: skip


@rule("storage-class-useless", source=EBS, kinds=("StorageClass",))
def storage_class_useless(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A StorageClass of which no claim ever gets a volume.

    Its provisioner is a slip of a well-known one, so that nobody feels asked, or it lacks what the
    driver of EFS needs for an access point: the file system's id.
    """
    name = as_text(resource.body.get("provisioner"))
    parameters = as_mapping(resource.body.get("parameters"))
    drivers = {each.name for each in cluster.of_kind("CSIDriver")}
    alike = [each for each in PROVISIONERS if each.partition(".")[0] == name.partition(".")[0]]
    near = " or ".join(difflib.get_close_matches(name, alike, n=2, cutoff=0.82))
    if name and near and name not in {*PROVISIONERS, *drivers}:
        yield Problem(
            f"no driver is called {name}, very likely a slip of {near}: claims stay Pending",
            fix=f"Write {near}.",
            path=("provisioner",),
        )
    elif name == "efs.csi.aws.com" and parameters and "fileSystemId" not in parameters:
        yield Problem(
            "the driver of EFS makes an access point in the file system that fileSystemId names, "
            "and there is none: claims stay Pending",
            fix="Add fileSystemId: fs-… to parameters.",
            path=("parameters",),
        )
