"""The source is reverted on the branch's tip, again for as long as somebody else is quicker."""

from __future__ import annotations

from typing import Any

import pytest

from ci.errors import CiError, PolicyError, RemoteError
from ci.git.access import open_remote
from ci.oncall import source_revert
from ci.run import execute
from ci.version.image_file import ImageFile
from tests.ci.conftest import OVERLAY

Remote = Any


def lose(remote: Remote, monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
    """Somebody pushes after each of the first reverts; returns what has been reverted."""
    made: list[str] = []
    revert = source_revert._revert

    def and_lose(access: Any, tree: Any, commit: str) -> None:
        revert(access, tree, commit)
        made.append(commit)
        if len(made) <= times:
            remote.person.commit("other.txt")
            remote.person.push()

    monkeypatch.setattr(source_revert, "_revert", and_lose)
    return made


@pytest.mark.parametrize("times", [0, 1, 4])
def test_a_lost_race_is_run_again(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    bad = remote.person.commit("apps/bad.txt")
    remote.person.push()
    made = lose(remote, monkeypatch, times)

    with open_remote(remote.url, {}) as access:
        tip = source_revert.revert_source(access, "main", [bad])

    assert made == [bad] * (times + 1)
    assert remote.git("rev-parse", "main").strip() == tip
    assert f"This reverts commit {bad}" in remote.git("log", "-1", "--format=%B", "main")
    listed = remote.git("ls-tree", "-r", "--name-only", "main").split()
    assert "apps/bad.txt" not in listed
    assert ("other.txt" in listed) == bool(times)


def test_after_five_lost_races_it_says_so(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = remote.person.commit("apps/bad.txt")
    remote.person.push()
    made = lose(remote, monkeypatch, 9)

    with (
        open_remote(remote.url, {}) as access,
        pytest.raises(CiError, match="main moves too fast to push the reverted source"),
    ):
        source_revert.revert_source(access, "main", [bad])
    assert len(made) == 5


def test_a_merge_is_reverted_against_its_first_parent(remote: Remote) -> None:
    person = remote.person
    person.git("switch", "-q", "-c", "topic")
    person.commit("apps/bad.txt")
    person.git("switch", "-q", "-")
    person.commit("apps/good.txt")
    person.git("merge", "-q", "--no-ff", "-m", "Merge", "topic")
    merge = person.git("rev-parse", "HEAD")
    person.push()

    with open_remote(remote.url, {}) as access:
        source_revert.revert_source(access, "main", [merge])

    listed = remote.git("ls-tree", "-r", "--name-only", "main").split()
    assert "apps/good.txt" in listed
    assert "apps/bad.txt" not in listed


def test_the_commits_behind_a_version_are_those_of_the_source(remote: Remote) -> None:
    person = remote.person
    running = person.commit("apps/coworking/app.py")
    first = person.commit("apps/coworking/app.py")
    person.commit("docs/page.md")
    second = person.commit("apps/coworking/more.py")
    person.commit("apps/coworking/later.py")
    person.push()

    with open_remote(remote.url, {}) as access:
        overlay = ImageFile(access.repository, access.tip("main"), OVERLAY, "coworking")
        tags = [f"{number}-{commit[:8]}" for number, commit in enumerate((running, second), 1)]
        found = source_revert.commits_behind(access, overlay, *tags)
        unknown = [
            source_revert.commits_behind(access, overlay, *pair)
            for pair in ((tags[0], "manual-v1"), ("manual-v1", tags[1]), (tags[0], "9-eeeeeeee"))
        ]

    assert found == [second, first]
    assert unknown == [None, None, None]


def test_git_has_the_token_and_the_settings_of_the_copy(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the process's own variables it would ask a person, or take another's login."""
    bad = remote.person.commit("apps/bad.txt")
    remote.person.push()
    seen: list[Any] = []

    def watched(words: Any, **more: Any) -> Any:
        seen.append((more["env"], more["timeout"]))
        return execute(words, **more)

    monkeypatch.setattr(source_revert, "execute", watched)
    with open_remote(remote.url, {"GIT_TOKEN": "t0ken-of-the-tests"}) as access:
        source_revert.revert_source(access, "main", [bad])
        assert all(env == access.environment for env, _ in seen)
    assert len(seen) == 5  # clone, its parents, revert, push, the new tip
    assert all(5 <= seconds <= 120 for _, seconds in seen)


def test_what_is_tried_last_still_has_five_seconds(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []

    def watched(_words: Any, **more: Any) -> Any:
        seen.append(more["timeout"])
        raise RemoteError("stop")

    monkeypatch.setattr(source_revert, "execute", watched)
    with open_remote(remote.url, {}, seconds=0.5) as access, pytest.raises(RemoteError):
        source_revert.revert_source(access, "main", ["a"])
    assert seen == [5.0]


def test_a_branch_that_takes_no_push_is_named_with_the_way_round(remote: Remote) -> None:
    bad = remote.person.commit("apps/bad.txt")
    remote.person.push()
    remote.hook("pre-receive", "echo no >&2; exit 1")
    with (
        open_remote(remote.url, {}) as access,
        pytest.raises(PolicyError, match="main refuses the push") as raised,
    ):
        source_revert.revert_source(access, "main", [bad])
    assert raised.value.hint.endswith(f"git revert --no-edit {bad}")


def test_a_commit_that_does_not_revert_is_named_and_nothing_is_pushed(remote: Remote) -> None:
    first = remote.person.commit("apps/a.txt", "one\n")
    remote.person.commit("apps/a.txt", "two\n")
    remote.person.push()
    tip = remote.tip
    with (
        open_remote(remote.url, {}) as access,
        pytest.raises(CiError, match=f"{first[:12]} can't be reverted cleanly") as raised,
    ):
        source_revert.revert_source(access, "main", [first])
    assert f"`git revert {first[:12]}`" in raised.value.hint
    assert remote.tip == tip
