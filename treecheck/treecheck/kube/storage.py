"""What a claim's storage is: a disk that a node attaches, a folder of a node, or a file server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.model import as_mapping, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, Resource

DEFAULT = "storageclass.kubernetes.io/is-default-class"
BETA = "storageclass.beta.kubernetes.io/is-default-class"
# In the names of classes and of their provisioners: `freenas-nfs-csi`, `rancher.io/local-path`.
_UNATTACHED = re.compile(
    r"(?<![a-z])(?:nfs|efs|smb|cifs|azurefile|cephfs|glusterfs|juicefs|local|localpv|hostpath"
    r"|no-provisioner|topolvm|lvms?|lvmpv|zfspv)(?![a-z])"
)
# Classes that are a cloud's disks on one cluster and a folder of the node on another.
_ANYTHING = frozenset({"default", "manual", "standard"})
# Classes that clusters bring, and that bind a claim when its pod comes: EKS, GKE, AKS, k3s.
WAITING = frozenset(
    {"gp2", "gp3", "local-path", "managed-csi", "managed-csi-premium", "premium-rwo"}
    | {"standard-rwo"}
)
# What a PersistentVolume that somebody wrote by hand may be instead of a disk.
_NO_DISKS = frozenset({"hostPath", "local", "nfs"})


def is_default(storage: Resource) -> bool:
    """Whether a StorageClass is that of claims which name none."""
    return "true" in {storage.annotations.get(DEFAULT), storage.annotations.get(BETA)}


def may_be_disk(claim: Manifest, cluster: Cluster) -> bool:
    """Whether a claim's storage may be a disk, by its class and volumes; `claim` is its spec."""
    name, storage = class_of(claim, cluster)
    provisioner = as_text(storage.body.get("provisioner")) if storage else ""
    if _UNATTACHED.search(f"{name} {provisioner}"):
        return False
    return all(_NO_DISKS.isdisjoint(each.spec) for each in _volumes(claim, name, cluster))


def is_disk(claim: Manifest, cluster: Cluster) -> bool:
    """Whether a claim's storage is a disk that one node at a time attaches, and that is known.

    What the default class is, mostly only the cluster knows: a cloud's disks, or folders of a node,
    which hold all pods there.
    """
    name, storage = class_of(claim, cluster)
    known = storage is not None or (bool(name) and name not in _ANYTHING)
    return known and may_be_disk(claim, cluster)


def is_formatted(claim: Manifest, cluster: Cluster) -> bool:
    """Whether a claim's storage is a disk with a file system that has a folder lost+found."""
    _, storage = class_of(claim, cluster)
    parameters = as_mapping(storage.body.get("parameters")) if storage else {}
    kinds = {str(value) for key, value in parameters.items() if key.casefold().endswith("fstype")}
    return is_disk(claim, cluster) and not kinds & {"btrfs", "xfs"}


def class_of(claim: Manifest, cluster: Cluster) -> tuple[str, Resource | None]:
    """(name, StorageClass) of a claim, the default one where it names none, as far as is known."""
    name = as_text(claim.get("storageClassName"))
    if "storageClassName" not in claim:
        name = cluster.facts.default_storage_class
        for storage in cluster.of_kind("StorageClass"):
            if is_default(storage):
                return storage.name, storage
    return name, cluster.get("StorageClass", "", name)


def _volumes(claim: Manifest, name: str, cluster: Cluster) -> Iterator[Resource]:
    """The PersistentVolumes of the tree that a claim gets: the one it names, or its class's."""
    own = as_text(claim.get("volumeName"))
    for volume in cluster.of_kind("PersistentVolume"):
        if volume.name == own or (name and as_text(volume.spec.get("storageClassName")) == name):
            yield volume
