"""The errors that a verb ends with: an exit status, a sentence, and what to do next.

A verb may call the checker, so both have one tree of errors; the checker's package defines it.
"""

from __future__ import annotations

from treecheck.errors import InputError
from treecheck.errors import TreecheckError as CiError

__all__ = ["CiError", "CommandError", "InputError"]


class CommandError(CiError):
    """An external command failed; the message shows it, its exit status and what it printed."""

    def __init__(self, command: str, status: int, output: str, *, hint: str = "") -> None:
        super().__init__(f"`{command}` ended with status {status}:\n{output.strip()}", hint=hint)
        self.status = status
        self.output = output
