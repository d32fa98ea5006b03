"""A commit of a rotation: the secret of an environment is sealed again, pushed or proposed."""

from __future__ import annotations

import contextlib
import hashlib
import time
from typing import TYPE_CHECKING, NamedTuple

import click

from ci.argocd.client import ArgoError
from ci.errors import CiError
from ci.git.github import PullRequest
from ci.git.made_commit import Edit, File
from ci.git.proposal import land, propose
from ci.git.remote import branch_name
from ci.git.scratch import scratch_folder
from ci.tree import rotation
from ci.tree.rotation import NEXT, SecretFiles
from ci.tree.sealed_file import Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ci.argocd.client import ArgoCD
    from ci.git.access import Access
    from ci.tree.sealed_file import Contents

POLL = 2.0  # seconds


class Rotating(NamedTuple):
    """A rotation: of which environment, on which branch, and how commits get there."""

    api: ArgoCD
    access: Access
    environment: str
    branch: str
    push: bool

    @property
    def files(self) -> SecretFiles:
        """The environment's files."""
        return SecretFiles.of(self.environment)

    def sealed_at(self, commit: str) -> Contents:
        """What is sealed at a commit."""
        with scratch_folder() as root:
            self.put(commit, root)
            return rotation.contents(self.environment, root)

    def put(self, commit: str, root: Path, more: tuple[str, ...] = ()) -> None:
        """Write the environment's files of a commit, and more of the tree, below a folder."""
        files = self.files.with_more(more)
        found = self.access.repository.read(commit, files.read)
        files.put({path: file.data for path, file in found.items()}, root)

    def announces(self, commit: str, value: str) -> bool:
        """Whether a commit, which Argo CD names, announces this sealed password."""
        if self.access.repository.resolve(commit) is None:
            self.access.tip(self.branch)
        if self.access.repository.resolve(commit) is None:
            return False
        return self.sealed_at(commit).entries.get(NEXT) == value


class SecretCommit(NamedTuple):
    """A commit of a rotation.

    Attributes:
        subject: its subject.
        make: makes the texts of its files, by path, of a tip's files below a folder; None where the
            tip wants no change.
        more: the paths of what it reads beside the environment's secret.
    """

    subject: str
    make: Callable[[Path], dict[str, str] | None]
    more: tuple[str, ...] = ()


def sealing(
    work: Rotating, sealed: Contents, entry: str, change: Callable[[Place, Contents], Contents]
) -> Callable[[Path], dict[str, str] | None]:
    """What seals an entry in just what was looked at, for a `SecretCommit`.

    Args:
        work: of which environment.
        sealed: what was looked at.
        entry: the entry that is sealed.
        change: what is sealed afterwards.
    """
    made: set[str] = set()

    def make(root: Path) -> dict[str, str] | None:
        place = Place.of(work.environment, root)
        kept = place.kept()
        if kept.entries.get(entry) in made:
            return None  # the answer to our push was lost
        if kept.entries != sealed.entries:
            raise CiError(
                f"{work.files.sealed} has just been changed by somebody else. Nothing was sealed,"
                " and the key above is not valid",
                hint="Call this again.",
            )
        after = change(place, kept)
        made.add(after.entries[entry])
        return {work.files.sealed: place.text(after)}

    return make


def aside_of(work: Rotating, name: str) -> str:
    """The branch that has a step while it waits to be merged.

    There is one for what is sealed now: once that has changed, so has the branch's name.
    """
    tip = work.access.tip(work.branch)
    before = work.access.repository.read(tip, [work.files.sealed])[work.files.sealed].data
    mark = hashlib.sha256(before).hexdigest()[:8]
    return branch_name("rotate", work.environment, f"{name}-{mark}")


def commit(work: Rotating, name: str, step: SecretCommit) -> bool:
    """Land a step; returns whether the branch has it, or else it waits to be merged."""

    def decide(tip: str) -> Edit | None:
        with scratch_folder() as root:
            work.put(tip, root, step.more)
            texts = step.make(root)
        if texts is None:
            return None
        first, *others = ((path, File("100644", text.encode())) for path, text in texts.items())
        return Edit(*first, f"{step.subject}\n", tuple(others))

    aside = aside_of(work, name)
    landed = land(work.access, work.branch, decide, aside=aside, push=work.push)
    if landed is not None and landed.waits:
        wanted = PullRequest(landed.waits, work.branch, step.subject, "")
        click.echo(f"{propose(work.access, wanted)}\nThen call this again.")
        return False
    if landed is not None:
        click.echo(f"committed {landed.commit[:8]}: {step.subject}")
    return True


def until(
    work: Rotating, secret: str, what: str, done: Callable[[], bool], *, within: float
) -> float:
    """Ask until it is done; Argo CD may be away meanwhile.

    Args:
        work: of which environment.
        secret: what is rotated, as the command line names it.
        what: what is waited for.
        done: whether it is done.
        within: seconds.

    Returns:
        The seconds that it took.

    Raises:
        CiError: it takes longer.
    """
    began = time.monotonic()
    while (spent := time.monotonic() - began) <= within:
        with contextlib.suppress(ArgoError):
            if done():
                return spent
        time.sleep(POLL)
    raise CiError(
        f"{what}: not after {within:.0f} s",
        hint=f"What is in the way:\npython -m ci status {work.environment}\n"
        f"Called again, this goes on:\npython -m ci rotate {work.environment} {secret}",
    )
