"""What becomes of a push or a fetch that failed: another attempt, or the error that it means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ci.errors import BudgetError, PolicyError, RemoteError
from ci.git.push import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.errors import CiError
    from ci.git.push import Refusal
    from ci.git.retry import Backoff

# A connection that fails is tried this often in a row; the limit of the first wait, in seconds.
_NETWORK_TRIES = 3
_NETWORK_WAIT = 0.5


@dataclass
class Attempts:
    """The attempts of one landing.

    Attributes:
        url: the remote's address, for errors.
        backoff: the budget.
        say: takes one line of progress for a person.
    """

    url: str
    backoff: Backoff
    say: Callable[[str], None] = lambda _: None
    _network_failures: int = field(default=0, init=False)
    _lost_races: int = field(default=0, init=False)

    def recover(self, refusal: Refusal, branch: str) -> None:
        """Wait for the next attempt at a branch, or raise what the refusal means.

        Raises:
            PolicyError: the remote refuses the change.
            BudgetError: the branch moved too often.
            RemoteError: the remote can't be reached or doesn't know us.
        """
        if refusal.verdict is Verdict.POLICY:
            raise forbidden(branch, refusal)
        if refusal.verdict is Verdict.DENIED:
            raise RemoteError.said(
                refusal.remote,
                f"{self.url} accepts no login: {refusal.reason}",
                hint=f"{refusal.remote}Check the URL, and that the token in GIT_TOKEN or"
                " GIT_TOKEN_FILE may read and write that repository. A folder of another user's"
                " needs its `safe.directory` in the file of --git-config.",
            )
        if refusal.verdict is Verdict.NETWORK:
            self.backoff.first = max(self.backoff.first, _NETWORK_WAIT)
            self._network_failures += 1
        else:
            self._network_failures = 0
            self._lost_races += 1
        pause = self.backoff.wait() if self._network_failures < _NETWORK_TRIES else None
        if pause is None:
            raise self._gave_up(refusal)
        self.say(f"attempt {self.backoff.used}: {refusal.reason}; again after {pause:.2f} s")

    def _gave_up(self, refusal: Refusal) -> CiError:
        # A connection cut off because lost races used up the time is not a network fault.
        out_of_time = self._lost_races > 0 and self.backoff.left == 0
        if refusal.verdict is Verdict.NETWORK and not out_of_time:
            return RemoteError.said(
                refusal.remote,
                f"{self.url} can't be reached: {refusal.reason}",
                hint=f"{refusal.remote}Nothing was lost. Start this step again when the remote"
                " answers.",
            )
        return BudgetError(
            f"gave up after {self.backoff.used} attempts in {self.backoff.spent:.1f} s;"
            f" the last one: {refusal.reason}",
            hint="The branch is very busy, or, in a repository of your own, a push that was killed"
            " has left its lock file (refs/heads/….lock). Start the build's last step again, or"
            " give it more with --attempts and --budget.",
        )


def forbidden(branch: str, refusal: Refusal) -> PolicyError:
    """The error for a branch that the remote's rules keep us from."""
    return PolicyError.said(
        refusal.remote,
        f"{branch} refuses the push: {refusal.reason}",
        hint=f"{refusal.remote}Allow the build's user on that branch, or write to a branch of its"
        " own with --pr-branch.",
    )
