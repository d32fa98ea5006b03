"""What pytest is asked to do in a copy of the tree: run some tests first, or record their lines.

The environment variable MUTANTS_PLAN names a JSON file: `order`, the tests to run; or `record`, the
file to write what each test ran and how long it took, and `files`, the files whose lines count.
"""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.mutants.lines import FILES, FOLDER, LineRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAN = "MUTANTS_PLAN"
MOST = 3 << 30  # bytes


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of the plan, in its order."""
    order = _plan().get("order")
    if order is not None:
        by_name = {item.nodeid: item for item in items}
        items[:] = [by_name[name] for name in order if name in by_name]


def pytest_configure(config: pytest.Config) -> None:
    """Bound the memory of a change that never ends, and record where the plan asks for it."""
    resource.setrlimit(resource.RLIMIT_DATA, (MOST, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    if "record" in _plan():
        config.pluginmanager.register(Recorder(_plan()))


def _plan() -> dict[str, Any]:
    plan: dict[str, Any] = json.loads(Path(os.environ[PLAN]).read_text(encoding="utf-8"))
    return plan


class Recorder:
    """Writes a JSON object a test: its name, seconds, whether it passed, the lines of each file."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._target = Path(plan["record"])
        self._files: list[str] = plan["files"]
        self._passed = True

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        folder = self._target.with_suffix(".processes")
        folder.mkdir(exist_ok=True)
        os.environ |= {FOLDER: str(folder), FILES: json.dumps(self._files)}
        lines = LineRecord(set(self._files))
        self._passed, began = True, time.perf_counter()
        with lines.recorded():
            yield
        for file in folder.iterdir():
            for name, run in json.loads(file.read_text(encoding="utf-8")).items():
                lines.run.setdefault(name, set()).update(run)
            file.unlink()
        told = {
            "test": item.nodeid,
            "seconds": time.perf_counter() - began,
            "passed": self._passed,
            "lines": {file: sorted(run) for file, run in lines.run.items()},
        }
        with self._target.open("a", encoding="utf-8") as target:
            target.write(json.dumps(told) + "\n")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._passed = self._passed and report.outcome != "failed"
