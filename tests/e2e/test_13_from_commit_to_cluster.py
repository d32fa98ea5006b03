"""From a commit to the running pods by the pipeline's own buildspec; then to prod, behind gates.

Real: the buildspec and its steps, the engine, the registry that is pushed to, git, Argo CD and the
pods. Stand-ins: moto for AWS, `make` (see tests/ci/local/codebuild/stand_ins.py), and instead of a
kubelet that pulls from ECR a thread that makes available to pods what the registry was sent.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ci.tree import settings
from tests.ci.local.codebuild import stand_ins
from tests.e2e.harness import ecr, images
from tests.e2e.harness.world import GOOD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.harness.world import World


class Pipeline(NamedTuple):
    """The build's variables, and the addresses of the registry and of moto."""

    environment: dict[str, str]
    registry: str
    aws: str


@pytest.fixture(scope="module")
def pipeline(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Everything that a build needs; skipped without an engine or a registry."""
    if missing := stand_ins.missing_for_an_image():
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("pipeline")
    tools = stand_ins.write_tools(folder / "tools", {"make": stand_ins.MAKE})
    account = settings.read().account
    with stand_ins.aws() as aws, stand_ins.registry(folder) as registry:
        stand_ins.make_stack(aws, world.settings.git_token)
        environment = {
            **stand_ins.variables(aws, account),
            "GIT_URL": world.settings.git_url,
            "PUSH_REGISTRY": registry,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "CALLS": str(folder / "calls"),
            "BREAK": "",
        }
        with _pods_can_pull(world, registry, folder):
            yield Pipeline(environment, registry, aws)


@contextlib.contextmanager
def _pods_can_pull(world: World, registry: str, folder: Path) -> Iterator[None]:
    """Make each tag that is deployed available to pods once the registry has it."""
    ended = threading.Event()

    def watch() -> None:
        loaded: set[str] = set()
        while not ended.wait(0.5):
            for tag in set(stand_ins.tags(registry)) - loaded:
                loaded.add(tag)
                if re.fullmatch(r"\d+-[0-9a-f]{8}", tag):
                    _hand_over(world, f"{registry}/{stand_ins.REPOSITORY}:{tag}", folder)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _hand_over(world: World, image: str, folder: Path) -> None:
    name = f"{world.image}:{image.rpartition(':')[2]}"
    archive = folder / "image.tar"
    for words in (["tag", image, name], ["save", "-o", archive, name]):
        subprocess.run(["docker", *words], check=True, capture_output=True)
    images.load(world.settings.load_image, archive)


@pytest.fixture(scope="module")
def built(world: World, pipeline: Pipeline) -> str:
    """The tag of a commit that one command has built and followed to dev's pods."""
    world.repo.pull()
    world.repo.edit("apps/coworking/coworking/__init__.py", r"\Z", "# A change.\n")
    commit = world.repo.commit("Change the service")
    world.repo.push()

    said = world.repo.ci(
        *("codebuild", "ci/buildspec.yaml", "--number", "57", "--follow", "dev"),
        **pipeline.environment,
    )

    for step, seconds in re.findall(
        r"^([\w-]+(?: \w+)?) +(?:succeeded)? +([\d.]+) s$", said, re.MULTILINE
    ):
        world.figure(f"{float(seconds):6.1f} s  from commit to cluster: {step}")
    return f"57-{commit[:8]}"


def test_13_one_command_takes_a_commit_to_dev_s_pods(
    world: World, pipeline: Pipeline, built: str
) -> None:
    assert world.dev.serving(built)
    assert built in stand_ins.tags(pipeline.registry)
    world.repo.pull()
    assert world.repo.git("log", "-1", "--format=%s").startswith("deploy(dev): coworking ")
    assert f"newTag: {built}" in world.repo.git("show", "HEAD").replace('"', "")


def test_13_promotion_is_held_by_what_argo_cd_and_the_registry_say(
    world: World, pipeline: Pipeline, built: str
) -> None:
    said = world.repo.ci("promote", "--dry-run", status=1, **pipeline.environment)
    assert re.search(rf"passes +healthy +coworking-dev is Synced and Healthy on {built}", said)
    assert re.search(r"blocks +same-image +.* has no tag", said)
    assert re.search(r"blocks +soaked +dev ran it for \d+ of 30 minutes", said)

    ecr.put(pipeline.aws, built, f"sha256:{'0' * 64}")
    said = world.repo.ci("promote", "--dry-run", status=1, **pipeline.environment)
    assert re.search(r"blocks +same-image +the registry has sha256:0+, and dev's pods run", said)


def test_13_promotion_is_held_while_dev_runs_something_else(
    world: World, pipeline: Pipeline, built: str
) -> None:
    world.repo.ci("rollback", "dev")

    said = world.repo.ci("promote", "--dry-run", status=1, **pipeline.environment)

    assert re.search(r"blocks +healthy +coworking-dev is OutOfSync", said)
    world.argocd.patch("coworking-dev", {"spec": {"syncPolicy": {"automated": {"enabled": None}}}})
    world.deployed("dev", built)


def test_13_a_promotion_that_nothing_holds_runs_in_prod(
    world: World, pipeline: Pipeline, built: str
) -> None:
    world.release("prod", GOOD[0].tag)
    pod = world.dev.pods()[0]
    running = pod["status"]["containerStatuses"][0]["imageID"].rpartition("@")[2]
    ecr.put(pipeline.aws, built, running)

    said = world.repo.ci("promote", "--soak", "0", "--push", **pipeline.environment)

    assert said.count("  passes  ") == 6, said
    world.repo.pull()
    world.repo.notify()
    world.measure(
        "from a promotion to prod's pods",
        lambda: world.deployed("prod", built),
    )
