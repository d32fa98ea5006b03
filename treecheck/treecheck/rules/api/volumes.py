"""Volumes: devices, mounts, where a claim takes its data from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.names import fits
from treecheck.kube.pages import validation
from treecheck.limits.words import SUBDOMAIN
from treecheck.model import Problem, as_list, as_mapping, as_text, at, show_path
from treecheck.registry import rule
from treecheck.typed import of_type
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

_SOURCE = validation("core")


@rule("block-device", source=_SOURCE)
def block_device(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A container with a block device that is none, or that it mounts as well.

    `volumeDevices` takes volumes that are claims, each once, and none that `volumeMounts` has: a
    volume is a device or a folder.
    """
    for path, spec in of_type(resource, cluster, "core.v1.PodSpec"):
        files = {
            each.get("name")
            for each in as_list(spec.get("volumes"))
            if "persistentVolumeClaim" not in each and "ephemeral" not in each
        }
        for kind in ("containers", "initContainers"):
            for index, container in enumerate(as_list(spec.get(kind))):
                yield from _devices((*path, kind, index), container, files)


def _devices(path: FieldPath, container: Manifest, files: set[object]) -> Iterator[Problem]:
    mounts = as_list(container.get("volumeMounts"))
    mounted = {each.get("name") for each in mounts}
    folders = {each.get("mountPath") for each in mounts}
    seen: set[object] = set()
    for number, device in enumerate(as_list(container.get("volumeDevices"))):
        name = device.get("name")
        if name in files:
            text = f"the volume {shown(name)} is not a claim and so can't be a block device"
        elif name in mounted or device.get("devicePath") in folders:
            text = f"{shown(name)} is a block device and a mounted folder at once"
        elif name in seen:
            text = f"the volume {shown(name)} is a block device twice"
        else:
            seen.add(name)
            continue
        where = (*path, "volumeDevices", number, "name")
        yield Problem(text, fix="Move it to volumeMounts, or remove one of the two.", path=where)


@rule("mount-option", source="https://kubernetes.io/docs/concepts/storage/volumes/")
def mount_option(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A mount with an option that its container or its other options rule out.

    `mountPropagation: Bidirectional` takes a privileged container. `recursiveReadOnly` takes
    `readOnly: true` and no propagation.
    """
    for path, container in of_type(resource, cluster, "core.v1.Container"):
        privileged = at(container, "securityContext", "privileged") is True
        for number, mount in enumerate(as_list(container.get("volumeMounts"))):
            spread = mount.get("mountPropagation") or "None"
            deep = mount.get("recursiveReadOnly") in {"Enabled", "IfPossible"}
            if spread == "Bidirectional" and not privileged:
                text, field = "Bidirectional takes a privileged container", "mountPropagation"
            elif deep and mount.get("readOnly") is not True:
                text, field = "recursiveReadOnly takes readOnly: true", "recursiveReadOnly"
            elif deep and spread != "None":
                text, field = "recursiveReadOnly takes no mountPropagation", "recursiveReadOnly"
            else:
                continue
            yield Problem(
                f"{show_path((*path, 'volumeMounts', number))}: {text}",
                fix=f"Remove {field}.",
                path=(*path, "volumeMounts", number, field),
            )


@rule(
    "claim-source",
    source="https://kubernetes.io/docs/concepts/storage/persistent-volumes/",
    kinds=("PersistentVolumeClaim",),
)
def claim_source(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A claim whose data come from something without a name, a kind or a group.

    Without `apiGroup` the source is another claim. `dataSource` and `dataSourceRef` are the same
    where both are set.
    """
    source, reference = (resource.spec.get(field) for field in ("dataSource", "dataSourceRef"))
    if not isinstance(reference, dict):
        field, reference = "dataSource", source
        if not _is_kept(as_mapping(source)):
            return  # the API server drops it: `dataSource` alone is of claims and snapshots
    else:
        field = "dataSourceRef"
    if not isinstance(reference, dict) or reference.get("namespace"):
        return  # it drops one of another namespace too, as long as that is not a feature
    group, kind = as_text(reference.get("apiGroup")), as_text(reference.get("kind"))
    if "" in (reference.get("name"), reference.get("kind")):
        text = "a source has a kind and a name"
    elif not group and kind != "PersistentVolumeClaim":
        text = f"a source of kind {shown(kind)} has an apiGroup"
    elif group and not fits(group, SUBDOMAIN):
        text = f"{shown(group)} is not an API group"
    elif _is_kept(as_mapping(source)) and source != reference:
        text = "dataSource and dataSourceRef differ"
    else:
        return
    yield Problem(f"spec.{field}: {text}", fix="Correct the source.", path=("spec", field))


def _is_kept(source: Manifest) -> bool:
    """Whether the API server reads `dataSource`: of a claim or a snapshot."""
    return (as_text(source.get("apiGroup")), source.get("kind")) in {
        ("", "PersistentVolumeClaim"),
        ("snapshot.storage.k8s.io", "VolumeSnapshot"),
    }
