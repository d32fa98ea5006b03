"""Only what is needed is fetched, and a killed run's folder doesn't stay for ever."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from ci.git.access import open_remote
from ci.git.repository import Copied
from ci.git.scratch import sweep
from ci.version.image_file import ImageFile
from tests.ci.verbs import in_this_process

if TYPE_CHECKING:
    from pathlib import Path

Remote = Any
OVERLAY = "overlays/dev/coworking/image"


@pytest.fixture(scope="module")
def first_big(first_remote: Remote, tmp_path_factory: pytest.TempPathFactory) -> Remote:
    """A repository with a megabyte of files that no verb needs, on a server that can leave out."""
    remote = first_remote.copy(tmp_path_factory.mktemp("big"))
    for number in range(4):
        remote.person.commit("apps/big.bin", f"{number}" + "".join(map(str, range(40_000))))
    remote.person.push()
    remote.git("config", "uploadpack.allowFilter", "true")
    return remote


@pytest.fixture
def big(tmp_path: Path, first_big: Remote) -> Remote:
    """A copy of it."""
    return first_big.copy(tmp_path)


def missing(repository: Any) -> int:
    listed = repository.git("rev-list", "--objects", "--all", "--missing=print")
    return sum(line.startswith("?") for line in listed.splitlines())


def test_the_files_that_nobody_reads_are_not_fetched(big: Remote) -> None:
    with open_remote(big.url, {}) as opened:
        tip = opened.tip("main")
        before = missing(opened.repository)
        overlay = ImageFile(opened.repository, tip, OVERLAY, "coworking")
        assert [version.tag for version in overlay.lineage()] == ["none"]
        assert before - missing(opened.repository) == 1  # the one file
        assert missing(opened.repository) >= 4


@pytest.mark.thorough
def test_nothing_is_fetched_one_by_one(big: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    """git does so by itself for each file that is looked at and not there."""
    for build in range(1, 9):
        big.deploy(build, big.person.ship())
    with open_remote(big.url, {}) as opened:
        tip = opened.tip("main")
        asked = requests(opened.repository, monkeypatch)
        overlay = ImageFile(opened.repository, tip, OVERLAY, "coworking")
        assert len(list(overlay.lineage())) == 9
        assert len(asked) == 2  # the file at the tip, and all others


def requests(repository: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The commands from now on that speak to the remote."""
    asked: list[tuple[str, ...]] = []
    ask = repository._ask

    def counted(*words: str, **more: Any) -> Any:
        asked.append(words)
        return ask(*words, **more)

    monkeypatch.setattr(repository, "_ask", counted)
    return asked


@pytest.fixture(scope="module")
def first_branched(first_remote: Remote, tmp_path_factory: pytest.TempPathFactory) -> Remote:
    """Deployments on the branch itself, in a merged proposal, and before somebody's `git pull`."""
    remote = first_remote.copy(tmp_path_factory.mktemp("branched"))
    person = remote.person
    for build in range(1, 4):
        remote.deploy(build, person.ship())
    person.pull()
    person.git("checkout", "-q", "-b", "proposal")
    person.commit(f"{OVERLAY}/notes.txt")
    path = f"{OVERLAY}/kustomization.yaml"
    person.commit(path, person.git("show", f"HEAD:{path}").replace("3-", "9-"))
    person.git("checkout", "-q", "main")
    person.commit("README.md")
    person.git("merge", "-q", "--no-ff", "-m", "Merge pull request #1", "proposal")
    person.push()
    person.commit("notes.txt")  # and, before it is pushed, two more builds
    other = type(person)(person.folder.with_name("other")).clone(remote.url)
    for build in range(10, 12):
        remote.deploy(build, other.ship())
    person.git("pull", "-q", "--no-rebase", "--no-edit")
    person.push()
    return remote


@pytest.fixture
def branched(tmp_path: Path, first_branched: Remote) -> Remote:
    """A copy of it: making one takes a hundred git processes."""
    return first_branched.copy(tmp_path)


