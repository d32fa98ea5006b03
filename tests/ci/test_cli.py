"""The command group: what it lists, and how an error leaves it."""

import importlib
import subprocess
import sys

import click
import pytest

from ci.cli import VERBS


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


def test_help_lists_every_verb_with_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ci", "--help"], capture_output=True, text=True, check=True
    )
    for name, verb in VERBS.items():
        assert f"{name} " in done.stdout
        assert verb.help.split()[0] in done.stdout
