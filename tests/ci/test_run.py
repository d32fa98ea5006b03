"""The wrapper around external commands."""

import sys
from pathlib import Path

import pytest

from ci.errors import CommandError, InputError
from ci.run import run


def test_it_returns_what_the_command_prints() -> None:
    assert run([sys.executable, "-c", "print('ok')"]) == "ok\n"


def test_an_error_shows_the_command_its_status_and_its_output() -> None:
    with pytest.raises(CommandError) as caught:
        run([sys.executable, "-c", "import sys; sys.exit('no such branch')"])
    assert caught.value.status == 1
    assert "ended with status 1" in str(caught.value)
    assert "no such branch" in str(caught.value)


def test_a_missing_program_is_named() -> None:
    with pytest.raises(InputError, match="`no-such-program` is not installed"):
        run(["no-such-program", "--version"])


def test_a_missing_folder_is_named_and_not_the_program(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="away: that folder is not there"):
        run([sys.executable, "--version"], cwd=tmp_path / "away")


def test_a_program_without_the_right_to_run_is_a_sentence(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(InputError, match="can't be started: Permission denied"):
        run([program])


def test_a_command_that_does_not_end_is_ended() -> None:
    with pytest.raises(CommandError, match=r"no end after 0\.2 s"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)
