"""Whether data survives a pod, and whether a server can write where it has to.

A workload may say what its data is worth, in an annotation:

    declare.validate/data: durable      # or: ephemeral
"""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from treecheck.kube.declarations import DATA, declared
from treecheck.kube.images import OLD_FOLDER, ImageFacts, facts_of
from treecheck.kube.nginx import writes_elsewhere
from treecheck.kube.pages import POSTGRES_IMAGE, VOLUMES
from treecheck.kube.storage import is_formatted, may_be_disk
from treecheck.kube.variables import variables_of
from treecheck.model import Problem, as_list, as_mapping, as_text, containers, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, PodTemplate, Resource

SERVERS = ("Deployment", "StatefulSet", "ReplicaSet")
# Words in the path of what runs on a developer's machine or for a test, and is thrown away.
_THROWN_AWAY = re.compile(
    r"(?:^|[/-])(?:ci|e2e|integration|k3d|kind|local(?:dev)?|minikube|tests?|testing)(?=[/.-]|$)"
)


# `--config /etc/mongo/mongod.conf`, `--dbpath=/srv`, `-D /srv`, `-c data_directory=/srv`
_CONFIGURED = re.compile(
    r"(?:^|\s)-(?:f|D)\b|--(?:config|dbpath|datadir|defaults-file)\b"
    r"|(?:config_file|data_directory) *="
)


# What starts a database's server, by itself or at the end of a script.
_SERVER = re.compile(r"entrypoint|\b(?:mariadbd|mongod|mysqld|postgres)")


class DataFolder(NamedTuple):
    """Where a database's container keeps its data.

    `mount` is the innermost mount that holds the folder, None when none does; `volume` is the
    mount's volume, None when it is a claim template's.
    """

    path: FieldPath
    container: Manifest
    image: ImageFacts
    folder: PurePosixPath
    mount: Manifest | None
    volume: Manifest | None


def data_folders(cluster: Cluster, pod: PodTemplate) -> Iterator[DataFolder]:
    """The containers of images that are known to keep data."""
    for path, container in pod.containers("containers"):
        image = facts_of(as_text(container.get("image")))
        if not image.data:
            continue
        variables = variables_of(cluster, pod, path, container)
        moved = variables.named.get(image.variable)
        if moved is not None and moved.value is None:
            continue  # from a Secret or a ConfigMap that the tree does not show
        folder = PurePosixPath((moved.value if moved else "") or image.data)
        mount = _mount_of(container, folder)
        name = mount.get("name") if mount else None
        volumes = map(as_mapping, as_list(pod.spec.get("volumes")))
        volume = next((each for each in volumes if each.get("name") == name), None)
        if name in dict(_templates(pod.owner)):
            volume = None  # the claim takes the place of a volume of its name
        yield DataFolder(path, container, image, folder, mount, volume)


def _mount_of(container: Manifest, folder: PurePosixPath) -> Manifest | None:
    mounts = map(as_mapping, as_list(container.get("volumeMounts")))
    holding = [m for m in mounts if _real(folder).is_relative_to(_real(m.get("mountPath") or "/-"))]
    return max(holding, key=lambda m: len(as_text(m.get("mountPath"))), default=None)


def _real(folder: Any) -> PurePosixPath:
    """A folder's own path: in every image /var/run leads to /run."""
    path = PurePosixPath(str(folder))
    if path.is_relative_to("/var/run"):
        return PurePosixPath("/run") / path.relative_to("/var/run")
    return path


def _serves(container: Manifest) -> bool:
    """Whether a database's container starts the server, and does not `sleep` for its clients."""
    command, args = as_list(container.get("command")), as_list(container.get("args"))
    words = [as_text(word) for word in (*command, *args)]
    return (
        not words or (not command and words[0].startswith("-")) or any(map(_SERVER.search, words))
    )


