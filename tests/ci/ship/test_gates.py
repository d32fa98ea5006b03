"""Each gate of a promotion: what passes it, and everything that blocks it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from ci.ship.gates import GATES, Blocks, State, ask
from ci.tree.images import DATABASE_IMAGE, SERVICE_IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

World = Any
both_images = pytest.mark.parametrize(
    "world",
    [SERVICE_IMAGE, DATABASE_IMAGE],
    indirect=True,
    ids=["service", "database"],
)


def answers(candidate: Any) -> dict[str, State]:
    return {state.gate: state for state in ask(candidate, overridden=())}


@both_images
def test_all_gates_pass_when_all_is_well(world: World, candidate: Callable[..., Any]) -> None:
    states = answers(candidate())
    assert [(state.gate, state.word) for state in states.values()] == [
        (name, "passes") for name in GATES
    ]
    assert states["healthy"].detail == f"{world.name} is Synced and Healthy on {world.tag}"
    assert states["scanned"].detail == "nothing critical; 2 medium"
    assert states["soaked"].detail == "dev ran it for 60 of 30 minutes"


def out_of_sync(world: World) -> None:
    world.application["status"]["sync"]["status"] = "OutOfSync"


def degraded(world: World) -> None:
    world.application["status"]["health"]["status"] = "Degraded"


def syncing(world: World) -> None:
    world.application["status"]["operationState"] = {"phase": "Running"}


def rolled_back(world: World) -> None:
    world.live = world.old


def unreachable(world: World) -> None:
    world.application.pop("spec")


def other_digest(world: World) -> None:
    world.pod_digest = "sha256:" + "0" * 64


def no_tag(world: World) -> None:
    ecr = boto3.client("ecr", world.ecr.region)
    ecr.batch_delete_image(repositoryName=world.ecr.name, imageIds=[{"imageTag": world.tag}])


def critical(world: World) -> None:
    world.findings = {"CRITICAL": 1, "HIGH": 3}


def still_scanning(world: World) -> None:
    world.scan = "IN_PROGRESS"


def came_just_now(world: World) -> None:
    world.application["status"]["history"][-1]["deployedAt"] = "2999-01-01T00:00:00Z"


def was_interrupted(world: World) -> None:
    """Dev was rolled back and forth: the hour before the rollback doesn't count."""
    history = world.application["status"]["history"]
    history += [dict(history[0], id=3), dict(history[1], id=4, deployedAt="2999-01-01T00:00:00Z")]


def never_ran(world: World) -> None:
    world.application["status"]["history"].pop()


def prod_is_newer(world: World) -> None:
    world.deploy("prod", 58, world.remote.person.ship())


def prod_took_it_back(world: World) -> None:
    build, _, commit = world.tag.partition("-")
    made = world.deploy("prod", int(build), world.remote.git("rev-parse", commit).strip())
    world.remote.person.pull()
    world.remote.person.git("revert", "--no-edit", made)
    world.remote.person.push()


def dev_runs_a_hotfix(world: World) -> None:
    world.edit(world.file("dev"), world.tag, "manual-v1.0.0")


def tag_is_used_elsewhere(world: World) -> None:
    """The tag also lands in an annotation: a promotion would change more than the image."""
    kind = f"kind: {world.image.kind}"
    field = f"{{{kind}, fieldPath: spec.template.spec.containers.0.image}}"
    place = "fieldPaths: [metadata.annotations.runs], options: {create: true}"
    target = f"{{select: {{{kind}}}, {place}}}"
    line = "components: [image]\n"
    more = f"replacements: [{{source: {field}, targets: [{target}]}}]\n"
    world.edit(f"{world.part('prod')}/kustomization.yaml", line, line + more)


def image_is_unused(world: World) -> None:
    world.edit(f"{world.part('prod')}/workload.yaml", f"image: {world.image.name}", "image: other")


