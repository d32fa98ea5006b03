"""CodeBuild's webhook filter rules as a function, so that "which push starts what" can be tested.

The rules are those of the page "GitHub webhook events" in AWS's CodeBuild user guide: a webhook
starts a build when every filter of at least one group holds; a pattern is a regular expression
that may match anywhere; `ExcludeMatchedPattern` turns a filter around.

>>> push = Event("PUSH", head_ref="refs/heads/main", actor="7", message="Fix", files=("a.py",))
>>> starts([[{"Type": "EVENT", "Pattern": "PUSH"}]], push)
True
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Filter = Mapping[str, Any]


@dataclass(frozen=True)
class Event:
    """What GitHub tells CodeBuild.

    Attributes:
        kind: CodeBuild's name of the event, such as `PUSH` or `PULL_REQUEST_CREATED`.
        head_ref: the ref that was pushed, or the pull request's own branch (`refs/heads/…`).
        actor: the numeric account id of who caused it.
        message: the head commit's message.
        files: paths changed by it, from the repository's root; empty for a new tag.
        base_ref: the branch a pull request wants to go to; empty for a push.
    """

    kind: str
    head_ref: str
    actor: str
    message: str
    files: tuple[str, ...] = ()
    base_ref: str = ""


def _any_match(pattern: str, values: Sequence[str]) -> bool:
    return any(re.search(pattern, value) for value in values)


# What each filter type compares its pattern with. A type that is not here is one that this
# project doesn't use, and guessing its meaning would make the model worthless.
_MATCHES: dict[str, Callable[[str, Event], bool]] = {
    "EVENT": lambda pattern, event: event.kind in [kind.strip() for kind in pattern.split(",")],
    "HEAD_REF": lambda pattern, event: _any_match(pattern, [event.head_ref]),
    "BASE_REF": lambda pattern, event: (
        bool(event.base_ref) and _any_match(pattern, [event.base_ref])
    ),
    "FILE_PATH": lambda pattern, event: _any_match(pattern, event.files),
    "ACTOR_ACCOUNT_ID": lambda pattern, event: _any_match(pattern, [event.actor]),
    "COMMIT_MESSAGE": lambda pattern, event: _any_match(pattern, [event.message]),
}


def holds(condition: Filter, event: Event) -> bool:
    """Whether one filter (`Type`, `Pattern`, `ExcludeMatchedPattern`) lets the event through.

    Raises:
        InputError: the filter's type is not one of this model's.
    """
    kind = condition["Type"]
    if kind not in _MATCHES:
        raise InputError(f"no model of the webhook filter {kind}; known are {', '.join(_MATCHES)}")
    exclude = bool(condition.get("ExcludeMatchedPattern", False))
    return _MATCHES[kind](condition["Pattern"], event) is not exclude


def starts(groups: Sequence[Sequence[Filter]], event: Event) -> bool:
    """Whether the event starts a build of a project with these filter groups."""
    return any(all(holds(condition, event) for condition in group) for group in groups)
