"""`make seal ENV=prod ARGS=--backup-key`: the key that the backups are encrypted with.

It is sealed as the file that pgBackRest reads. What was written with one key opens with no other,
so a key is made once for each path in the repository; it is shown once, for the day on which the
cluster and its sealing key are lost.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, NamedTuple

import click

from ci.errors import InputError
from ci.hidden import remember
from ci.tree import overlays, settings
from ci.tree.backup_place import entry_of
from ci.tree.sealed_file import OF_BACKUP_KEY, Contents, Place

if TYPE_CHECKING:
    from pathlib import Path

BYTES = 32
SHORTEST = 32  # characters, of a key from a person
# One line of a file of settings: blanks at its ends would be cut off.
_VALID = re.compile(r"[!-~]+")


class S3Key(NamedTuple):
    """What another S3 than AWS's lets in: the key's name and its secret."""

    name: str
    secret: str


def read_s3_key(path: Path) -> S3Key:
    """Read the key of an S3 from a file of two lines: its name, its secret.

    Raises:
        InputError: the file has other lines.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    lines = [remember(line.strip()) for line in lines if line.strip()]
    if len(lines) != 2 or not all(_VALID.fullmatch(line) for line in lines):
        raise InputError(
            f"{path} is not a valid S3 key: it takes two lines, the key's name and its secret"
        )
    return S3Key(*lines)


def add(environment: str, root: Path, key: str | None = None, s3_file: Path | None = None) -> None:
    """Seal a key beside what the file has, and print it if it was made here.

    Args:
        environment: whose backups it is for.
        root: the tree.
        key: the key that the backups have already, for another cluster; without one, a new one.
        s3_file: the key of another S3 than AWS's.

    Raises:
        InputError: the key is weak, there is one already, there is no password yet, or the S3 key
            and settings.yaml don't fit each other.
    """
    s3 = read_s3_key(s3_file) if s3_file else None
    check_s3(environment, root, s3)
    place = Place.of(environment, root)
    kept = place.kept()
    if overlays.PASSWORD_KEY not in kept.entries:
        raise InputError(
            f"no database password is sealed for {place.target} yet",
            hint=f"First: make seal ENV={environment}",
        )
    entry = entry_of(environment, root)
    if key is not None:
        _refuse_weak(key)
    elif entry in kept.entries:
        raise _has_one(environment)
    fresh = new_key() if key is None else remember(key)
    entries = {**kept.entries, entry: place.seal(as_settings(fresh, s3))}
    place.write(Contents(entries, {**kept.notes, **place.note(OF_BACKUP_KEY)}))
    if key is None:
        show(environment, fresh)


def new_key() -> str:
    """A fresh key."""
    return secrets.token_urlsafe(BYTES)


def show(environment: str, key: str) -> None:
    """Print a key that was made here, once."""
    click.echo(f"\nThe key of {environment}'s backups; this is the only time that it is shown:\n")
    click.echo(f"  {key}\n")
    click.echo("Keep it outside of the cluster: without it nobody opens the backups.")


def with_next(place: Place, kept: Contents, entry: str, text: str) -> Contents:
    """What is sealed with the next key beside the present one; those before that are gone."""
    present = entry_of(place.environment, place.root)
    is_key = re.compile(rf"{overlays.BACKUP_KEY}(_\d+)?")
    entries = {n: v for n, v in kept.entries.items() if n == present or not is_key.fullmatch(n)}
    return Contents(
        {**entries, entry: place.seal(text)}, {**kept.notes, **place.note(OF_BACKUP_KEY)}
    )


def _has_one(environment: str) -> InputError:
    return InputError(
        f"{environment} has a key for its backups, and what was written with it opens with no"
        " other. Nothing was sealed",
        hint="To seal the same key for another cluster:\n"
        f"make seal ENV={environment} ARGS='--backup-key --stdin'\n"
        f"A new one comes with a new path in the repository:\n"
        f"python -m ci rotate {environment} backup-key",
    )


def as_settings(key: str, s3: S3Key | None = None) -> str:
    """The file that pgBackRest reads: base/postgres/backups mounts it as conf.d/key.conf."""
    text = f"[global]\nrepo1-cipher-pass={key}\n"
    return text + (f"repo1-s3-key={s3.name}\nrepo1-s3-key-secret={s3.secret}\n" if s3 else "")


def check_s3(environment: str, root: Path, s3: S3Key | None) -> None:
    """Refuse an S3 key that settings.yaml doesn't need, or lacks.

    Raises:
        InputError: they don't fit each other.
    """
    if environment != overlays.last(root):
        return
    endpoint = settings.read(root).backup_endpoint
    if endpoint and s3 is None:
        raise InputError(
            f"the backups go to {endpoint}, which knows no roles of AWS. Nothing was sealed",
            hint="Write the key's name and its secret into a file, a line each, and then:\n"
            f"make seal ENV={environment} ARGS='--backup-key --s3-key FILE'",
        )
    if s3 and not endpoint:
        raise InputError(
            "the backups go to AWS's S3, where the pod has a role and needs no key. Nothing was"
            " sealed",
            hint="Leave --s3-key out, or name another S3: make configure BACKUP_ENDPOINT=HOST",
        )


def _refuse_weak(key: str) -> None:
    if len(key) < SHORTEST or not _VALID.fullmatch(key):
        raise InputError(
            f"this is not a valid key: it takes {SHORTEST} or more printable ASCII characters"
            " without spaces",
            hint="Leave --stdin out, and a strong one is made.",
        )
