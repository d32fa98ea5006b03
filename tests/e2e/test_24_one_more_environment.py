"""One more environment by `ci environment add`: it syncs, and a version goes through it to prod."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ci.platform.environments.verb import what_stays
from ci.tree import settings
from tests.ci.local.codebuild import stand_ins
from tests.e2e.harness import ecr
from tests.e2e.harness.cluster import Cluster, until
from tests.e2e.harness.images import Version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.harness.world import World

pytestmark = pytest.mark.long
NAME = "staging"
PROMOTED = {f"overlays/{name}/coworking/image/kustomization.yaml" for name in ("dev", "prod")}


class Added(NamedTuple):
    """The environment, and what the tree was before it.

    Attributes:
        before: the commit.
        cluster: its namespace.
        variables: what `promote` needs to ask ECR.
    """

    before: str
    cluster: Cluster
    variables: dict[str, str]


@pytest.fixture(scope="module")
def added(world: World) -> Iterator[Added]:
    """The environment, made by the command and the lines that it prints; and an ECR."""
    world.repo.pull()
    before = world.repo.head
    said = world.repo.ci("environment", "add", NAME, "--like", "prod")
    _type_lines(world, said)
    with stand_ins.aws() as aws:
        stand_ins.make_stack(aws, world.settings.git_token)
        variables = stand_ins.variables(aws, settings.read().account)
        yield Added(before, Cluster(f"coworking-{NAME}"), variables)


def _type_lines(world: World, said: str) -> list[str]:
    """Type the lines that a command printed for an administrator, but those for AWS."""
    found = re.findall(r"(?m)^  ((?:kubectl|argocd|make) .*)$", said)
    for line in found:
        world.type_line(line, **world.repo.variables)
    return found


def test_24_it_syncs_and_is_healthy(world: World, added: Added) -> None:
    began = world.repo.push()

    def settled() -> None:
        until("root has seen it", lambda: _is_there(world), within=60)
        for part in ("postgres", "coworking"):
            world.settle(f"{part}-{NAME}", within=240)

    world.measure(f"from the merge that adds {NAME} to Synced and Healthy", settled)

    assert world.app(f"coworking-{NAME}").revision == began
    assert len(added.cluster.ready_pods()) > 1
    assert world.get(NAME, "/readiness_check")
    assert f"{NAME}: well" in world.repo.ci("status", NAME)


def _is_there(world: World) -> bool:
    return world.argo.exists("application", f"coworking-{NAME}")


def test_24_a_version_goes_through_it_to_prod_and_each_gate_asks_the_one_before(
    world: World, added: Added
) -> None:
    world.repo.pull()
    tag = f"58-{world.repo.head[:8]}"
    world.load(Version(tag))
    world.release("dev", tag)
    running = world.dev.pods()[0]["status"]["containerStatuses"][0]["imageID"]
    ecr.put(added.variables["AWS_ENDPOINT_URL"], tag, running.rpartition("@")[2])
    prod_s = world.tag("prod")

    said = world.repo.ci("promote", "--from", "dev", status=2, **added.variables)
    assert f"prod comes after {NAME} in settings.yaml, and not after dev" in said

    said = _promote(world, added, "--to", NAME)
    assert re.search(rf"passes +healthy +coworking-dev is Synced and Healthy on {tag}", said)
    assert re.search(r"passes +soaked +dev ran it", said)
    world.measure(f"from a promotion to {NAME}'s pods", lambda: world.deployed(NAME, tag))
    assert world.tag("prod") == prod_s

    said = _promote(world, added)
    assert re.search(rf"passes +healthy +coworking-{NAME} is Synced and Healthy on {tag}", said)
    assert re.search(rf"passes +soaked +{NAME} ran it", said)
    world.measure("from a promotion to prod's pods", lambda: world.deployed("prod", tag))


def _promote(world: World, added: Added, *to: str) -> str:
    """Promote by a commit, and tell Argo CD; returns what was said."""
    command = ("promote", *to, "--soak", "0", "--push")
    said = world.repo.ci(*command, **added.variables)
    assert said.count("  passes  ") == 6, said
    world.repo.pull()
    world.repo.notify()
    return said


def test_24_it_is_removed_and_the_tree_is_as_before_except_what_was_promoted(
    world: World, added: Added
) -> None:
    world.repo.pull()
    volumes = _volumes(world)
    said = world.repo.ci("environment", "remove", NAME)
    changed = world.repo.git("diff", "--name-only", added.before, "HEAD").splitlines()
    world.repo.push()
    until("root waits for a person", lambda: _waits(world), within=90)

    typed = _type_lines(world, said)

    assert set(changed) == PROMOTED
    assert typed == what_stays(NAME, keeps=True)
    until("root follows git again", lambda: _follows(world), within=120)
    assert not _is_there(world)
    assert not world.all.exists("namespace", added.cluster.namespace)
    assert _volumes(world) == volumes != []
    for name in volumes:
        world.all.delete("persistentvolume", name)
    until("prod is well", lambda: _is_well(world), within=120, poll=2)  # its autoscaler's metrics


def _is_well(world: World) -> bool:
    return "prod: well" in world.repo.ci("status", "prod", status=None)


def _volumes(world: World) -> list[str]:
    """The volumes of its claims, by name."""
    return [
        str(each["metadata"]["name"])
        for each in world.all.items("persistentvolume")
        if each["spec"].get("claimRef", {}).get("namespace") == f"coworking-{NAME}"
    ]


def _waits(world: World) -> bool:
    operation = world.app("root").operation
    return operation is not None and "waiting for pruning confirmation" in operation.message


def _follows(world: World) -> bool:
    root = world.app("root")
    return not root.busy and (root.sync, root.revision) == ("Synced", world.repo.head)
