"""The loop that lands one change on a busy branch: look, decide, commit, push, and look again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ci.errors import PolicyError
from ci.git.attempts import Attempts, forbidden
from ci.git.made_commit import Edit
from ci.git.push import Refusal, Verdict
from ci.git.repository import ConnectionLost
from ci.version.image_file import ImageFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.git.access import Access
    from ci.git.made_commit import Identity
    from ci.git.repository import Repository
    from ci.git.retry import Backoff
    from ci.version.message import Deployment


class Destination(NamedTuple):
    """Where a tag is written: the branch, the overlay's folder and the image's name in it.

    Attributes:
        pull_branch: the branch to use where policy keeps us from `branch`; None to fail instead.
        only_pull: never try `branch` itself.
    """

    branch: str
    folder: str
    image: str
    pull_branch: str | None = None
    only_pull: bool = False


class Leave(NamedTuple):
    """A plan's answer: the branch stays as it is, with a result (`noop`) and the reason."""

    result: str
    reason: str = ""
    because: str = ""


# A plan looks at the overlay at the branch's tip, and is asked again at every tip.
Plan: TypeAlias = "Callable[[ImageFile], Deployment | Leave]"


@dataclass
class Progress:
    """How far a landing is, for the report of one that fails."""

    attempts: int = 0
    tip: str | None = None
    current: str | None = None


class Landing(NamedTuple):
    """What became of it.

    Attributes:
        result: `pushed`, `pr`, or the plan's own (`noop`, `superseded`).
        attempts: how often the branch was looked at.
        tip: the commit at the branch's tip when it ended.
        previous: the tag that the tip had before.
        current: the tag that the tip has now.
        commit: the commit that was made, or None.
        branch: the branch that was pushed to, or, for `pr`, that waits to be merged.
        reason: why the branch was left as it is, or an empty string.
        because: the commit or tag that the reason speaks of, or an empty string.
    """

    result: str
    attempts: int
    tip: str
    previous: str
    current: str
    commit: str | None = None
    branch: str | None = None
    reason: str = ""
    because: str = ""


