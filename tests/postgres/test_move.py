"""The move of docs/grow.md, by the page's own lines, between two PostgreSQL 15 of this machine.

A reader and a writer go on meanwhile. kubectl is a stand-in that runs what it is given beside the
server, and refuses whatever the page should not ask. The test is one, and takes long, because it is
one way: the copy, the switch, the rollups, the way back.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pytest

from tests.postgres.claim import BIN, OS_USER
from tests.postgres.conftest import _certificate, _missing
from tests.postgres.move_page import block

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "passed-between-two-servers"
# The pod: psql reaches its server by the socket, and the two files of the page are the test's own.
KUBECTL = """\
#!/bin/sh
[ "$1 $2 $3" = "--namespace coworking-prod exec" ] || { echo "kubectl: $*" >&2; exit 64; }
shift 3
if [ "$1" = -i ]; then shift; else exec </dev/null; fi
where="$1 $2 $3 $4"; shift 4
case "$where" in
"postgresql-0 --container postgresql --")
    export PGHOST=@RUN@ PGPORT=@OLD@
    case "$1" in
    sh) exec sh -c "$(printf %s "$3" | sed 's#/tmp/#@POD@/#')" ;;
    psql) for each; do shift; set -- "$@" "$(printf %s "$each" | sed 's#/tmp/#@POD@/#')"; done
        case " $* " in
        *" -c "*) exec "$@" ;;
        *) sed 's#/run/secrets/coworking#@POD@#' | "$@"; exit ;;
        esac ;;
    esac ;;
"deployment/coworking --container coworking --")
    [ "$1" = env ] || exit 64
    export DB_CHECK_TIMEOUT=5 DB_NAME=coworking DB_USERNAME=coworking
    export DB_PASSWORD_FILE=@POD@/DB_PASSWORD DB_SSLMODE=verify-full DB_SSLROOTCERT=@POD@/ca.pem
    for each; do
        shift
        case "$each" in
        DB_HOST=postgresql-service) each=DB_HOST=127.0.0.1; old=yes ;;
        DB_PORT=5432) [ -z "$old" ] || each=DB_PORT=@OLD@ ;;
        esac
        set -- "$@" "$each"
    done
    exec "$@" ;;
