"""The one place that runs external commands."""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING

from ci.errors import CommandError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float | None = 300,
) -> str:
    """Run a command and return its standard output.

    Args:
        command: the program and its arguments; no shell is involved.
        cwd: where to run it.
        env: its whole environment, or None for this process's own.
        stdin: what it reads; nothing by default.
        timeout: seconds after which it is ended, or None for no limit.

    Raises:
        InputError: the program is not installed.
        CommandError: its status was not 0, or it took longer than `timeout` (status 124).
    """
    words = [str(word) for word in command]
    shown = shlex.join(words)
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=env,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise InputError(
            f"`{words[0]}` is not installed, and `{shown}` needs it",
            hint=f"Install {words[0]} and put it on the PATH.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(shown, 124, f"no end after {timeout} s") from error
    if done.returncode != 0:
        raise CommandError(shown, done.returncode, done.stderr or done.stdout)
    return done.stdout
