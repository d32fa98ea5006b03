"""Copies of the tree, in memory where there is some, in each of which one process runs tests."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.mutants.plugin import PLAN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Of the plugins only those that these tests need: to load all of them takes a second.
PYTEST = ("-m", "pytest", "-q", "--tb=line", "-p", "pytest_timeout", "-p", "bench.mutants.plugin")
# A process that a test starts records the lines that it runs, when the plugin asks for that.
AT_START = "from bench.mutants import lines\n\nlines.record_this_process()\n"


@dataclass(frozen=True, slots=True)
class TestRun:
    """How a run of tests ended: its status, or None when it was stopped; and what it printed."""

    status: int | None
    output: str


class TreeCopy:
    """A copy of the tree with a home, a folder for temporary files and a cache of its own."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = folder / "tree"
        self._own = folder / "own"
        self._own.mkdir(parents=True)
        self._copy(root)
        (self.root / "sitecustomize.py").write_text(AT_START, encoding="utf-8")
        self._clock = 1_000_000_000
        self._process: subprocess.Popen[str] | None = None

    def _copy(self, root: Path) -> None:
        """All that git knows or would add; changes that are not committed count."""
        clone = ["git", "clone", "-q", "--shared", "--no-checkout", str(root), str(self.root)]
        subprocess.run(clone, check=True)
        listed = subprocess.run(
            [
                "git",
                "-C",
                str(root),
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ],
            capture_output=True,
            check=True,
        )
        for name in listed.stdout.decode().split("\0"):
            if name and (root / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, self.root / name)
        subprocess.run(["git", "-C", self.root, "reset", "-q"], check=True)

    @contextlib.contextmanager
    def changed(self, path: str, text: bytes) -> Iterator[None]:
        """Another text in one file while the block runs."""
        before = (self.root / path).read_bytes()
        self._write(path, text)
        try:
            yield
        finally:
            self._write(path, before)

    def _write(self, path: str, text: bytes) -> None:
        """Python takes a module's compiled form for good while its second and size stay."""
        (self.root / path).write_bytes(text)
        self._clock += 1
        os.utime(self.root / path, (self._clock, self._clock))

    def pytest(self, files: Sequence[str], plan: dict[str, Any], seconds: float) -> TestRun:
        """Run tests of some files by a plan (see `bench.mutants.plugin`)."""
        shutil.rmtree(self._own)
        (self._own / "tmp").mkdir(parents=True)
        place = self._own / "plan.json"
        place.write_text(json.dumps(plan), encoding="utf-8")
        # The last one holds the plugin, should the tree itself have none.
        inside = [self.root / each for each in (".", "treecheck", "apps/coworking")]
        here = [str(each) for each in (*inside, Path(__file__).parents[2])]
        process = self._process = subprocess.Popen(
            [sys.executable, *PYTEST, f"--basetemp={self._own / 'pytest'}"]
            + ["--exitfirst"] * ("order" in plan)
            + [*files],
            cwd=self.root,
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(here)}
            | {"TMPDIR": str(self._own / "tmp"), "HOME": str(self._own), PLAN: str(place)}
            | {"TREECHECK_CACHE_DIR": str(self._own / "cache")}
            | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            output = process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            return TestRun(None, "")
        finally:
            self.stop()
            process.wait()
            self._process = None
        return TestRun(process.returncode, output)

    def stop(self) -> None:
        """End the running tests, and what they left running."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
