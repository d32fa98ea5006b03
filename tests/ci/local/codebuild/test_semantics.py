"""The local CodeBuild against the rules of CodeBuild's user guide, one small buildspec each."""

from __future__ import annotations

import textwrap
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from ci.errors import InputError
from ci.local.codebuild.runner import Outcome, Runner
from ci.local.codebuild.spec import parse

if TYPE_CHECKING:
    from pathlib import Path


def run(tmp_path: Path, text: str, **environment: str) -> tuple[Outcome, list[str]]:
    """Run a buildspec in an empty source, and return the outcome and what its commands printed."""
    file = tmp_path / "buildspec.yaml"
    file.write_text("version: 0.2\n" + textwrap.dedent(text))
    source = tmp_path / "src"
    source.mkdir()
    lines: list[str] = []
    env = {"PATH": "/usr/bin:/bin", **environment}
    outcome = Runner(parse(file), source, env, log=lines.append).run()
    noise = ("Entering phase", "Phase complete", "Running command", "Command did not")
    return outcome, [line for line in lines if not line.startswith(noise)]


def test_the_folder_and_exports_carry_over_from_command_to_command(tmp_path: Path) -> None:
    outcome, said = run(
        tmp_path,
        """
        env: {exported-variables: [TAG, NEVER_SET]}
        phases:
          pre_build:
            commands: [mkdir sub, cd sub, 'export TAG="a  b"', "local_only=1"]
          build:
            commands: ["basename $PWD", 'echo "$TAG"', 'echo "[$local_only]"']
        """,
    )
    assert outcome.succeeded
    assert said == ["sub", "a  b", "[]"]
    assert outcome.exported == {"TAG": "a  b"}


def test_a_failing_command_ends_its_phase_and_finally_still_runs(tmp_path: Path) -> None:
    outcome, said = run(
        tmp_path,
        """
        phases:
          pre_build:
            commands: [echo one, exit 3, echo never]
            finally: [echo always, "false", echo all of it]
          build:
            commands: [echo never]
          post_build:
            commands: [echo never]
        """,
    )
    assert not outcome.succeeded
    assert said == ["one", "always", "all of it"]
    assert [result.phase for result in outcome.phases] == ["pre_build"]


def test_post_build_runs_after_a_failed_build_and_is_told(tmp_path: Path) -> None:
    outcome, said = run(
        tmp_path,
        """
        phases:
          build:
            commands: ["echo $CODEBUILD_BUILD_SUCCEEDING", "false"]
          post_build:
            commands: ["echo $CODEBUILD_BUILD_SUCCEEDING"]
        """,
    )
    assert not outcome.succeeded
    assert said == ["1", "0"]
    assert [(r.phase, r.succeeded) for r in outcome.phases] == [
        ("build", False),
        ("post_build", True),
    ]


def test_abort_ends_the_build_before_post_build(tmp_path: Path) -> None:
    outcome, said = run(
        tmp_path,
        """
        phases:
          build:
            on-failure: ABORT
            commands: ["false"]
          post_build:
            commands: [echo never]
        """,
    )
    assert (outcome.succeeded, said) == (False, [])


def test_what_runs_in_the_background_is_not_waited_for_and_ends_with_the_build(
    tmp_path: Path,
) -> None:
    began = time.monotonic()
    outcome, said = run(
        tmp_path,
        """
        phases:
          build:
            commands: [nohup sleep 60 & echo $!, echo next]
        """,
    )
    assert outcome.succeeded
    assert said[1:] == ["next"]
    assert time.monotonic() - began < 30
    while runs(int(said[0])):
        assert time.monotonic() - began < 30
        time.sleep(0.02)


def runs(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_failing_finally_fails_its_phase(tmp_path: Path) -> None:
    outcome, _ = run(tmp_path, "phases: {build: {commands: ['true'], finally: ['false']}}")
    assert not outcome.succeeded


def test_reports_are_collected_also_from_a_failed_build(tmp_path: Path) -> None:
    outcome, _ = run(
        tmp_path,
        """
        phases: {build: {commands: [mkdir reports, touch reports/a.xml, "false"]}}
        reports: {tests: {base-directory: reports, files: ["*.xml"], file-format: JUNITXML}}
        """,
    )
    assert [file.name for file in outcome.reports] == ["a.xml"]


def test_secrets_are_masked_in_the_log(tmp_path: Path) -> None:
    file = tmp_path / "buildspec.yaml"
    file.write_text("version: 0.2\nphases: {build: {commands: ['echo it is $TOKEN.']}}")
    lines: list[str] = []
    env = {"PATH": "/usr/bin:/bin"}
    Runner(parse(file), tmp_path, env, secrets={"TOKEN": "s3cret"}, log=lines.append).run()
    assert "it is ***." in lines


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("version: 0.1\nphases: {}", "version is 0.1"),
        ("version: 0.2\nphase: {}", "the file has 'phase', which is unknown"),
        ("version: 0.2\nphases: {deploy: {}}", "phases has 'deploy'"),
        ("version: 0.2\nphases: {build: {commands: [echo a: b]}}", "not a list of strings"),
        ("version: 0.2\nphases: {build: {on-failure: STOP}}", "phases.build.on-failure is 'STOP'"),
        ("version: 0.2\nphases: {}\nenv: {shell: fish}", "env.shell is 'fish'"),
        ("version: [", "can't be read"),
        ("version: \udcff", "can't be read"),
    ],
)
def test_a_buildspec_that_codebuild_would_not_take_is_refused(
    tmp_path: Path, text: str, sentence: str
) -> None:
    file = tmp_path / "buildspec.yaml"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match="buildspec") as caught:
        parse(file)
    assert sentence in str(caught.value)
