"""Fields that can't change once a resource exists."""

from __future__ import annotations

from typing import Any

import pytest

from treecheck.immutable import immutable_changes


def manifest(api_version: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "web"}, **fields}


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        (
            manifest("apps/v1", "Deployment", spec={"selector": {"matchLabels": {"app": "web"}}}),
            manifest("apps/v1", "Deployment", spec={"selector": {"matchLabels": {"app": "shop"}}}),
            [("spec", "selector")],
        ),
        (
            manifest("apps/v1", "StatefulSet", spec={"serviceName": "web", "replicas": 1}),
            manifest("apps/v1", "StatefulSet", spec={"serviceName": "db", "replicas": 2}),
            [("spec", "serviceName")],
        ),
        (
            manifest("apps/v1", "StatefulSet", spec={"volumeClaimTemplates": [{"spec": {}}]}),
            manifest("apps/v1", "StatefulSet", spec={}),
            [("spec", "volumeClaimTemplates")],
        ),
        (
            manifest(
                "v1", "PersistentVolumeClaim", spec={"resources": {"requests": {"storage": "5Gi"}}}
            ),
            manifest(
                "v1", "PersistentVolumeClaim", spec={"resources": {"requests": {"storage": "1Gi"}}}
            ),
            [("spec", "resources", "requests", "storage")],
        ),
        (
            manifest("v1", "Service", spec={"clusterIP": "None"}),
            manifest("v1", "Service", spec={}),
            [("spec", "clusterIP")],
        ),
        (
            manifest("v1", "Service", spec={"type": "ClusterIP"}),
            manifest("v1", "Service", spec={"type": "LoadBalancer"}),
            [],
        ),
        (
            manifest("v1", "ConfigMap", data={"a": "1"}, immutable=True),
            manifest("v1", "ConfigMap", data={"a": "2"}, immutable=True),
            [("data",)],
        ),
        (
            manifest("apps/v1", "Deployment", spec={"replicas": 1}),
            manifest("apps/v1", "Deployment", spec={"replicas": None}),
            [],
        ),
    ],
)
def test_it_names_what_the_api_server_will_not_change(
    old: dict[str, Any], new: dict[str, Any], paths: list[tuple[str, ...]]
) -> None:
    assert [change.path for change in immutable_changes(old, new)] == paths


CASES = [
    ("apps/v1", "DaemonSet", "spec.selector"),
    ("apps/v1", "Deployment", "spec.selector"),
    ("apps/v1", "ReplicaSet", "spec.selector"),
    ("batch/v1", "Job", "spec.selector"),
    ("batch/v1", "Job", "spec.template"),
    ("batch/v1", "Job", "spec.completionMode"),
    ("batch/v1", "Job", "spec.podFailurePolicy"),
    ("batch/v1", "Job", "spec.backoffLimitPerIndex"),
    ("v1", "Secret", "type"),
    ("v1", "PersistentVolume", "spec.csi"),
    ("v1", "PersistentVolume", "spec.nfs"),
    ("v1", "PersistentVolume", "spec.local"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "roleRef"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "roleRef"),
    ("storage.k8s.io/v1", "StorageClass", "provisioner"),
    ("storage.k8s.io/v1", "StorageClass", "parameters"),
    ("storage.k8s.io/v1", "StorageClass", "reclaimPolicy"),
    ("storage.k8s.io/v1", "StorageClass", "volumeBindingMode"),
    ("scheduling.k8s.io/v1", "PriorityClass", "value"),
    ("scheduling.k8s.io/v1", "PriorityClass", "preemptionPolicy"),
    ("networking.k8s.io/v1", "IngressClass", "spec.controller"),
    ("discovery.k8s.io/v1", "EndpointSlice", "addressType"),
    ("apps/v1", "StatefulSet", "spec.podManagementPolicy"),
    ("apps/v1", "StatefulSet", "spec.selector"),
    ("apps/v1", "StatefulSet", "spec.volumeClaimTemplates"),
    ("v1", "PersistentVolumeClaim", "spec.accessModes"),
    ("v1", "PersistentVolumeClaim", "spec.selector"),
    ("v1", "PersistentVolumeClaim", "spec.storageClassName"),
    ("v1", "PersistentVolumeClaim", "spec.volumeMode"),
    ("v1", "PersistentVolumeClaim", "spec.volumeName"),
    ("v1", "Service", "spec.clusterIP"),
]
FREE = [
    *("minReadySeconds", "ordinals", "persistentVolumeClaimRetentionPolicy", "replicas"),
    *("revisionHistoryLimit", "template", "updateStrategy"),
]


def with_value(version: str, kind: str, field: str, value: str) -> dict[str, Any]:
    *above, last = field.split(".")
    inner = {last: value}
    return manifest(version, kind, **({above[0]: inner} if above else inner))


@pytest.mark.parametrize(("version", "kind", "field"), CASES)
def test_a_field_that_stays_as_it_was_made(version: str, kind: str, field: str) -> None:
    """Every one, by the API server's validation of updates; and no other resource has them."""
    old, new = (with_value(version, kind, field, value) for value in ("a", "b"))

    (change,) = immutable_changes(old, new)
    assert ".".join(map(str, change.path)) == field
    assert f"{field} of a {kind} can't change" in change.message
    assert immutable_changes(new, new) == []
    assert immutable_changes(new | {"kind": "Other"}, old | {"kind": "Other"}) == []


@pytest.mark.parametrize("field", FREE)
def test_a_stateful_sets_other_fields_may_change(field: str) -> None:
    old, new = (with_value("apps/v1", "StatefulSet", f"spec.{field}", value) for value in "ab")
    assert immutable_changes(old, new) == []


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
@pytest.mark.parametrize("field", ["data", "binaryData", "stringData", "immutable"])
def test_nothing_of_what_is_marked_immutable_changes(kind: str, field: str) -> None:
    old = manifest("v1", kind, immutable=True, data={"a": "1"})
    changed = old | {field: False if field == "immutable" else {"a": "2"}}

    assert [change.path for change in immutable_changes(old, changed)] == [(field,)]
    assert immutable_changes(old | {"immutable": False}, changed | {"immutable": False}) == []


@pytest.mark.parametrize(("size", "count"), [("6Gi", 0), ("5Gi", 0), ("5119Mi", 1), ("x", 0)])
def test_a_claim_may_grow_and_not_shrink(size: str, count: int) -> None:
    old, new = (
        manifest("v1", "PersistentVolumeClaim", spec={"resources": {"requests": {"storage": each}}})
        for each in ("5Gi", size)
    )
    assert len(immutable_changes(old, new)) == count


@pytest.mark.parametrize(
    ("old", "new", "count"),
    [
        ({"clusterIP": "10.0.0.1"}, {}, 0),  # the API server keeps it
        ({}, {"clusterIP": "None"}, 1),
        ({"clusterIP": "None"}, {"clusterIP": "None"}, 0),
        ({"type": "ExternalName"}, {"clusterIP": "10.0.0.1"}, 0),
        ({"clusterIP": "None"}, {"type": "ExternalName"}, 0),
    ],
)
def test_a_service_keeps_its_address(old: dict[str, str], new: dict[str, str], count: int) -> None:
    one, other = (manifest("v1", "Service", spec=each) for each in (old, new))
    assert len(immutable_changes(one, other)) == count
