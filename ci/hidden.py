"""The one place that keeps secrets out of what is shown: output, errors, logs and tracebacks.

Whoever reads a secret calls `remember`; `guarded_output` then takes it out of everything that this
process prints, in each form that a program or a server may repeat it in.

>>> remember("a-token-of-a-test")
'a-token-of-a-test'
>>> hide("the server says: Bearer a-token-of-a-test")
'the server says: Bearer [hidden]'
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

HIDDEN = "[hidden]"
# A shorter one would take words apart that are not a secret, and is none itself.
SHORTEST = 6
_MOST_BYTES = 256 * 1024  # of a file that may have secrets
_VARIABLE = re.compile(r"TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIAL|ACCESS_KEY|PRIVATE_KEY|API_KEY")
# These hold where a secret is, and whose it is.
_NAMES_ONE = re.compile(r"(SECRET|USER|NAME|URL|URI|ENDPOINT|ARN|ID|DIR|PATH)$")
_FILE = re.compile(r"_FILE$")
# `aws_secret_access_key = …`, `auth-token: …`, `client-key-data: …`, `password …` (netrc)
_IN_FILE = re.compile(
    r"^[\s-]*\"?[\w.-]*(?:token|password|secret|secret_access_key|client-key-data)\"?"
    r"\s*[:= ]\s*\"?([^\s\"]+)",
    re.IGNORECASE | re.MULTILINE,
)

_forms: set[str] = set()
_pattern: re.Pattern[str] | None = None


def remember(secret: str) -> str:
    """Keep a secret out of what is shown from now on; returns it as it came."""
    global _pattern  # noqa: PLW0603  (the one list of the process)
    for line in {secret.strip(), *map(str.strip, secret.splitlines())}:
        if len(line) >= SHORTEST and line not in _forms:
            _forms.update(_forms_of(line))
            _pattern = None
    return secret


def forget() -> None:
    """Remember no secret any more; for a process that stands in for many, as that of tests does."""
    global _pattern  # noqa: PLW0603
    _forms.clear()
    _pattern = None


def _forms_of(secret: str) -> set[str]:
    """A secret as it is, and as JSON, a URL, Python's repr and base64 have it."""
    forms = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    forms |= {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    # HTTP's basic authentication is base64 of `user:secret`: three alignments of it, each without
    # the first digits, which hold the user name's end, and the last, which may share its bits.
    for pad in ("", "x", "xx"):
        encoded = base64.b64encode(f"{pad}:{secret}".encode()).decode().rstrip("=")
        forms.add(encoded[4:-1])
    forms.add(base64.b64encode(secret.encode()).decode().rstrip("="))
    return {form for form in forms if len(form) >= SHORTEST}


def hide(text: str) -> str:
    """Take every secret that was remembered out of a text."""
    global _pattern  # noqa: PLW0603
    if not _forms:
        return text
    if _pattern is None:
        longest_first = sorted(_forms, key=len, reverse=True)
        _pattern = re.compile("|".join(map(re.escape, longest_first)))
    return _pattern.sub(HIDDEN, text)


def remember_all(environ: Mapping[str, str]) -> None:
    """Remember the secrets of a process's variables, and of the files that they name."""
    for name, value in environ.items():
        if not value:
            continue
        if _FILE.search(name) and _VARIABLE.search(name):
            _remember_file(Path(value), whole="CREDENTIALS" not in name)
        elif _VARIABLE.search(name) and not _NAMES_ONE.search(name):
            remember(value)
        elif "://" in value and "@" in value:
            _remember_url(value)
    home = Path(environ.get("HOME") or "/nonexistent")
    for file in (
        Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials"),
        *(Path(name) for name in environ.get("KUBECONFIG", "").split(":") if name),
    ):
        _remember_file(file, whole=False)


def _remember_url(url: str) -> None:
    with contextlib.suppress(ValueError):
        if password := urlsplit(url).password:
            remember(password)


def _remember_file(file: Path, *, whole: bool) -> None:
    """Remember what is in a file that can be read; whoever needs it says so when it can't."""
    try:
        if not file.is_file() or file.stat().st_size > _MOST_BYTES:
            return
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError):
        return
    for secret in [text] if whole else _IN_FILE.findall(text):
        remember(secret)


class _Guarded:
    """A stream that hides secrets in what is written to another, and is that one in all else."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            return _GuardedBytes(self._stream.buffer)
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        self._stream.write(hide(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)


class _GuardedBytes(_Guarded):
    """The same for the bytes below a stream of text."""

    def write(self, data: Any) -> int:
        text = bytes(data).decode(errors="surrogateescape")
        self._stream.write(hide(text).encode(errors="surrogateescape"))
        return len(data)


@contextlib.contextmanager
def guarded_output() -> Iterator[None]:
    """Hide secrets in all that is written to standard output and standard error meanwhile."""
    stdout, stderr = sys.stdout, sys.stderr
    guarded: tuple[Any, Any] = _Guarded(stdout), _Guarded(stderr)
    with contextlib.redirect_stdout(guarded[0]), contextlib.redirect_stderr(guarded[1]):
        yield
