"""Which of two commits is the newer one: the guard that keeps a late build from going backwards.

The order is that of the branch's history, never that of the build numbers or the clock:

- what runs is known from the last write-back's Source-Commit, else from the tag in the file;
- a commit moves an environment only when it contains the one that runs;
- the same commit moves only to a higher build;
- a commit at or before one that was deployed and then reverted is deployed only with `again`;
- where neither contains the other, or one is not in the history, the order is unknown;
- a change whose message and tag name no commit makes the order unknown too, until a build comes
  whose commit contains that change.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ci.errors import OrderError
from ci.version.tag import PipelineTag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Why a build is left out, as `reason` in the verb's answer.
REASONS = {
    "older-commit": "a newer commit runs",
    "older-build": "the same commit runs, from this build or a later one",
    "reverted": "this commit's deployment was reverted",
    "late": "a newer commit was deployed and reverted since",
}


class Version(NamedTuple):
    """The tag after a commit that changed the overlay's file, and what that commit says of it.

    Attributes:
        commit: the commit that changed the file.
        tag: the image's tag in it, or None when the file had none.
        source: the Source-Commit of its message, or None.
        build: the Build of its message, or None.
        image: whether its message names the Image, as that of every deployment does, a hotfix's
            too, but no revert's.
    """

    commit: str
    tag: str | None
    source: str | None
    build: int | None
    image: bool = False


class History(Protocol):
    """What the order needs to know of a branch and of one overlay's file in it."""

    def resolve(self, name: str) -> str | None:
        """Return the branch's one commit whose name is or starts with `name`; None if unclear."""

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `newer` contains `older`."""

    def lineage(self) -> Iterable[Version]:
        """The versions that led to the file as it is, newest first."""

    def versions_since(self, commit: str) -> Iterable[Version]:
        """Every version, on any line of the history, that doesn't come before `commit`."""


class Decision(NamedTuple):
    """Whether a build goes in.

    Attributes:
        source: the whole name of the commit that it was made from.
        reason: a key of REASONS that keeps it out, or None: it goes in.
        because: the commit or tag that the reason speaks of, or an empty string.
    """

    source: str
    reason: str | None = None
    because: str = ""


class _Running(NamedTuple):
    commit: str
    build: int | None
    by_hand: bool


def decide(history: History, current: str, wanted: PipelineTag, *, again: bool) -> Decision:
    """Decide whether `wanted` may replace the tag `current`.

    Raises:
        OrderError: the history doesn't tell.
    """
    source = history.resolve(wanted.commit)
    if source is None:
        raise OrderError(
            f"commit {wanted.commit} is not in the branch's history, or more than one starts so",
            hint="Was the branch rewritten after the build began, or does the build come from"
            " another branch? Build the branch's newest commit.",
        )
    running, unknown = _running(history, current)
    decision = _after(history, running, source, wanted, current, again=again)
    if decision.reason is None and unknown and not history.is_ancestor(unknown, source):
        raise OrderError(
            f"{current} runs, and git doesn't say which commit it was made from; {source[:12]} was"
            f" there before {unknown[:12]} put it in, so either may be the newer one",
            hint="Build a newer commit, or say what is to run:\n"
            f'python -m ci hotfix --to ENV --tag {wanted.build}-{wanted.commit} --reason "…"',
        )
    return decision


def _after(  # noqa: PLR0913  (all that the order rests on)
    history: History,
    running: _Running | None,
    source: str,
    wanted: PipelineTag,
    current: str,
    *,
    again: bool,
) -> Decision:
    """Decide by what is known to run, if anything is."""
    if running is not None:
        if running.commit == source:
            return _same_commit(running, wanted, source, current, again=again)
        if history.is_ancestor(source, running.commit):
            return Decision(source, "older-commit", running.commit)
        if not history.is_ancestor(running.commit, source):
            raise OrderError(
                f"commits {running.commit[:12]}, which runs, and {source[:12]} have diverged:"
                " neither contains the other",
                hint="Build a commit that contains both.",
            )
    return Decision(source) if again else _unless_reverted(history, source)


def _running(history: History, current: str) -> tuple[_Running | None, str]:
    """What runs, as far as it is known.

    Returns:
        The newest commit of the branch that is known to have been deployed, None when none ever
        was; and the change that put something unknown in its place, or an empty string.
    """
    tag = PipelineTag.match(current)
    unknown = ""
    lineage: Iterator[Version] = iter(history.lineage())
    lineage = (version for version in lineage if version.tag is not None)
    while (version := next(lineage, None)) is not None:
        if tag is not None and version.tag == current:
            recorded = version.source if (version.source or "").startswith(tag.commit) else None
            known = _known(history, recorded or tag.commit)
            return _Running(known, tag.build, by_hand=False), unknown
        source, build = _origin(version)
        if source is not None:
            return _Running(_known(history, source), build, by_hand=True), unknown
        lineage, older = itertools.tee(lineage)
        tags = [each.tag for each in older]
        if version.tag in tags and not version.image:  # what lies between was reverted
            lineage = itertools.islice(lineage, tags.index(version.tag), None)
        elif tags:  # what the file began with is not a deployment
            unknown = unknown or version.commit
    return None, unknown


def _origin(version: Version) -> tuple[str | None, int | None]:
    """The commit (its name, or how that starts) and the build behind a version."""
    tag = PipelineTag.match(version.tag or "")
    if version.source is not None:
        return version.source, version.build if tag is None else tag.build
    return (tag.commit, tag.build) if tag else (None, None)


def _known(history: History, name: str) -> str:
    commit = history.resolve(name)
    if commit is None:
        raise OrderError(
            f"commit {name}, which runs, is not in the branch's history: was it rewritten?",
            hint="Say once what is to run, with `python -m ci hotfix` and a tag of this history;"
            " from then on the order is known again.",
        )
    return commit


def _same_commit(
    running: _Running, wanted: PipelineTag, source: str, current: str, *, again: bool
) -> Decision:
    is_newer = running.build is None or wanted.build > running.build
    if is_newer or (again and running.by_hand):
        return Decision(source)
    return Decision(source, "older-build", current)


def _unless_reverted(history: History, source: str) -> Decision:
    """Keep a commit out that is, or comes before, one that ran and no longer does.

    It is called when what runs comes before `source`, so whatever was deployed at or after
    `source` must have been reverted, by `git revert` or by hand. A deploying commit comes after
    the commit that it deploys, so the versions since `source` are all that can matter.
    """
    for version in history.versions_since(source):
        name, _ = _origin(version)
        deployed = history.resolve(name) if name else None
        if deployed == source:
            return Decision(source, "reverted", version.commit)
        if deployed is not None and history.is_ancestor(source, deployed):
            return Decision(source, "late", deployed)
    return Decision(source)
