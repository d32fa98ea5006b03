"""The errors that a verb ends with: an exit status, a sentence, and what to do next."""

from __future__ import annotations


class CiError(Exception):
    """A verb could not do what it was asked.

    Attributes:
        exit_code: the process's exit status.
        hint: what the person can do next, or an empty string.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class InputError(CiError):
    """The input can't be used: an argument, a file or an environment variable."""

    exit_code = 2


class CommandError(CiError):
    """An external command failed; the message shows it, its exit status and what it printed."""

    def __init__(self, command: str, status: int, output: str, *, hint: str = "") -> None:
        super().__init__(f"`{command}` ended with status {status}:\n{output.strip()}", hint=hint)
        self.status = status
        self.output = output
