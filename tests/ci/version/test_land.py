"""A landing whose push gets no answer, and one that may not push: what it does next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ci.errors import RemoteError
from ci.git.access import open_remote
from ci.git.push import Refusal, Verdict
from ci.git.retry import Backoff
from ci.version.land import Destination, Lander, Landing, Leave, Progress
from ci.version.message import Deployment
from tests.ci.conftest import OVERLAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.version.image_file import ImageFile

Remote = Any
NO_ANSWER = Refusal(Verdict.NETWORK, "the remote end hung up unexpectedly")


def plan(overlay: ImageFile) -> Deployment | Leave:
    if overlay.entry.tag == "2-bbbbbbbb":
        return Leave("noop")
    return Deployment("dev", "coworking", overlay.entry.tag, "2-bbbbbbbb", {"Build": "2"})


def land(
    remote: Remote,
    answers: Callable[[Callable[[], Refusal]], Refusal],
    *,
    pull_branch: str | None = None,
) -> tuple[Landing, Progress, list[str]]:
    """Land a tag; `answers` stands between each push and what is heard of it."""
    said: list[str] = []
    progress = Progress()
    with open_remote(remote.url, {}) as access:
        repository = access.repository
        push = repository.push
        patched: Any = repository
        patched.push = lambda *asked: answers(lambda: push(*asked))
        target = Destination("main", OVERLAY, "coworking", pull_branch=pull_branch)
        backoff = Backoff(sleep=lambda _: None)
        lander = Lander(repository, target, plan, backoff, say=said.append, progress=progress)
        return lander.land(), progress, said


def losing(*lost: bool, then: Callable[[], None] = lambda: None) -> Any:
    """Lose the answer of each push, which arrives or does not; after that all is answered."""
    left = list(lost)

    def answers(push: Callable[[], Refusal]) -> Refusal:
        if not left:
            return push()
        if left.pop(0):
            assert push().verdict is Verdict.PUSHED
        then()
        return NO_ANSWER

    return answers


def deployments(remote: Remote) -> int:
    subjects: str = remote.git("log", "--format=%s", "main")
    return subjects.count("deploy(dev): coworking none -> 2-bbbbbbbb [skip ci]")


def test_a_push_that_did_not_arrive_is_tried_again(remote: Remote) -> None:
    before = remote.tip
    landing, progress, said = land(remote, losing(False))
    assert landing == Landing("pushed", 2, remote.tip, "none", "2-bbbbbbbb", remote.tip, "main")
    assert remote.git("rev-parse", "main~1").strip() == before
    assert (progress.attempts, progress.tip, progress.current) == (2, before, "none")
    assert len(said) == 1


def test_a_push_that_arrived_is_not_made_again(remote: Remote) -> None:
    landing, _, _ = land(remote, losing(True))
    assert (landing.result, landing.attempts) == ("pushed", 2)
    assert (landing.commit, landing.previous, landing.current) == (remote.tip, "none", "2-bbbbbbbb")
    assert deployments(remote) == 1


def test_a_push_that_arrived_below_somebody_elses_is_known(remote: Remote) -> None:
    def push_on_top() -> None:
        remote.person.ship()

    landing, _, _ = land(remote, losing(True, then=push_on_top))
    deployed = remote.git("rev-parse", "main~1").strip()
    assert (landing.result, landing.tip, landing.commit) == ("pushed", remote.tip, deployed)
    assert deployments(remote) == 1


def test_three_answers_in_a_row_that_are_lost_end_it(remote: Remote) -> None:
    before = remote.tip
    with pytest.raises(RemoteError, match="can't be reached: the remote end hung up"):
        land(remote, losing(False, False, False, False))
    assert remote.tip == before


def test_what_policy_refuses_goes_to_a_branch_of_its_own_and_waits_there(remote: Remote) -> None:
    remote.hook("update", '[ "$1" != refs/heads/main ]')
    before = remote.tip
    first, _, said = land(remote, losing(), pull_branch="deploy/dev/2")
    again, _, _ = land(remote, losing(), pull_branch="deploy/dev/2")
    waiting = remote.git("rev-parse", "deploy/dev/2").strip()
    assert first == Landing("pr", 1, before, "none", "none", waiting, "deploy/dev/2")
    assert again == first
    assert said[0].startswith("main refuses the push (")
    assert said[0].endswith("): using a branch")
    # CodeBuild must build it once it is merged.
    assert "[skip ci]" not in remote.git("log", "-1", "--format=%B", "deploy/dev/2")


def test_what_is_there_already_is_left_alone(remote: Remote) -> None:
    land(remote, losing())
    before = remote.tip
    landing, progress, _ = land(remote, losing())
    assert landing == Landing("noop", 1, before, "2-bbbbbbbb", "2-bbbbbbbb")
    assert (progress.attempts, progress.tip, progress.current) == (1, before, "2-bbbbbbbb")
