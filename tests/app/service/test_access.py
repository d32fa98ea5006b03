"""Access keys: which texts are keys, how files of them are read, and when they change."""

from __future__ import annotations

import json
import logging
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coworking import access
from coworking.access import AccessKeys, new_key, weakness
from coworking.errors import ConfigError
from tests.app.service.kubelet import Mount

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 3600.0


class Clock:
    """The clocks of the module: one that a test moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def time(self) -> float:
        return self.now

    monotonic = time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """`clock.now += 1` lets a second pass for the keys."""
    clock = Clock()
    monkeypatch.setattr(access, "time", clock)
    return clock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ACCESS_KEY"


def test_a_new_key_is_one_and_no_two_are_equal() -> None:
    keys = {new_key() for _ in range(50)}
    assert len(keys) == 50
    assert [weakness(key) for key in keys] == [None] * 50


@pytest.mark.parametrize(
    "key",
    [
        secrets.token_hex(32),
        secrets.token_urlsafe(48),
        "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MGFiY2RlZmdoaWo+/A==",
    ],
    ids=["hexadecimal", "more bytes", "base64"],
)
def test_other_ways_to_write_32_random_bytes_are_keys_too(key: str) -> None:
    assert weakness(key) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hunter2", "it has 7 characters; 32 random bytes have 43"),
        ("0123456789abcdef" * 3, "it has 48 characters; 32 random bytes have 64"),
        ("z" * 43, "it repeats a few characters, so it is not random"),
        ("changeme" * 6, "it repeats a few characters, so it is not random"),
        ("correct horse battery staple correct horse battery", "it has characters other than"),
        ("\u00e9" * 43, "it has characters other than"),
        ("0123456789xyz" * 40, "it has 520 characters; at most 512 are allowed"),
    ],
)
def test_a_weak_key_is_refused_with_the_reason(text: str, reason: str) -> None:
    assert (weakness(text) or "").startswith(reason)


def test_without_a_file_the_door_is_open_and_nothing_is_a_key() -> None:
    keys = AccessKeys(None)
    assert (keys.closed, keys.count) == (False, 0)
    assert not keys.opens("")
    assert keys.log_in("") is None


def test_a_missing_or_an_empty_file_leaves_the_door_open(file: Path) -> None:
    assert not AccessKeys(file).closed
    file.write_text("\n \n")
    assert not AccessKeys(file).closed


def test_every_line_is_a_key_and_nothing_else_is(file: Path) -> None:
    first, second = new_key(), new_key()
    file.write_text(f"{first}\r\n\n  {second}  ")
    keys = AccessKeys(file)
    assert (keys.closed, keys.count) == (True, 2)
    assert keys.opens(first)
    assert keys.opens(second)
    for other in ("", first[:-1], first + "a", first.swapcase(), f"{first}\n{second}", "\udcff"):
        assert not keys.opens(other)


def test_the_old_file_beside_it_counts_too(file: Path) -> None:
    new, old = new_key(), new_key()
    file.write_text(new)
    file.with_name("ACCESS_KEY_OLD").write_text(old)
    file.with_name("DB_PASSWORD").write_text(new_key())
    keys = AccessKeys(file)
    assert keys.count == 2
    assert keys.opens(old)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"hunter2", "line 1 is not an access key: it has 7 characters"),
        (b"\n" + b"z" * 43, "line 2 is not an access key: it repeats a few characters"),
        (b"\xff\xfe", "it is not UTF-8 text"),
    ],
)
def test_a_file_that_can_not_be_used_is_refused_at_the_start(
    file: Path, content: bytes, sentence: str
) -> None:
    """An open door is never an accident."""
    file.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        AccessKeys(file)
    assert str(raised.value).startswith(f"ACCESS_KEY_FILE={file}: {sentence}")
    assert (raised.value.hint == "This makes one:\n  coworking new-key") == ("line" in sentence)
    assert "hunter2" not in str(raised.value)


def test_a_folder_in_the_place_of_the_file_is_refused(file: Path) -> None:
    file.mkdir()
    with pytest.raises(ConfigError, match="it can't be read: Is a directory"):
        AccessKeys(file)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A misspelt path must not open the door."""
    with pytest.raises(ConfigError, match=r"there is no folder .*/secrts"):
        AccessKeys(tmp_path / "secrts" / "ACCESS_KEY")


def test_a_file_that_this_user_may_not_read_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a stand-in for the system's refusal: root, who may run this, reads everything."""
    file.write_text(new_key())

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ConfigError, match="it can't be read: Permission denied"):
        AccessKeys(file)