@both_images
@pytest.mark.parametrize(
    ("gate", "change", "sentence"),
    [
        ("healthy", out_of_sync, "{name} is OutOfSync and Healthy"),
        ("healthy", degraded, "{name} is Synced and Degraded"),
        ("healthy", syncing, "{name} is being synced"),
        ("healthy", rolled_back, "{name} runs {old}, and git says {tag}"),
        ("same-image", other_digest, "and dev's pods run sha256:0000"),
        ("same-image", no_tag, "has no tag {tag}"),
        ("scanned", no_tag, "the image was never scanned"),
        ("scanned", critical, "the scan found 1 critical vulnerabilities"),
        ("scanned", still_scanning, "the image's scan is IN_PROGRESS"),
        ("soaked", came_just_now, "of 30 minutes, until "),
        ("soaked", was_interrupted, "of 30 minutes, until "),
        ("soaked", never_ran, "Argo CD's history doesn't show {tag} in dev"),
        ("descends", prod_is_newer, "in prod, a newer commit runs"),
        ("descends", prod_took_it_back, "in prod, this commit's deployment was reverted"),
        ("descends", dev_runs_a_hotfix, "manual-v1.0.0 is not a pipeline's tag"),
        ("only-the-image", tag_is_used_elsewhere, "the tag changes more than the image"),
        ("only-the-image", image_is_unused, "changes nothing in what prod renders to"),
    ],
)
def test_it_blocks(
    world: World,
    candidate: Callable[..., Any],
    gate: str,
    change: Callable[[World], None],
    sentence: str,
) -> None:
    change(world)
    with pytest.raises(Blocks) as caught:
        GATES[gate].check(candidate())
    assert sentence.format(name=world.name, old=world.old, tag=world.tag) in str(caught.value)


@pytest.mark.thorough
@both_images
def test_what_a_tag_changes_beside_the_image_is_shown_in_three_lines(
    world: World, candidate: Callable[..., Any]
) -> None:
    tag_is_used_elsewhere(world)
    path = f"{world.part('prod')}/kustomization.yaml"
    first = "metadata.annotations.runs"
    world.edit(path, first, f"{first}, metadata.labels.ran, metadata.labels.runs")

    with pytest.raises(Blocks) as caught:
        GATES["only-the-image"].check(candidate())

    shown = str(caught.value).removeprefix("the tag changes more than the image: ").split("; ")
    assert len(shown) == 3
    assert all(re.match(r"[+-] ", line) for line in shown)


@pytest.mark.thorough
def test_a_gate_that_cannot_ask_blocks(
    world: World, candidate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARGOCD_SERVER", "127.0.0.1:9")
    states = answers(candidate())
    assert {name for name, state in states.items() if state.word == "blocks"} == {
        "healthy",
        "same-image",
        "soaked",
    }
    assert "does not answer" in states["healthy"].detail


def test_every_gate_is_proven_to_block() -> None:
    mark = next(m for m in test_it_blocks.pytestmark if m.args[0] != "world")
    assert {case[0] for case in mark.args[1]} == set(GATES)


@pytest.mark.thorough
def test_the_services_image_is_asked_about_wherever_its_overlay_has_the_tag_from(
    world: World, candidate: Callable[..., Any]
) -> None:
    """Only the database has another image that may run instead of ours."""
    for environment in ("dev", "prod"):
        path = f"{world.part(environment)}/kustomization.yaml"
        world.edit(path, "components: [image]", "components: []")
    assert "skipped" not in {state.word for state in answers(candidate()).values()}


@pytest.mark.thorough
def test_a_link_that_leads_out_of_the_repository_is_no_concern_of_a_gate(
    world: World, candidate: Callable[..., Any]
) -> None:
    world.remote.person.pull()
    (world.remote.person.folder / "link").symlink_to("/etc/hostname")
    world.remote.person.commit("notes.txt")
    world.remote.person.push()
    assert answers(candidate())["only-the-image"].word == "passes"


@pytest.mark.parametrize("status", ["COMPLETE", "ACTIVE"])
def test_a_scan_that_is_kept_up_to_date_counts_as_one_that_has_ended(
    world: World, candidate: Callable[..., Any], status: str
) -> None:
    """ACTIVE is what ECR's enhanced scanning says for as long as it watches the image."""
    world.scan = status
    assert GATES["scanned"].check(candidate()) == "nothing critical; 2 medium"


def test_a_scan_that_is_kept_up_to_date_blocks_by_what_it_found(
    world: World, candidate: Callable[..., Any]
) -> None:
    world.scan, world.findings = "ACTIVE", {"CRITICAL": 2}
    with pytest.raises(Blocks, match="the scan found 2 critical vulnerabilities"):
        GATES["scanned"].check(candidate())


# https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageScanStatus.html
@pytest.mark.parametrize(
    "status",
    ["PENDING", "FAILED", "UNSUPPORTED_IMAGE", "SCAN_ELIGIBILITY_EXPIRED", "FINDINGS_UNAVAILABLE"],
)
def test_a_scan_without_an_answer_blocks(
    world: World, candidate: Callable[..., Any], status: str
) -> None:
    world.scan, world.findings = status, {}
    with pytest.raises(Blocks, match=f"the image's scan is {status}"):
        GATES["scanned"].check(candidate())
