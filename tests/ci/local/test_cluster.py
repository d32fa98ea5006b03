"""`make cluster` as far as it goes without Docker: what it would run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from ci.local import cluster
from ci.tree import settings
from tests.ci import verbs

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def shown() -> str:
    done = verbs.as_a_process("cluster", "--dry-run")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_shows_every_command_as_one_could_type_it(shown: str) -> None:
    typed = re.findall(r"^\$ (.+?)(?: <<'EOF')?$", shown, re.MULTILINE)
    assert [shlex.split(line) for line in typed] == [
        command.words for command in cluster.commands(ROOT)
    ]
    assert {line.split()[0] for line in typed} == {"docker", "kind", "kubectl"}


def test_it_touches_no_other_cluster() -> None:
    for command in cluster.commands(ROOT):
        if command.words[0] == "kubectl":
            assert command.words[1] == "--context=kind-coworking"


def test_what_it_applies_is_in_the_tree_and_what_it_pipes_is_yaml() -> None:
    for command in cluster.commands(ROOT):
        if "-k" in command.words:
            assert (ROOT / command.words[-1] / "kustomization.yaml").is_file()
        if command.stdin.startswith(("kind:", "apiVersion:")):
            assert yaml.safe_load(command.stdin)["kind"]


def test_the_node_finds_our_images_in_the_registry_beside_it(shown: str) -> None:
    values = settings.read()
    assert f"/etc/containerd/certs.d/{values.registry}/hosts.toml" in shown
    image = f"localhost:{cluster.REGISTRY_PORT}/{values.repository}:{cluster.image_tag(ROOT)}"
    assert f"$ docker push {image}\n" in shown


def test_its_kubernetes_is_the_version_that_we_run() -> None:
    wanted = settings.read().kubernetes
    (kind, *_) = [command for command in cluster.commands(ROOT) if command.words[0] == "kind"]
    (node,) = yaml.safe_load(kind.stdin)["nodes"]
    assert node["image"].startswith(f"kindest/node:v{wanted}.")


def test_there_is_a_node_image_of_every_version_that_can_be_configured() -> None:
    assert tuple(cluster.NODE_IMAGES) == settings.KUBERNETES
    for version, image in cluster.NODE_IMAGES.items():
        assert image.startswith(f"kindest/node:v{version}.")


def test_what_it_makes_it_can_remove() -> None:
    done = verbs.in_this_process("cluster", "--dry-run", "--delete")
    assert done.returncode == 0, done.stderr
    assert "$ kind delete cluster --name=coworking\n" in done.stdout
    assert "$ docker rm --force coworking-registry\n" in done.stdout


def test_a_command_that_fails_ends_it_with_that_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "kind"
    broken.write_text("#!/bin/sh\necho 'no Docker here' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    done = verbs.in_this_process("cluster")
    assert done.returncode == 1
    assert "`kind create cluster --name=coworking --config=-` ended with status 3" in done.stderr
    assert "no Docker here" in done.stderr
    assert "docker run" not in done.stdout
