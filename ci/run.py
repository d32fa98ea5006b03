"""The one place that runs external commands."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from ci.errors import CommandError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TIMED_OUT = 124


class Done(NamedTuple):
    """A command that has ended: how, and its bytes as they came."""

    shown: str
    status: int
    stdout: bytes
    stderr: bytes


def execute(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float | None = 300,
) -> Done:
    """Run a command to its end, whatever its status, and return what it printed as bytes.

    It runs in a session of its own, so that its whole family can be ended with it, and so that
    killing this process does not tear, say, the far half of a push to a local repository.

    Args:
        command: the program and its arguments; no shell is involved.
        cwd: where to run it.
        env: its whole environment, or None for this process's own.
        stdin: what it reads.
        timeout: seconds after which it is ended (status 124), or None for no limit.

    Raises:
        InputError: the program is not installed or can't be started, or `cwd` is not there.
    """
    words = [str(word) for word in command]
    shown = shlex.join(words)
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            words, cwd=cwd, env=env, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )
    except OSError as error:
        raise _did_not_start(words[0], shown, cwd, error) from error
    with process:
        return _finish(process, shown, stdin, timeout)


def _finish(
    process: subprocess.Popen[bytes], shown: str, stdin: bytes, timeout: float | None
) -> Done:
    """Wait for a command's end, or end it when its time is over or this process is stopped."""
    try:
        stdout, stderr = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        _end(process)
        stdout, stderr = process.communicate()
        late = f"no end after {timeout} s".encode()
        return Done(shown, TIMED_OUT, stdout, b"\n".join(filter(None, (stderr, late))))
    except BaseException:
        _end(process)
        raise
    return Done(shown, process.returncode, stdout, stderr)


def _did_not_start(program: str, shown: str, cwd: Path | None, error: OSError) -> InputError:
    """Say why the system did not start a command.

    execve's error does not say which of its two paths it is about, so the folder is looked at.
    """
    if cwd is not None and not cwd.is_dir():
        return InputError(f"`{shown}` can't run in {cwd}: that folder is not there")
    if isinstance(error, FileNotFoundError):
        return InputError(
            f"`{program}` is not installed, and `{shown}` needs it",
            hint=f"Install {program} and put it on the PATH.",
        )
    return InputError(
        f"`{shown}` can't be started: {error.strerror or error}",
        hint=f'Look at the file\'s permissions: ls -l "$(command -v {shlex.quote(program)})"',
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a command and all that it started: a grandchild would hold its pipes open."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout: float | None = 300,
) -> str:
    """Run a command and return its standard output as text; the arguments are those of `execute`.

    Raises:
        InputError: the program is not installed or can't be started, or `cwd` is not there.
        CommandError: its status was not 0, or it took longer than `timeout` (status 124).
    """
    done = execute(command, cwd=cwd, env=env, stdin=stdin.encode(), timeout=timeout)
    if done.status != 0:
        output = done.stderr or done.stdout
        raise CommandError(done.shown, done.status, output.decode(errors="replace"))
    return done.stdout.decode()
