"""What to say when the project's packages are not there. Imports the standard library only.

The usual cause: `python -m ci` by the system's Python instead of the one in `.venv`.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

# A failing import of these is our own fault, and its traceback the best report.
OURS = frozenset({"ci"})
VENV_PYTHON = ".venv/bin/python"
OLDEST = (3, 11)


def end_if_too_old(arguments: list[str]) -> None:
    """End with status 2, a sentence and the commands to run, on a Python older than 3.11."""
    if sys.version_info < OLDEST:
        running = ".".join(map(str, sys.version_info[:2]))
        _end(f"{_interpreter()} is Python {running}, and 3.11 or newer is needed", arguments)


def end_without(missing: ModuleNotFoundError, arguments: list[str]) -> None:
    """The same for a package that is not installed; returns when the module is one of ours."""
    package = (missing.name or "").partition(".")[0]
    if package and package not in OURS:
        _end(f"the Python package {package} is not installed for {_interpreter()}", arguments)


def _interpreter() -> str:
    return sys.executable or "this Python"


def _end(sentence: str, arguments: list[str]) -> None:
    verb = shlex.join([VENV_PYTHON, "-m", "ci", *arguments])
    folder = Path(__file__).resolve().parents[1]
    there = "" if folder == Path.cwd() else f"cd {shlex.quote(str(folder))}\n"
    sys.stderr.write(f"error: {sentence}\n{there}make install\n{verb}\n")
    sys.exit(2)
