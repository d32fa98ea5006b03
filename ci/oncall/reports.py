"""What `status` finds out, as data: a part of an environment, what git says, the environment."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# What needs a person, and what goes on by itself: a sentence each.
Verdict = tuple[tuple[str, ...], tuple[str, ...]]


class PartStatus(NamedTuple):
    """One Application of an environment.

    Attributes:
        application: its name.
        synced: the tag that Argo CD last deployed; empty for a part without one.
        runs: the tag in the cluster; empty for a part without one.
        since: when that was deployed.
        by: who deployed it.
        sync: Synced, OutOfSync or Unknown.
        health: Argo CD's word for it.
        auto_sync: whether it is on.
        revision: the git commit that Argo CD looks at.
        ready: how many of its pods are ready, of how many, such as `1/1`.
        needs_person: what somebody must do something about, a sentence each.
        underway: what is going on by itself, a sentence each.
    """

    application: str
    synced: str
    runs: str
    since: datetime | None
    by: str
    sync: str
    health: str
    auto_sync: bool
    revision: str
    ready: str
    needs_person: tuple[str, ...]
    underway: tuple[str, ...]


class Git(NamedTuple):
    """What the branch's tip says: tag, commit, time and subject; or why it can't be read.

    Attributes:
        late: whether the only reason is that git did not answer in time.
    """

    tag: str = ""
    commit: str = ""
    at: datetime | None = None
    subject: str = ""
    error: str = ""
    late: bool = False


class Backups(NamedTuple):
    """How the backups of an environment's database are.

    Attributes:
        shown: one line: the ages that matter, that they are off, or that they are not known.
        needs_person, underway: as of a part.
        known: what the database's pod has said, by name; empty if that is not known.
        is_known: whether there was an answer at all.
    """

    shown: str
    needs_person: tuple[str, ...] = ()
    underway: tuple[str, ...] = ()
    known: Mapping[str, Any] = MappingProxyType({})
    is_known: bool = True


class Environment(NamedTuple):
    """An environment: what git says, its parts, its backups, and how it can be reached.

    Without an answer of Argo CD it has no parts, and `pods` says what the Kubernetes API knows.
    """

    name: str
    git: Git
    parts: tuple[PartStatus, ...]
    needs_person: tuple[str, ...]
    pods: str = ""
    reached_by: str = ""
    underway: tuple[str, ...] = ()
    backups: Backups | None = None

    @property
    def is_well(self) -> bool:
        """Whether nobody needs to do anything."""
        of_backups = self.backups.needs_person if self.backups else ()
        of_parts = [part.needs_person for part in self.parts]
        return not any((self.needs_person, of_backups, *of_parts))
