"""Records which lines of some files a block of Python runs, in every thread of its process.

Of a function that has run a hundred times every line counts as run: what is recorded decides which
tests are tried, so too many do no harm.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

OFTEN = 100
# Where a process that a test starts writes its lines, and the files that count.
FOLDER, FILES = "MUTANTS_LINES", "MUTANTS_FILES"


class LineRecord:
    """The lines run so far, by file."""

    def __init__(self, files: set[str]) -> None:
        self.run: dict[str, set[int]] = {}
        self._files = files
        self._calls: dict[CodeType, int] = {}

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Record while the block runs."""
        before = sys.gettrace()
        threading.settrace(self._called)
        sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(before)
            threading.settrace(None)

    def _called(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        code = frame.f_code
        if code.co_filename not in self._files:
            return None
        run = self.run.setdefault(code.co_filename, set())
        calls = self._calls[code] = self._calls.get(code, 0) + 1
        if calls > OFTEN:
            return None
        if calls == OFTEN:
            run.update(line for _, _, line in code.co_lines() if line)

        def ran(frame: FrameType, event: str, _argument: Any) -> Any:
            if event == "line":
                run.add(frame.f_lineno)
            return ran

        return ran


def record_this_process() -> None:
    """Called at the start of a process that a test started; does nothing in any other."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return
    lines = LineRecord(set(json.loads(os.environ[FILES])))
    recording = lines.recorded()
    recording.__enter__()

    def write() -> None:
        recording.__exit__(None, None, None)
        content = {file: sorted(run) for file, run in lines.run.items()}
        with contextlib.suppress(OSError):
            Path(folder, f"{os.getpid()}.json").write_text(json.dumps(content), encoding="utf-8")

    atexit.register(write)
