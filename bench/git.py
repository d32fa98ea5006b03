"""What the write-back and `history` cost in a repository of 50,000 commits and 250 MB.

    .venv/bin/python -m bench git

git itself generates the repository, and serves it as a host does that can leave files out.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import click

from bench.results import Results
from bench.validate import Run, measure
from ci.tree import settings

COMMITS = 50_000
EVERY = 100  # commits from one deployment to the next
OVERLAY = "overlays/dev/coworking/image"
REGISTRY = settings.read().image
ENTRY = f"images:\n- name: coworking\n  newName: {REGISTRY}\n  newTag: "


def generate(folder: Path) -> str:
    """Make the bare repository; returns its newest commit."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", folder], check=True)
    git = ["git", f"--git-dir={folder}"]
    subprocess.run([*git, "config", "uploadpack.allowFilter", "true"], check=True)
    with subprocess.Popen([*git, "fast-import", "--quiet"], stdin=subprocess.PIPE) as importing:
        assert importing.stdin is not None
        drawn = random.Random(1)
        for number in range(COMMITS):
            importing.stdin.write(_commit(number, drawn))
    done = subprocess.run([*git, "rev-parse", "main"], capture_output=True, check=True, text=True)
    return done.stdout.strip()


def _commit(number: int, drawn: random.Random) -> bytes:
    if number % EVERY:
        path = f"apps/package{drawn.randrange(40)}/file{drawn.randrange(50)}"
        message, data = f"Change {path}", drawn.randbytes(4700)
    else:
        path, tag = f"{OVERLAY}/kustomization.yaml", f"v{number}"
        message = f"deploy(dev): coworking v{number - EVERY} -> {tag}\n\nImage: {REGISTRY}:{tag}\n"
        data = f'{ENTRY}"{tag}"\n'.encode()
    head = (
        f"commit refs/heads/main\ncommitter A <a@example.org> {1_600_000_000 + number * 60} +0000\n"
        f"data {len(message)}\n{message}\nM 100644 inline {path}\ndata {len(data)}\n"
    )
    return head.encode() + data + b"\n"


class Watched:
    """The largest size of a folder while a block runs, in MiB."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ended = threading.Event()
        self.largest = 0.0

    def __enter__(self) -> Watched:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            size = sum(_size(file) for file in self._folder.rglob("*"))
            self.largest = max(self.largest, size / 2**20)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # git has just renamed it
        return 0


def main() -> None:
    """Measure both verbs; the status is 1 when a promise is broken."""
    results = Results("git")
    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        remote, scratch = Path(name) / "remote.git", Path(name) / "scratch"
        scratch.mkdir()
        newest = generate(remote)
        click.echo(f"  {COMMITS:,} commits made in {time.perf_counter() - began:.0f} s")
        ci = ["env", f"TMPDIR={scratch}", sys.executable, "-m", "ci"]
        url = f"file://{remote}"
        target = ["--overlay", OVERLAY, "--image", "coworking", "--registry", REGISTRY]
        for verb, words, seconds in (
            ("set-image", ["--url", url, *target, "--tag", f"1-{newest[:8]}"], 6),
            ("history", ["dev", "--url", url, "--limit", "5"], 5),
        ):
            with Watched(scratch) as watched:
                run = measure([*ci, verb, *words])
            _show(results, verb, run, watched.largest, seconds)
    sys.exit(0 if results.finish() else 1)


def _show(results: Results, verb: str, run: Run, largest: float, limit: int) -> None:
    click.echo(f"  {verb:<12} {run.seconds:6.2f} s  {largest:6.1f} MiB  status {run.status}")
    results.figures[verb] = {**vars(run), "folder": largest}
    results.promise(f"{verb}, status", run.status, "<=", 0)
    results.promise(f"{verb}, seconds", run.seconds, "<=", limit)
    results.promise(f"{verb}, MiB in its folder", largest, "<=", 40)


if __name__ == "__main__":
    main()