@dataclass
class Lander:
    """Lands one change.

    Attributes:
        repository: the remote.
        target: where the tag is written.
        plan: decides at each tip.
        backoff: the budget.
        author: who the commit is by; None for the configured user, or the machine.
        sign: whether to sign the commit.
        say: takes one line of progress for a person.
        progress: is kept up to date, also when the landing fails.
    """

    repository: Repository
    target: Destination
    plan: Plan
    backoff: Backoff
    author: Identity | None = None
    sign: bool = False
    say: Callable[[str], None] = lambda _: None
    progress: Progress = field(default_factory=Progress)
    # Commits whose push ended without an answer, with the tag before them: the next look at the
    # branch shows whether one arrived after all.
    _unanswered: list[tuple[str, str]] = field(default_factory=list, init=False)
    _decided: tuple[ImageFile, Deployment | Leave] | None = field(default=None, init=False)

    def land(self) -> Landing:
        """Land the change, or leave the branch alone.

        Raises:
            InputError, OrderError: the plan's or the overlay's.
            PolicyError: the remote refuses the change.
            BudgetError: the branch moved too often.
            RemoteError: the remote can't be reached or doesn't know us.
        """
        attempts = Attempts(self.repository.url, self.backoff, self.say)
        while True:
            self.backoff.begin()
            self.progress.attempts = self.backoff.used
            try:
                landing = self._attempt()
            except ConnectionLost as lost:
                attempts.recover(lost.refusal, self.target.branch)
                continue
            if isinstance(landing, Landing):
                return landing
            attempts.recover(landing, self.target.branch)

    def _attempt(self) -> Landing | Refusal:
        tip = self.repository.fetch(self.target.branch)
        overlay, answer = self._decide(tip)
        self.progress.tip = tip
        for commit, previous in self._unanswered:
            if self.repository.is_ancestor(commit, tip):
                return self._landed(tip, previous, overlay.entry.tag, commit)
        before = overlay.entry.tag
        if isinstance(answer, Leave):
            return Landing(
                answer.result,
                self.backoff.used,
                tip,
                previous=before,
                current=before,
                reason=answer.reason,
                because=answer.because,
            )
        if not self.target.only_pull:
            commit = self._commit(overlay, answer, skip_ci=True)
            refusal = self.repository.push(commit, self.target.branch)
            if refusal.verdict is Verdict.PUSHED:
                return self._landed(commit, before, answer.new, commit)
            if refusal.verdict is Verdict.NETWORK:
                self._unanswered.append((commit, before))
            if refusal.verdict is not Verdict.POLICY or not self.target.pull_branch:
                return refusal
            self.say(f"{self.target.branch} refuses the push ({refusal.reason}): using a branch")
        return self._set_aside(overlay, answer)

    def _decide(self, tip: str) -> tuple[ImageFile, Deployment | Leave]:
        """Ask the plan; its answer for an earlier tip stays valid while nobody touches the file.

        The less happens between reading the tip and pushing, the fewer races are lost.
        """
        if self._decided is not None:
            overlay, answer = self._decided
            if self.repository.leaves_alone(overlay.tip, tip, overlay.path):
                self._decided = overlay.at(tip), answer
                return self._decided
        overlay = ImageFile(self.repository, tip, self.target.folder, self.target.image)
        self.progress.tip, self.progress.current = tip, overlay.entry.tag
        self._decided = overlay, self.plan(overlay)
        return self._decided

    def _set_aside(self, overlay: ImageFile, answer: Deployment) -> Landing | Refusal:
        """Push the change to a branch of its own, or find it there from an earlier call."""
        branch = self.target.pull_branch or ""
        if self.repository.has_branch(branch):
            commit = self.repository.fetch(branch)
            # One that was merged and reverted since has nothing left to merge: push to it again.
            if self._still_waits(overlay, answer, commit):
                return self._waiting(overlay, commit)
        commit = self._commit(overlay, answer, skip_ci=False)
        refusal = self.repository.push(commit, branch)
        if refusal.verdict is Verdict.POLICY:
            raise forbidden(branch, refusal)
        return self._waiting(overlay, commit) if refusal.verdict is Verdict.PUSHED else refusal

    def _still_waits(self, overlay: ImageFile, answer: Deployment, commit: str) -> bool:
        """Whether the branch of an earlier call is still to be merged; raise if it can't be."""
        fork = self.repository.merge_base(commit, overlay.tip)
        there, base = (
            ImageFile(self.repository, at, self.target.folder, self.target.image).entry.tag
            for at in (commit, fork)
        )
        branch, now = self.target.pull_branch, overlay.entry.tag
        if there != answer.new:
            raise PolicyError(
                f"branch {branch!r} exists and has the tag {there!r}, not {answer.new!r}",
                hint="Someone changed it. Merge it or delete it, then start this step again.",
            )
        if fork != commit and base != now:
            raise PolicyError(
                f"branch {branch!r} exists and replaces the tag {base!r}; now there is {now!r}",
                hint="It can't be merged any more. Delete it, then start this step again.",
            )
        return fork != commit

    def _commit(self, overlay: ImageFile, answer: Deployment, *, skip_ci: bool) -> str:
        file = overlay.with_tag(answer.new)
        change = Edit(overlay.path, file, answer.text(skip_ci=skip_ci))
        return self.repository.commit(overlay.tip, change, author=self.author, sign=self.sign)

    def _landed(self, tip: str, previous: str, current: str, commit: str) -> Landing:
        return Landing(
            "pushed", self.backoff.used, tip, previous, current, commit, self.target.branch
        )

    def _waiting(self, overlay: ImageFile, commit: str) -> Landing:
        tag = overlay.entry.tag
        return Landing(
            "pr", self.backoff.used, overlay.tip, tag, tag, commit, self.target.pull_branch
        )


def land(
    access: Access, target: Destination, plan: Plan, *, say: Callable[[str], None] = lambda _: None
) -> Landing:
    """Land a person's change, by their name and with their signature; as `Lander.land`."""
    return Lander(
        access.repository,
        target,
        plan,
        access.backoff,
        author=access.author,
        sign=access.sign,
        say=say,
    ).land()
