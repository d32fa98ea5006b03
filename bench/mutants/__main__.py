"""`python -m bench mutants`: draw changes of one line at random, and report which a test notices.

    .venv/bin/python -m bench mutants --number 10 --room version --seed 1

A change is noticed when a test of its room fails, can't be loaded, or doesn't end. Those tests are
asked that run the changed line, those of the module's own file first.
"""

from __future__ import annotations

import functools
import os
import queue
import random
import re
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from bench.mutants.rooms import ALL, ROOMS, Mutant, draw, mutants, valid
from bench.mutants.selection import RecordedTest, chosen, learn, test_files
from bench.mutants.trees import TreeCopy
from bench.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MEMORY = Path("/dev/shm")
PROMISED = 85  # of a hundred
T = TypeVar("T")
Done = TypeVar("Done")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (.*?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of a mutant: whether a test noticed it, and which, or why none did.

    `change` shows the text before and after.
    """

    mutant: Mutant
    change: str
    noticed: bool
    why: str


class TreePool:
    """Copies of the tree, each used by one thread at a time."""

    def __init__(self, root: Path, folder: Path, number: int) -> None:
        self._root, self._number = root, number
        self._free: queue.SimpleQueue[TreeCopy] = queue.SimpleQueue()
        self._trees = [TreeCopy(root, folder / str(index)) for index in range(number)]
        for tree in self._trees:
            self._free.put(tree)

    def each(self, work: Callable[[TreeCopy, T], Done], items: Iterable[T]) -> Iterator[Done]:
        """The answers about the items, in their order."""

        def one(item: T) -> Done:
            tree = self._free.get()
            try:
                return work(tree, item)
            finally:
                self._free.put(tree)

        with ThreadPoolExecutor(self._number) as pool:
            try:
                yield from pool.map(one, items)
            except BaseException:  # interrupted: no process of ours outlives us
                pool.shutdown(wait=False, cancel_futures=True)
                for tree in self._trees:
                    tree.stop()
                raise


def learn_all(workers: TreePool, root: Path, room: str) -> list[RecordedTest]:
    """What every test of a room runs; says how many were left out because they fail."""
    files = test_files(root, ALL[room])
    found = workers.each(lambda tree, file: learn(tree, root, file), files)
    tests = []
    for file, (passed, failed) in zip(files, found, strict=True):
        if failed or not passed:
            click.echo(f"  {file}: {failed} tests fail on the unchanged tree, {len(passed)} pass")
        tests += passed
    return tests


def longest() -> float:
    """The most seconds for the tests of a mutant."""
    return float(os.environ.get("MUTANTS_SECONDS", "240"))


def judge(tree: TreeCopy, mutant: Mutant, tests: Iterable[RecordedTest]) -> Judgement:
    """Run the tests that run the mutant's line, until one fails."""
    source = (tree.root / mutant.path).read_bytes()
    change = mutant.edit.shown(source)
    asked = chosen(tests, mutant, source)
    if not asked:
        return Judgement(mutant, change, False, "no test runs this line")
    files = list(dict.fromkeys(each.file for each in asked))
    seconds = min(longest(), 30 + 4 * sum(each.seconds for each in asked))
    with tree.changed(mutant.path, mutant.edit.apply(source)):
        ran = tree.pytest(files, {"order": [each.name for each in asked]}, seconds)
    if ran.status == 0:
        return Judgement(mutant, change, False, f"{len(asked)} tests run this line and pass")
    if ran.status is None:
        return Judgement(mutant, change, True, f"no end after {seconds:.0f} s")
    failed = _FAILED.search(ran.output)
    who = failed.group(1) if failed else f"pytest ends with {ran.status}"
    return Judgement(mutant, change, True, who)


def describe(verdict: Judgement) -> str:
    """Two lines about a mutant: where it is and what it changes; and who noticed."""
    mutant = verdict.mutant
    word = "noticed " if verdict.noticed else "SURVIVED"
    return (
        f"{word}  {mutant.path}:{mutant.edit.line}  {verdict.change}\n          {verdict.why[:150]}"
    )


def report(verdicts: list[Judgement], seed: int | None) -> Results:
    """The table a room a line, and what is written beside it."""
    results = Results("mutants")
    results.figures |= {"seed": seed, "mutants": [describe(each) for each in verdicts]}
    click.echo()
    for room in dict.fromkeys(each.mutant.room for each in verdicts):
        mine = [each.noticed for each in verdicts if each.mutant.room == room]
        click.echo(f"  {room:<8} {sum(mine):4} of {len(mine):4}  {_percent(mine):5.1f} %")
        results.figures[room] = {"noticed": sum(mine), "drawn": len(mine)}
    share = _percent([each.noticed for each in verdicts])
    results.promise(f"noticed of {len(verdicts)} mutants, %", share, ">=", PROMISED)
    return results


def _percent(noticed: list[bool]) -> float:
    return 100 * sum(noticed) / len(noticed)


def _named(root: Path, place: str) -> list[Mutant]:
    """Every mutant of a file, or of one line of it."""
    path, _, line = place.partition(":")
    found = [
        each
        for each in mutants(root, ALL)
        if each.path == path and line in {"", str(each.edit.line)}
    ]
    found = list(valid(root, found))
    if not found:
        raise click.UsageError(f"{place} has nothing that can be changed")
    return found


@click.command()
@click.option("--number", default=150, show_default=True, help="How many to draw.")
@click.option("--seed", type=int, help="Draw what an earlier run drew.")
@click.option("--room", "rooms", multiple=True, type=click.Choice(list(ALL)), help="Only there.")
@click.option("--at", "places", multiple=True, help="PATH or PATH:LINE: every change there.")
@click.option("--workers", default=os.cpu_count() or 1, help="How many at the same time.")
def main(
    number: int, seed: int | None, rooms: tuple[str, ...], places: tuple[str, ...], workers: int
) -> None:
    """Draw changes of one line, and report which the tests of their room notice."""
    root = Path.cwd()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if places:
        drawn = [each for place in places for each in _named(root, place)]
    else:
        seed = random.SystemRandom().randrange(10_000) if seed is None else seed
        drawn = draw(root, rooms or ROOMS, number, seed)
        click.echo(f"{len(drawn)} mutants, --seed {seed}")
    with tempfile.TemporaryDirectory(
        prefix="mutants-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None
    ) as name:
        Path(name).chmod(0o711)  # the PostgreSQL of root's tests runs as another user
        pool = TreePool(root, Path(name), min(workers, len(drawn)))
        verdicts = []
        for room in sorted({each.room for each in drawn}, key=list(ALL).index):
            tests = learn_all(pool, root, room)
            mine = [each for each in drawn if each.room == room]
            for verdict in pool.each(functools.partial(judge, tests=tests), mine):
                click.echo(describe(verdict))
                verdicts.append(verdict)
    sys.exit(0 if report(verdicts, seed).finish() else 1)


if __name__ == "__main__":
    main()
