"""A repository with the tree's own pipeline in it, AWS by moto, and tools that can be broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from ci import settings
from ci.codebuild.runner import Outcome, Runner
from ci.codebuild.spec import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
OVERLAY = "overlays/dev/coworking/image/kustomization.yaml"
ACCOUNT = "123456789012"  # moto's own
REGISTRY = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/coworking"
TOKEN = "t0ken-from-the-secret"
GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Person",
    "GIT_AUTHOR_EMAIL": "person@example.org",
    "GIT_COMMITTER_NAME": "Person",
    "GIT_COMMITTER_EMAIL": "person@example.org",
}
MAKE = f"""#!/bin/sh
echo "make $*" >>"$CALLS"
[ "$BREAK" != "make $1" ] || exit 2
[ "$1" != install ] || ln -s {Path(sys.executable).parents[1]} .venv
"""
DOCKER = """#!/bin/sh
echo "docker $*" >>"$CALLS"
[ "$1" != login ] || cat >/dev/null
[ "$BREAK" != "docker $1" ] || { echo "docker is broken" >&2; exit 1; }
"""
IMAGE_TEST = "import os\n\ndef test_it():\n    assert os.environ['BREAK'] != 'image'\n"


class World(NamedTuple):
    """A bare repository, the commit to build, and AWS."""

    remote: Path
    commit: str
    folder: Path
    environment: dict[str, str]

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", f"--git-dir={self.remote}", *words], capture_output=True, text=True, check=True
        )
        return done.stdout

    def build(self, *, break_at: str = "", **changes: str) -> tuple[Outcome, str]:
        """Run the buildspec; returns the outcome and the log."""
        source = self.folder / "src"
        subprocess.run(["git", "clone", "-q", self.remote, source], check=True)
        lines: list[str] = []
        env = {**self.environment, "BREAK": break_at, **changes}
        return Runner(parse(source / "ci/buildspec.yaml"), source, env, log=lines.append).run(), (
            "\n".join(lines)
        )

    def calls(self) -> list[str]:
        return Path(self.environment["CALLS"]).read_text().splitlines()


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """moto's address, with the repository, the bucket and the secret in it."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def world(tmp_path: Path, aws: str) -> World:
    """What the pipeline's stack makes, and the tree's own pipeline on main of a repository."""
    return make_world(tmp_path, aws, with_engine=False)


@pytest.fixture
def world_with_engine(tmp_path: Path, aws: str) -> World:
    """The same with the image's own tests, for the engine that `docker` speaks to."""
    return make_world(tmp_path, aws, with_engine=True)


def make_world(tmp_path: Path, aws: str, *, with_engine: bool) -> World:
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": aws}
    requests.post(f"{aws}/moto-api/reset", timeout=10).raise_for_status()
    session = boto3.Session("x", "x", region_name="us-east-1")
    session.client("ecr", endpoint_url=aws).create_repository(repositoryName="coworking")
    session.client("s3", endpoint_url=aws).create_bucket(Bucket="artifacts")
    session.client("secretsmanager", endpoint_url=aws).create_secret(
        Name="coworking/git-token", SecretString=TOKEN
    )
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "ci", tree / "ci", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "overlays", tree / "overlays")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "apps/coworking", tree / "apps/coworking", ignore=ignored)
    if with_engine:
        shutil.copytree(ROOT / "tests/docker", tree / "tests/docker")
        shutil.copy(ROOT / "pyproject.toml", tree)
    else:
        (tree / "tests/docker").mkdir(parents=True)
        (tree / "tests/docker/test_image.py").write_text(IMAGE_TEST)
    ours = settings.read()._replace(account=ACCOUNT, region="us-east-1", repository="coworking")
    for name, edit in (("settings.yaml", settings.edit_file), (OVERLAY, settings.carry)):
        (tree / name).write_text(edit((ROOT / name).read_text(), ours))
    remote = tmp_path / "remote.git"
    for words in (
        ["init", "-q", "-b", "main", "."],
        ["add", "."],
        ["commit", "-qm", "The tree"],
        ["clone", "-q", "--bare", ".", str(remote)],
    ):
        subprocess.run(["git", *words], cwd=tree, env=os.environ | GIT, check=True)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in [("make", MAKE)] + ([] if with_engine else [("docker", DOCKER)]):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=tree, capture_output=True, text=True, check=True
    ).stdout.strip()
    environment = {
        **os.environ,
        **keys,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "AWS_ACCOUNT_ID": ACCOUNT,
        "AWS_DEFAULT_REGION": "us-east-1",
        "IMAGE_REPO_NAME": "coworking",
        "ARTIFACTS_BUCKET": "artifacts",
        "GIT_TOKEN_SECRET": "coworking/git-token",
        "GIT_URL": f"file://{remote}",
        "CODEBUILD_BUILD_ID": "coworking:1",
        "CODEBUILD_BUILD_NUMBER": "57",
        "CODEBUILD_RESOLVED_SOURCE_VERSION": commit,
    }
    return World(remote, commit, tmp_path, environment)
