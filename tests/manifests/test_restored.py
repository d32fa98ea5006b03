"""What `ci restore` writes, in the tree with its backups switched on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ci.tree.claim import Claim, claim_file, is_used, parse
from tests.manifests import backed_up
from treecheck.kustomize import render_objects

ROOT = Path(__file__).parents[2]
FILE = claim_file("prod")
OVERLAY = Path("overlays/prod/postgres")
RESTORED = Claim("data-postgresql-1", "2026-11-28 10:00:00+0000", "20261128-030000F", "1", 1)


@pytest.fixture(scope="module")
def switched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return backed_up.make(tmp_path_factory.mktemp("restored"))


def by_name(found: list[Any]) -> dict[tuple[str, str], Any]:
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def test_the_trees_own_file_is_as_the_verb_writes_it() -> None:
    text = (ROOT / FILE).read_text(encoding="utf-8")

    assert parse(text, FILE).text() == text


def test_the_verb_sees_whether_the_backups_are_on(switched: Path) -> None:
    """Before the setting names a bucket, and after."""
    off = "components: [server, rotation, storage, ../../../base/postgres/upstream]"

    assert is_used((switched / OVERLAY / "kustomization.yaml").read_text(encoding="utf-8"))
    assert not is_used(off)
    assert not is_used("")


def test_a_restore_changes_the_claim_and_what_fills_it_and_nothing_else(switched: Path) -> None:
    before = by_name(render_objects(switched / OVERLAY))
    (switched / FILE).write_text(RESTORED.text(), encoding="utf-8")
    after = by_name(render_objects(switched / OVERLAY))

    (restore,) = [name for kind, name in after.keys() - before.keys() if kind == "ConfigMap"]
    assert after.keys() - before.keys() == {
        ("PersistentVolumeClaim", "data-postgresql-1"),
        ("ConfigMap", restore),
    }
    assert after["ConfigMap", restore]["data"]["RESTORE_TO"] == RESTORED.to
    assert {key for key in after.keys() & before.keys() if after[key] != before[key]} == {
        ("StatefulSet", "postgresql")
    }
    pod = after["StatefulSet", "postgresql"]["spec"]["template"]["spec"]
    (data,) = [volume for volume in pod["volumes"] if volume["name"] == "data"]
    assert data["persistentVolumeClaim"]["claimName"] == "data-postgresql-1"
    assert restore in {each["configMapRef"]["name"] for each in pod["initContainers"][0]["envFrom"]}
