"""What the last lines of PostgreSQL's own log say of the volume, its pages and the archived log."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from ci.oncall.backup_state import DISK_FULL, PAGE, began

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ci.argocd.client import LogLine
    from ci.oncall.backup_state import BackupState
    from ci.oncall.reports import Verdict

RECENT = timedelta(minutes=15)  # what was full before that may be well again
_LEVEL = r"\b(WARNING|ERROR|FATAL|PANIC):\s+.*"
# PostgreSQL 15, src/backend/storage/page/bufpage.c and catalog/storage.c; smgr/md.c, mdextend.
_CORRUPTED = re.compile(rf"{_LEVEL}(invalid page in block|page verification failed)")
_FULL = re.compile(rf"{_LEVEL}(No space left on device|could not extend file .*: wrote only)")
# pgBackRest 2.45, src/command/archive/push/push.c: archivePushDropWarning.
_DROPPED = re.compile(r"\bWARN: dropped WAL file '")


def judge(lines: Sequence[LogLine], now: datetime, state: BackupState | None = None) -> Verdict:
    """Decide what in the log needs a person.

    Args:
        lines: the last lines, oldest first.
        now: the time.
        state: what keep-backups has said; what that says is not said twice.
    """
    known_corrupted = state is not None and (state.bad_pages or state.damaged)
    known_full = state is not None and (state.disk or 0) >= DISK_FULL
    corrupted, full, dropped = (_newest(each, lines) for each in (_CORRUPTED, _FULL, _DROPPED))
    said = []
    if corrupted and not known_corrupted:
        what = _words(corrupted)
        said.append(f"PostgreSQL has read a corrupted page: {what} ({PAGE}#a-corrupted-page)")
    if full and now - full.at <= RECENT and not known_full:
        said.append(f"the database's volume is full: {_words(full)} ({PAGE}#a-volume-that-fills)")
    if dropped and not (state and (state.dropped_at or _has_backup_since(state, dropped.at))):
        what = dropped.text.partition("WARN: ")[2]
        said.append(f"{what}: moments before the next backup can't be restored")
    return tuple(said), ()


def _words(line: LogLine) -> str:
    """What the server says after its time and level."""
    return line.text.partition(":  ")[2] or line.text


def _has_backup_since(state: BackupState, at: datetime) -> bool:
    newest = began(state.newest)
    return newest is not None and newest > at


def _newest(pattern: re.Pattern[str], lines: Sequence[LogLine]) -> LogLine | None:
    return next((line for line in reversed(lines) if pattern.search(line.text)), None)
