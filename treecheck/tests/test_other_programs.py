"""What Rancher Fleet and the tests of programs read in a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_unknown import HEAD, run

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\n"
FLEET = "namespace: shop\nhelm: {chart: https://charts.example.com/web-1.0.0.tgz}\n"
PATCHED = "patches: [{path: patch.yaml}]\n"


@pytest.mark.parametrize(
    ("fleet", "found"),
    [
        (FLEET + "kustomize: {dir: overlays/prod}\n", 0),
        (FLEET + "targetCustomizations: [{name: prod, kustomize: {dir: overlays/prod}}]\n", 0),
        # Another folder, and no chart.
        (FLEET + "kustomize: {dir: overlays/dev}\n", 1),
        ("kustomize: {dir: overlays/prod}\n", 1),
    ],
)
def test_fleet_lays_an_overlay_over_a_chart(fleet: str, found: int, tmp_path: Path) -> None:
    files = {
        "web/fleet.yaml": fleet,
        "web/overlays/prod/kustomization.yaml": HEAD + PATCHED,
        "web/overlays/prod/patch.yaml": "apiVersion: apps/v1\nkind: Deployment\n"
        "metadata: {name: front}\nspec: {replicas: 3}\n",
    }

    report = run(tmp_path, files)

    assert [each.rule for each in report.findings] == ["folder-unbuildable"] * found


@pytest.mark.parametrize(
    ("name", "test", "found"),
    [
        ("test_release.yaml", "test_read.py", 0),
        ("release_test.yaml", "read_test.go", 0),
        ("test_release.yaml", "read.py", 1),
        ("release.yaml", "test_read.py", 1),
    ],
)
def test_what_a_test_beside_it_reads_is_not_deployed(
    name: str, test: str, found: int, tmp_path: Path
) -> None:
    files = {f"tool/{name}": "apiVersion: apps/v1beta1\nkind: Deployment\n", f"tool/{test}": ""}
    files["app/a.yaml"] = SETTINGS

    report = run(tmp_path, files, "removed-api")

    assert [each.rule for each in report.findings] == ["removed-api"] * found
