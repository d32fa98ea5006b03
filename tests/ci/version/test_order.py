"""Late, repeated and reverted builds: an environment never moves backwards by itself."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from ci.version.order import Version, decide
from ci.version.tag import PipelineTag

Remote = Any
FILE = "overlays/dev/coworking/image/kustomization.yaml"


def test_an_older_commit_is_superseded_also_with_a_higher_build_number(remote: Remote) -> None:
    older, newer = remote.person.ship(), remote.person.ship()
    remote.deploy(7, newer)
    for build in (6, 8):
        answer = remote.deploy(build, older)
        assert answer.json["result"] == "superseded"
        assert (answer.json["reason"], answer.json["because"]) == ("older-commit", newer)
        assert answer.json["current"] == f"7-{newer[:8]}"


def test_the_same_commit_rebuilt_moves_only_forward(remote: Remote) -> None:
    commit = remote.person.ship()
    assert remote.deploy(9, commit).json["result"] == "pushed"
    assert remote.deploy(8, commit).json["reason"] == "older-build"
    assert remote.deploy(10, commit).json["current"] == f"10-{commit[:8]}"
    assert remote.deploy(9, commit, again=True).json["reason"] == "older-build"


def test_a_newer_commit_with_a_lower_build_number_goes_in(remote: Remote) -> None:
    """Build numbers start again when a build project is made again."""
    remote.deploy(900, remote.person.ship())
    assert remote.deploy(1, remote.person.ship()).json["result"] == "pushed"


def revert(remote: Remote, commit: str) -> None:
    remote.person.pull()
    remote.person.git("revert", "--no-edit", commit)
    remote.person.push()


def write_by_hand(remote: Remote, tag: str) -> None:
    remote.person.pull()
    lines = remote.file().splitlines(keepends=True)
    changed = ["  - newTag: " + json.dumps(tag) + "\n" if "- newTag" in x else x for x in lines]
    remote.person.commit(FILE, "".join(changed))
    remote.person.push()


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["revert", "by hand"])
def test_a_reverted_deployment_stays_away_until_told(remote: Remote, how: str) -> None:
    first, late, bad = (remote.person.ship() for _ in range(3))
    remote.deploy(1, first)
    deployment = remote.deploy(3, bad).json["commit"]
    if how == "revert":
        revert(remote, deployment)
    else:
        write_by_hand(remote, f"1-{first[:8]}")
    assert remote.deploy(3, bad).json["reason"] == "reverted"
    assert remote.deploy(4, bad).json["reason"] == "reverted"
    assert remote.deploy(2, late).json["reason"] == "late"
    assert remote.deploy(5, first).json["result"] == "pushed"
    assert remote.deploy(3, bad, again=True).json["result"] == "pushed"
    assert remote.deploy(6, bad).json["result"] == "pushed"


def test_a_tag_that_a_person_wrote_back_stays_until_a_new_commit_comes(remote: Remote) -> None:
    """The build that it replaced, and its next one, were pushed over it."""
    first, second = remote.person.ship(), remote.person.ship()
    remote.deploy(10, first)
    remote.deploy(11, second)
    write_by_hand(remote, f"10-{first[:8]}")
    for build in (11, 12):
        answer = remote.deploy(build, second).json
        assert (answer["result"], answer["reason"]) == ("superseded", "reverted")
    third = remote.person.ship()
    assert remote.deploy(13, third).json["result"] == "pushed"
    assert f'"13-{third[:8]}"' in remote.file()


@pytest.mark.parametrize(("how", "before"), [("revert", "none"), ("by hand", "manual-v1.0.0")])
def test_what_is_reverted_to_a_tag_of_no_build_stays_away_too(
    remote: Remote, how: str, before: str
) -> None:
    """The reverted commit was taken for the one that runs, so its next build went in."""
    if before != "none":
        write_by_hand(remote, before)
    bad = remote.person.ship()
    deployment = remote.deploy(2, bad).json["commit"]
    if how == "revert":
        revert(remote, deployment)
    else:
        write_by_hand(remote, before)
    assert remote.deploy(3, bad).json["reason"] == "reverted"
    assert remote.deploy(4, remote.person.ship()).json["result"] == "pushed"


def test_after_a_revert_to_a_hotfix_the_build_before_it_is_what_ran(remote: Remote) -> None:
    first = remote.person.ship()
    remote.deploy(1, first)
    write_by_hand(remote, "manual-v1.0.0")
    revert(remote, remote.deploy(2, remote.person.ship()).json["commit"])
    assert remote.deploy(1, first).json["reason"] == "older-build"
    assert remote.set_image(f"3-{first[:8]}").status == 6  # the hotfix may be newer
    assert remote.deploy(4, remote.person.ship()).json["result"] == "pushed"


def test_a_new_commit_goes_in_after_a_revert(remote: Remote) -> None:
    remote.deploy(1, remote.person.ship())
    revert(remote, remote.deploy(2, remote.person.ship()).json["commit"])
    assert remote.deploy(3, remote.person.ship()).json["result"] == "pushed"


def test_a_reverted_revert_runs_again_and_guards_again(remote: Remote) -> None:
    first, second = remote.person.ship(), remote.person.ship()
    remote.deploy(1, first)
    revert(remote, remote.deploy(2, second).json["commit"])
    revert(remote, remote.tip)
    assert remote.deploy(2, second).json["result"] == "noop"
    assert remote.deploy(3, first).json["reason"] == "older-commit"


def test_a_revert_that_a_merge_hides_still_counts(remote: Remote) -> None:
    """`git pull` makes a merge whose first parent knows neither the deployment nor its revert."""
    first, bad = remote.person.ship(), remote.person.ship()
    remote.deploy(1, first)
    remote.person.pull()
    start = remote.tip
    revert(remote, remote.deploy(2, bad).json["commit"])
    remote.person.git("checkout", "-q", "--detach", start)
    remote.person.commit("notes.txt")
    remote.person.git("fetch", "-q", "origin")
    remote.person.git("merge", "-q", "--no-edit", "origin/main")
    remote.person.push()
    assert remote.deploy(3, bad).json["reason"] == "reverted"


def test_after_a_hotfix_by_hand_the_order_is_still_known(remote: Remote) -> None:
    older, running = remote.person.ship(), remote.person.ship()
    remote.deploy(5, running)
    write_by_hand(remote, "manual-v1.0.0")
    assert remote.deploy(6, older).json["reason"] == "older-commit"
    assert remote.deploy(5, running).json["reason"] == "older-build"
    assert remote.deploy(7, remote.person.ship()).json["result"] == "pushed"


def test_a_tag_written_by_hand_tells_its_own_commit(remote: Remote) -> None:
    older, newer = remote.person.ship(), remote.person.ship()
    write_by_hand(remote, f"5-{newer[:8]}")
    assert remote.deploy(6, older).json["reason"] == "older-commit"


def test_a_merged_pull_request_counts_as_the_deployment(remote: Remote) -> None:
    """A squash merge keeps the tag but may lose the trailers."""
    older, newer = remote.person.ship(), remote.person.ship()
    remote.hook("update", '[ "$1" != refs/heads/main ]')
    branch = remote.deploy(5, newer, pr_branch=True).json["branch"]
    (remote.path / "hooks/update").unlink()
    remote.person.git("fetch", "-q", "origin", branch)
    remote.person.git("merge", "-q", "--squash", "FETCH_HEAD")
    remote.person.git("commit", "-qm", "Deploy (#12)")
    remote.person.push()
    assert remote.deploy(6, older).json["reason"] == "older-commit"


def test_an_unknown_commit_is_not_guessed_at(remote: Remote) -> None:
    answer = remote.set_image("7-0123abcd")
    assert (answer.status, answer.json["code"]) == (6, 6)
    assert "commit 0123abcd is not in the branch's history" in answer.json["error"]


def test_a_commit_of_another_branch_is_not_guessed_at(remote: Remote) -> None:
    remote.person.git("checkout", "-q", "-b", "feature")
    commit = remote.person.commit()
    remote.person.git("push", "-q", "origin", "feature")
    assert remote.set_image(f"7-{commit[:8]}").status == 6


def test_rewritten_history_stops_it(remote: Remote) -> None:
    start = remote.tip
    remote.deploy(5, remote.person.ship())
    running = remote.file()
    remote.person.git("checkout", "-q", "--detach", start)
    remote.person.commit("apps/app.txt", "another history")
    remote.person.commit(FILE, running)
    commit = remote.person.commit()
    remote.person.git("push", "-q", "--force", "origin", "HEAD:main")
    answer = remote.set_image(f"6-{commit[:8]}")
    assert answer.status == 6
    assert "which runs, is not in the branch's history" in answer.json["error"]
    assert remote.tip == commit


def test_diverged_commits_stop_it(remote: Remote) -> None:
    start = remote.tip
    left = remote.person.ship()
    remote.person.git("checkout", "-q", "--detach", start)
    right = remote.person.commit("other.txt")
    remote.person.git("merge", "-q", "--no-edit", left)
    remote.person.push()
    remote.deploy(5, left)
    answer = remote.set_image(f"6-{right[:8]}")
    assert answer.status == 6
    assert "have diverged" in answer.json["error"]


class Line:
    """The history aaaaaaa, bbbbbbb, ccccccc, and the versions of a file in it, newest first."""

    def __init__(self, *versions: Version) -> None:
        self.versions = versions

    def resolve(self, name: str) -> str | None:
        return name

    def is_ancestor(self, older: str, newer: str) -> bool:
        return older <= newer

    def lineage(self) -> tuple[Version, ...]:
        return self.versions

    def versions_since(self, commit: str) -> tuple[Version, ...]:
        return self.versions


def test_a_file_that_was_broken_for_a_while_hides_no_build() -> None:
    by_hand, broken, new = (Version("x", tag, None, None) for tag in ("manual", None, None))
    built = Version("x", "5-bbbbbbb", "b" * 7, 5)
    history = Line(by_hand, broken, built, new)
    decision = decide(history, "manual", PipelineTag(6, "a" * 7), again=False)
    assert decision.reason == "older-commit"


def test_in_whatever_order_builds_arrive_the_newest_wins_and_none_goes_back() -> None:
    builds = [(1, "a"), (2, "b"), (3, "b"), (4, "c"), (5, "a"), (6, "c")]
    for order in itertools.permutations(builds):
        versions = [Version("start", "none", None, None)]
        for build, letter in order:
            commit = letter * 7
            current = versions[0].tag or ""
            wanted = PipelineTag(build, commit)
            if decide(Line(*versions), current, wanted, again=False).reason is None:
                versions.insert(0, Version("x", f"{build}-{commit}", commit, build))
        assert versions[0].tag == "6-ccccccc"
        moves = [(version.source or "", version.build or 0) for version in reversed(versions)]
        assert moves == sorted(moves)
