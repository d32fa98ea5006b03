"""Access keys: who may read, decided by files that may change while the service runs.

    keys = AccessKeys(Path("/run/secrets/coworking/ACCESS_KEY"))
    keys.closed                     # whether a key is needed
    keys.opens("…")                 # whether this is one of the keys
    cookie = keys.log_in("…")       # a session's value, or None
    keys.knows(cookie)

The file holds one key a line. The file beside it whose name ends in `_OLD` counts too, so that
somebody who doesn't know the present key can replace it. Both are looked at once a second.

A closed door doesn't open by itself: a file that can't be read, is missing or has a line that is
not a key leaves the keys as they were, and is reported.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from itsdangerous import BadSignature, Signer

from coworking import logs
from coworking.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BYTES = 32
SHORTEST, SHORTEST_HEX = 43, 64  # characters that 32 random bytes take in base64 and in hexadecimal
LONGEST = 512
FEWEST_DIFFERENT = 10  # characters; random keys of either form have more, `aaaa…` has not
OLD = "_OLD"
LOOK_EVERY = 1.0  # seconds
SESSION_SECONDS = 12 * 3600
CLOCKS_APART = 60  # seconds by which the clocks of two replicas may differ
SIGNING = b"coworking: the key that signs session cookies, version 1"
# What a bearer token may consist of (RFC 6750, 2.1).
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
HEX = re.compile(r"[0-9A-Fa-f]+")
HINT = "This makes one:\n  coworking new-key"


def new_key() -> str:
    """A fresh key: 32 random bytes in base64url, which need quoting nowhere."""
    return secrets.token_urlsafe(BYTES)


def weakness(key: str) -> str | None:
    """Why a text can't be an access key; None if it can."""
    if not TOKEN.fullmatch(key):
        return "it has characters other than letters, digits and ._~+/-="
    if len(key) > LONGEST:
        return f"it has {len(key)} characters; at most {LONGEST} are allowed"
    shortest = SHORTEST_HEX if HEX.fullmatch(key) else SHORTEST
    if len(key) < shortest:
        return f"it has {len(key)} characters; {BYTES} random bytes have {shortest}"
    if len(set(key)) < FEWEST_DIFFERENT:
        return "it repeats a few characters, so it is not random"
    return None


class _Key(NamedTuple):
    """What is kept of a key: enough to recognise it and its sessions."""

    digest: bytes
    signer: Signer


def _kept(key: str) -> _Key:
    signing = hmac.digest(key.encode(), SIGNING, "sha256")
    signer = Signer(signing, salt="session", key_derivation="hmac", digest_method=hashlib.sha256)
    return _Key(_digest(key), signer)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="replace")).digest()


Seen = tuple[object, ...]


class AccessKeys:
    """The keys of one process.

    Args:
        path: the file of ACCESS_KEY_FILE; without one the door is always open.

    Attributes:
        fault: why the present content of the files is not used; empty if it is.

    Raises:
        ConfigError: the files can't be used. A missing file is allowed, a missing folder is not.
    """

    def __init__(self, path: Path | None) -> None:
        self._files: tuple[Path, ...] = ()
        if path is not None:
            self._files = (path, path.with_name(path.name + OLD))
        self._look = threading.Lock()
        self._looked = time.monotonic()
        self.fault = ""
        self._seen: Seen = ()
        self._keys: tuple[_Key, ...] = ()
        if path is not None:
            self._seen, self._keys = self._read()

    @property
    def closed(self) -> bool:
        """Whether a key is needed."""
        return bool(self._present())

    @property
    def count(self) -> int:
        """How many keys open the door; 0 if everybody may enter."""
        return len(self._present())

    def opens(self, key: str) -> bool:
        """Whether it is one of the keys; takes the same time whichever it is or isn't."""
        return self._find(key) is not None

    def log_in(self, key: str) -> str | None:
        """The value of a cookie that stands for this key from now on; None if it is not a key."""
        found = self._find(key)
        if found is None:
            return None
        return found.signer.sign(str(int(time.time()) + SESSION_SECONDS)).decode()

    def knows(self, cookie: str) -> bool:
        """Whether a cookie came from `log_in` with a key that still counts, and has not expired."""
        for key in self._present():
            try:
                expires = int(key.signer.unsign(cookie))
            except (BadSignature, ValueError):
                continue
            return 0 < expires - time.time() <= SESSION_SECONDS + CLOCKS_APART
        return False

    def _find(self, key: str) -> _Key | None:
        digest = _digest(key)
        found = None
        for each in self._present():
            if hmac.compare_digest(each.digest, digest):  # all of them, also after a match
                found = each
        return found

    def _present(self) -> tuple[_Key, ...]:
        """The keys of now; one caller a second looks whether the files have changed."""
        due = self._files and time.monotonic() - self._looked >= LOOK_EVERY
        if due and self._look.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._looked = time.monotonic()
                self._look.release()
        return self._keys

    def _refresh(self) -> None:
        try:
            if _look_at(self._files) == self._seen:
                return
            seen, keys = self._read()
        except ConfigError as error:
            self._report(str(error))
            return
        if self._keys and not keys:
            self._report(f"ACCESS_KEY_FILE={self._files[0]} has no key any more")
            return
        self._seen, self._keys, self.fault = seen, keys, ""
        logs.info("access keys read again", access_keys=len(keys))

    def _report(self, fault: str) -> None:
        """Say it once; the keys stay as they were."""
        if fault != self.fault:
            logs.warning("the access keys stay as they were", reason=fault)
        self.fault = fault

    def _read(self) -> tuple[Seen, tuple[_Key, ...]]:
        """What the files look like, and the keys in them, both of one moment."""
        for _ in range(3):
            seen = _look_at(self._files)
            if not self._files[0].parent.is_dir():
                raise _fault(self._files[0], f"there is no folder {self._files[0].parent}")
            keys = tuple(_kept(key) for file in self._files for key in _keys_in(file))
            if _look_at(self._files) == seen:
                return seen, keys
        raise _fault(self._files[0], "it changes while it is read")


def _look_at(files: tuple[Path, ...]) -> Seen:
    """What changes when a file does, also if a link that leads to it is moved to another."""
    found: list[object] = []
    for file in files:
        try:
            status = file.stat()
        except FileNotFoundError:
            found.append(None)
        except OSError as error:
            raise _fault(file, f"it can't be read: {error.strerror}") from None
        else:
            found.append((status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(found)


def _keys_in(file: Path) -> Iterator[str]:
    """The keys of a file, of which a missing one has none.

    Raises:
        ConfigError: it can't be read, or a line is not a key. The line itself is not shown.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except UnicodeDecodeError:
        raise _fault(file, "it is not UTF-8 text") from None
    except OSError as error:
        raise _fault(file, f"it can't be read: {error.strerror}") from None
    for number, line in enumerate(text.splitlines(), 1):
        key = line.strip()
        if not key:
            continue
        wrong = weakness(key)
        if wrong:
            raise _fault(file, f"line {number} is not an access key: {wrong}", hint=HINT)
        yield key


def _fault(file: Path, what: str, *, hint: str = "") -> ConfigError:
    return ConfigError(f"ACCESS_KEY_FILE={file}: {what}", hint=hint)
