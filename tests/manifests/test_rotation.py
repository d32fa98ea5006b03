"""What both environments render to while the password is rotated."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ci.oncall.rotate_password import CHANGED_WITHIN
from ci.tree import overlays, rotation
from tests.manifests.environments import ALL
from treecheck import kustomize

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ROOT = overlays.ROOT
JOB = "coworking-change-password"


@pytest.fixture(scope="module", params=ALL)
def environment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def announced(environment: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree after a rotation's first commit; no test changes it."""
    tree = tmp_path_factory.mktemp("announced")
    for folder in ("argocd", "base", "infra", "overlays"):
        shutil.copytree(ROOT / folder, tree / folder)
    for path, text in rotation.announce(environment, tree, "p" * 43).items():
        (tree / path).write_text(text)
    return tree


@functools.cache
def resources(tree: Path, environment: str) -> Mapping[tuple[str, str], Any]:
    rendered = kustomize.render_objects(tree / "overlays" / environment)
    return {(each["kind"], each["metadata"]["name"]): each for each in rendered}


def test_the_job_runs_the_image_of_the_service_in_its_namespace(
    announced: Path, environment: str
) -> None:
    found = resources(announced, environment)
    job, service = found["Job", JOB], found["Deployment", "coworking"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (serving,) = service["spec"]["template"]["spec"]["containers"]
    assert container["image"] == serving["image"]
    assert ":" in container["image"]
    assert job["metadata"]["namespace"] == f"coworking-{environment}"


def test_the_job_asks_the_database_that_the_service_asks(announced: Path, environment: str) -> None:
    found = resources(announced, environment)
    job = found["Job", JOB]["spec"]["template"]["spec"]["containers"][0]
    variables = {each["name"]: each["value"] for each in job["env"]}
    (settings,) = (
        each["data"]
        for (kind, _), each in found.items()
        if kind == "ConfigMap" and "DB_HOST" in each["data"]
    )
    for name in ("DB_HOST", "DB_NAME", "DB_USERNAME"):
        assert variables[name] == settings[name]


def test_the_database_lets_the_job_in(announced: Path, environment: str) -> None:
    found = resources(announced, environment)
    labels = found["Job", JOB]["spec"]["template"]["metadata"]["labels"]
    for policy in ("postgresql", "coworking-egress"):
        spec = found["NetworkPolicy", policy]["spec"]
        chosen = (
            spec["ingress"][0]["from"][0]["podSelector"]
            if policy == "postgresql"
            else spec["podSelector"]
        )
        assert labels.items() >= chosen["matchLabels"].items()
    selector = found["Service", "coworking"]["spec"]["selector"]
    assert not labels.items() >= selector.items()


def test_the_pod_waits_until_the_secret_has_both_passwords(
    announced: Path, environment: str
) -> None:
    pod = resources(announced, environment)["Job", JOB]["spec"]["template"]["spec"]
    (secret,) = (each["secret"] for each in pod["volumes"] if "secret" in each)
    assert [each["key"] for each in secret["items"]] == ["DB_PASSWORD", "DB_PASSWORD_NEXT"]
    assert not secret.get("optional")


def test_the_sync_ends_with_the_job(announced: Path, environment: str) -> None:
    job = resources(announced, environment)["Job", JOB]
    notes = job["metadata"]["annotations"]
    assert notes["argocd.argoproj.io/hook"] == "Sync"
    assert int(notes["argocd.argoproj.io/sync-wave"]) > 0
    # Each attempt has its time (`change-password --within`), and `ci rotate` waits for all of them.
    attempts = job["spec"]["backoffLimit"] + 1
    assert attempts * 240 <= job["spec"]["activeDeadlineSeconds"] < CHANGED_WITHIN


@pytest.mark.thorough
def test_the_checker_finds_nothing(announced: Path) -> None:
    """With Pod Security, the projects' kinds and the sealed values among what it looks at."""
    facts = announced / "infra" / "facts.yaml"
    done = subprocess.run(
        [sys.executable, "-m", "ci", "validate", announced, "--facts", facts],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_afterwards_everything_is_as_before_but_for_the_secret(
    announced: Path, environment: str, tmp_path: Path
) -> None:
    used = tmp_path / "used"
    shutil.copytree(announced, used)
    sealed = rotation.contents(environment, used).entries[rotation.NEXT]
    for path, text in rotation.use(environment, used).items():
        (used / path).write_text(text)
    before, after = dict(resources(ROOT, environment)), dict(resources(used, environment))
    secret = "SealedSecret", "coworking-secret"
    assert after.pop(secret)["spec"]["encryptedData"] == {"DB_PASSWORD": sealed}
    before.pop(secret)
    assert after == before
