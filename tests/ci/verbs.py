"""Run `python -m ci …` for a test: in this process, or as a process of its own.

In this process it costs a hundredth of the time, which is most of what a small verb takes. What a
process brings of its own (its start, its exit status, its working directory and environment) is
tested once for each verb; a test that sets the latter two for this one does so by monkeypatch.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from ci.cli import main

ROOT = Path(__file__).parents[2]
Done = subprocess.CompletedProcess[str]


def in_this_process(*words: str, stdin: str = "") -> Done:
    """Call what `python -m ci` calls; an error that it doesn't tell a person about is raised."""
    command = ["python -m ci", *words]
    with (
        mock.patch.object(sys, "argv", command),
        mock.patch.object(sys, "stdin", io.StringIO(stdin)),
        contextlib.redirect_stdout(io.StringIO()) as stdout,
        contextlib.redirect_stderr(io.StringIO()) as stderr,
    ):
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    assert isinstance(status, int), status
    return Done(command, status, stdout.getvalue(), stderr.getvalue())


def as_a_process(
    *words: str, stdin: str = "", env: dict[str, str] | None = None, cwd: Path = ROOT
) -> Done:
    """Run it as a person does; `env` is added to this process's environment."""
    return subprocess.run(
        [sys.executable, "-m", "ci", *words],
        input=stdin,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | (env or {}),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
