"""Fields that can't change once a resource exists: what the API server refuses between two commits.

`immutable_changes` compares two manifests of one resource; `python -m ci diff` asks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from treecheck.conformance import without_nulls
from treecheck.model import as_mapping, at, show_path
from treecheck.quantities import quantity

if TYPE_CHECKING:
    from treecheck.model import FieldPath, Manifest


@dataclass(frozen=True, slots=True)
class Change:
    """A field that the API server does not let change, with a sentence about what follows."""

    path: FieldPath
    message: str


# Kind -> the fields that stay as they were made. Source: Kubernetes' update validation.
IMMUTABLE: dict[tuple[str, str], tuple[FieldPath, ...]] = {
    ("apps", "DaemonSet"): (("spec", "selector"),),
    ("apps", "Deployment"): (("spec", "selector"),),
    ("apps", "ReplicaSet"): (("spec", "selector"),),
    ("batch", "Job"): (
        ("spec", "selector"),
        ("spec", "template"),
        ("spec", "completionMode"),
        ("spec", "podFailurePolicy"),
        ("spec", "backoffLimitPerIndex"),
    ),
    ("", "Secret"): (("type",),),
    ("", "PersistentVolume"): (("spec", "csi"), ("spec", "nfs"), ("spec", "local")),
    ("rbac.authorization.k8s.io", "RoleBinding"): (("roleRef",),),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): (("roleRef",),),
    ("storage.k8s.io", "StorageClass"): (
        ("provisioner",),
        ("parameters",),
        ("reclaimPolicy",),
        ("volumeBindingMode",),
    ),
    ("scheduling.k8s.io", "PriorityClass"): (("value",), ("preemptionPolicy",)),
    ("networking.k8s.io", "IngressClass"): (("spec", "controller"),),
    ("discovery.k8s.io", "EndpointSlice"): (("addressType",),),
}
# The fields of a StatefulSet's spec that may change; all others may not.
_STATEFUL_SET = frozenset(
    {"minReadySeconds", "ordinals", "persistentVolumeClaimRetentionPolicy", "replicas"}
    | {"revisionHistoryLimit", "template", "updateStrategy"}
)


def immutable_changes(old: Manifest, new: Manifest) -> list[Change]:
    """What the API server refuses when `new` is applied over `old`, which is the same resource.

    Fields that `new` leaves out and the API server fills keep their value and are not a change,
    except where a list or mapping would lose entries.
    """
    old, new = without_nulls(old), without_nulls(new)
    kind = str(new.get("kind", ""))
    group = str(new.get("apiVersion", "")).rpartition("/")[0]
    changes = [
        Change(path, _sentence(kind, path))
        for path in IMMUTABLE.get((group, kind), ())
        if _changed(at(old, *path), at(new, *path))
    ]
    if kind == "StatefulSet":
        changes += _stateful_set(old, new)
    if kind in {"ConfigMap", "Secret"} and old.get("immutable") is True:
        changes += _sealed(kind, old, new)
    if kind == "PersistentVolumeClaim":
        changes += _claim(old, new)
    if kind == "Service":
        changes += _service(old, new)
    return changes


def _sentence(kind: str, path: FieldPath) -> str:
    return (
        f"{show_path(path)} of a {kind} can't change: the API server refuses it, the sync fails; "
        f"delete the {kind} first, or give the new one another name"
    )


def _changed(old: Any, new: Any) -> bool:
    return old is not None and new is not None and old != new


def _stateful_set(old: Manifest, new: Manifest) -> list[Change]:
    before, after = as_mapping(old.get("spec")), as_mapping(new.get("spec"))
    changes = []
    for field in sorted({*before, *after} - _STATEFUL_SET):
        one, other = before.get(field), after.get(field)
        lost = field == "volumeClaimTemplates" and (one or []) != (other or [])
        if lost or _changed(one, other):
            changes.append(Change(("spec", field), _sentence("StatefulSet", ("spec", field))))
    return changes


def _sealed(kind: str, old: Manifest, new: Manifest) -> list[Change]:
    return [
        Change((field,), f"this {kind} is marked immutable, so {field} can't change")
        for field in ("data", "binaryData", "stringData", "immutable")
        if old.get(field) != new.get(field)
    ]


def _claim(old: Manifest, new: Manifest) -> list[Change]:
    before, after = as_mapping(old.get("spec")), as_mapping(new.get("spec"))
    changes = [
        Change(("spec", field), _sentence("PersistentVolumeClaim", ("spec", field)))
        for field in ("accessModes", "selector", "storageClassName", "volumeMode", "volumeName")
        if _changed(before.get(field), after.get(field))
    ]
    path: FieldPath = ("spec", "resources", "requests", "storage")
    was, now = quantity(at(old, *path)), quantity(at(new, *path))
    if was is not None and now is not None and now < was:
        changes.append(Change(path, "a claim can grow and not shrink: the API server refuses it"))
    return changes


def _service(old: Manifest, new: Manifest) -> list[Change]:
    before, after = as_mapping(old.get("spec")), as_mapping(new.get("spec"))
    external = "ExternalName" in {before.get("type"), after.get("type")}
    one, other = before.get("clusterIP"), after.get("clusterIP")
    # A Service without clusterIP was given one; a headless one has none and keeps having none.
    if external or one == other or (other is None and one != "None"):
        return []
    return [Change(("spec", "clusterIP"), _sentence("Service", ("spec", "clusterIP")))]
