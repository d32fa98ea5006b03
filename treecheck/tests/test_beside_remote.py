"""A file that is missing beside a remote base is missing all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_unknown import HEAD, IN_SHOP, run

if TYPE_CHECKING:
    from pathlib import Path

REMOTE = "https://raw.githubusercontent.com/argoproj/argo-cd/v3.4.7/manifests/install.yaml"
PATCH = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: argocd-server}\n"


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("resources: [REMOTE, ../base]\n", ""),
        ("resources: [REMOTE, ../bse]\n", "it names ../bse, which is not there"),
        ("resources: [REMOTE]\npatches: [{path: server.yaml}]\n", ""),
        (
            "resources: [REMOTE]\npatches: [{path: sever.yaml}]\n",
            "it names sever.yaml, which is not there",
        ),
    ],
)
def test_what_is_missing_beside_a_remote_base_is_said(entry: str, why: str, tmp_path: Path) -> None:
    files = {
        "argo/kustomization.yaml": HEAD + entry.replace("REMOTE", REMOTE),
        "argo/server.yaml": PATCH,
        "base/kustomization.yaml": f"{HEAD}resources: [web.yaml]\n",
        "base/web.yaml": IN_SHOP,
    }
    findings = run(tmp_path, files, "folder-unbuildable").findings

    assert [each.message.partition(" can't be built: ")[2] for each in findings] == (
        [why] if why else []
    )


@pytest.mark.parametrize(
    ("page", "found"),
    [("kubectl apply -k tools/config\n", 1), ("The folder tools/config is old.\n", 0)],
)
def test_a_folder_that_a_page_applies_is_not_left_over(
    page: str, found: int, tmp_path: Path
) -> None:
    files = {
        "tools/kustomization.yaml": f"{HEAD}resources: [apps]\n",
        "tools/apps/kustomization.yaml": f"{HEAD}resources: [web.yaml]\n",
        "tools/apps/web.yaml": IN_SHOP,
        "tools/config/kustomization.yaml": f"{HEAD}resources: [gone.yaml]\n",
        "all/kustomization.yaml": f"{HEAD}resources: [../tools/apps]\n",
        "README.md": page,
    }

    assert len(run(tmp_path, files, "folder-unbuildable").findings) == found
