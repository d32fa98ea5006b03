"""`ci/buildspec.write-back.yaml` run whole, after the build of main that its event names.

Real: the buildspec, its step, git, moto for AWS, and the rule of the pipeline's template. What
moto doesn't know, a build that ended, CodeBuild's stand-in tells (ci/local/codebuild/finished.py).
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from ci.local.codebuild.eventbridge import Template
from ci.tree.overlays import PIPELINE_TEMPLATE
from tests.ci.local.codebuild import stand_ins

World = Any
ROOT = Path(__file__).parents[4]
OVERLAY = "overlays/dev/coworking/image/kustomization.yaml"
TOKEN = "t0ken-from-the-secret"
OTHER = "0" * 40


def rules() -> Template:
    template = Template.read(ROOT / PIPELINE_TEMPLATE, "coworking")
    assert template is not None
    return template


def test_the_success_of_a_build_of_main_writes_its_tag_to_git(world: World, tag: str) -> None:
    built = world.finished()
    (start,) = rules().starts(built.event())
    assert (start.project, start.buildspec) == (
        "coworking-write-back",
        "ci/buildspec.write-back.yaml",
    )

    outcome, log = world.write_back(built, **start.variables)

    assert outcome.succeeded, log
    assert f'newTag: "{tag}"' in world.git("show", f"main:{OVERLAY}")
    assert world.git("log", "-1", "--format=%s", "main").startswith("deploy(dev): coworking ")
    assert TOKEN not in log


def test_what_the_event_passes_on_fits_the_parameters_of_start_build(world: World) -> None:
    (start,) = rules().starts(world.finished().event())
    shape = (
        botocore.session.get_session().get_service_model("codebuild").operation_model("StartBuild")
    )
    found = ParamValidator().validate(
        {"projectName": start.project, **start.parameters}, shape.input_shape
    )
    assert not found.has_errors(), found.generate_report()
    assert set(start.variables) == {"MAIN_BUILD"}


def test_what_codebuild_s_stand_in_tells_fits_codebuild_s_own_description(world: World) -> None:
    model = botocore.session.get_session().get_service_model("codebuild")
    shape = model.operation_model("BatchGetBuilds").output_shape
    found = ParamValidator().validate({"builds": [world.finished().record()]}, shape)
    assert not found.has_errors(), found.generate_report()


@pytest.mark.thorough
def test_what_a_build_exports_changes_nothing(world: World, tag: str) -> None:
    """A dependency of the build can export anything; it can't choose its number or its commit."""
    forged = {
        "IMAGE_TAG": f"99-{OTHER[:8]}",
        "MAIN_BUILD": "coworking:9",
        "DEPLOY_ENVIRONMENT": "prod",
    }
    built = world.finished(exported=forged)
    (start,) = rules().starts(built.event())

    outcome, log = world.write_back(built, **start.variables)

    assert outcome.succeeded, log
    changed = world.git("show", "--name-only", "--format=", "main").split()
    assert changed == [OVERLAY]
    assert f'newTag: "{tag}"' in world.git("show", f"main:{OVERLAY}")


@pytest.mark.parametrize(
    "changes",
    [
        {"succeeded": False},
        {"project": "coworking-pr"},
        {"project": "coworking-write-back"},
        {"project": "coworking-other"},
    ],
)
def test_no_other_end_of_a_build_starts_anything(world: World, changes: dict[str, Any]) -> None:
    assert not list(rules().starts(world.finished(**changes).event()))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("known", "asked", "sentence"),
    [
        ({}, "coworking-pr:1", "coworking-pr:1, which is not a build of coworking"),
        ({}, "coworking:2", "CodeBuild has no build coworking:2"),
        (
            {"succeeded": False},
            "coworking:1",
            "is FAILED; only a build of coworking that SUCCEEDED",
        ),
        ({"commit": "main"}, "coworking:1", "built 'main', which is not a commit"),
        ({"commit": OTHER}, "coworking:1", "has no tag 57-00000000: the pods could not start"),
        ({"succeeded": False}, "", "no build of coworking has succeeded yet"),
    ],
)
def test_a_build_that_cannot_be_written_back_changes_nothing(
    world: World, tag: str, known: dict[str, Any], asked: str, sentence: str
) -> None:
    outcome, log = world.write_back(world.finished(identity="1", **known), MAIN_BUILD=asked)
    assert not outcome.succeeded
    assert sentence in log
    assert "Traceback" not in log
    assert world.git("rev-parse", "main") == world.commit