@rule("data-outside-volume", kinds=SERVERS, source=VOLUMES)
def data_outside_volume(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A database whose data folder lies outside every volume.

    The data is written into the container's own layer and is gone with the next restart, also where
    a volume is mounted, just elsewhere. A server that is started with settings of its own may keep
    it elsewhere, and a container that starts another program has no data. Below a folder such as
    `kind` or `e2e` nobody keeps any.
    """
    for store in data_folders(cluster, resource.pod) if resource.pod else ():
        container = store.container
        if store.mount is None and _is_thrown_away(resource, cluster):
            return
        if store.mount is None and _serves(container) and not _is_configured(container):
            moved = _mount_of(store.container, PurePosixPath(OLD_FOLDER)) is not None
            at_old = moved and store.folder.name == "docker"
            name = store.container.get("name")
            yield Problem(
                f"container {name} mounts a volume at {OLD_FOLDER}, and its image keeps the data in"
                f" {store.folder} since PostgreSQL 18: it refuses to start"
                if at_old
                else f"container {name} keeps its data in {store.folder}, which no volume holds: "
                + _loss(store),
                fix=f"Mount the volume at {store.folder.parents[1]}."
                if at_old
                else _way_out(store),
                path=(*store.path, "volumeMounts" if "volumeMounts" in store.container else "name"),
            )


def _is_thrown_away(resource: Resource, cluster: Cluster) -> bool:
    """Whether a folder of the tree, in which the workload lies, says that nobody keeps its data."""
    folder = resource.part.folder or (resource.origin.file and resource.origin.file.parent)
    root = cluster.once("root", lambda: _root(cluster))
    if folder is None or not folder.is_relative_to(root):
        return False
    return _THROWN_AWAY.search(folder.relative_to(root).as_posix()) is not None


def _root(cluster: Cluster) -> str:
    """The folder that has all files of the tree."""
    folders = {one.origin.file.parent for one in cluster.tree if one.origin.file}
    return os.path.commonpath(folders) if folders else "/"


def _way_out(store: DataFolder) -> str:
    """Where to mount a volume for a data folder, which must not always be the volume's root.

    A mount over the folder that the image declares as its own does not help: the runtime mounts a
    fresh one in it. Source: https://github.com/opencontainers/image-spec/blob/main/config.md
    """
    image, folder = store.image, store.folder
    own = image.strict_folder and str(folder) == image.data
    if own and image.variable:
        return f"Mount a volume at {folder}, and set {image.variable} to {folder / 'pgdata'}."
    return f"Mount a volume at {folder.parent if image.strict_folder else folder}."


def _is_configured(container: Manifest) -> bool:
    """Whether the server is started with a file of settings or a folder of data of its own."""
    words = [*as_list(container.get("command")), *as_list(container.get("args"))]
    return any(_CONFIGURED.search(as_text(word)) for word in words)


def _loss(store: DataFolder) -> str:
    """What comes of data in a container's own layer.

    The folder that an image declares as its volume can be written to whatever the root file system
    is: the container runtime makes a new one for each container.
    """
    context = as_mapping(store.container.get("securityContext"))
    own = store.folder.is_relative_to(store.image.data)
    if context.get("readOnlyRootFilesystem") is True and not own:
        return "its root file system is read-only, and it ends at its start"
    return "the data is lost when the container restarts"


@rule(
    "data-in-volume-root",
    kinds=SERVERS,
    source=POSTGRES_IMAGE,
)
def data_in_volume_root(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A PostgreSQL whose data folder is the root of a disk.

    A new file system has a folder lost+found in its root and belongs to root, and initdb refuses
    a folder that is not empty. PGDATA has to be a folder below the mount. A folder of a node or of
    a file server has none: looked at is a claim whose class is known to be disks.
    """
    for store in data_folders(cluster, resource.pod) if resource.pod else ():
        mount = store.mount
        if not store.image.strict_folder or mount is None or "subPath" in mount:
            continue
        claim = _claim_of(resource, store, cluster)
        on_disk = claim is not None and is_formatted(claim, cluster)
        if on_disk and str(store.folder) == as_text(mount.get("mountPath")).rstrip("/"):
            yield Problem(
                f"the data folder {store.folder} is the root of volume {mount.get('name')}, where "
                "a new disk has its lost+found: initdb refuses it and the pod never starts",
                fix=f"Set {store.image.variable} to a folder below it, such as "
                f"{store.folder}/pgdata.",
                path=(*store.path, "env" if "env" in store.container else "volumeMounts"),
            )


def _claim_of(resource: Resource, store: DataFolder, cluster: Cluster) -> Manifest | None:
    """The spec of the claim that a data folder's volume is, where the tree has it."""
    if store.volume is not None:
        name = as_text(as_mapping(store.volume.get("persistentVolumeClaim")).get("claimName"))
        claim = cluster.get("PersistentVolumeClaim", resource.namespace, name)
        return claim.spec if claim else None
    name = as_text(as_mapping(store.mount).get("name"))
    return dict(_templates(resource)).get(name)


def _templates(resource: Resource) -> Iterator[tuple[str, Manifest]]:
    """(name, spec) of each claim that a StatefulSet makes for a pod."""
    for claim in map(as_mapping, as_list(resource.spec.get("volumeClaimTemplates"))):
        yield as_text(as_mapping(claim.get("metadata")).get("name")), as_mapping(claim.get("spec"))


@rule("data-ephemeral", kinds=SERVERS, source=VOLUMES + "#emptydir")
def data_ephemeral(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A database on a volume that ends with its pod.

    An emptyDir is deleted when the pod is, by a drain as much as by a rollout. Where that is
    intended, say so: annotation declare.validate/data: ephemeral, or a folder such as `kind`.
    """
    if resource.pod is None or "ephemeral" in declared(resource.pod, DATA):
        return
    for store in data_folders(cluster, resource.pod):
        if store.volume is not None and "emptyDir" in store.volume:
            if _is_thrown_away(resource, cluster):
                return
            yield Problem(
                f"container {store.container.get('name')} keeps its data in the emptyDir volume "
                f"{store.volume.get('name')}: it is lost whenever the pod is replaced",
                fix="Use a PersistentVolumeClaim, or say that it is intended: annotate the "
                f"workload with {DATA}: ephemeral.",
                path=(*store.path, "volumeMounts"),
            )


@rule(
    "durable-data-deleted",
    kinds=("StatefulSet",),
    source="https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/"
    "#persistentvolumeclaim-retention",
)
def durable_data_deleted(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """Data that is declared durable, and that somebody's delete would take along.

    A workload annotated with declare.validate/data: durable must keep its claims when it is
    deleted or scaled down, and its StorageClass must retain the volume.
    """
    if resource.pod is None or "durable" not in declared(resource.pod, DATA):
        return
    retention = as_mapping(resource.spec.get("persistentVolumeClaimRetentionPolicy"))
    for field, when in (("whenDeleted", "deleted"), ("whenScaled", "scaled down")):
        if retention.get(field) == "Delete":
            yield Problem(
                f"its data is declared durable, and its claims are deleted when it is {when}",
                fix=f"Set {field} to Retain.",
                path=("spec", "persistentVolumeClaimRetentionPolicy", field),
            )
    for index, claim in enumerate(
        map(as_mapping, as_list(resource.spec.get("volumeClaimTemplates")))
    ):
        name = as_text(as_mapping(claim.get("spec")).get("storageClassName"))
        storage = cluster.get("StorageClass", "", name)
        if storage is not None and storage.body.get("reclaimPolicy", "Delete") != "Retain":
            yield Problem(
                f"its data is declared durable, and StorageClass {name} deletes the volume with "
                "its claim",
                fix="Set the class's reclaimPolicy to Retain, or use another class.",
                path=("spec", "volumeClaimTemplates", index, "spec", "storageClassName"),
                related=(storage,),
            )


@rule(
    "claim-template-unmounted",
    unless=("mount-without-volume",),
    kinds=("StatefulSet",),
    source="https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/",
)
def claim_template_unmounted(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A StatefulSet's claim that no container mounts.

    The disk is made and paid for, and the data goes elsewhere.
    """
    mounted = {
        as_mapping(mount).get("name")
        for _, container in containers(resource)
        for mount in (
            *as_list(container.get("volumeMounts")),
            *as_list(container.get("volumeDevices")),
        )
    }
    for index, claim in enumerate(
        map(as_mapping, as_list(resource.spec.get("volumeClaimTemplates")))
    ):
        name = as_text(as_mapping(claim.get("metadata")).get("name"))
        if name and name not in mounted:
            yield Problem(
                f"claim template {name} is mounted by no container, so nothing is stored on it",
                fix=f"Mount the volume {name}, or remove the template.",
                path=("spec", "volumeClaimTemplates", index, "metadata", "name"),
            )


@rule("unwritable-folder", kinds=SERVERS, source=POSTGRES_IMAGE)
def unwritable_folder(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A read-only file system where the server has to write.

    Its root file system is read-only and no volume is there, or the volume of a database is mounted
    read-only. The process ends at its start: read-only file system.
    """
    for store in data_folders(cluster, resource.pod) if resource.pod else ():
        if store.mount is not None and store.mount.get("readOnly") is True:
            yield Problem(
                f"container {store.container.get('name')} keeps its data in {store.folder}, whose "
                "volume is mounted read-only: it ends at its start",
                fix="Leave readOnly out of the mount.",
                path=(*store.path, "volumeMounts"),
            )
    for path, container in containers(resource, "containers"):
        context = as_mapping(container.get("securityContext"))
        if context.get("readOnlyRootFilesystem") is not True or not _serves(container):
            continue
        for folder in facts_of(as_text(container.get("image"))).writes:
            own = _mount_of(container, PurePosixPath(folder))
            if own is None and not writes_elsewhere(resource, cluster, container):
                yield Problem(
                    f"container {container.get('name')} writes to {folder}, which its read-only "
                    "root file system forbids: it ends at its start",
                    fix=f"Mount an emptyDir at {folder}.",
                    path=(*path, "securityContext", "readOnlyRootFilesystem"),
                )


@rule(
    "volume-owned-by-root",
    kinds=SERVERS,
    source="https://kubernetes.io/docs/tasks/configure-pod-container/security-context/",
)
def volume_owned_by_root(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A disk that a pod's user can't write to.

    A new file system belongs to root. A container of another user gets permission denied, unless
    the pod's fsGroup has the kubelet hand the volume to that group. Volumes that several nodes
    share are left alone: their servers have rights of their own. So is OpenShift, which gives the
    pods of each namespace an fsGroup (a SecurityContextConstraints asks for it).
    """
    if resource.pod is None or cluster.once("on OpenShift", lambda: _is_openshift(cluster)):
        return
    context = as_mapping(resource.pod.spec.get("securityContext"))
    if context.get("runAsNonRoot") is not True or "fsGroup" in context:
        return
    disks = _disks(resource, cluster)
    for path, container in resource.pod.containers("containers"):
        for place, mount in each(container, "volumeMounts"):
            if mount.get("name") in disks and mount.get("readOnly") is not True:
                yield Problem(
                    f"volume {mount.get('name')} belongs to root and the pod's user is another: "
                    f"container {container.get('name')} can't write to {mount.get('mountPath')}",
                    fix="Set fsGroup in the pod's securityContext to the user's group.",
                    path=(*path, *place),
                )


def _is_openshift(cluster: Cluster) -> bool:
    """Whether some resource is of a kind that OpenShift alone serves."""
    return any(each.group.endswith(".openshift.io") for each in cluster.resources)


def _disks(resource: Resource, cluster: Cluster) -> set[str]:
    """The names of a pod's volumes that are disks of one node at a time."""
    found = dict(_templates(resource))
    for volume in map(
        as_mapping, as_list(resource.pod.spec.get("volumes") if resource.pod else ())
    ):
        name = as_text(as_mapping(volume.get("persistentVolumeClaim")).get("claimName"))
        claim = cluster.get("PersistentVolumeClaim", resource.namespace, name)
        if claim is not None:
            found[as_text(volume.get("name"))] = claim.spec
    shared = {"ReadWriteMany", "ReadOnlyMany"}
    return {
        name
        for name, spec in found.items()
        if not shared & set(as_list(spec.get("accessModes"))) and may_be_disk(spec, cluster)
    }
