"""The folder of docs/grow.md that lets the old database publish fits the tree as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ci.run import execute
from ci.tree import settings
from tests.manifests import backed_up
from tests.postgres.claim import ROOT
from tests.postgres.move_page import PAGE, blocks
from treecheck.kustomize import render

if TYPE_CHECKING:
    from pathlib import Path

OVERLAY = "overlays/prod/postgres"
Found = dict[tuple[str, str], dict[str, Any]]


def add_the_folder(root: Path) -> None:
    """Do to a copy of the tree what step 1 of the page says."""
    moving, server = (root / OVERLAY / name for name in ("moving", "server"))
    moving.mkdir()
    component, network = blocks("yaml")
    (moving / "kustomization.yaml").write_text(component, encoding="utf-8")
    (moving / "network.yaml").write_text(network, encoding="utf-8")
    (line,) = re.findall(
        r"Add `(components: .*?)` to `overlays/prod/postgres/server", PAGE.read_text("utf-8")
    )
    with (server / "kustomization.yaml").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def built(root: Path) -> Found:
    """What prod's database consists of, by kind and name."""
    everything = yaml.safe_load_all(render(root / OVERLAY))
    return {(each["kind"], each["metadata"]["name"]): each for each in everything}


@pytest.mark.parametrize("bucket", ["", backed_up.BUCKET], ids=["alone", "with backups"])
def test_the_pages_folder_adds_a_way_in_and_replaces_no_pod(tmp_path: Path, bucket: str) -> None:
    backed_up.copy_tree(tmp_path, backed_up.wanted(backup_bucket=bucket))
    before = built(tmp_path)

    add_the_folder(tmp_path)

    after = built(tmp_path)
    added = {("Service", "postgresql-move"), ("NetworkPolicy", "postgresql-move")}
    assert after.keys() - before.keys() == added
    changed = {key for key, each in before.items() if each != after[key]}
    assert changed == {("Service", "postgresql-service")}
    assert after["Service", "postgresql-service"]["spec"]["publishNotReadyAddresses"] is True
    pods = after["StatefulSet", "postgresql"]["spec"]["template"]["metadata"]["labels"]
    assert after["Service", "postgresql-move"]["spec"]["selector"].items() <= pods.items()
    policy = after["NetworkPolicy", "postgresql-move"]["spec"]
    (selected,) = policy["podSelector"]["matchExpressions"]
    assert pods[selected["key"]] in selected["values"]
    assert {"Ingress", "Egress"} == set(policy["policyTypes"])


@pytest.mark.thorough
def test_validate_takes_the_pages_folder(tmp_path: Path) -> None:
    backed_up.copy_tree(tmp_path, settings.read(ROOT))
    add_the_folder(tmp_path)

    said = execute([ROOT / ".venv/bin/python", "-m", "ci", "validate", tmp_path]).stdout.decode()

    assert "Nothing found" in said, said
