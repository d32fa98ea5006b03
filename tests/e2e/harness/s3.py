"""The S3 that backups go to: moto behind TLS, at an address of this machine that pods reach."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from tests.e2e.harness.upstream import ROOT, Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUCKET = "coworking-backups"
NAME, SECRET = "e2e-of-the-backups", "9cQm-the-other-half-of-it"
PORT = 443  # pgBackRest's, and the only one that the NetworkPolicy lets through


class S3:
    """moto, served as in tests/postgres; what is in it ends with it.

    Attributes:
        host: its address.
        authority: the certificate authority that its clients must trust.
    """

    def __init__(self, git_url: str, scratch: Path) -> None:
        self.host = _address_towards(git_url)
        self.authority = Authority(scratch)
        self._log = (scratch / "s3.log").open("wb")
        pem = self.authority.issue(self.host)
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "granian", "--interface", "wsgi", "--workers", "1"),
                *("--host", self.host, "--port", str(PORT), "--blocking-threads", "8"),
                *("--ssl-certificate", pem, "--ssl-keyfile", pem, "tests.postgres.s3:application"),
            ],
            cwd=ROOT,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self._client = boto3.client(
            "s3",
            endpoint_url=f"https://{self.host}",
            verify=str(self.authority.file),
            region_name="us-east-1",
            aws_access_key_id=NAME,
            aws_secret_access_key=SECRET,
            config=Config(retries={"max_attempts": 1}),
        )
        self._wait()
        self._client.create_bucket(Bucket=BUCKET)

    def close(self) -> None:
        """End it."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(20)
        self._log.close()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Let it give no answer; connections are made and then hang, which lasts longest."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def size(self, below: str = "") -> int:
        """The bytes of all objects below a path."""
        return sum(each["Size"] for each in self._objects(below))

    def _objects(self, below: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=below)
        for page in pages:
            yield from page.get("Contents", [])

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection((self.host, PORT), 1).close()
                return
            assert self._process.poll() is None, "S3 has ended: see s3.log"
            assert time.monotonic() < deadline, "S3 does not start: see s3.log"
            time.sleep(0.1)


def _address_towards(git_url: str) -> str:
    """This machine's address on the way to the git server, which pods reach too."""
    parts = urlsplit(git_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with socket.create_connection((parts.hostname, port), 10) as connection:
        return str(connection.getsockname()[0])
