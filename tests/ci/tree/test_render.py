"""Rendering and snapshots: what is printed, what is refused, and what machines may write freely."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ci.errors import InputError
from ci.tree import access_key, seal, settings
from ci.tree.overlays import environments
from ci.tree.snapshots import snapshot
from tests.ci import verbs
from treecheck.kustomize import render, render_objects

ROOT = Path(__file__).parents[3]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what environments are rendered from."""
    for name in ("base", "overlays"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "settings.yaml", tmp_path)
    return tmp_path


def test_it_prints_what_kustomize_makes_of_an_environment() -> None:
    done = verbs.as_a_process("render", "dev")
    assert done.returncode == 0
    assert done.stdout == render(ROOT / "overlays/dev")
    assert done.stdout.startswith("apiVersion: ")


def test_an_unknown_environment_is_refused_with_those_there_are() -> None:
    done = verbs.in_this_process("render", "stging")
    assert done.returncode == 2
    there_is = " or ".join(environments())
    assert f"there is no environment 'stging'; there is {there_is}" in done.stderr


def test_a_folder_without_a_kustomization_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no kustomization\.yaml"):
        render(tmp_path)


def test_what_kustomize_refuses_is_told_in_its_words(tree: Path) -> None:
    (tree / "overlays/dev/coworking/service.yaml").unlink()
    done = verbs.in_this_process("render", "dev", "--root", str(tree))
    assert done.returncode == 2
    assert "overlays/dev can't be rendered" in done.stderr
    assert "service.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_tag_that_looks_like_a_number_stays_a_text(tree: Path) -> None:
    image = tree / "overlays/dev/coworking/image/kustomization.yaml"
    text = image.read_text()
    image.write_text(text[: text.index("newTag:")] + 'newTag: "1234-12345e67"\n')
    deployments = [r for r in render_objects(tree / "overlays/dev") if r["kind"] == "Deployment"]
    (container,) = deployments[0]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"{settings.read().image}:1234-12345e67"


def test_a_deployment_and_a_sealing_leave_the_snapshot_as_it_is(tree: Path) -> None:
    before = snapshot("dev", tree)
    image = tree / "overlays/dev/coworking/image/kustomization.yaml"
    text = image.read_text()
    image.write_text(text[: text.index("newTag:")] + 'newTag: "57-1f2e3d4c"\n')
    seal.seal("dev", seal.new_password(), tree)
    for _ in range(2):
        access_key.add("dev", tree)
    assert snapshot("dev", tree) == before


def test_any_other_change_changes_the_snapshot(tree: Path) -> None:
    before = snapshot("dev", tree)
    service = tree / "overlays/dev/coworking/service.yaml"
    service.write_text(service.read_text().replace("ClusterIP", "NodePort"))
    assert snapshot("dev", tree) != before


def test_make_snapshots_writes_what_it_renders_to_now(tree: Path) -> None:
    first = verbs.as_a_process("snapshots", "--root", str(tree))
    assert "tests/manifests/snapshots/dev.yaml: written" in first.stdout
    assert (tree / "tests/manifests/snapshots/prod.yaml").read_text() == snapshot("prod", tree)
    second = verbs.in_this_process("snapshots", "--root", str(tree))
    assert "tests/manifests/snapshots/dev.yaml: no change" in second.stdout
