"""Cases of trees that strangers judged: what a tree leaves out, and what it does not make so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_strangers_trees import SETTINGS, rules
from test_unknown import HEAD

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("entry", "found"), [("# - ../../shop", 0), ("# ../../shop comes later", 1)]
)
def test_a_folder_that_a_kustomization_names_in_a_comment_is_taken_out(
    entry: str, found: int, tmp_path: Path
) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: shop}\n"
    files = {
        "clusters/one/kustomization.yaml": HEAD + f"resources:\n  - a.yaml\n  {entry}\n",
        "clusters/one/a.yaml": SETTINGS,
        "shop/kustomization.yaml": HEAD + "resources: [service.yaml]\n",
        "shop/service.yaml": service + "spec: {selector: {app: shop}, ports: [{port: 80}]}\n",
    }

    assert len(rules(tmp_path, files, "service-selects-nothing")) == found

    files["shop/kustomization.yaml"] = HEAD + "resources: [gone.yaml]\n"

    assert len(rules(tmp_path, files, "folder-unbuildable")) == found
