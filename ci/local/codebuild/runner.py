"""Run a buildspec's phases the way CodeBuild does.

The rules, from "Build phase transitions" and "Buildspec syntax" of CodeBuild's user guide:

- a command that fails ends its phase, whose `finally` commands still run;
- a failed install or pre_build ends the build; after a failed build phase, post_build still runs,
  with CODEBUILD_BUILD_SUCCEEDING=0; `on-failure: ABORT` ends the build at once;
- the folder and the exported environment carry over from command to command (version 0.2);
- what a command leaves running in the background goes on until the build ends, which no command
  waits for ("Run commands in the background" there);
- reports are collected however the build ended, and secrets are masked in the log.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from ci.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci.local.codebuild.spec import Phase, Spec

SUCCEEDING = "CODEBUILD_BUILD_SUCCEEDING"
# After a failure in these the build ends.
_ENDS_THE_BUILD = ("install", "pre_build")
_MASK = "***"
_LAST_WORDS = 0.2  # seconds
# The command's own status is the script's; what it exports and where it went is written down for
# the next command, also when it calls `exit`.
_SCRIPT = """\
trap 'export -p >"$CODEBUILD_STATE/environment"; pwd >"$CODEBUILD_STATE/folder"' EXIT
{command}
"""
_NOT_CARRIED = ("PWD", "OLDPWD", "SHLVL", "_", "CODEBUILD_STATE")


class Result(NamedTuple):
    """A phase that ran: its name, whether it succeeded, and how many seconds it took."""

    phase: str
    succeeded: bool
    seconds: float


class Outcome(NamedTuple):
    """A build that ended.

    Attributes:
        succeeded: whether it is green.
        phases: the phases that ran, in order.
        exported: the values of its exported variables; those that were never set are missing.
        reports: the report files that were found.
    """

    succeeded: bool
    phases: tuple[Result, ...]
    exported: dict[str, str]
    reports: tuple[Path, ...]


class Runner:
    """One build.

    Args:
        spec: the buildspec.
        source: the folder of the source, which the build may change.
        environment: the whole environment; the buildspec's own variables don't override it.
        secrets: values to mask in the log, by variable.
        log: takes each line of the build's log.
    """

    def __init__(
        self,
        spec: Spec,
        source: Path,
        environment: Mapping[str, str],
        *,
        secrets: Mapping[str, str] | None = None,
        log: Callable[[str], None] = print,
    ) -> None:
        self._spec = spec
        self._source = source
        self._secrets = dict(secrets or {})
        self._environment = {**spec.variables, **environment, **self._secrets}
        self._environment |= {SUCCEEDING: "1", "CODEBUILD_SRC_DIR": str(source)}
        self._folder = str(source)
        self._log = log
        self._background: list[int] = []  # process groups
        self._shell = shutil.which(spec.shell)
        if self._shell is None:
            raise InputError(f"the shell {spec.shell} of the buildspec is not installed")

    def run(self) -> Outcome:
        """Run the phases; never raises for what a command does."""
        results: list[Result] = []
        succeeding = True
        with tempfile.TemporaryDirectory(prefix="codebuild-") as state:
            self._state = Path(state)
            try:
                for phase in self._spec.phases:
                    result = self._phase(phase)
                    results.append(result)
                    if result.succeeded:
                        continue
                    succeeding = False
                    self._environment[SUCCEEDING] = "0"
                    if phase.on_failure == "ABORT" or phase.name in _ENDS_THE_BUILD:
                        break
            finally:
                for group in self._background:
                    _signal(group, signal.SIGKILL)
        known = self._environment
        exported = {name: known[name] for name in self._spec.exported if name in known}
        return Outcome(succeeding, tuple(results), exported, self._reports())

    def _phase(self, phase: Phase) -> Result:
        began = time.monotonic()
        self._say(f"Entering phase {phase.name.upper()}")
        succeeded = all(self._command(command) for command in phase.commands)
        # Not `all`: each of them is run, and one that fails makes the phase fail.
        ended = [self._command(command) for command in phase.finally_]
        succeeded = succeeded and all(ended)
        word = "SUCCEEDED" if succeeded else "FAILED"
        self._say(f"Phase complete: {phase.name.upper()} State: {word}")
        return Result(phase.name, succeeded, time.monotonic() - began)

    def _command(self, command: str) -> bool:
        self._say(f"Running command {command}")
        for file in self._state.iterdir():
            file.unlink()
        process = subprocess.Popen(
            [str(self._shell), "-c", _SCRIPT.format(command=command)],
            cwd=self._folder,
            env=self._environment | {"CODEBUILD_STATE": str(self._state)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        reader = threading.Thread(target=self._read, args=[process.stdout], daemon=True)
        try:
            reader.start()
            status = process.wait()
            # The end of what it printed; what is in the background may print for ever.
            reader.join(_LAST_WORDS)
        except BaseException:
            _signal(process.pid, signal.SIGKILL)
            raise
        if _signal(process.pid, 0):
            self._background.append(process.pid)
        self._carry_over()
        if status != 0:
            self._say(f"Command did not exit successfully {command} exit status {status}")
        return status == 0

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._say(line.rstrip("\n"))

    def _carry_over(self) -> None:
        """Take over what the command exported, and the folder that it ended in."""
        exports, folder = self._state / "environment", self._state / "folder"
        if not exports.exists():  # it was killed
            return
        print_all = f". '{exports}'; exec env -0"
        done = subprocess.run(
            [str(self._shell), "-c", print_all], env={}, capture_output=True, check=True
        )
        pairs = (item.partition("=") for item in done.stdout.decode(errors="replace").split("\0"))
        carried = {name: value for name, _, value in pairs if name and name not in _NOT_CARRIED}
        self._environment = carried | {SUCCEEDING: self._environment[SUCCEEDING]}
        if folder.exists() and Path(there := folder.read_text(encoding="utf-8").strip()).is_dir():
            self._folder = there

    def _reports(self) -> tuple[Path, ...]:
        found = (
            file
            for report in self._spec.reports
            for pattern in report.files
            for file in sorted((self._source / report.base).glob(pattern))
        )
        return tuple(dict.fromkeys(found))

    def _say(self, line: str) -> None:
        for value in self._secrets.values():
            line = re.sub(re.escape(value), _MASK, line) if value else line
        self._log(line)


def _signal(group: int, number: int) -> bool:
    """Send a signal to a process group (0: none), and say whether there is such a group."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True
