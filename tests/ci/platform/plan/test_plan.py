"""The printed plan: a fork's own names, every file it mentions, and nothing that runs by itself."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ci.errors import InputError
from ci.platform.capacity import load_cluster, load_prices
from ci.platform.plan import bootstrap, names, show
from ci.platform.plan.checks import CHECKS
from ci.platform.plan.names import Names, pipeline_name
from ci.platform.plan.step import Action, Step, count
from ci.platform.plan.steps import all_steps
from ci.tree import overlays
from ci.tree.settings import Settings
from tests.ci import verbs

ROOT = Path(__file__).parents[4]
CLUSTER = load_cluster(ROOT / "infra/eksctl/cluster.yaml")
CONNECTION = "arn:aws:codeconnections:us-east-1:123456789012:connection/" + "-".join(
    ("01234567", "89ab", "cdef", "0123", "456789abcdef")
)
SETTINGS = Settings(
    account="123456789012",
    region=CLUSTER.region,
    repository="team/coworking.api",
    git_url="https://github.com/example/coworking.git",
    kubernetes=CLUSTER.version,
    zones=CLUSTER.zones,
    environments=overlays.promotion_order(),
)
NAMES = Names(
    SETTINGS,
    CLUSTER,
    load_prices(ROOT / "infra/prices.yaml"),
    "example/coworking",
    connection=CONNECTION,
    bot="7",
)


def steps(names: Names = NAMES) -> tuple[Step, ...]:
    return all_steps(names, ROOT)


def commands() -> list[str]:
    return [action.text for step in steps() for action in step.actions if action.is_command]


def needed() -> list[str]:
    return [step.name for step in steps() if not step.optional]


def test_a_first_deploy_takes_at_most_twenty_commands_and_web_forms() -> None:
    two = replace(NAMES, settings=SETTINGS._replace(environments=("dev", "prod")))
    assert count(steps(two)) <= 20


def test_each_further_environment_takes_one_promotion_more() -> None:
    order = ("dev", "qa", "pre-prod", "prod")
    (step,) = (
        each
        for each in steps(replace(NAMES, settings=SETTINGS._replace(environments=order)))
        if each.name == "promote"
    )
    command = "GIT_TOKEN_FILE=git-token.txt .venv/bin/python -m ci promote"
    assert [action.text for action in step.actions] == [
        f"{command} --to qa --soak 0 --push",
        f"{command} --to pre-prod --soak 0 --push",
        f"{command} --soak 0 --push",
    ]
    assert (
        step.title
        == "Promote dev's image to qa and then to pre-prod and then to prod, for the first time"
    )


def test_commands_that_are_joined_in_a_line_count_separately() -> None:
    joined = Step("a", "b", "", (Action("x && y; z | w"), Action("press", page="p")), "", "")
    assert count((joined,)) == 5
    assert count((replace(joined, optional="never"),)) == 0


def test_a_line_of_the_plan_is_one_command() -> None:
    assert [command for command in commands() if re.search(r"&&|\|\||;|\$\(|`", command)] == []


def test_nothing_between_an_empty_account_and_a_serving_prod_is_left_out() -> None:
    assert needed() == [
        *("tools", "configure", "login", "zones", "connection", "stack", "token", "cluster"),
        *("argocd", "argocd-login", "seal", "push", "hand-over", "first-build", "promote", "look"),
    ]


def test_what_only_some_need_is_there_and_says_who() -> None:
    assert {step.name: step.optional for step in steps() if step.optional}.keys() == {
        *("source-credentials", "comment-token", "bot", "signing", "colleagues", "passwords"),
        *("private-repository", "argocd-address", "webhook", "backups"),
    }


def test_the_steps_are_in_an_order_that_works() -> None:
    order = [step.name for step in steps()]

    def before(first: str, then: str) -> bool:
        return order.index(first) < order.index(then)

    # Or the log add-on makes its groups itself, and keeps logs for ever.
    assert before("stack", "cluster")
    # Argo CD reads the repository as soon as root is there.
    assert before("private-repository", "hand-over")
    assert before("push", "hand-over")
    # It pushes an image, and then a commit.
    assert before("push", "first-build")
    assert before("token", "first-build")
    # A gate asks Argo CD.
    assert before("argocd-login", "promote")


def test_every_step_has_a_check_and_every_check_a_step() -> None:
    assert set(CHECKS) == {step.name for step in steps()}


def test_every_step_says_what_it_is_for_what_one_sees_and_when_it_is_done() -> None:
    for step in steps():
        assert step.title, step
        assert step.done, step.name
        assert step.then or not step.actions, step.name


def test_the_first_build_is_started_by_hand_and_says_why() -> None:
    """The webhook's filter lets no commit of a fork's first ones start a build."""
    (step,) = [step for step in steps() if step.name == "first-build"]
    (action,) = step.actions
    assert action.text == (
        f"aws codebuild start-build --region {CLUSTER.region} --project-name coworking-api"
    )
    assert "apps/coworking" in step.why


def test_the_plan_names_what_the_settings_say() -> None:
    (deploy,) = [one for one in commands() if overlays.PIPELINE_TEMPLATE in one]
    words = shlex.split(deploy)
    assert words[words.index("--stack-name") + 1] == "coworking-api-pipeline"
    assert words[words.index("--parameter-overrides") + 1 :] == [
        "ImageRepoName=team/coworking.api",
        "PipelineName=coworking-api",
        "GitUrl=https://github.com/example/coworking.git",
        "ClusterName=my-cluster",
        "BotActorId=7",
        f"ConnectionArn={CONNECTION}",
        "Signing=none",
    ]


SIGNED = replace(NAMES, settings=SETTINGS._replace(signer="1+bot@users.noreply.github.com"))


def test_with_a_signer_the_stack_makes_a_secret_for_its_key() -> None:
    listed = all_steps(SIGNED, ROOT)
    texts = [action.text for step in listed for action in step.actions]
    (deploy,) = [text for text in texts if overlays.PIPELINE_TEMPLATE in text]
    assert "Signing=ssh" in shlex.split(deploy)
    (step,) = [step for step in listed if step.name == "signing"]
    secret = " --secret-id coworking-api/signing-key --secret-string file://signing-key"
    assert [action.text for action in step.actions] == [
        "make configure SIGNER=1+bot@users.noreply.github.com",
        "ssh-keygen -t ed25519 -N '' -f signing-key",
        "as that account: key type Signing Key, the one line of signing-key.pub",
        f"aws secretsmanager put-secret-value --region {CLUSTER.region}{secret}",
    ]


@pytest.mark.parametrize(
    ("names", "answer", "mark", "because"),
    [
        (NAMES, None, "open", "settings.yaml names no signer"),
        (SIGNED, None, "open", "there is no secret coworking-api/signing-key"),
        (SIGNED, {}, "open", "the secret coworking-api/signing-key is empty"),
        (SIGNED, {"VersionIdsToStages": {"1": ["AWSCURRENT"]}}, "done", "has a value"),
    ],
)
def test_the_check_says_how_far_the_signing_key_is(
    names: Names, answer: Any, mark: str, because: str
) -> None:
    outside = mock.Mock(names=names)
    outside.aws.return_value = answer
    found = CHECKS["signing"](outside)
    assert found.word == mark
    assert because in found.because


@pytest.mark.thorough
def test_the_parameters_exist_and_those_without_a_default_are_given() -> None:
    from cfnlint.decode import decode  # noqa: PLC0415  (half a second, in every process)

    template, _ = decode(str(ROOT / overlays.PIPELINE_TEMPLATE))
    (deploy,) = [one for one in commands() if overlays.PIPELINE_TEMPLATE in one]
    given = dict(word.split("=", 1) for word in shlex.split(deploy) if re.match(r"[A-Z]\w+=", word))
    parameters = template["Parameters"]
    assert set(given) <= set(parameters)
    assert {name for name, one in parameters.items() if "Default" not in one} <= set(given)
    for name, value in given.items():
        assert re.fullmatch(parameters[name]["AllowedPattern"], value), name
    # Copied without the ARN, the command is refused and not carried out without a connection.
    assert not re.fullmatch(parameters["ConnectionArn"]["AllowedPattern"], names.UNKNOWN_CONNECTION)


def test_every_file_and_folder_of_the_plan_is_in_the_tree() -> None:
    text = "\n".join(f"{step.why} {[action.text for action in step.actions]}" for step in steps())
    named = re.findall(r"(?:infra|argocd|docs|apps)/[\w./-]*\w", text)
    assert named
    for path in named:
        assert (ROOT / path).exists(), path


def test_no_token_is_an_argument_and_its_file_is_in_no_commit() -> None:
    files = set()
    for command in commands():
        if "secret-string" in command or "credentials" in command:
            assert "file://" in command, command
            files.add(command.rpartition("file://")[2])
    assert files == {"git-token.txt", "comment-token.txt", "source-token.json", "signing-key"}
    done = subprocess.run(
        ["git", "check-ignore", *files], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert set(done.stdout.split()) == files


def test_a_credential_of_the_account_that_is_there_already_is_left_alone() -> None:
    (step,) = [step for step in steps() if step.name == "source-credentials"]
    shown = re.search(r"\{.*\}", step.why)
    assert shown is not None
    assert json.loads(shown[0])["shouldOverwrite"] is False


# --- the lines of argocd/bootstrap.md -------------------------------------------------------------


def page_of(tmp_path: Path, *lines: str) -> Path:
    (tmp_path / "argocd").mkdir()
    page = "\n".join(("# A page", "```", *lines, "```", "```", "another block", "```"))
    (tmp_path / bootstrap.PAGE).write_text(page)
    return tmp_path


def test_every_line_of_the_bootstrap_page_is_in_the_plan_once_and_in_its_order() -> None:
    block = (ROOT / bootstrap.PAGE).read_text().split("```")[1].strip().splitlines()
    lines = [re.sub(r"\s+#.*", "", line) for line in block if not line.startswith("aws eks")]
    assert lines
    assert [command for command in commands() if command in lines] == lines


def test_a_line_of_the_page_that_belongs_to_no_step_is_refused(tmp_path: Path) -> None:
    root = page_of(tmp_path, "kubectl apply -k argocd", "helm install everything")
    with pytest.raises(InputError, match="`helm install everything`, which belongs to no step"):
        bootstrap.lines(root)


def test_comments_of_the_page_are_left_out(tmp_path: Path) -> None:
    root = page_of(
        tmp_path, "aws eks update-kubeconfig --name x  # AWS", "git push   # to main", ""
    )
    assert bootstrap.lines(root).dealt == (("push", "git push"),)


# --- what can't be planned for --------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("settings.yaml", "infra/eksctl/cluster.yaml", "infra/prices.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def test_a_git_server_that_codebuild_cannot_hear_is_refused(tree: Path) -> None:
    file = tree / "settings.yaml"
    file.write_text(file.read_text().replace("https://github.com/", "https://git.example.com/"))
    with pytest.raises(InputError, match="need a GitHub address"):
        names.read(tree)


def test_a_cluster_in_another_region_is_refused(tree: Path) -> None:
    file = tree / "infra/eksctl/cluster.yaml"
    file.write_text(re.sub(r"(?m)^  region: \S+", "  region: eu-west-9", file.read_text()))
    with pytest.raises(InputError, match=r"cluster\.yaml says eu-west-9, and settings\.yaml says"):
        names.read(tree)


@pytest.mark.parametrize(
    ("repository", "name"),
    [("coworking", "coworking"), ("team/coworking", "coworking"), ("a/b.c_d", "b-c-d")],
)
def test_the_pipelines_name_is_the_repositorys_last_part(repository: str, name: str) -> None:
    assert pipeline_name(repository) == name


def test_the_connections_name_fits_aws() -> None:
    long = replace(NAMES, settings=SETTINGS._replace(repository="a" * 31 + "-bcd"))
    assert long.connection_name == "a" * 31


# --- how it is printed ----------------------------------------------------------------------------


def test_the_command_runs_nothing() -> None:
    """With nothing on the PATH but an empty folder it still prints the whole plan."""
    done = subprocess.run(
        [sys.executable, "-m", "ci", "plan", "--email", "oncall@example.com"],
        cwd=ROOT,
        env={"PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Nothing here has been run" in done.stdout
    assert "AlarmEmail=oncall@example.com" in done.stdout


def test_a_shell_that_runs_the_whole_text_meets_no_line_that_is_not_a_command() -> None:
    for line in show.text(steps()).splitlines():
        if line and not line.startswith("#"):
            words = shlex.split(line)
            program = words[1] if "=" in words[0] else words[0]
            assert program in {"aws", "eksctl", "kubectl", "make", "git", "argocd"} or (
                program == ".venv/bin/python"
            )


def test_no_optional_command_is_run_with_the_others() -> None:
    lines = show.text(steps()).splitlines()
    for step in steps():
        for action in step.actions:
            if step.optional and action.is_command:
                assert f"#   {action.text}" in lines
                assert action.text not in lines


def test_a_program_gets_the_same_plan() -> None:
    done = verbs.in_this_process("plan", "--format", "json", "--connection", CONNECTION)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["actions"] == count(steps())
    assert [step["name"] for step in found["steps"]] == [step.name for step in steps()]
    stack = next(step for step in found["steps"] if step["name"] == "stack")
    assert stack["actions"][0]["kind"] == "command"
    assert f"ConnectionArn={CONNECTION}" in stack["actions"][0]["text"]
    assert {"program": "eksctl", "least": "0.200"} in found["tools"]
    assert "next" not in found
