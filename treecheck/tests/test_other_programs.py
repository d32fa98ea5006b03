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


@pytest.mark.parametrize("field", ["patches", "patchesStrategicMerge", "patchesJson6902"])
def test_a_patch_from_an_address_is_not_fetched(field: str, tmp_path: Path) -> None:
    address = "https://git.example.com/shop/patch.yaml"
    target = "{kind: ConfigMap, name: settings}"
    entry = (
        address if field == "patchesStrategicMerge" else f"{{path: '{address}', target: {target}}}"
    )
    files = {
        "a/kustomization.yaml": HEAD + f"resources: [a.yaml]\n{field}: [{entry}]\n",
        "a/a.yaml": SETTINGS,
    }

    report = run(tmp_path, files)

    assert report.findings == []
    assert any(address in each for each in report.notes)


LIMITS = (
    "apiVersion: v1\nkind: LimitRange\nmetadata: {name: all}\n"
    "spec: {limits: [{type: Container, min: {memory: 500Mi}, default: {memory: 1Gi}}]}\n"
)
SMALL = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
    "spec: {containers: [{name: a, image: a, resources: {requests: {memory: 50Mi}}}]}\n"
)


@pytest.mark.parametrize(("place", "found"), [("pods", 0), ("limits", 1)])
def test_a_limit_range_in_another_folder_of_plain_files_is_of_another_lesson(
    place: str, found: int, tmp_path: Path
) -> None:
    files = {"limits/a.yaml": LIMITS, f"{place}/b.yaml": SMALL}

    names = [each.rule for each in run(tmp_path, files, "limit-range-exceeded").findings]

    assert names == ["limit-range-exceeded"] * found


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("{template: {spec: {containers: [{name: a, envFrom: [{secretRef: {name: a}}]}]}}}", 0),
        ("{template: {spec: {containers: [{name: a, image: a}]}}}", 1),
    ],
)
def test_a_workload_that_leaves_selector_and_image_to_another_is_a_patch(
    spec: str, found: int, tmp_path: Path
) -> None:
    text = f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec: {spec}\n"

    names = [each.rule for each in run(tmp_path, {"a/a.yaml": text}, "required-field").findings]

    assert names[:1] == ["required-field"] * found
