"""`ci/buildspec.yaml` run whole by the local CodeBuild, then broken at every command.

Real: the buildspec, its steps, git, and moto for AWS. Stand-ins, since neither an engine nor a
second installation of everything is to be had here: `make` and `docker`, which write down what
they are asked and fail when told. `make test-pipeline` runs it with both real.
"""

from __future__ import annotations

import json
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

from ci.cli import VERBS
from ci.codebuild.runner import Outcome, Runner
from ci.codebuild.spec import parse
from ci.pipeline.steps import STEPS

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
MANIFEST = '{"mediaType": "application/vnd.oci.image.manifest.v1+json", "schemaVersion": 2}'
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
    (tree / "tests/docker").mkdir(parents=True)
    (tree / "tests/docker/test_image.py").write_text(IMAGE_TEST)
    for name in ("settings.yaml", OVERLAY):
        (tree / name).write_text((ROOT / name).read_text().replace("183302320810", ACCOUNT))
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
    for name, text in (("make", MAKE), ("docker", DOCKER)):
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


def test_a_green_build_pushes_stores_and_writes_the_tag_back(world: World, aws: str) -> None:
    outcome, log = world.build()
    assert outcome.succeeded, log
    tag = f"57-{world.commit[:8]}"
    assert outcome.exported == {"IMAGE_TAG": tag}
    assert [c for c in world.calls() if c.startswith("docker push")] == [
        f"docker push --quiet {REGISTRY}:{name}" for name in (tag, "57", world.commit, "latest")
    ]
    s3 = boto3.client(
        "s3", "us-east-1", endpoint_url=aws, aws_access_key_id="x", aws_secret_access_key="x"
    )
    stored = s3.get_object(Bucket="artifacts", Key=f"coworking/{tag}/imagedefinitions.json")
    assert json.load(stored["Body"]) == [{"name": "coworking", "imageUri": f"{REGISTRY}:{tag}"}]
    assert f'newTag: "{tag}"' in world.git("show", f"main:{OVERLAY}")
    assert world.git("log", "-1", "--format=%s", "main").startswith("deploy(dev): coworking ")
    assert [file.name for file in outcome.reports] == ["image.xml"]
    assert TOKEN not in log
    build = next(call for call in world.calls() if call.startswith("docker build"))
    assert f"--cache-from {REGISTRY}:latest" in build
    assert f"--build-arg BUILD=57 --build-arg COMMIT={world.commit}" in build


def test_a_commits_own_tag_stays_at_its_first_build(world: World, aws: str) -> None:
    ecr = boto3.client(
        "ecr", "us-east-1", endpoint_url=aws, aws_access_key_id="x", aws_secret_access_key="x"
    )
    ecr.put_image(repositoryName="coworking", imageManifest=MANIFEST, imageTag=world.commit)
    outcome, log = world.build()
    assert outcome.succeeded, log
    assert f"kept   {REGISTRY}:{world.commit}" in log
    assert not [c for c in world.calls() if c.endswith(f"push --quiet {REGISTRY}:{world.commit}")]


@pytest.mark.parametrize(
    ("break_at", "changes", "last_phase", "pushed"),
    [
        ("make install", {}, "install", 0),
        ("make test", {}, "pre_build", 0),
        ("make check", {}, "pre_build", 0),
        ("", {"AWS_ACCOUNT_ID": "111122223333"}, "pre_build", 0),
        ("docker login", {}, "pre_build", 0),
        ("docker build", {}, "build", 0),
        ("image", {}, "build", 0),
        ("docker push", {}, "post_build", 1),
        ("", {"ARTIFACTS_BUCKET": "no-such-bucket"}, "post_build", 4),
        ("", {"GIT_TOKEN_SECRET": "no/such/secret"}, "post_build", 4),
    ],
)
def test_a_failure_leaves_git_untouched_and_the_build_red(
    world: World, break_at: str, changes: dict[str, str], last_phase: str, pushed: int
) -> None:
    outcome, log = world.build(break_at=break_at, **changes)
    assert not outcome.succeeded, log
    assert outcome.phases[-1].phase == last_phase
    assert world.git("rev-parse", "main").strip() == world.commit
    assert world.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]
    pushes = [call for call in world.calls() if call.startswith("docker push")]
    assert len(pushes) == pushed  # harmless: no overlay names what was pushed
    assert "Traceback" not in log


def test_a_branch_that_refuses_the_tag_gets_a_branch_to_merge(world: World) -> None:
    hook = world.remote / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ]\n')
    hook.chmod(0o755)
    outcome, log = world.build()
    assert outcome.succeeded, log
    branch = f"deploy/dev/coworking-57-{world.commit[:8]}"
    assert branch in world.git("branch", "--list")


def test_even_without_abort_post_build_of_a_failed_build_publishes_nothing(world: World) -> None:
    """The second lock on that door: CODEBUILD_BUILD_SUCCEEDING, should `on-failure` get lost."""
    source = world.folder / "src"
    subprocess.run(["git", "clone", "-q", world.remote, source], check=True)
    text = (source / "ci/buildspec.yaml").read_text()
    (source / "ci/buildspec.yaml").write_text(text.replace("    on-failure: ABORT\n", ""))
    env = {**world.environment, "BREAK": "docker build"}
    outcome = Runner(parse(source / "ci/buildspec.yaml"), source, env, log=lambda _: None).run()
    assert [result.phase for result in outcome.phases][-1] == "post_build"
    assert not outcome.succeeded
    assert not [call for call in world.calls() if call.startswith("docker push")]
    assert world.git("rev-parse", "main").strip() == world.commit


@pytest.mark.parametrize("name", ["buildspec.yaml", "buildspec.pr.yaml"])
def test_every_command_of_the_buildspecs_is_a_target_or_a_verb_that_exists(name: str) -> None:
    targets = (ROOT / "Makefile").read_text()
    for phase in parse(ROOT / "ci" / name).phases:
        for command in (*phase.commands, *phase.finally_):
            words = command.split()
            if words[0] == "make":
                assert f"\n{words[1]}: " in targets
            elif "-m ci" in command:
                verb, _, rest = command.partition("-m ci ")[2].partition(" ")
                assert verb in VERBS
                assert verb != "pipeline" or rest.rstrip(')"') in STEPS


def test_the_pull_request_build_can_neither_push_nor_write_back() -> None:
    text = (ROOT / "ci/buildspec.pr.yaml").read_text()
    used = {step for step in STEPS if f"pipeline {step}" in text}
    assert used == {"comment"}
