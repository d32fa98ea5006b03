"""The errors that the checker ends with: an exit status, a sentence, and what to do next."""

from __future__ import annotations


class TreecheckError(Exception):
    """The checker could not do what it was asked.

    Attributes:
        exit_code: the process's exit status.
        hint: what the person can do next, or an empty string.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class InputError(TreecheckError):
    """The input can't be used: an argument, a file or an environment variable."""

    exit_code = 2
