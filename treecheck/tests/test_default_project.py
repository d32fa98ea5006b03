"""A manifest of Argo CD's own project `default` keeps the lists that it leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_strangers_trees import SETTINGS, rules
from test_unknown import OWN

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("project", "found"),
    [("default", 0), ("default, sourceRepos: []", 1), ("shop", 1)],
)
def test_argo_cd_s_own_project_keeps_what_its_manifest_leaves_out(
    project: str, found: int, tmp_path: Path
) -> None:
    name, _, lists = project.partition(", ")
    windows = "syncWindows: [{kind: allow, schedule: 0 0 * * *, duration: 1h}]"
    files = {
        "a.yaml": OWN.replace("project: default", f"project: {name}"),
        "b.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\n"
        f"metadata: {{name: {name}, namespace: argocd}}\nspec: {{{windows}, {lists}}}\n",
        "front/a.yaml": SETTINGS,
    }

    rule = "project-forbids-source"
    assert rules(tmp_path, files, rule) == [rule] * found


@pytest.mark.parametrize(("lists", "found"), [("", 0), ("clusterResourceWhitelist: []", 1)])
def test_the_default_project_lets_namespaces_be_made(
    lists: str, found: int, tmp_path: Path
) -> None:
    files = {
        "a.yaml": OWN + "  syncPolicy: {syncOptions: [CreateNamespace=true]}\n",
        "b.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\n"
        f"metadata: {{name: default, namespace: argocd}}\nspec: {{{lists}}}\n",
        "front/a.yaml": SETTINGS,
    }

    rule = "project-forbids-namespace"
    assert rules(tmp_path, files, rule) == [rule] * found
