"""The door behind the real server, and the command lines that docs/api.md gives."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from coworking.access import new_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPORT = "/api/reports/daily_usage"
API_PAGE = Path(__file__).parents[3] / "docs" / "api.md"


class Closed(NamedTuple):
    """A service behind a key."""

    service: Any
    key: str


@pytest.fixture(scope="module")
def closed(
    serve_all: Callable[..., Any],
    reused_databases: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Closed]:
    file = tmp_path_factory.mktemp("keys") / "ACCESS_KEY"
    key = new_key()
    file.write_text(key)
    with reused_databases.lend(18) as database:
        yield Closed(serve_all(database, ACCESS_KEY_FILE=str(file)), key)


def answer(closed: Closed, method: str, *headers: bytes) -> bytes:
    """What the server sends to a request with these header lines."""
    port = int(closed.service.address.rpartition(":")[2])
    lines = (f"{method} {REPORT} HTTP/1.1".encode(), b"Host: x", b"Connection: close", *headers)
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
        while part := connection.recv(65536):
            received += part
    return received


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Bearer {key}"], 200),
        (["Bearer {key}", "Bearer {key}"], 400),
        (["Bearer {key}", "Basic eDp5"], 400),
        (["Bearer \u00e9{key}"], 400),
        ([""], 400),
        (["Bearer  "], 400),
        (["Basic eDp5"], 401),
        ([], 401),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_header_lines_are_judged_as_the_server_hands_them_on(
    closed: Closed, method: str, lines: list[str], status: int
) -> None:
    """It joins two lines to one, and hands a line that isn't ASCII on as an empty one."""
    sent = [f"Authorization: {line.format(key=closed.key)}".encode() for line in lines]
    found = answer(closed, method, *sent)
    assert found.startswith(f"HTTP/1.1 {status} ".encode())
    head, _, body = found.partition(b"\r\n\r\n")
    assert (b"www-authenticate: bearer" in head.lower()) == (status != 200)
    assert (body == b"") == (method == "HEAD")


def test_bytes_that_are_no_text_in_a_header_are_refused(closed: Closed) -> None:
    found = answer(closed, "GET", b"Authorization: Bearer \xff\xfe")
    assert found.startswith(b"HTTP/1.1 400 ")


def test_an_answer_says_once_that_it_is_private(closed: Closed) -> None:
    head = answer(closed, "GET", f"Authorization: Bearer {closed.key}".encode()).lower()
    assert head.count(b"cache-control: private\r\n") == 1
    assert head.count(b"vary: authorization, cookie\r\n") == 1


def test_the_command_lines_of_the_page_about_the_api_work(closed: Closed, tmp_path: Path) -> None:
    lines = re.findall(
        r"^    (curl -H .*(?:ACCESS_KEY|@header\.txt).*)$", API_PAGE.read_text(), re.MULTILINE
    )
    assert len(lines) == 2
    (tmp_path / "header.txt").write_text(f"Authorization: Bearer {closed.key}\n")
    for line in lines:
        command = line.replace("http://127.0.0.1:5153", closed.service.address)
        assert command != line
        done = subprocess.run(
            ["bash", "-c", f"{command} --silent --show-error --fail --noproxy '*'"],
            cwd=tmp_path,
            env={"ACCESS_KEY": closed.key, "PATH": "/usr/bin:/bin:/usr/local/bin"},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("{")


@pytest.mark.parametrize(
    ("version", "hosts", "status"),
    [
        ("1.1", ["x"], 200),
        ("1.1", ["[::1]:5153"], 200),
        ("1.1", [], 400),
        ("1.1", ["x", "y"], 400),
        ("1.1", ["x", "x"], 400),
        ("1.0", [], 200),
    ],
)
def test_http_1_1_needs_one_host_header(
    closed: Closed, version: str, hosts: list[str], status: int
) -> None:
    """RFC 9112, 3.2; all of them were answered, and a proxy in front may read another host."""
    port = int(closed.service.address.rpartition(":")[2])
    lines = [f"GET /health_check HTTP/{version}", *(f"Host: {host}" for host in hosts)]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        head = connection.recv(65536)
    assert head.split(b" ")[1] == str(status).encode()
    assert (b"application/problem+json" in head) == (status == 400)
