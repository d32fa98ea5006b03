"""The errors that the service's own code raises: a sentence for a person, and what to do next."""

from __future__ import annotations


class ServiceError(Exception):
    """An error that the caller may see; never shown as a stack trace.

    Attributes:
        exit_code: the process's exit status when a command ends with it.
        hint: what the person can do next, or an empty string.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(ServiceError):
    """A setting is missing or can't be used; the message names it, its value and a valid one."""

    exit_code = 2


class ArgumentError(ServiceError):
    """A command's argument can't be used; the message names it, its value and a valid one."""

    exit_code = 2


class DatabaseAway(ServiceError):  # noqa: N818 (a state of the world, and it passes)
    """The database did not answer in time, refused the connection or closed it. It may recover."""

    exit_code = 3


class DatabaseUntrusted(DatabaseAway):
    """The server's certificate is not what the settings ask for; waiting changes nothing."""


class SchemaTooOld(ServiceError):  # noqa: N818
    """The database's schema is older than this build needs; `coworking migrate` fixes it."""

    exit_code = 4
