"""The classes that clusters come with, and whether a name is a slip of another."""

from __future__ import annotations

import re

# Kind of class -> the names that hosted and local clusters, and the usual installs, bring: EKS,
# GKE, AKS, OpenShift and its Data Foundation, DigitalOcean, kind, k3s, minikube, Docker Desktop,
# Longhorn, Rook, OpenEBS and vSphere, each by its own documentation or manifests.
USUAL_CLASSES: dict[str, frozenset[str]] = {
    "StorageClass": frozenset(
        {
            "gp2", "gp3", "gp2-csi", "gp3-csi", "efs-sc", "ebs-sc", "auto-ebs-sc",
            "standard", "standard-rwo", "standard-rwx", "premium-rwo", "premium-rwx",
            "enterprise-rwx", "enterprise-multishare-rwx", "zonal-rwx", "standard-csi", "ssd-csi",
            "default", "managed", "managed-csi", "managed-csi-premium", "managed-premium",
            "azurefile", "azurefile-csi", "azurefile-csi-premium", "azurefile-premium",
            "azureblob-nfs-premium", "azureblob-fuse-premium",
            "do-block-storage", "do-block-storage-retain", "do-block-storage-xfs",
            "linode-block-storage", "linode-block-storage-retain", "vultr-block-storage",
            "hcloud-volumes", "scw-bssd", "oci", "oci-bv", "csi-cinder-high-speed",
            "local-path", "hostpath", "microk8s-hostpath", "csi-hostpath-sc", "local-storage",
            "longhorn", "longhorn-static", "rook-ceph-block", "rook-cephfs", "rook-ceph-bucket",
            "ceph-block", "ceph-bucket", "ceph-filesystem", "csi-rbd-sc", "csi-cephfs-sc",
            "ocs-storagecluster-ceph-rbd", "ocs-storagecluster-ceph-rgw",
            "ocs-storagecluster-cephfs", "openshift-storage.noobaa.io", "localblock", "lvms-vg1",
            "openebs-hostpath", "openebs-device", "mayastor-single-replica", "nfs-client",
            "thin", "thin-csi",
        }
    ),
    "IngressClass": frozenset(
        {
            "nginx", "alb", "traefik", "traefik-lb", "gce", "gce-internal", "haproxy", "kong",
            "contour", "istio", "cilium", "public", "openshift-default", "tailscale", "higress",
            "azure-application-gateway", "webapprouting.kubernetes.azure.com",
            "nginx.ingress.kubernetes.io", "apisix", "ambassador", "cloudflare-tunnel",
        }
    ),
    "PriorityClass": frozenset(
        {
            "openshift-user-critical", "gmp-critical", "longhorn-critical", "rook-ceph-critical",
            "k8s-cluster-critical", "klusterlet-critical",
        }
    ),
    "RuntimeClass": frozenset(
        {
            "gvisor", "nvidia", "nvidia-cdi", "nvidia-legacy", "kata", "kata-qemu", "kata-clh",
            "kata-fc", "kata-mshv-vm-isolation", "kata-vm-isolation", "runc", "crun", "wasmtime",
            "spin", "spinkube", "wasmtime-spin-v2",
        }
    ),
}  # fmt: skip
SYSTEM = "system-"  # the names of PriorityClasses that no tree may make
_SEPARATOR = re.compile(r"[-._]")
SHORTEST = 5  # letters of a word that can be told from another word by one of them


def comes_with_clusters(kind: str, name: str) -> bool:
    """Whether a class of this name may be there without the tree's doing.

    >>> comes_with_clusters("StorageClass", "gp3")
    True
    """
    if kind == "PriorityClass" and name.startswith(SYSTEM):
        return True
    return name in USUAL_CLASSES.get(kind, ())


def is_slip(name: str, meant: str) -> bool:
    """Whether a name is very probably a typo of another one.

    One letter of one long word is different, missing, too much or swapped with its neighbour, or
    only the separators differ. Numbers and short words distinguish real names: `nfs-1` and
    `nfs-2`, `ceph-ssd` and `ceph-hdd`.

    >>> is_slip("encrpyted", "encrypted"), is_slip("nfs-2", "nfs-1")
    (True, False)
    """
    if name == meant:
        return False
    if _SEPARATOR.sub("", name) == _SEPARATOR.sub("", meant):
        return True
    ours, theirs = _SEPARATOR.split(name), _SEPARATOR.split(meant)
    if len(ours) != len(theirs):
        return False
    different = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
    return len(different) == 1 and _one_letter_apart(*different[0])


def is_sibling(name: str, meant: str) -> bool:
    """Whether a name is a slip of another one, or another word for it in the same family of names.

    All words but the last are the same, and the last ones are words and not numbers. Whoever makes
    a family of classes makes them in one place.

    >>> is_sibling("shop-high", "shop-low"), is_sibling("shop-low2", "shop-low")
    (True, False)
    """
    *ours, last = _SEPARATOR.split(name)
    *theirs, other = _SEPARATOR.split(meant)
    family = bool(ours) and ours == theirs and min(len(last), len(other)) > 2
    return is_slip(name, meant) or (family and (last + other).isalpha())


def is_longer(name: str, meant: str) -> bool:
    """Whether a name is another one and words after it.

    >>> is_longer("gp3-encrypted", "gp3"), is_longer("gp3-2", "gp3")
    (True, False)
    """
    words, begin = _SEPARATOR.split(name), _SEPARATOR.split(meant)
    return words[: len(begin)] == begin and "".join(words[len(begin) :]).isalpha()


def _one_letter_apart(one: str, other: str) -> bool:
    if max(len(one), len(other)) < SHORTEST:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    start = min(len(one), len(other)) if start is None else start
    ours, theirs = one[start:], other[start:]
    if any(each.isdigit() for each in (ours[:1], theirs[:1])):
        return False
    swapped = ours[:2] == theirs[1::-1] and ours[2:] == theirs[2:]
    return swapped or ours[1:] == theirs[1:] or ours[1:] == theirs or ours == theirs[1:]
