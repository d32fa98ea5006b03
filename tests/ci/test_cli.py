"""The command group: what it lists, and how an error leaves it."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ci.cli import VERBS
from ci.prerequisites import end_if_too_old, end_without
from ci.tree.overlays import environments

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(VERBS))
def test_every_verb_is_a_command_with_a_help_text(name: str) -> None:
    command = importlib.import_module(VERBS[name].module).command
    assert isinstance(command, click.Command)
    assert command.help


def test_an_unknown_verb_exits_2_and_shows_no_stack_trace() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ci", "deploy-by-hand"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "No such command 'deploy-by-hand'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_misspelt_verb_is_answered_with_the_nearest_one() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ci", "rolback"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "No such command 'rolback'. Did you mean rollback?" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["render", "prd"],
        ["hotfix", "--to", "prd", "--tag", "1", "--reason", "x"],
        ["history", "prd"],
        ["promote", "--to", "prd"],
        ["seal", "prd"],
    ],
)
def test_a_misspelt_environment_is_answered_with_the_nearest_one(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ci", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    there_is = " or ".join(environments())
    assert f"there is no environment 'prd'; there is {there_is}" in done.stderr
    assert done.stderr.endswith("Did you mean prod?\n")


def test_help_lists_every_verb_with_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ci", "--help"], capture_output=True, text=True, check=True
    )
    for name, verb in VERBS.items():
        assert f"{name} " in done.stdout
        assert verb.help.split()[0] in done.stdout


# An interpreter with none of our packages: it starts without the environment's site-packages.
BARE = [sys.executable, "-S", "-m", "ci"]


def run(
    words: list[str], folder: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
    )


def test_without_the_environment_it_says_what_to_run() -> None:
    done = run([*BARE, "status", "prod", "--format", "a b"])

    assert done.returncode == 2
    assert done.stderr == (
        f"error: the Python package click is not installed for {sys.executable}\n"
        "make install\n"
        ".venv/bin/python -m ci status prod --format 'a b'\n"
    )


def test_without_the_environment_and_elsewhere_it_says_where(tmp_path: Path) -> None:
    done = run([*BARE, "up"], tmp_path)

    assert done.stderr.splitlines()[1] == f"cd {ROOT}"


def test_a_missing_package_of_one_verb_is_a_sentence_too(tmp_path: Path) -> None:
    # As where only requirements.txt is installed, and a verb needs one of requirements-dev.txt.
    (tmp_path / "requests.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'requests'\", name='requests')\n"
    )

    done = run([sys.executable, "-m", "ci", "up"], PYTHONPATH=f"{tmp_path}:{ROOT}")

    assert done.returncode == 2, done.stdout
    assert "the Python package requests is not installed" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_module_of_our_own_keeps_its_traceback() -> None:
    missing = ModuleNotFoundError("No module named 'ci.gone'", name="ci.gone")

    end_without(missing, [])  # returns, so that the caller raises it again


def test_a_python_that_is_too_old_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))

    with pytest.raises(SystemExit):
        end_if_too_old(["status"])

    assert "is Python 3.9, and 3.11 or newer is needed\nmake install\n" in capsys.readouterr().err
