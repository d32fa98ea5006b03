"""Fields of which exactly, or at most, one may be set; and lists whose items must differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from treecheck.blame import blame
from treecheck.kube.pages import validation
from treecheck.model import Problem, as_list, as_mapping, as_text, show_path
from treecheck.registry import rule
from treecheck.typed import of_type
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Resource

_SOURCE = validation("core")


class OneOf(NamedTuple):
    """Fields of a type of which one may be set; `needed` when one must be.

    `zero` is what a field holds that counts as left out.
    """

    fields: tuple[str, ...]
    needed: bool
    zero: tuple[Any, ...] = ("", [])


_VOLUMES = (
    *("awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "configMap", "csi"),
    *("downwardAPI", "emptyDir", "ephemeral", "fc", "flexVolume", "flocker", "gcePersistentDisk"),
    *("gitRepo", "glusterfs", "hostPath", "iscsi", "local", "nfs"),
    *("persistentVolumeClaim", "photonPersistentDisk", "portworxVolume", "projected", "quobyte"),
    *("rbd", "scaleIO", "secret", "storageos", "vsphereVolume"),
)

# What only a pod has.
_OF_PODS = {
    *("configMap", "downwardAPI", "emptyDir", "ephemeral", "gitRepo", "persistentVolumeClaim"),
    *("projected", "secret"),
}

# A type of Kubernetes' API -> its alternatives. A volume without a source is an emptyDir.
ONE_OF: dict[str, OneOf] = {
    "core.v1.EnvFromSource": OneOf(("configMapRef", "secretRef"), needed=True),
    "core.v1.EnvVar": OneOf(("value", "valueFrom"), needed=False),
    "core.v1.EnvVarSource": OneOf(
        ("configMapKeyRef", "fieldRef", "fileKeyRef", "resourceFieldRef", "secretKeyRef"),
        needed=True,
    ),
    "core.v1.LifecycleHandler": OneOf(("exec", "httpGet", "sleep", "tcpSocket"), needed=True),
    "core.v1.PersistentVolumeSpec": OneOf(
        tuple(each for each in _VOLUMES if each not in _OF_PODS), needed=True
    ),
    "core.v1.Probe": OneOf(("exec", "grpc", "httpGet", "tcpSocket"), needed=True),
    "core.v1.Volume": OneOf(_VOLUMES, needed=False),
    "core.v1.VolumeMount": OneOf(("subPath", "subPathExpr"), needed=False),
    "core.v1.DownwardAPIVolumeFile": OneOf(("fieldRef", "resourceFieldRef"), needed=True),
    # An empty source is accepted. The API server drops clusterTrustBundle and podCertificate before
    # it counts, since their feature gates are off.
    "core.v1.VolumeProjection": OneOf(
        ("configMap", "downwardAPI", "secret", "serviceAccountToken"), needed=False
    ),
    "networking.v1.IngressBackend": OneOf(("resource", "service"), needed=True),
    "networking.v1.ServiceBackendPort": OneOf(("name", "number"), needed=True, zero=("", 0)),
    "policy.v1.PodDisruptionBudgetSpec": OneOf(("maxUnavailable", "minAvailable"), needed=False),
    "batch.v1.PodFailurePolicyRule": OneOf(("onExitCodes", "onPodConditions"), needed=True),
    "admissionregistration.v1.WebhookClientConfig": OneOf(("service", "url"), needed=True),
}


@rule("one-of", source=_SOURCE)
def one_of(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """None, or several, of fields of which exactly one belongs there.

    A probe has one handler, a volume one source, a variable a value or a reference. The API server
    refuses the manifest.
    """
    for name, union in ONE_OF.items():
        for path, value in of_type(resource, cluster, name):
            present = [field for field in union.fields if _is_set(value, field, union)]
            if len(present) > 1:
                yield _several(resource, path, present)
            elif union.needed and not present:
                yield _none(path, union)


def _is_set(value: dict[str, Any], field: str, union: OneOf) -> bool:
    found = value.get(field)
    return found is not None and found not in union.zero


def _several(resource: Resource, path: FieldPath, present: list[str]) -> Problem:
    """The last one is to blame, or the one that a patch added to what the base has."""
    named = " and ".join(present)
    own = resource.origin.file
    patched = (each for each in present if blame(resource, (*path, each))[0] != own)
    return Problem(
        f"{show_path(path)} has {named}, of which it can have one",
        fix=f"Keep one of {', '.join(present)}.",
        path=(*path, next(patched, present[1])),
    )


def _none(path: FieldPath, union: OneOf) -> Problem:
    known = ", ".join(union.fields)
    return Problem(
        f"{show_path(path)} has none of {known}, and needs one",
        fix=f"Add one of {known}.",
        path=path,
    )


# (type, field with a list) -> the fields that no two items may share, and those left out are equal.
UNIQUE: dict[tuple[str, str], tuple[str, ...]] = {
    ("core.v1.Container", "volumeDevices"): ("devicePath",),
    ("core.v1.TopologySelectorTerm", "matchLabelExpressions"): ("key",),
    ("core.v1.Container", "volumeMounts"): ("mountPath",),
    ("core.v1.PodSpec", "resourceClaims"): ("name",),
    ("core.v1.PodSpec", "schedulingGates"): ("name",),
    ("core.v1.PodSpec", "topologySpreadConstraints"): ("topologyKey", "whenUnsatisfiable"),
    ("core.v1.PodSpec", "volumes"): ("name",),
    ("core.v1.PodSecurityContext", "sysctls"): ("name",),
    ("core.v1.TopologySelectorLabelRequirement", "values"): (),
    ("discovery.v1.EndpointHints", "forZones"): ("name",),
    ("discovery.v1.EndpointSlice", "ports"): ("name",),
    ("core.v1.LimitRangeSpec", "limits"): ("type",),
    ("core.v1.ServiceSpec", "ipFamilies"): (),
    ("core.v1.ResourceRequirements", "claims"): ("name",),
}


@rule("duplicate-item", source=_SOURCE)
def duplicate_item(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """Two items of a list with the same key.

    Volumes and containers go by their names, mounts and the files of a projected volume by their
    paths. The API server refuses the manifest; merged by a patch, one of the two would be lost.
    """
    for (name, field), keys in UNIQUE.items():
        for path, value in of_type(resource, cluster, name):
            yield from _repeated((*path, field), as_list(value.get(field)), keys)
    for error in resource.schema_errors:
        if error.keyword == "uniqueItems":
            yield _duplicate(error.path, error.value)
    for path, spec in of_type(resource, cluster, "core.v1.PodSpec"):
        yield from _containers(path, spec)
    for path, volume in of_type(resource, cluster, "core.v1.ProjectedVolumeSource"):
        yield from _projected(path, volume)
    for path, container in of_type(resource, cluster, "core.v1.Container"):
        named = [
            {"name": port.get("name"), "index": index}
            for index, port in enumerate(as_list(container.get("ports")))
            if port.get("name")
        ]
        yield from _repeated((*path, "ports"), named, ("name",))


def _containers(path: FieldPath, spec: dict[str, Any]) -> Iterator[Problem]:
    seen: set[str] = set()
    for field in ("containers", "initContainers"):
        for index, container in enumerate(as_list(spec.get(field))):
            name = container.get("name")
            if name in seen:
                yield _duplicate((*path, field, index, "name"), name)
            seen.add(name)


def _projected(path: FieldPath, volume: dict[str, Any]) -> Iterator[Problem]:
    """The files that two entries of a projected volume would write."""
    seen: set[str] = set()
    for index, source in enumerate(as_list(volume.get("sources"))):
        for kind in ("secret", "configMap", "downwardAPI"):
            for number, item in enumerate(as_list(as_mapping(source.get(kind)).get("items"))):
                file = as_text(item.get("path"))
                if file and file in seen:
                    where = (*path, "sources", index, kind, "items", number, "path")
                    yield _duplicate(where, file)
                seen.add(file)


def _repeated(path: FieldPath, items: list[Any], keys: tuple[str, ...]) -> Iterator[Problem]:
    seen: set[Any] = set()
    for index, item in enumerate(items):
        identity: Any = item
        if keys and isinstance(item, dict):
            identity = tuple(str(item.get(key) or "") for key in keys)
            index = item.get("index", index) if keys == ("name",) else index  # noqa: PLW2901
        elif isinstance(item, (dict, list)):
            continue
        if identity in seen:
            shown_value = item.get(keys[0]) if isinstance(item, dict) else item
            yield _duplicate((*path, index), shown_value)
        seen.add(identity)


def _duplicate(path: FieldPath, value: Any) -> Problem:
    return Problem(
        f"{show_path(path)}: {shown(value)} is there twice",
        fix="Rename or remove one of the two.",
        path=path,
    )