@pytest.mark.thorough
def test_a_commit_that_main_does_not_have_is_refused(world: World, aws: str) -> None:
    """Such as a build that somebody started for a branch."""
    stand_ins.push_image(aws, f"57-{OTHER[:8]}")
    outcome, log = world.write_back(world.finished(commit=OTHER))
    assert not outcome.succeeded
    assert "is not in the branch's history" in log
    assert world.git("rev-parse", "main") == world.commit


@pytest.mark.thorough
def test_without_a_build_named_the_newest_that_succeeded_is_written_back(
    world: World, tag: str
) -> None:
    newer = world.finished(identity="2", number=58, succeeded=False)
    other = world.finished(identity="3", number=59, project="coworking-pr")
    outcome, log = world.write_back(newer, other, world.finished())
    assert outcome.succeeded, log
    assert f'newTag: "{tag}"' in world.git("show", f"main:{OVERLAY}")


@pytest.mark.thorough
def test_an_event_that_comes_twice_changes_nothing_the_second_time(world: World, tag: str) -> None:
    world.write_back(world.finished())
    tip = world.git("rev-parse", "main")
    outcome, log = world.write_back(world.finished())
    assert outcome.succeeded, log
    assert '"result": "noop"' in log
    assert world.git("rev-parse", "main") == tip


@pytest.mark.thorough
def test_without_the_token_it_is_red_and_git_untouched(world: World, tag: str) -> None:
    outcome, log = world.write_back(world.finished(), GIT_TOKEN_SECRET="no/such/secret")
    assert not outcome.succeeded
    assert "the secret 'no/such/secret'" in log
    assert world.git("rev-parse", "main") == world.commit


@pytest.mark.thorough
def test_a_branch_that_refuses_the_tag_gets_a_branch_to_merge(world: World, tag: str) -> None:
    hook = world.remote / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ]\n')
    hook.chmod(0o755)
    _, log = world.write_back(world.finished())
    assert '"result": "pr"' in log
    assert f"deploy/dev/coworking-{tag}" in world.git("branch", "--list")


@pytest.mark.thorough
def test_it_needs_no_package_but_those_of_its_own_lock(
    world: World, tag: str, tmp_path: Path
) -> None:
    """Its token is safe from a package that is not there."""
    packages = tmp_path / "packages"
    packages.mkdir()
    lock = (ROOT / "requirements-write-back.txt").read_text()
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE):
        distribution = importlib.metadata.distribution(name)
        assert distribution.version == version, f"{name}: `make lock` was not run"
        for top in {file.parts[0] for file in distribution.files or () if file.parts[0] != ".."}:
            if not (packages / top).exists():
                (packages / top).symlink_to(Path(str(distribution.locate_file(top))))
    python = tmp_path / "tools/python"  # without its site-packages
    paths = f"{packages}:{ROOT / 'treecheck'}"  # the latter is this tree's own
    python.write_text(f'#!/bin/sh\nPYTHONPATH={paths} exec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    (tmp_path / "tools/make").write_text(
        f"#!/bin/sh\nmkdir -p .venv/bin; ln -s {python} .venv/bin/\n"
    )

    outcome, log = world.write_back(world.finished())

    assert outcome.succeeded, log
    done = subprocess.run(
        [python, "-c", "import flask"], capture_output=True, text=True, check=False
    )
    assert "No module named 'flask'" in done.stderr


def _codebuild(world: World, secret: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "ci", "codebuild", "ci/buildspec.yaml", "--number", "57"),
            *("--source", str(world.remote), "--commit", "main"),
        ],
        cwd=ROOT,
        env={**os.environ, **world.environment, "GIT_TOKEN_SECRET": secret},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.thorough  # a whole build; the next one runs in `make test`
def test_the_verb_says_when_the_write_back_fails(world: World, tag: str) -> None:
    done = _codebuild(world, "no/such/secret")
    assert done.returncode == 1
    assert "error: the write-back failed" in done.stderr
    assert world.git("rev-parse", "main") == world.commit


@pytest.mark.thorough
def test_the_verb_runs_the_write_back_after_the_build_of_main(world: World, tag: str) -> None:
    done = _codebuild(world, stand_ins.SECRET)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^write-back build +succeeded +[\d.]+ s$", done.stdout, re.MULTILINE)
    assert f'newTag: "{tag}"' in world.git("show", f"main:{OVERLAY}")
