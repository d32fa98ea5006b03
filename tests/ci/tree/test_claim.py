"""The file of a restore: written, read again, and rendered with the component of the backups."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ci.errors import InputError
from ci.tree.claim import Claim, claim_file, parse
from treecheck.kustomize import render_objects

ROOT = Path(__file__).parents[3]
RESTORED = Claim("data-postgresql-3", "2026-11-28 10:00:00+0000", "20261128-030000F", "2", 4)


@pytest.mark.parametrize(
    "claim",
    [
        Claim("data-postgresql-0"),
        RESTORED,
        Claim("data-postgresql-1", "latest", "20261128-030000F_20261128-090000I", "1", 1),
        Claim("data-postgresql-12", "20261128-030000F", "", "", 1),
    ],
)
def test_what_is_written_is_read_again(claim: Claim) -> None:
    assert parse(claim.text(), "f") == claim


def test_a_claim_that_was_never_restored_names_no_restore() -> None:
    assert "      - RESTORE_TO=\n" in Claim("data-postgresql-0").text()
    assert "RESTORE_AFTER" not in Claim("data-postgresql-0").text()


@pytest.mark.parametrize("text", ["", "kind: Component\n", "[", "patches: []\n", "a: {b: c}\n"])
def test_another_file_is_refused_by_its_path(text: str) -> None:
    with pytest.raises(InputError, match=r"^overlays/prod/postgres/claim/kustomization\.yaml "):
        parse(text, claim_file("prod"))


def rendered(folder: Path, claim: Claim) -> list[dict[str, Any]]:
    shutil.copytree(ROOT / "base" / "postgres", folder / "base")
    (folder / "claim").mkdir()
    (folder / "claim" / "kustomization.yaml").write_text(claim.text())
    (folder / "kustomization.yaml").write_text(
        "resources: [base]\ncomponents: [base/backups, claim]\n"
    )
    return render_objects(folder)


def test_the_database_takes_the_claim_that_the_file_names_and_the_restore(tmp_path: Path) -> None:
    found = rendered(tmp_path, RESTORED)

    (made,) = [each for each in found if each["kind"] == "PersistentVolumeClaim"]
    (pod,) = [each["spec"]["template"]["spec"] for each in found if each["kind"] == "StatefulSet"]
    (data,) = [volume for volume in pod["volumes"] if volume["name"] == "data"]
    (fill,) = pod["initContainers"]
    names = [each["configMapRef"]["name"] for each in fill["envFrom"]]
    (restore,) = [
        each["data"]
        for each in found
        if each["kind"] == "ConfigMap" and each["metadata"]["name"] in names
        if "RESTORE_TO" in each["data"]
    ]
    assert made["metadata"]["name"] == RESTORED.name
    assert data["persistentVolumeClaim"] == {"claimName": RESTORED.name}
    assert restore == {
        "RESTORE_TO": "2026-11-28 10:00:00+0000",
        "RESTORE_SET": "20261128-030000F",
        "RESTORE_TIMELINE": "2",
        "RESTORE_AFTER": "4",
    }


def test_a_claim_that_served_before_is_kept_and_no_difference(tmp_path: Path) -> None:
    (made,) = [
        each for each in rendered(tmp_path, RESTORED) if each["kind"] == "PersistentVolumeClaim"
    ]

    notes = made["metadata"]["annotations"]
    assert "Prune=false" in notes["argocd.argoproj.io/sync-options"]
    assert notes["argocd.argoproj.io/compare-options"] == "IgnoreExtraneous"
