"""A finding points at the operation of a JSON6902 patch that wrote the field."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_unknown import HEAD, IN_SHOP, POD, run

ADDS = """\
- op: add
  path: /spec/template/spec/containers/0/env
  value: [{name: A, value: a}]
- op: add
  path: /spec/template/spec/containers/0/env/-
  value:
    name: B
    valueFrom: {configMapKeyRef: {name: settings, key: gone}}
- op: add
  path: /spec/template/spec/containers/0/env/-
  value: {name: C, value: c}
"""
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}\n"


def tree(patches: str) -> dict[str, str]:
    return {
        "base/kustomization.yaml": HEAD + "resources: [a.yaml, settings.yaml]\n",
        "base/a.yaml": POD,
        "base/settings.yaml": SETTINGS,
        "prod/kustomization.yaml": HEAD + "resources: [../base]\n" + patches,
    }


@pytest.mark.parametrize("field", ["patches", "patchesJson6902"])
def test_an_item_at_the_end_of_a_list_is_of_a_file(field: str, tmp_path: Path) -> None:
    target = "{group: apps, version: v1, kind: Deployment, name: front}"
    patches = f"{field}: [{{path: adds.yaml, target: {target}}}]\n"

    report = run(tmp_path, tree(patches) | {"prod/adds.yaml": ADDS}, "config-key-missing")

    assert [(Path(each.file).name, each.line) for each in report.findings] == [("adds.yaml", 8)]


def test_a_field_is_replaced_within_the_kustomization(tmp_path: Path) -> None:
    patches = (
        "patches:\n  - target: {kind: Service}\n    patch: |-\n"
        "      - op: replace\n        path: /spec/ports/0/targetPort\n        value: htpp\n"
    )
    files = tree(patches) | {"base/a.yaml": IN_SHOP.replace(", namespace: shop", "")}
    files["base/b.yaml"] = POD
    files["base/kustomization.yaml"] = HEAD + "resources: [a.yaml, b.yaml]\n"

    report = run(tmp_path, files, "service-port-unknown")

    where = [(each.file, each.line) for each in report.findings]
    assert where == [(str(tmp_path / "prod/kustomization.yaml"), HEAD.count("\n") + 7)]
