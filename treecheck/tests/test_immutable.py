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
