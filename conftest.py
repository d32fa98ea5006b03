"""What holds for every test: where files go, and how rarely Python looks for garbage."""

from __future__ import annotations

import gc
import logging
import os
import socketserver
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import treecheck  # noqa: F401  # before pytest takes the folder treecheck/ for a package of that name
from ci import hidden

if TYPE_CHECKING:
    from collections.abc import Iterator

# The run makes and deletes a hundred thousand small files, and PostgreSQL's beside them. Linux's
# memory file system does that in a third of a disk's processor time; hooks have to run from it.
MEMORY = Path("/dev/shm")
NEEDED = 2 << 30  # bytes


def _holds_the_tests(folder: Path) -> bool:
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        return False
    system = os.statvfs(folder)
    return system.f_bavail * system.f_frsize > NEEDED and not system.f_flag & os.ST_NOEXEC


if "TMPDIR" not in os.environ and _holds_the_tests(MEMORY):
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

# What is imported and collected stays to the end, so nobody looks through it for garbage.
gc.disable()
gc.set_threshold(100_000, 20, 100)

# What the checker keeps of a run, it keeps in this folder and not in the user's.
os.environ.setdefault("TREECHECK_CACHE_DIR", str(Path(__file__).parent / ".local" / "treecheck"))

# werkzeug keeps the stream that pytest had put in place of standard error at its first line, and
# complains once that one is closed.
logging.getLogger("werkzeug").setLevel(logging.ERROR)


_handle_error = socketserver.BaseServer.handle_error


def _unless_gone(server: socketserver.BaseServer, request: Any, address: Any) -> None:
    """A client that hung up is not a fault, nor is a late answer of a server that was closed.

    Another test would have the traceback in its output.
    """
    closed = server.fileno() < 0  # type: ignore[attr-defined]  # TCPServer's
    if not closed and not isinstance(sys.exc_info()[1], ConnectionError):
        _handle_error(server, request, address)


socketserver.BaseServer.handle_error = _unless_gone  # type: ignore[method-assign]

# A worker takes whole files, in this order: one of these begun last would be waited for alone.
LONGEST = (
    "test_outages.py",
    "test_add_and_remove.py",
    "test_password_rotation.py",
    "test_fork.py",
    "test_write_back.py",
    "test_dashboard_in_chromium.py",
    "test_checks.py",
    "test_rules.py",
    "test_exactness.py",
    "test_serve.py",
    "test_faults.py",
    "test_hidden.py",
    "test_schemathesis.py",
    "test_key_rotation.py",
    "test_partial.py",
    "test_scrape.py",
    "test_up.py",
    "test_buildspec.py",
    "test_wheel.py",
    "test_database_image.py",
    "test_rotate.py",
    "test_gates.py",
    "test_contributing.py",
    "test_races.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; each keeps the order of its tests."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def pytest_collection_finish() -> None:
    """Keep what is there now out of the search for garbage, which is worth it from now on."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _nothing_of_other_tests() -> Iterator[None]:
    """A process remembers secrets, its login to AWS and where it logs to; tests share a process."""
    yield
    hidden.forget()
    if boto3 := sys.modules.get("boto3"):
        boto3.DEFAULT_SESSION = None  # type: ignore[attr-defined]
    for handler in list(logging.root.handlers):
        if type(handler) is logging.StreamHandler:  # pytest's own are of classes derived from it
            logging.root.removeHandler(handler)
