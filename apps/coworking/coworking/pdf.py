"""A page as PDF, printed by the Chromium that the machine has."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING

from coworking.errors import ServiceError

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 60


def chromium() -> str | None:
    """Where Chromium is: what CHROMIUM names, or the first of PROGRAMS on the PATH."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)


def print_page(program: str, page: Path, target: Path) -> None:
    """Print an HTML file.

    Raises:
        ServiceError: Chromium failed, or wrote nothing.
    """
    with tempfile.TemporaryDirectory() as profile:
        # As root it has no sandbox; the page is our own and loads nothing.
        words = [program, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
        words += [f"--user-data-dir={profile}", f"--print-to-pdf={target}", page.as_uri()]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServiceError(f"{program} did not print {page}: {error}") from None
    if done.returncode != 0 or not target.is_file():
        raise ServiceError(f"{program} did not print {page}: {done.stderr.strip()[-300:]}")
