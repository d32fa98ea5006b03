"""Which event starts which build, by the filters that the template really carries."""

from pathlib import Path
from typing import Any

import pytest

from ci.errors import InputError
from ci.local.codebuild.eventbridge import Template
from ci.local.codebuild.finished import Finished
from ci.tree.overlays import PIPELINE_TEMPLATE
from tests.infra.codebuild_filters import Event, holds, starts

ROOT = Path(__file__).parents[2]

BOT = "900"
PERSON = "7"
VALUES = {"MainBranch": "main", "BotActorId": BOT}
WRITE_BACK = "deploy(dev): coworking 41-0a1b2c3d -> 42-4e5f6071 [skip ci]"

MAIN = "refs/heads/main"
EVENTS = {
    "an app change is merged": Event(
        "PUSH", MAIN, PERSON, "Merge pull request #5", ("apps/coworking/coworking/app.py",)
    ),
    "a change of the service's lock is merged": Event(
        "PUSH", MAIN, PERSON, "Update Flask", ("apps/coworking/requirements.txt",)
    ),
    "a change of the database's image is merged": Event(
        "PUSH", MAIN, PERSON, "Count the rows", ("apps/postgres/bin/count.sh",)
    ),
    "both images are changed by one push": Event(
        "PUSH", MAIN, PERSON, "Both", ("apps/postgres/Dockerfile", "apps/coworking/Dockerfile")
    ),
    "the manifests of the database are changed": Event(
        "PUSH", MAIN, PERSON, "Archive sooner", ("base/postgres/backups/archiving.conf",)
    ),
    "the database's tag is written back": Event(
        "PUSH",
        MAIN,
        BOT,
        "deploy(dev): postgres 3-0a1b2c3d -> 4-4e5f6071 [skip ci]",
        ("overlays/dev/postgres/image/kustomization.yaml",),
    ),
    "the bot pushes to the database's image": Event(
        "PUSH", MAIN, BOT, "Tidy", ("apps/postgres/Dockerfile",)
    ),
    "an app change and a docs change are merged together": Event(
        "PUSH", MAIN, PERSON, "Explain it", ("docs/api.md", "apps/coworking/coworking/app.py")
    ),
    "docs are merged": Event("PUSH", MAIN, PERSON, "Fix a typo", ("docs/aws.md",)),
    "an overlay is merged": Event(
        "PUSH", MAIN, PERSON, "Raise a limit", ("overlays/prod/coworking/kustomization.yaml",)
    ),
    "a file that only looks like the app's is merged": Event(
        "PUSH", MAIN, PERSON, "Add a note", ("docs/apps/coworking/note.md",)
    ),
    "the build writes the tag back": Event(
        "PUSH", MAIN, BOT, WRITE_BACK, ("overlays/dev/coworking/image/kustomization.yaml",)
    ),
    "the bot pushes to the app": Event(
        "PUSH", MAIN, BOT, "Tidy", ("apps/coworking/coworking/app.py",)
    ),
    "a person says [skip ci]": Event(
        "PUSH", MAIN, PERSON, "Fix a comment [skip ci]", ("apps/coworking/coworking/app.py",)
    ),
    "a branch is pushed": Event(
        "PUSH", "refs/heads/topic", PERSON, "Try", ("apps/coworking/coworking/app.py",)
    ),
    "a branch named like main is pushed": Event(
        "PUSH", "refs/heads/main-2", PERSON, "Try", ("apps/coworking/coworking/app.py",)
    ),
    "a release is tagged": Event("PUSH", "refs/tags/v1.2.0", PERSON, "Release"),
    "a pull request is opened": Event(
        "PULL_REQUEST_CREATED", "refs/heads/topic", PERSON, "Try", ("docs/a.md",), MAIN
    ),
    "a pull request from a fork is updated": Event(
        "PULL_REQUEST_UPDATED", "refs/heads/main", "12345", "Try [skip ci]", ("a.md",), MAIN
    ),
    "the bot proposes a promotion": Event(
        "PULL_REQUEST_CREATED",
        "refs/heads/deploy/prod/coworking-42-4e5f6071",
        BOT,
        "deploy(prod): coworking 41-0a1b2c3d -> 42-4e5f6071",
        ("overlays/prod/coworking/image/kustomization.yaml",),
        MAIN,
    ),
    "the bot pushes the promotion's branch": Event(
        "PUSH",
        "refs/heads/deploy/prod/coworking-42-4e5f6071",
        BOT,
        "deploy(prod): coworking 41-0a1b2c3d -> 42-4e5f6071",
        ("overlays/prod/coworking/image/kustomization.yaml",),
    ),
    "a promotion is merged": Event(
        "PUSH",
        MAIN,
        PERSON,
        "Merge pull request #9",
        ("overlays/prod/coworking/image/kustomization.yaml",),
    ),
    "a pull request into another branch is opened": Event(
        "PULL_REQUEST_CREATED", "refs/heads/a", PERSON, "Try", ("a.md",), "refs/heads/b"
    ),
    "a pull request is closed": Event(
        "PULL_REQUEST_CLOSED", "refs/heads/topic", PERSON, "Try", ("docs/a.md",), MAIN
    ),
}