@pytest.mark.parametrize(
    ("stage", "filters"),
    [
        *[(1, "true"), (2, "false"), (5, "true")],
        *(
            pytest.param(*each, marks=pytest.mark.thorough)
            for each in [(1, "false"), (2, "true"), (5, "false"), (1000, "true"), (1000, "false")]
        ),
    ],
)
def test_the_history_is_the_same_however_little_is_fetched_at_first(
    branched: Remote, monkeypatch: pytest.MonkeyPatch, stage: int, filters: str
) -> None:
    branched.git("config", "uploadpack.allowFilter", filters)

    def records(part: Copied) -> list[tuple[str, str | None]]:
        with open_remote(branched.url, {}, part=part) as opened:
            overlay = ImageFile(opened.repository, opened.tip("main"), OVERLAY, "coworking")
            found = [record.version for record in overlay.records()]
        return [(version.commit, version.tag) for version in found]

    whole = records(Copied.FOLDERS)
    builds = [(tag or "").partition("-")[0] for _, tag in whole]
    assert builds == ["11", "10", "9", "3", "2", "1", "none"]
    monkeypatch.setattr("ci.git.repository._FIRST_STAGE", stage)
    assert records(Copied.COMMITS) == whole


@pytest.mark.thorough
def test_the_newest_rows_need_the_folders_of_the_newest_commits_alone(
    big: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    for build in range(1, 9):
        big.deploy(build, big.person.ship())
    monkeypatch.setattr("ci.git.repository._FIRST_STAGE", 4)
    with open_remote(big.url, {}, part=Copied.COMMITS) as opened:
        tip = opened.tip("main")
        asked = requests(opened.repository, monkeypatch)
        monkeypatch.setitem(opened.environment, "GIT_NO_LAZY_FETCH", "1")
        overlay = ImageFile(opened.repository, tip, OVERLAY, "coworking")
        records = overlay.records()
        assert [next(records).version.build for _ in range(2)] == [8, 7]
        # The tip's folders and file, the folders of five commits, and their files.
        assert len(asked) == 4
        assert missing(opened.repository) > 20
        assert [record.version.build for record in records] == [6, 5, 4, 3, 2, 1, None]
        assert len(asked) == 6  # all other folders, and their files


def test_the_tip_alone_has_no_history(big: Remote) -> None:
    with open_remote(big.url, {}, part=Copied.TIP) as opened:
        overlay = ImageFile(opened.repository, opened.tip("main"), OVERLAY, "coworking")
        assert overlay.entry.tag == "none"
        assert opened.repository.git("rev-list", "--count", "--all").strip() == "1"


@pytest.mark.parametrize("filters", ["true", "false"])
def test_a_server_that_sends_the_whole_will_do(big: Remote, filters: str) -> None:
    big.git("config", "uploadpack.allowFilter", filters)
    first, second = big.person.ship(), big.person.ship()
    assert big.deploy(2, second).json["result"] == "pushed"
    assert big.deploy(1, first).json["reason"] == "older-commit"
    done = in_this_process("history", "dev", "--url", big.url)
    assert done.stdout.splitlines()[0].split()[2] == f"2-{second[:8]}"
    big.git("fsck", "--strict")


def test_all_files_of_a_commit_come_at_once(big: Remote, tmp_path: Path) -> None:
    with open_remote(big.url, {}) as opened:
        tip = opened.tip("main")
        assert b"apps/big.bin" in opened.repository.archive(tip)


def test_the_folder_of_a_killed_run_is_removed_after_two_days(tmp_path: Path) -> None:
    now = time.time()
    for name, age in (("coworking-git-a", 3), ("coworking-git-b", 1), ("other-c", 3)):
        (tmp_path / name / "copy.git").mkdir(parents=True)
        os.utime(tmp_path / name, (now - age * 86_400,) * 2)
    sweep(tmp_path, now=now)
    assert {each.name for each in tmp_path.iterdir()} == {"coworking-git-b", "other-c"}
