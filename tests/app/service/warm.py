"""Starts `coworking serve` as forks of a process that has imported it, which is most of a start.

All else that a start does, the new process does by itself; some tests of test_serve.py start the
command as it is installed. As a script it reads a JSON object a line, with the new process's
`environment` and the files `log` and `status`, and answers with its process id, a line. The exit
status is in `status` once it has ended.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping


class Warm:
    """The process that has imported the service; it ends with this one."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=pipe, stdout=pipe, text=True
        )

    def start(self, environment: Mapping[str, str], log: Path) -> Forked:
        """Start the service with this environment alone; what it prints is in `log`."""
        status = log.with_suffix(".status")
        request = {"environment": dict(environment), "log": str(log), "status": str(status)}
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return Forked(int(self._process.stdout.readline()), status)

    def close(self) -> None:
        """End it; what it started goes on."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Forked:
    """A process of a process of ours, with what the tests ask of a subprocess.Popen."""

    def __init__(self, pid: int, status: Path) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        if self.returncode is None and self._status.exists():
            self.returncode = int(self._status.read_text(encoding="ascii"))
        return self.returncode

    def wait(self, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("coworking serve", timeout)
            time.sleep(0.005)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _main() -> None:
    import coworking.cli  # noqa: PLC0415  (the tests import this module too, and not for that)
    import coworking.serve  # noqa: F401, PLC0415

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the keepers
    for line in sys.stdin:
        reads, writes = os.pipe()
        if os.fork() == 0:
            _keep(json.loads(line), writes)
        os.close(writes)
        print(os.read(reads, 20).decode(), flush=True)
        os.close(reads)


def _keep(request: dict[str, Any], writes: int) -> NoReturn:
    """Start the service, and write how it ended when it has."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(writes)
        os._exit(_serve(**request))
    os.write(writes, str(pid).encode())
    _, ended = os.waitpid(pid, 0)
    file = Path(request["status"])
    unfinished = file.with_suffix(".new")
    unfinished.write_text(str(os.waitstatus_to_exitcode(ended)), encoding="ascii")
    unfinished.rename(file)
    os._exit(0)


def _serve(environment: dict[str, str], log: str, **_: str) -> int:
    """Be `coworking serve`, as far as a new process is; returns its exit status."""
    from coworking.cli import main  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT, 0o644)
    for number, file in enumerate((nothing, output, output)):
        os.dup2(file, number)
    sys.argv = ["coworking", "serve"]
    status = 1
    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  (as the interpreter does)
        traceback.print_exc()
    logging.shutdown()
    sys.stdout.flush()
    return status


if __name__ == "__main__":
    _main()