# Whatever is not named here starts nothing.
STARTED = {
    "an app change is merged": "BuildProject",
    "a change of the database's image is merged": "PostgresProject",
    "both images are changed by one push": "BuildProject PostgresProject",
    "a change of the service's lock is merged": "BuildProject",
    "an app change and a docs change are merged together": "BuildProject",
    "a pull request is opened": "PullRequestProject",
    "a pull request from a fork is updated": "PullRequestProject",
    "the bot proposes a promotion": "PullRequestProject",
}

# What a build does in git, which is again an event. Only the write-back can push anything.
CAUSED = {
    "BuildProject": (),
    "PostgresProject": (),
    "WriteBackProject": (
        "the build writes the tag back",
        "the database's tag is written back",
        "the bot proposes a promotion",
        "the bot pushes the promotion's branch",
    ),
    "PullRequestProject": (),
}


def groups_of(pipeline: dict[str, Any], project: str) -> list[list[dict[str, Any]]]:
    """A project's filter groups with the template's parameters filled in; none without webhook."""
    properties = pipeline["Resources"][project]["Properties"]
    groups = properties.get("Triggers", {}).get("FilterGroups", [])
    return [[{**one, "Pattern": _filled(one["Pattern"])} for one in group] for group in groups]


def _filled(pattern: str | dict[str, str]) -> str:
    if isinstance(pattern, str):
        return pattern
    text = pattern["Fn::Sub"]
    for name, value in VALUES.items():
        text = text.replace(f"${{{name}}}", value)
    return text


def started_by(pipeline: dict[str, Any], event: Event) -> list[str]:
    return [project for project in CAUSED if starts(groups_of(pipeline, project), event)]


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_starts_the_build_that_the_table_says(pipeline: dict[str, Any], name: str) -> None:
    expected = STARTED.get(name, "").split()
    assert started_by(pipeline, EVENTS[name]) == expected


def started_by_success(pipeline: dict[str, Any], project: str) -> list[str]:
    """The projects that the success of a build starts, by the template's rules for EventBridge."""
    template = Template.read(ROOT / PIPELINE_TEMPLATE, "coworking")
    assert template is not None
    names = {
        template.project_of(resource["Properties"]["Source"]["BuildSpec"]): logical
        for logical, resource in pipeline["Resources"].items()
        if resource["Type"] == "AWS::CodeBuild::Project"
    }
    (name,) = (name for name, logical in names.items() if logical == project)
    event = Finished(str(name), "1", 57, "0" * 40, succeeded=True, exported={}).event()
    return [names[start.project] for start in template.starts(event)]


@pytest.mark.thorough
def test_no_event_starts_a_loop(pipeline: dict[str, Any]) -> None:
    for name, event in EVENTS.items():
        ways = [[project] for project in started_by(pipeline, event)]
        while ways:
            way = ways.pop()
            *before, project = way
            assert project not in before, f"{name}: {project} starts itself again"
            started = started_by_success(pipeline, project)
            for caused in CAUSED[project]:
                started += started_by(pipeline, EVENTS[caused])
            ways += [[*way, one] for one in started]


def test_a_merge_starts_the_build_and_the_build_the_write_back(pipeline: dict[str, Any]) -> None:
    assert started_by(pipeline, EVENTS["an app change is merged"]) == ["BuildProject"]
    assert started_by_success(pipeline, "BuildProject") == ["WriteBackProject"]
    assert started_by_success(pipeline, "PostgresProject") == ["WriteBackProject"]
    assert started_by_success(pipeline, "WriteBackProject") == []
    assert started_by_success(pipeline, "PullRequestProject") == []


@pytest.mark.parametrize("guard", ["FILE_PATH", "ACTOR_ACCOUNT_ID", "COMMIT_MESSAGE"])
def test_each_of_the_three_guards_alone_stops_the_write_back(
    pipeline: dict[str, Any], guard: str
) -> None:
    (group,) = groups_of(pipeline, "BuildProject")
    others = {"EVENT", "HEAD_REF"}
    weakened = [[one for one in group if one["Type"] in others | {guard}]]
    assert not starts(weakened, EVENTS["the build writes the tag back"])
    assert starts([[one for one in group if one["Type"] in others]], EVENTS["docs are merged"])


def test_the_guards_come_in_the_order_in_which_they_are_trusted(pipeline: dict[str, Any]) -> None:
    (group,) = groups_of(pipeline, "BuildProject")
    types = [one["Type"] for one in group]
    assert types == ["FILE_PATH", "EVENT", "HEAD_REF", "ACTOR_ACCOUNT_ID", "COMMIT_MESSAGE"]


def test_pull_requests_are_filtered_by_neither_path_nor_actor_nor_message(
    pipeline: dict[str, Any],
) -> None:
    types = {one["Type"] for group in groups_of(pipeline, "PullRequestProject") for one in group}
    assert types == {"EVENT", "BASE_REF"}


def test_the_build_that_can_push_never_runs_a_pull_request(pipeline: dict[str, Any]) -> None:
    for event in EVENTS.values():
        if event.kind.startswith("PULL_REQUEST"):
            assert "BuildProject" not in started_by(pipeline, event)


def test_a_filter_without_a_model_is_refused() -> None:
    with pytest.raises(InputError, match="no model of the webhook filter REPOSITORY_NAME"):
        holds({"Type": "REPOSITORY_NAME", "Pattern": "x"}, EVENTS["docs are merged"])
