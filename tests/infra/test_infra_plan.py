"""The printed plan: a fork's own names, every file it mentions, and nothing that runs by itself."""

import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ci.capacity import load_cluster, load_prices
from ci.errors import InputError
from ci.infra_plan import pipeline_name, plan, text
from ci.settings import Settings

ROOT = Path(__file__).parents[2]
CLUSTER = load_cluster(ROOT / "infra/eksctl/cluster.yaml")
PRICES = load_prices(ROOT / "infra/prices.yaml")
SETTINGS = Settings(
    account="123456789012",
    region=CLUSTER.region,
    repository="team/coworking.api",
    git_url="https://github.com/example/coworking.git",
    kubernetes=CLUSTER.version,
    zones=CLUSTER.zones,
)


def commands() -> list[str]:
    return [one for step in plan(SETTINGS, CLUSTER, PRICES, bot="7") for one in step.commands]


def test_the_plan_names_what_the_settings_say() -> None:
    (deploy,) = [one for one in commands() if "cloudformation deploy" in one]
    words = shlex.split(deploy)
    assert words[words.index("--stack-name") + 1] == "coworking-api-pipeline"
    assert words[words.index("--parameter-overrides") + 1 :] == [
        "ImageRepoName=team/coworking.api",
        "PipelineName=coworking-api",
        "GitUrl=https://github.com/example/coworking.git",
        "ClusterName=my-cluster",
        "BotActorId=7",
    ]


def test_the_parameters_exist_and_those_without_a_default_are_given(
    pipeline: dict[str, Any],
) -> None:
    (deploy,) = [one for one in commands() if "cloudformation deploy" in one]
    given = dict(word.split("=", 1) for word in shlex.split(deploy) if re.match(r"[A-Z]\w+=", word))
    parameters = pipeline["Parameters"]
    assert set(given) <= set(parameters)
    assert {name for name, one in parameters.items() if "Default" not in one} <= set(given)
    for name, value in given.items():
        assert re.fullmatch(parameters[name]["AllowedPattern"], value), name


def test_every_command_is_one_that_a_shell_can_read() -> None:
    for command in commands():
        assert shlex.split(command)[0] in {
            *("aws", "eksctl", "kubectl", "make", "git", "rm"),
            ".venv/bin/python",
        }


def test_every_file_and_folder_of_the_plan_is_in_the_tree() -> None:
    named = re.findall(r"(?:infra|argocd)/[\w./-]+", "\n".join(commands()))
    assert named
    for path in named:
        assert (ROOT / path).exists(), path


def test_no_token_is_an_argument() -> None:
    for command in commands():
        if "secret" in command or "credentials" in command:
            assert "file://" in command or command.startswith("rm ")


def test_the_stack_comes_before_the_cluster() -> None:
    """Or the log add-on makes its groups itself, and keeps logs for ever."""
    printed = text(plan(SETTINGS, CLUSTER, PRICES))
    assert printed.index("cloudformation deploy") < printed.index("eksctl create cluster")


def test_a_git_server_that_codebuild_cannot_hear_is_refused() -> None:
    elsewhere = SETTINGS._replace(git_url="https://git.example.com/coworking.git")
    with pytest.raises(InputError, match="need a GitHub address"):
        plan(elsewhere, CLUSTER, PRICES)


def test_a_cluster_in_another_region_is_refused() -> None:
    moved = replace(CLUSTER, region="eu-west-9")
    with pytest.raises(InputError, match=r"cluster\.yaml says eu-west-9, and settings\.yaml says"):
        plan(SETTINGS, moved, PRICES)


@pytest.mark.parametrize(
    ("repository", "name"),
    [("coworking", "coworking"), ("team/coworking", "coworking"), ("a/b.c_d", "b-c-d")],
)
def test_the_pipelines_name_is_the_repositorys_last_part(repository: str, name: str) -> None:
    assert pipeline_name(repository) == name


def test_the_command_runs_nothing() -> None:
    """With nothing on the PATH but an empty folder it still prints the whole plan."""
    done = subprocess.run(
        [sys.executable, "-m", "ci", "infra-plan", "--email", "oncall@example.com"],
        cwd=ROOT,
        env={"PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("# Nothing here has been run.")
    assert "AlarmEmail=oncall@example.com" in done.stdout
