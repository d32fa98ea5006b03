"""What a login is tried with, while a second password is announced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from coworking.config import Config
from coworking.passwords import Passwords
from tests.app.service.kubelet import Mount

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Passwords, Mount]:
    entries = {"DB_PASSWORD": "present-4711", "DB_PASSWORD_NEXT": "next-0815"}
    mount = Mount(tmp_path / "mount", entries)
    monkeypatch.setenv("DB_USERNAME", "coworking")
    monkeypatch.setenv("DB_PASSWORD_FILE", str(mount.folder / "DB_PASSWORD"))
    return Passwords(Config.read()), mount


class FakeServer:
    """Takes some passwords; remembers what was tried."""

    def __init__(self, *takes: str) -> None:
        self.takes = takes
        self.tried: list[str | None] = []

    def connect(self, password: str | None) -> Any:
        self.tried.append(password)
        if password not in self.takes:
            raise psycopg2.OperationalError(
                'FATAL:  password authentication failed for user "coworking"'
            )
        return password


def test_the_password_that_was_taken_last_is_tried_first(
    passwords: tuple[Passwords, Mount],
) -> None:
    server = FakeServer("next-0815")
    for _ in range(3):
        assert passwords[0].log_in(server.connect) == "next-0815"
    assert server.tried == ["present-4711", "next-0815", "next-0815", "next-0815"]


def test_a_refused_login_is_tried_once_more_and_no_oftener(
    passwords: tuple[Passwords, Mount],
) -> None:
    server = FakeServer()
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        passwords[0].log_in(server.connect)
    assert server.tried == ["present-4711", "next-0815"]


def test_a_server_that_is_away_is_not_asked_twice(passwords: tuple[Passwords, Mount]) -> None:
    tried = []

    def connect(password: str | None) -> Any:
        tried.append(password)
        raise psycopg2.OperationalError("could not connect to server: Connection refused")

    with pytest.raises(psycopg2.OperationalError, match="Connection refused"):
        passwords[0].log_in(connect)
    assert len(tried) == 1


def test_the_files_are_read_again_after_a_refusal(passwords: tuple[Passwords, Mount]) -> None:
    """The Secret changed between the reading and the login."""
    found, mount = passwords
    server = FakeServer("newest-1234")

    def connect(password: str | None) -> Any:
        mount.write({"DB_PASSWORD": "newest-1234"})
        return server.connect(password)

    assert found.log_in(connect) == "newest-1234"
    assert server.tried == ["present-4711", "newest-1234"]


def test_an_announced_password_that_cannot_be_read_does_not_stop_the_service(
    passwords: tuple[Passwords, Mount],
) -> None:
    found, mount = passwords
    mount.write({"DB_PASSWORD": "present-4711", "DB_PASSWORD_NEXT": ""})
    assert found.log_in(FakeServer("present-4711").connect) == "present-4711"