def test_a_changed_secret_is_read_again_within_a_second(tmp_path: Path, clock: Clock) -> None:
    """The kubelet moves one link; the file's own path and time look as before."""
    first, second = new_key(), new_key()
    mount = Mount(tmp_path / "secret", {"ACCESS_KEY": first})
    keys = AccessKeys(mount.folder / "ACCESS_KEY")
    mount.write({"ACCESS_KEY": second, "ACCESS_KEY_OLD": first})
    assert not keys.opens(second)
    clock.now += 1
    assert keys.opens(second)
    assert keys.opens(first)
    mount.write({"ACCESS_KEY": second})
    clock.now += 1
    assert keys.opens(second)
    assert not keys.opens(first)


def test_a_key_that_comes_closes_an_open_door(tmp_path: Path, clock: Clock) -> None:
    mount = Mount(tmp_path / "secret", {"DB_PASSWORD": new_key()})
    keys = AccessKeys(mount.folder / "ACCESS_KEY")
    assert not keys.closed
    mount.write({"DB_PASSWORD": new_key(), "ACCESS_KEY": new_key()})
    clock.now += 1
    assert keys.closed


@pytest.mark.parametrize(
    ("breaks", "fault"),
    [
        (lambda file: file.write_text("short"), "line 1 is not an access key"),
        (lambda file: file.write_bytes(b"\xff"), "it is not UTF-8 text"),
        (lambda file: file.write_text(""), "has no key any more"),
        (lambda file: file.unlink(), "has no key any more"),
        (lambda file: file.with_name("ACCESS_KEY_OLD").write_text("x"), "line 1 is not an access"),
    ],
    ids=["a short key", "not UTF-8", "empty", "gone", "the other file"],
)
def test_files_that_go_bad_leave_the_keys_as_they_were_and_are_reported_once(
    file: Path,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    breaks: Callable[[Path], object],
    fault: str,
) -> None:
    caplog.set_level(logging.INFO, logger="coworking")
    key = new_key()
    file.write_text(key)
    keys = AccessKeys(file)
    breaks(file)
    for _ in range(3):
        clock.now += 1
        assert keys.opens(key)
    assert fault in keys.fault
    assert [record.message for record in caplog.records] == ["the access keys stay as they were"]
    file.with_name("ACCESS_KEY_OLD").unlink(missing_ok=True)
    file.write_text(new_key())
    clock.now += 1
    assert not keys.opens(key)
    assert keys.fault == ""


def test_no_line_of_the_log_has_a_key(
    file: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="coworking")
    good, bad = new_key(), new_key()[:-1]
    file.write_text(good)
    keys = AccessKeys(file)
    file.write_text(bad)
    clock.now += 1
    assert keys.closed
    said = json.dumps([record.__dict__ for record in caplog.records], default=str)
    assert caplog.records
    assert bad not in said
    assert good not in said


def test_a_session_is_known_to_every_process_with_its_key(file: Path) -> None:
    first, second = new_key(), new_key()
    file.write_text(f"{first}\n{second}")
    here, there = AccessKeys(file), AccessKeys(file)
    for key in (first, second):
        session = here.log_in(key)
        assert session is not None
        assert there.knows(session)
        assert key not in session


def test_a_session_ends_with_its_key_and_no_other(file: Path, clock: Clock) -> None:
    first, second = new_key(), new_key()
    file.write_text(f"{first}\n{second}")
    keys = AccessKeys(file)
    old, new = keys.log_in(first), keys.log_in(second)
    assert old is not None
    assert new is not None
    file.write_text(second)
    clock.now += 1
    assert not keys.knows(old)
    assert keys.knows(new)


def test_a_session_ends_after_12_hours(file: Path, clock: Clock) -> None:
    key = new_key()
    file.write_text(key)
    keys = AccessKeys(file)
    session = keys.log_in(key)
    assert session is not None
    clock.now += 12 * HOUR - 1
    assert keys.knows(session)
    clock.now += 1
    assert not keys.knows(session)


def test_a_session_from_a_replica_whose_clock_is_ahead_counts(file: Path, clock: Clock) -> None:
    key = new_key()
    file.write_text(key)
    keys = AccessKeys(file)
    clock.now += 30
    session = keys.log_in(key)
    clock.now -= 30
    assert session is not None
    assert keys.knows(session)


def test_a_forged_session_is_not_known(file: Path) -> None:
    key = new_key()
    file.write_text(key)
    keys = AccessKeys(file)
    session = keys.log_in(key)
    assert session is not None
    expires, _, signature = session.partition(".")
    for forged in (
        "",
        ".",
        expires,
        f"{int(expires) + 1}.{signature}",
        f"{expires}.{signature[:-2]}",
        key,
        "\u00e9.\u00e9",
    ):
        assert not keys.knows(forged)
