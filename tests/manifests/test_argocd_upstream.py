"""Our settings of Argo CD against upstream's install.yaml, which is applied over them.

Server-side apply refuses a field that another manager has set to another value. So whatever both
set must be the same.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from treecheck.kustomize import render_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
PART_OF = {"app.kubernetes.io/part-of": "argocd"}
# The labels of these ConfigMaps in Argo CD v3.4.7's manifests/install.yaml. None has a value under
# `data` that argocd/config sets.
UPSTREAM: dict[str, dict[str, str]] = {
    "argocd-cm": {"app.kubernetes.io/name": "argocd-cm", **PART_OF},
    "argocd-cmd-params-cm": {"app.kubernetes.io/name": "argocd-cmd-params-cm", **PART_OF},
    "argocd-notifications-cm": {
        "app.kubernetes.io/component": "notifications-controller",
        "app.kubernetes.io/name": "argocd-notifications-controller",
        **PART_OF,
    },
    "argocd-rbac-cm": {"app.kubernetes.io/name": "argocd-rbac-cm", **PART_OF},
}


def config() -> list[Json]:
    return [dict(body) for body in render_objects(ROOT / "argocd" / "config")]


def leaves(body: Json, *path: str) -> Iterator[tuple[tuple[str, ...], object]]:
    """The scalars and lists of an object, each with the path that leads to it."""
    for key, value in body.items():
        if isinstance(value, dict):
            yield from leaves(value, *path, key)
        else:
            yield (*path, key), value


def conflicts(ours: Json, theirs: Json) -> list[str]:
    known = dict(leaves(theirs))
    return [
        f"{ours['metadata']['name']}: {'.'.join(path)} is {value!r} here, {known[path]!r} upstream"
        for path, value in leaves(ours)
        if path != ("metadata", "namespace") and known.get(path, value) != value
    ]


def test_no_label_of_a_setting_differs_from_upstreams() -> None:
    found = [
        conflict
        for body in config()
        if body["kind"] == "ConfigMap"
        for conflict in conflicts(
            body, {"metadata": {"labels": UPSTREAM[body["metadata"]["name"]]}}
        )
    ]
    assert found == []


def test_nothing_that_install_yaml_sets_has_another_value_in_argocd_config() -> None:
    folder = os.environ.get("E2E_UPSTREAM")
    if not folder:
        pytest.skip("E2E_UPSTREAM names no folder with upstream's files (docs/e2e.md)")
    text = (Path(folder) / "argo-cd-v3.4.7-install.yaml").read_text(encoding="utf-8")
    upstream = {
        (body["kind"], body["metadata"]["name"]): body for body in yaml.safe_load_all(text) if body
    }
    ours = config()
    found = [
        conflict
        for body in ours
        for conflict in conflicts(body, upstream.get((body["kind"], body["metadata"]["name"]), {}))
    ]
    assert found == []
    labels = {name: upstream["ConfigMap", name]["metadata"]["labels"] for name in UPSTREAM}
    assert labels == UPSTREAM  # so that the test above is about this version
