"""What a container mounts, and which files that brings."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from treecheck.kube.config import find_store
from treecheck.model import as_list, as_mapping, as_text, each

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.config import Store
    from treecheck.model import FieldPath, Manifest, PodTemplate, Resource


# Of a volume: its field, the kind that it mounts, and where that is named.
STORES = (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName"))


class Mount(NamedTuple):
    """A mount of a container, with its volume (empty for a claim template's).

    `files` are the names of the files that the volume brings, None where that is unknown.
    """

    path: FieldPath
    container: Manifest
    body: Manifest
    volume: Manifest
    files: frozenset[str] | None

    @property
    def place(self) -> PurePosixPath:
        """Where it is mounted."""
        return PurePosixPath(as_text(self.body.get("mountPath")))


def mounts(resource: Resource, cluster: Cluster) -> Iterator[Mount]:
    """The mounts of a resource's main containers."""
    if resource.pod is None:
        return
    volumes = {
        as_text(volume.get("name")): volume
        for volume in map(as_mapping, as_list(resource.pod.spec.get("volumes")))
    }
    for path, container in resource.pod.containers("containers"):
        for place, body in each(container, "volumeMounts"):
            volume = volumes.get(as_text(body.get("name")), {})
            files = _files(resource, cluster, volume)
            yield Mount((*path, *place), container, body, volume, files)


class TextFile(NamedTuple):
    """A file of a ConfigMap of the tree, where a container finds it."""

    container: Manifest
    place: PurePosixPath
    text: str
    resource: Resource
    key: str


def text_files(pod: PodTemplate, cluster: Cluster) -> Iterator[TextFile]:
    """The files that ConfigMaps bring into a pod's containers, as far as their texts are known."""
    volumes = {
        as_text(volume.get("name")): volume
        for volume in map(as_mapping, as_list(pod.spec.get("volumes")))
    }
    for _, container in pod.containers():
        for _, body in each(container, "volumeMounts"):
            place = PurePosixPath(as_text(body.get("mountPath")))
            part = as_text(body.get("subPath"))
            for source in _maps(volumes.get(as_text(body.get("name")), {})):
                name = as_text(source.get("name"))
                store = find_store(cluster, "ConfigMap", pod.owner.namespace, name)
                if store is None or store.resource is None:
                    continue
                items = {
                    as_text(i.get("key")): as_text(i.get("path")) for _, i in each(source, "items")
                }
                for key, file in (items or {key: key for key in store.values}).items():
                    if key in store.values and part in {"", file}:
                        at = place if part else place / file
                        yield TextFile(container, at, store.values[key], store.resource, key)


def _maps(volume: Manifest) -> list[Manifest]:
    """The ConfigMaps of a volume, as its sources name them."""
    sources = as_list(as_mapping(volume.get("projected")).get("sources"))
    found = [as_mapping(as_mapping(one).get("configMap")) for one in (volume, *sources)]
    return [one for one in found if one]


def _files(resource: Resource, cluster: Cluster, volume: Manifest) -> frozenset[str] | None:
    for field, kind, key in STORES:
        source = as_mapping(volume.get(field))
        if source:
            return _stored(resource, cluster, source, kind, key)
    if "projected" in volume:
        return _projected(resource, cluster, as_mapping(volume["projected"]))
    return frozenset() if "emptyDir" in volume else None


def _stored(
    resource: Resource, cluster: Cluster, source: Manifest, kind: str, key: str
) -> frozenset[str] | None:
    """The files that a ConfigMap or Secret becomes; None where its keys are not known."""
    items = [as_text(as_mapping(item).get("path")) for item in as_list(source.get("items"))]
    if items:
        return frozenset(items)
    store: Store | None = find_store(cluster, kind, resource.namespace, as_text(source.get(key)))
    return store.keys if store else None


def _projected(resource: Resource, cluster: Cluster, volume: Manifest) -> frozenset[str] | None:
    """The files that the sources of a projected volume become together."""
    found: set[str] = set()
    for source in map(as_mapping, as_list(volume.get("sources"))):
        for field, value in source.items():
            body = as_mapping(value)
            files: frozenset[str] | None = None
            if field in {"configMap", "secret"}:
                kind = {"configMap": "ConfigMap", "secret": "Secret"}[field]
                files = _stored(resource, cluster, body, kind, "name")
            elif field == "downwardAPI":
                items = map(as_mapping, as_list(body.get("items")))
                files = frozenset(as_text(item.get("path")) for item in items)
            elif field in {"clusterTrustBundle", "serviceAccountToken"}:
                files = frozenset({as_text(body.get("path"))})
            if files is None:
                return None
            found |= files
    return frozenset(found)
