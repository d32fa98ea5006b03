"""A claim's folder, the image's programs run on it, and the server that uses it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "apps" / "postgres" / "bin"
SETTINGS = ROOT / "base" / "postgres" / "backups"
BIN = "/usr/lib/postgresql/15/bin"
MOUNT = "/var/lib/postgresql/data"  # where the claim is in a pod
OS_USER = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses root


class Settings(Protocol):
    """Where a repository of backups is, in S3 or in a folder."""

    def variables(self) -> dict[str, str]:
        """pgBackRest's settings that are the tests' own."""


class Repository(NamedTuple):
    """A path in a bucket."""

    path: str
    port: int
    pem: Path
    bucket: str
    client: Any

    def variables(self) -> dict[str, str]:
        """pgBackRest's settings that are the tests' own. Keys stand in for web identity."""
        values = {
            "repo1-path": self.path,
            "repo1-s3-bucket": self.bucket,
            "repo1-s3-endpoint": "localhost",
            "repo1-s3-region": "us-east-1",
            "repo1-s3-uri-style": "path",
            "repo1-s3-key-type": "shared",
            "repo1-s3-key": "an-access-key",
            "repo1-s3-key-secret": "its-other-half",
            "repo1-storage-host": "localhost",
            "repo1-storage-port": str(self.port),
            "repo1-storage-ca-file": str(self.pem),
            "repo1-cipher-pass": "the-first-key-of-the-backups",
        }
        return {f"PGBACKREST_{k.upper().replace('-', '_')}": v for k, v in values.items()}

    def keys(self, below: str) -> list[str]:
        """The objects below a folder of the repository."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{self.path}/{below}".lstrip("/")
        )
        return [each["Key"] for page in pages for each in page.get("Contents", [])]


class Claim:
    """A claim, empty at first; `variables` are what git says about it."""

    def __init__(self, path: Path, repository: Settings) -> None:
        self.path = path
        self.repository = repository
        self.data = path / "data" / "pgdata"
        self.run = path / "run"
        self.variables: dict[str, str] = {}
        self._running: list[subprocess.Popen[str]] = []
        for folder in (path, path / "data", self.run, path / "tmp"):
            folder.mkdir(exist_ok=True)
            if OS_USER:
                shutil.chown(folder, OS_USER)
        for name in ("pgbackrest.conf", "archiving.conf"):
            text = (SETTINGS / name).read_text(encoding="utf-8")
            text = text.replace("=/tmp/", f"={path}/tmp/").replace(MOUNT, str(path / "data"))
            (path / name).write_text(text, encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """The variables of every container of the pod."""
        return {
            "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
            "TMPDIR": str(self.path / "tmp"),
            "PGDATA": str(self.data),
            "PGBACKREST_CONFIG": str(self.path / "pgbackrest.conf"),
            "PGBACKREST_PG1_SOCKET_PATH": str(self.run),
            "SERVER_CONFIG": str(self.path / "archiving.conf"),
            "SOCKETS": str(self.run),
            "DATABASE": "postgres",
            "PASSWORD_FILE": str(self.path / "password"),
            "POLL_SECONDS": "0.2",
            **self.repository.variables(),
            **self.variables,
        }

    def begin(self, program: str, **variables: str) -> subprocess.Popen[str]:
        """Start a program of the image; its output goes on in `said`."""
        log = (self.path / "said").open("w")
        if OS_USER:
            shutil.chown(self.path / "said", OS_USER)
        process = subprocess.Popen(
            [PROGRAMS / program],
            env=self.environment() | variables,
            user=OS_USER,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            cwd=self.path,
        )
        log.close()
        self._running.append(process)
        return process

    def fill(self, **variables: str) -> tuple[int, str]:
        """Run `fill-claim` to its end: its status and what it said."""
        return self.to_its_end("fill-claim", **variables)

    def serve(self, **variables: str) -> None:
        """Fill it as git says, and start its server."""
        status, said = self.fill(**variables)
        assert status == 0, said
        self.start()

    def to_its_end(self, program: str, **variables: str) -> tuple[int, str]:
        """Run a program of the image to its end: its status and what it said."""
        status = self.begin(program, **variables).wait(120)
        return status, self.said()

    def said(self) -> str:
        """What the last program has said."""
        return (self.path / "said").read_text(errors="replace")  # a wrong key gives any bytes

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = 100) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come; it said: {self.said()}"
            time.sleep(0.02)

    def run_program(self, *command: str | Path) -> str:
        """Run a command as in the pod, and return its output."""
        done = subprocess.run(
            command, env=self.environment(), user=OS_USER, capture_output=True, text=True,
            cwd=self.path, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def initialise(self) -> None:
        """Make a database, as upstream's entry point does for an empty claim."""
        self.run_program(
            f"{BIN}/initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "--no-sync",
            "--encoding=utf8", "--locale=C", "--data-checksums",
        )  # fmt: skip

    def start(self) -> None:
        """Start the server as the pod does, and wait until it takes connections.

        `pg_ctl -w` already returns when PostgreSQL 15 begins to recover from a crash.
        """
        options = f"-c config_file={self.path}/archiving.conf -c listen_addresses= -k {self.run}"
        self.run_program(
            f"{BIN}/pg_ctl", "start", "-s", "-w", "-D", self.data, "-l", self.path / "server.log",
            "-o", options,
        )  # fmt: skip
        self.wait_until(self.is_ready, "that it takes connections")

    def is_ready(self) -> bool:
        """Whether the server takes connections, as its pod's probe asks."""
        command = [f"{BIN}/pg_isready", "-q", "-h", str(self.run), "-d", "postgres"]
        return subprocess.run(command, check=False).returncode == 0

    def stop(self) -> None:
        """Stop the server as the end of its pod does."""
        self.run_program(f"{BIN}/pg_ctl", "stop", "-s", "-w", "-m", "fast", "-D", self.data)

    def sql(self, *statements: str) -> str:
        """Run statements as the superuser, each on its own; what the last one printed."""
        output = ""
        for statement in statements:
            output = self.run_program(
                f"{BIN}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.run, "-U", "postgres",
                "-d", "postgres", "-c", statement,
            )  # fmt: skip
        return output.strip()

    def backrest(self, *arguments: str) -> str:
        """Run pgBackRest as in the pod."""
        return self.run_program("/usr/bin/pgbackrest", "--stanza=main", *arguments)

    def archive_all(self) -> None:
        """Wait until everything written so far is archived."""
        segment = self.sql("SELECT pg_walfile_name(pg_switch_wal())")
        self.wait_until(
            lambda: self.sql("SELECT last_archived_wal FROM pg_stat_archiver") >= segment,
            f"the archived segment {segment}",
        )

    def lose(self) -> None:
        """Lose the volume: the server dies and the data is gone."""
        self.kill()
        shutil.rmtree(self.data)

    def kill(self) -> None:
        """Kill whatever runs on the claim."""
        for process in self._running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
        while servers := self.servers():
            for number in servers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            time.sleep(0.01)

    def servers(self) -> list[int]:
        """The processes of the claim's folder: PostgreSQL leaves its starter's group.

        The server names the folder in its command line; what it starts only stands there.
        """
        found = []
        for each in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                named = str(self.data).encode() in (each / "cmdline").read_bytes()
                if named or (each / "cwd").readlink().is_relative_to(self.data.parent):
                    found.append(int(each.name))
        return found
