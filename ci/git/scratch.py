"""Private folders for copies of repositories; those that killed runs have left are removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "coworking-git-"
# Twice as long as any run may last: `set-image --budget` ends at a day.
OLD = 2 * 86_400.0  # seconds


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a private folder that goes with the block; first remove old ones of this user."""
    sweep(Path(tempfile.gettempdir()), now=time.time())
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        yield Path(name)


def sweep(folder: Path, *, now: float) -> None:
    """Remove what runs that were killed have left: they can't do it themselves.

    Args:
        folder: where temporary folders are made.
        now: the time, in seconds since 1970.
    """
    for left in folder.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another run has just removed it
            about = left.lstat()
            if about.st_uid == os.getuid() and now - about.st_mtime > OLD:
                shutil.rmtree(left)
