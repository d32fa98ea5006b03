"""Many builds and people at one branch, at once: no commit is lost, and the newest build wins."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ci.git.retry import Backoff
from ci.ship.set_image import set_image
from ci.version.land import Landing, Progress

Remote = Any
OVERLAY = "overlays/dev/coworking/image"
# `make test` has a short race; all 48 builds are a test of `make test-long`.
RACES = [6, pytest.param(48, marks=pytest.mark.slow)]


def write_back(
    remote: Remote, registry: str, tag: str, overlay: str = OVERLAY, image: str = "coworking"
) -> Landing:
    """The verb without a new Python, so that 48 at once race in git and not for the processor."""
    return set_image(
        url=remote.url,
        overlay=overlay,
        image=image,
        registry=registry,
        tag=tag,
        branch="main",
        account=None,
        region=None,
        attempts=200,
        budget=90,
        sign=False,
        git_config=None,
        pr_branch=False,
        again=False,
        progress=Progress(),
    )


def people(remote: Remote, folder: Path, stop: threading.Event) -> list[str]:
    """Push unrelated changes, three a second, as people do: fetch, rebase their own, push."""
    clone = type(remote.person)(folder).clone(remote.url)
    pushed: list[str] = []
    while not stop.wait(0.3):
        commit = clone.commit(f"docs/{folder.name}-{len(pushed)}.md", "words")
        while True:
            try:
                clone.push()
            except AssertionError:
                clone.git("pull", "-q", "--rebase", "origin", "main")
                commit = clone.git("rev-parse", "HEAD")
            else:
                break
        pushed.append(commit)
    return pushed


@pytest.mark.thorough
@pytest.mark.parametrize("count", RACES)
def test_many_builds_converge_on_the_newest_while_people_push(
    remote: Remote, registry: str, tmp_path: Path, count: int
) -> None:
    commits = [remote.person.commit() for _ in range(count)]
    remote.person.push()
    tags = [f"{build}-{commit[:8]}" for build, commit in enumerate(commits, 100)]
    random.Random(7).shuffle(tags)
    stop = threading.Event()
    with ThreadPoolExecutor(count + 2) as pool:
        pushing = [pool.submit(people, remote, tmp_path / name, stop) for name in ("ann", "bob")]
        landings = list(pool.map(lambda tag: write_back(remote, registry, tag), tags))
        stop.set()
        theirs = [commit for one in pushing for commit in one.result(60)]

    assert {landing.result for landing in landings} <= {"pushed", "superseded"}
    newest = f"{99 + count}-{commits[-1][:8]}"
    assert f'newTag: "{newest}"' in remote.file()
    history = remote.git("rev-list", "main").split()
    ours = [landing.commit for landing in landings if landing.result == "pushed"]
    assert ours
    assert set(ours) | set(theirs) | set(commits) <= set(history)
    assert remote.git("rev-list", "--merges", "main") == ""
    # Each deployment moved dev forward: the source commits appear in the order of the history.
    deployed = remote.git(
        "log",
        "--reverse",
        "--format=%(trailers:key=Source-Commit,valueonly)",
        "main",
        "--",
        OVERLAY,
    ).split()
    assert deployed == sorted(deployed, key=commits.index)
    remote.git("fsck", "--strict")


BOTH = ("coworking", "bookings")
# All ten take minutes: `RACE_SEEDS=10 make test-long ARGS=tests/ci/version/test_races.py`.
SEEDS = range(int(os.environ.get("RACE_SEEDS", "1")))


def squash_merges(remote: Remote, folder: Path, stop: threading.Event) -> list[str]:
    """Squash pull requests of one file into the branch, as GitHub's web page does."""
    clone = type(remote.person)(folder).clone(remote.url)
    merged: list[str] = []
    while not stop.wait(0.5):
        clone.git("checkout", "-q", "-B", "topic")
        clone.commit("docs/topic.md", f"words {len(merged)}")
        while True:
            clone.git("fetch", "-q", "origin", "main")
            clone.git("checkout", "-q", "-B", "main", "FETCH_HEAD")
            clone.git("merge", "-q", "--squash", "-X", "theirs", "topic")
            clone.git("commit", "-q", "-m", f"Topic {len(merged)} (#{len(merged)})")
            try:
                clone.push()
            except AssertionError:
                continue
            break
        merged.append(clone.git("rev-parse", "HEAD"))
    return merged


def _deployed(remote: Remote, image: str) -> list[str]:
    """The tags that an image was deployed with, oldest first."""
    subjects = remote.git("log", "--reverse", "--format=%s", f"--grep=: {image} ", "main")
    return [line.split()[4] for line in subjects.splitlines() if line[:6] == "deploy"]


def _print(seed: int, seconds: float, landings: list[Landing], theirs: list[str]) -> None:
    """What a race came to, for `pytest -s`."""
    results = [landing.result for landing in landings]
    print(
        f"seed {seed}: {seconds:.0f} s, {results.count('pushed')} pushed,"
        f" {results.count('superseded')} superseded, {len(theirs)} pushes of people,"
        f" {sum(landing.attempts for landing in landings)} looks at the branch"
    )


