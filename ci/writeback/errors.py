"""Why a write-back failed, each with the exit status that a build can act on."""

from __future__ import annotations

from ci.errors import CiError

# What `python -m ci set-image` ends with; docs/pipeline.md shows this table and a test compares.
EXIT_STATUS: dict[int, str] = {
    0: "pushed, noop, superseded or pr",
    2: "bad input: tag, registry, account, region, overlay, image, branch, kustomization",
    3: "refused by policy: a hook, a protected branch, a rule of the host",
    4: "the retry budget is spent",
    5: "network or authentication",
    6: "the order can't be told: history rewritten, diverged, or an unknown commit",
}


class PolicyError(CiError):
    """The remote refuses this change; trying again can't help."""

    exit_code = 3


class BudgetError(CiError):
    """The attempts or the seconds are used up, and the branch still moves."""

    exit_code = 4


class RemoteError(CiError):
    """The remote can't be reached, or doesn't accept who we are."""

    exit_code = 5


class OrderError(CiError):
    """Whether the new commit comes after the one that runs can't be told from the history."""

    exit_code = 6
