"""The errors that a verb ends with: an exit status, a sentence, and what to do next.

A verb may call the checker, so both have one tree of errors; the checker's package defines it.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Self

from treecheck.errors import InputError
from treecheck.errors import TreecheckError as CiError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CiError", "CommandError", "InputError"]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest of the names that there are; empty when none is near.

    >>> did_you_mean("rolback", ["resume", "rollback"])
    'Did you mean rollback?'
    """
    near = difflib.get_close_matches(name.lower(), list(known), n=1)
    return f"Did you mean {near[0]}?" if near else ""


class CommandError(CiError):
    """An external command failed; the message shows it, its exit status and what it printed."""

    def __init__(self, command: str, status: int, output: str, *, hint: str = "") -> None:
        super().__init__(f"`{command}` ended with status {status}:\n{output.strip()}", hint=hint)
        self.status = status
        self.output = output


class _FromRemoteError(CiError):
    """An error that has the remote's own words, such as a hook's, GH006 or GH013.

    Attributes:
        remote: them, a line each, without git's mark `remote:`; empty when it said nothing.
    """

    remote = ""

    @classmethod
    def said(cls, words: str, message: str, *, hint: str = "") -> Self:
        """Make the error with the remote's words, as git printed them."""
        error = cls(message, hint=hint)
        lines = (line.removeprefix("remote:").strip() for line in words.splitlines())
        error.remote = "\n".join(filter(None, lines))
        return error


class PolicyError(_FromRemoteError):
    """The remote refuses this change; trying again can't help."""

    exit_code = 3


class BudgetError(CiError):
    """The attempts or the seconds are used up, and the branch still moves."""

    exit_code = 4


class RemoteError(_FromRemoteError):
    """The remote can't be reached, or doesn't accept who we are."""

    exit_code = 5


class OrderError(CiError):
    """The history doesn't show whether the new commit comes after the one that runs."""

    exit_code = 6
