"""What the write-back, `history` and `status` cost with 50,000 commits and 250 MB.

    .venv/bin/python -m bench git

git itself generates the repository, and serves it as a host does that can leave files out. A plain
`git clone --bare --filter=blob:none` beside them shows how fast machine and git are at the moment.
`status` asks a small server in Argo CD's place, once beside a git server that never answers.
"""

from __future__ import annotations

import random
import shutil
import socket
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
from tests.ci.argocd_database import Database
from tests.ci.argocd_server import FakeArgo, Git, serve

COMMITS = 50_000
EVERY = 100  # commits from one deployment to the next
OVERLAY = "overlays/dev/coworking/image"
REGISTRY = settings.read().image
PROD = "overlays/prod/coworking/image/kustomization.yaml"
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
    prod = f"M 100644 inline {PROD}\ndata {len(data)}\n{data.decode()}\n" if number == 0 else ""
    head = (
        f"commit refs/heads/main\ncommitter A <a@example.org> {1_600_000_000 + number * 60} +0000\n"
        f"data {len(message)}\n{message}\n{prod}M 100644 inline {path}\ndata {len(data)}\n"
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
    """Measure the verbs; the status is 1 when a promise is broken."""
    results = Results("git")
    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        remote, scratch = Path(name) / "remote.git", Path(name) / "scratch"
        scratch.mkdir()
        newest = generate(remote)
        click.echo(f"  {COMMITS:,} commits made in {time.perf_counter() - began:.0f} s")
        url = f"file://{remote}"
        clone: list[str | Path] = [
            "git",
            "clone",
            "-q",
            "--bare",
            "--filter=blob:none",
            url,
            scratch / "clone",
        ]
        with Watched(scratch) as watched:
            run = measure(clone)
        plain = _show(results, "git clone", run, watched.largest)
        shutil.rmtree(scratch / "clone")
        ci = ["env", f"TMPDIR={scratch}", sys.executable, "-m", "ci"]
        target = ["--overlay", OVERLAY, "--image", "coworking", "--registry", REGISTRY]
        for verb, words, seconds in (
            ("set-image", ["--url", url, *target, "--tag", f"1-{newest[:8]}"], 6),
            ("history", ["dev", "--url", url, "--limit", "5"], 5),
        ):
            with Watched(scratch) as watched:
                run = measure([*ci, verb, *words])
            _show(results, verb, run, watched.largest, plain)
            _promise(results, verb, run, watched.largest, seconds)
        _status(results, remote, scratch, plain)
    sys.exit(0 if results.finish() else 1)


def _status(results: Results, remote: Path, scratch: Path, plain: float) -> None:
    """Measure `status` of prod, with git as it is and with one that hangs."""
    argo = FakeArgo(Git(remote, url=str(remote)))
    argo.database = Database()
    argo.sync()
    with serve(argo), socket.create_server(("127.0.0.1", 0)) as hangs:
        variables = {
            "TMPDIR": str(scratch),
            "ARGOCD_URL": argo.url,
            "ARGOCD_AUTH_TOKEN": "of-the-bench",
            "KUBECONFIG": str(scratch / "none"),
        }
        ci = ["env", *(f"{key}={value}" for key, value in variables.items())]
        ci += [sys.executable, "-m", "ci", "status", "prod", "--url"]
        silent = f"http://127.0.0.1:{hangs.getsockname()[1]}/o/r.git"
        for name, url in (("status", f"file://{remote}"), ("status, git hangs", silent)):
            with Watched(scratch) as watched:
                run = measure([*ci, url])
            _show(results, name, run, watched.largest, plain)
            _promise(results, name, run, watched.largest, 3)


def _show(results: Results, name: str, run: Run, largest: float, plain: float = 0) -> float:
    """Print a line, and return the run's seconds."""
    ratio = f"  {run.seconds / plain:5.2f} of the clone's seconds" if plain else ""
    click.echo(f"  {name:<18} {run.seconds:6.2f} s  {largest:6.1f} MiB  status {run.status}{ratio}")
    results.figures[name] = {**vars(run), "folder": largest}
    return run.seconds


def _promise(results: Results, name: str, run: Run, largest: float, limit: int) -> None:
    results.promise(f"{name}, exit status", run.status, "<=", 0)
    results.promise(f"{name}, seconds", run.seconds, "<=", limit)
    results.promise(f"{name}, MiB in its folder", largest, "<=", 40)


if __name__ == "__main__":
    main()
