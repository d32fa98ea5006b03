"""Which commits stand between git and the version that was rolled back to.

Pure decisions; `ci.oncall.resume` acts on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ci.version.order import Version


class RolledBack(NamedTuple):
    """The deploying commits since the version that runs, newest first.

    Attributes:
        unwanted: those that were rolled back from.
        newer: those that came after, which Argo CD has never deployed.
    """

    unwanted: tuple[Version, ...]
    newer: tuple[Version, ...]


def deployments_since(
    versions: Iterable[Version], running: str, was_deployed: Callable[[str], bool]
) -> RolledBack:
    """Sort the versions since the running one's commit.

    Args:
        versions: the tag's versions since then, newest first.
        running: the tag that runs.
        was_deployed: whether a commit is part of something in Argo CD's history. Nothing is, when
            the sync of the unwanted version never succeeded; then the oldest is the unwanted one.
    """
    since = tuple(version for version in versions if version.tag)
    if not since or since[0].tag == running:  # reverted already, by a merge or by hand
        return RolledBack((), ())
    unwanted = tuple(v for v in since if was_deployed(v.commit)) or since[-1:]
    newer = since[: since.index(unwanted[0])]
    return RolledBack(unwanted, newer)