esac
echo "kubectl: $where $*" >&2
exit 64
"""


def program(name: str, *arguments: str | Path) -> None:
    """Run one of PostgreSQL's programs as its own user; its output goes to a file.

    A pipe would stay open in the server that pg_ctl leaves behind. A server that subscribes by
    TLS looks for a certificate in HOME, and root's is closed to it.
    """
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(
            [f"{BIN}/{name}", *arguments], user=OS_USER, stdout=said, stderr=said, cwd="/",
            env=os.environ | {"HOME": "/nonexistent"}, check=False,
        )  # fmt: skip
        said.seek(0)
        assert done.returncode == 0, said.read()


class Server:
    """A PostgreSQL 15 with a database `coworking`; over TCP it asks for passwords."""

    def __init__(self, folder: Path, empty: Path, *settings: str) -> None:
        self.folder = folder
        folder.mkdir()
        if OS_USER:
            shutil.chown(folder, OS_USER)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        subprocess.run(["cp", "-a", empty, folder / "data"], check=True)
        options = " ".join(
            f"-c {each}" for each in (f"port={self.port}", "listen_addresses=127.0.0.1", *settings)
        )
        program(
            "pg_ctl", "start", "-s", "-w", "-D", folder / "data", "-l", folder / "log",
            "-o", f"-k {folder} -c wal_level=logical -c fsync=off -c shared_buffers=16MB {options}",
        )  # fmt: skip

    def connect(self, user: str = "postgres") -> psycopg2.extensions.connection:
        """A connection by the socket, in autocommit mode."""
        connection = psycopg2.connect(
            host=str(self.folder), port=self.port, user=user,
            dbname="coworking" if user != "postgres" else "postgres",
        )  # fmt: skip
        connection.autocommit = True
        return connection

    def rows(self, query: str, user: str = "coworking") -> list[tuple[object, ...]]:
        """The rows of a query."""
        connection = self.connect(user)
        with connection.cursor() as cursor:
            cursor.execute(query)
            found = cursor.fetchall() if cursor.description else []
        connection.close()
        return found

    def stop(self) -> None:
        """Stop the server at once."""
        program("pg_ctl", "stop", "-s", "-w", "-m", "immediate", "-D", self.folder / "data")


class Writer(threading.Thread):
    """Writes a token every few milliseconds, to the server that it is pointed to.

    Attributes:
        written: what was committed, in order.
        pause: the longest time between two commits, in seconds.
        refused: how many writes were refused.
    """

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server, self.written, self.pause, self.refused = server, list[str](), 0.0, 0
        self.ends = False

    def run(self) -> None:
        """Write until it ends."""
        number, newest = 0, time.monotonic()
        while not self.ends:
            server, connection = self.server, self.server.connect("coworking")
            while server is self.server and not self.ends:
                token = f"w{number:05}"
                try:
                    with connection.cursor() as cursor:
                        cursor.execute(
                            "INSERT INTO tokens (user_id, token, used_at) VALUES (%s, %s, now())",
                            (number % 20 + 1, token),
                        )
                except psycopg2.errors.InsufficientPrivilege:
                    self.refused += 1
                else:
                    self.pause = max(self.pause, time.monotonic() - newest)
                    number, newest = number + 1, time.monotonic()
                    self.written.append(token)
                time.sleep(0.05)
            connection.close()

    def goes_on(self) -> None:
        """Wait until it has written ten rows more."""
        enough, deadline = len(self.written) + 10, time.monotonic() + 60
        while len(self.written) < enough:
            assert self.is_alive()
            assert time.monotonic() < deadline, "the writer is stuck"
            time.sleep(0.02)


class Reader(threading.Thread):
    """Asks for the sum of a report again and again.

    Attributes:
        sums: what it got.
        failed: the errors.
    """

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server, self.sums, self.failed = server, list[int](), list[str]()
        self.ends = False

    def run(self) -> None:
        """Read until it ends."""
        while not self.ends:
            server, connection = self.server, self.server.connect("coworking")
            while server is self.server and not self.ends:
                try:
                    with connection.cursor() as cursor:
                        cursor.execute("SELECT sum(check_ins)::bigint FROM exact_quarter_hours")
                        self.sums.append(cursor.fetchone()[0])  # type: ignore[index]  # one row
                except psycopg2.Error as error:
                    self.failed.append(str(error))
                time.sleep(0.2)
            connection.close()


class Shell:
    """A terminal in which the page's lines are typed: its files, and its kubectl."""

    def __init__(self, folder: Path, old: Server, new: Server) -> None:
        self.folder = folder
        pod, programs = folder / "pod", folder / "bin"
        pod.mkdir()
        programs.mkdir()
        (pod / "DB_PASSWORD").write_text(PASSWORD)
        text = KUBECTL.replace("@POD@", str(pod)).replace("@RUN@", str(old.folder))
        (programs / "kubectl").write_text(text.replace("@OLD@", str(old.port)))
        (programs / "kubectl").chmod(0o755)
        (folder / "new.pgpass").write_text(f"*:*:*:*:{PASSWORD}\n")
        values = {
            "NEW_HOST": "localhost", "NEW_PORT": new.port, "OLD_HOST": "127.0.0.1",
            "OLD_PORT": old.port,
        }  # fmt: skip
        lines = block("NAMESPACE=")
        for name, value in values.items():
            lines, count = re.subn(rf"(?m)^{name}=\S+", f"{name}={value}", lines)
            assert count == 1, name
        (folder / "move.sh").write_text(lines + block("# SQL as"))
        path = f"{programs}:{Path(sys.executable).parent}:{BIN}:{os.environ['PATH']}"
        self.environment = {"PATH": path, "HOME": str(folder)}

    def type(self, lines: str, *, status: int = 0) -> str:
        """Run lines in a shell that has read move.sh; what they printed."""
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", f". ./move.sh\n{lines}"], cwd=self.folder,
            env=self.environment, capture_output=True, text=True, timeout=400, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == status, f"{lines}\n{done.stdout}{done.stderr}"
        return done.stdout

    def equal(self, lines: str) -> None:
        """Run a block that ends with the rows of both, and compare them."""
        users, tokens, *others = self.type(lines).splitlines()[-4:]
        assert [users, tokens] == others


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own user reaches."""
    if _missing().startswith("PostgreSQL"):
        pytest.skip(_missing())
    path = Path(tempfile.mkdtemp(prefix="coworking-move-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def servers(folder: Path) -> Iterator[tuple[Server, Server]]:
    """The old one, without TLS and with data, and the new one, empty and with TLS."""
    certificates = folder / "certificates"
    certificates.mkdir()
    pem, key = _certificate(certificates)
    if OS_USER:
        shutil.chown(key, OS_USER)
    key.chmod(0o600)
    started = []
    try:
        empty = folder / "empty"
        empty.mkdir()
        if OS_USER:
            shutil.chown(empty, OS_USER)
        program(
            "initdb", "-D", empty, "-U", "postgres", "--no-sync", "--encoding=utf8", "--locale=C",
            "--auth-local=trust", "--auth-host=scram-sha-256",
        )  # fmt: skip
        started.append(Server(folder / "old", empty))
        tls = ("ssl=on", f"ssl_cert_file={pem}", f"ssl_key_file={key}")
        started.append(Server(folder / "new", empty, *tls))
        old, new = started
        for server in started:
            server.rows(f"ALTER ROLE postgres PASSWORD '{PASSWORD}'", "postgres")
        old.rows(f"CREATE ROLE coworking LOGIN PASSWORD '{PASSWORD}'", "postgres")
        old.rows("CREATE DATABASE coworking OWNER coworking", "postgres")
        new.rows("CREATE DATABASE coworking", "postgres")  # as the stack of RDS leaves it
        yield old, new
    finally:
        for server in started:
            server.stop()


@pytest.mark.timeout(600)  # a busy machine; alone it takes some seconds
def test_the_pages_lines_move_the_rows_under_a_reader_and_a_writer_and_bring_them_back(
    folder: Path, servers: tuple[Server, Server]
) -> None:
    old, new = servers
    shell = Shell(folder, old, new)
    shell.type("on_old migrate")
    fill(old)
    writer, reader = Writer(old), Reader(old)
    writer.start()
    reader.start()

    shell.type(block('kubectl --namespace "$NAMESPACE" exec -i'))
    shell.type(block("on_new migrate"))
    writer.goes_on()
    shell.type("waiting old moving")
    assert "got one, whose rows fire no trigger" in shell.type("on_new verify", status=1)
    shell.equal(block('new -c "CREATE PUBLICATION going_back'))
    writer.server = new
    writer.goes_on()
    assert shell.type(block("on_new rebuild")).count("The rollups equal the tokens.") == 1
    reader.server = new
    shell.type(block('new -c "DO'))
    writer.goes_on()
    moved, refused = writer.pause, writer.refused
    shell.equal(f"stop_writers new\nwaiting new going_back\n{rows_of_both()}\nlet_write new")

    _goes_back(shell, writer, reader, old)
    writer.goes_on()
    writer.ends = reader.ends = True
    writer.join(30)
    reader.join(30)

    found = old.rows("SELECT token FROM tokens WHERE token ~ '^w[0-9]{5}$' ORDER BY id")
    assert [token for (token,) in found] == writer.written
    assert refused > 0
    assert 0 < moved <= 30
    assert 0 < writer.pause <= 30
    nothing_was_missed(reader)
    print(f"without writes: {moved:.1f} s, and back: {writer.pause:.1f} s at most")


def _goes_back(shell: Shell, writer: Writer, reader: Reader, old: Server) -> None:
    """By the page's way back."""
    writer.goes_on()
    shell.equal(block("stop_writers new"))
    writer.server = old
    writer.goes_on()
    assert shell.type(block("on_old rebuild")).count("The rollups equal the tokens.") == 1
    reader.server = old


def fill(server: Server) -> None:
    """Twenty members with a hundred used tokens each."""
    server.rows(
        "INSERT INTO users (first_name, last_name, joined_at)"
        " SELECT 'A', 'B', '2026-01-01' FROM generate_series(1, 20)"
    )
    server.rows(
        "INSERT INTO tokens (user_id, token, used_at)"
        " SELECT n % 20 + 1, 'seed', now() FROM generate_series(1, 2000) n"
    )


def nothing_was_missed(reader: Reader) -> None:
    """No request failed, and no report missed what an earlier one had."""
    assert reader.failed == []
    assert reader.sums == sorted(reader.sums)
    assert len(reader.sums) > 10


def rows_of_both() -> str:
    """The line of the page that prints them."""
    return "rows old; rows new"