@pytest.mark.thorough
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", RACES)
def test_many_builds_of_two_images_in_one_file_each_converge_on_its_newest(
    remote: Remote, registry: str, tmp_path: Path, seed: int, count: int
) -> None:
    entry = '- name: {}\n  newName: {}\n  newTag: "none"\n'
    entries = "".join(entry.format(image, registry) for image in BOTH)
    remote.person.commit(f"{OVERLAY}/kustomization.yaml", f"images:\n{entries}")
    commits = [remote.person.commit() for _ in range(count // 2)]
    remote.person.push()
    builds = [
        (image, f"{build}-{commit[:8]}")
        for image in BOTH
        for build, commit in enumerate(commits, 100)
    ]
    random.Random(seed).shuffle(builds)
    stop = threading.Event()
    began = time.monotonic()
    with ThreadPoolExecutor(count + 2) as pool:
        pushing = [
            pool.submit(people, remote, tmp_path / "ann", stop),
            pool.submit(squash_merges, remote, tmp_path / "bob", stop),
        ]
        landings = list(
            pool.map(lambda one: write_back(remote, registry, one[1], image=one[0]), builds)
        )
        stop.set()
        theirs = [commit for one in pushing for commit in one.result(60)]

    assert {landing.result for landing in landings} <= {"pushed", "superseded"}
    _print(seed, time.monotonic() - began, landings, theirs)
    newest = f"{99 + len(commits)}-{commits[-1][:8]}"
    assert remote.file().count(f'newTag: "{newest}"') == len(BOTH)
    ours = [landing.commit for landing in landings if landing.result == "pushed"]
    assert set(ours) | set(theirs) <= set(remote.git("rev-list", "main").split())
    for image in BOTH:
        deployed = _deployed(remote, image)
        assert deployed == sorted(deployed, key=lambda tag: int(tag.partition("-")[0]))
        assert deployed[-1] == newest
    # Each that was left out had a newer one of the same image before it.
    for (image, tag), landing in zip(builds, landings, strict=True):
        assert landing.result == "pushed" or landing.reason == "older-commit", (image, tag)


def test_builds_of_different_overlays_all_land(remote: Remote, registry: str) -> None:
    names = [f"overlays/dev/app{n}" for n in range(8)]
    for name in names:
        path = f"{name}/kustomization.yaml"
        entry = f'- name: coworking\n  newName: {registry}\n  newTag: "none"\n'
        remote.person.commit(path, f"images:\n{entry}")
    commit = remote.person.commit()
    remote.person.push()
    with ThreadPoolExecutor(len(names)) as pool:
        tag = f"1-{commit[:8]}"
        landings = list(pool.map(lambda name: write_back(remote, registry, tag, name), names))
    assert [landing.result for landing in landings] == ["pushed"] * len(names)
    for name in names:
        assert tag in remote.file(f"{name}/kustomization.yaml")
    assert int(remote.git("rev-list", "--count", f"{commit}..main")) == len(names)


@pytest.mark.thorough
def test_separate_processes_converge_too(remote: Remote) -> None:
    commits = [remote.person.commit() for _ in range(4)]
    remote.person.push()
    running = [
        subprocess.Popen(
            remote.arguments(f"{build}-{commit[:8]}"),
            cwd=Path(__file__).parents[3],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for build, commit in enumerate(commits, 1)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4, outputs
    assert f'"4-{commits[-1][:8]}"' in remote.file()


def test_a_branch_that_moves_at_every_push_spends_the_budget(remote: Remote) -> None:
    """Someone is always faster: a hook of the remote moves the branch while we push."""
    commit = remote.person.ship()
    remote.hook(
        "pre-receive",
        "unset GIT_QUARANTINE_PATH\n"
        "new=$(git -c user.name=x -c user.email=x commit-tree -p main -m other main^{tree})\n"
        "git update-ref refs/heads/main $new",
    )
    answer = remote.set_image(f"7-{commit[:8]}", attempts=4)
    assert (answer.status, answer.json["code"], answer.json["attempts"]) == (4, 4, 4)
    assert "gave up after 4 attempts" in answer.json["error"]
    assert answer.json["current"] == "none"
    assert int(remote.git("rev-list", "--count", f"{commit}..main")) == 4


@pytest.mark.thorough
def test_a_lock_on_the_branch_is_waited_for(remote: Remote) -> None:
    """The remote's own lock file, as another push holds it, goes away after the second attempt."""
    commit = remote.person.ship()
    lock = remote.path / "refs/heads/main.lock"
    lock.touch()
    remote.hook(
        "pre-receive",
        f'cd "{remote.path}"; echo x >>tries; [ $(wc -l <tries) -lt 3 ] || rm -f "{lock}"',
    )
    answer = remote.deploy(7, commit)
    assert (answer.json["result"], answer.json["attempts"]) == ("pushed", 3)
    assert "failed to update ref" in answer.stderr


def test_waits_are_drawn_evenly_up_to_a_doubling_limit() -> None:
    slept: list[float] = []
    limits: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        limits.append((low, high))
        return high

    backoff = Backoff(
        attempts=9,
        seconds=100,
        first=0.1,
        longest=1.0,
        clock=lambda: 0.0,
        sleep=slept.append,
        uniform=uniform,
    )
    for _ in range(6):
        backoff.begin()
        backoff.wait()
    assert limits == [(0.0, limit) for limit in (0.1, 0.2, 0.4, 0.8, 1.0, 1.0)]
    assert slept == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 100.0), (9, 0.5)])
def test_no_wait_begins_that_the_budget_cannot_hold(attempts: int, seconds: float) -> None:
    backoff = Backoff(
        attempts=attempts,
        seconds=seconds,
        first=1.0,
        clock=lambda: 0.0,
        uniform=lambda _, high: high,
        sleep=lambda _: pytest.fail("it waited"),
    )
    backoff.begin()
    assert backoff.wait() is None
