"""`make seal ENV=prod ARGS=--backup-key`: the key that the backups are encrypted with.

It is sealed as the file that pgBackRest reads. What was written with one key opens with no other,
so a key is made once for each path in the repository; it is shown once, for the day on which the
cluster and its sealing key are lost.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

import click

from ci.errors import InputError
from ci.hidden import remember
from ci.tree import overlays
from ci.tree.sealed_file import OF_BACKUP_KEY, Contents, Place

if TYPE_CHECKING:
    from pathlib import Path

BYTES = 32
SHORTEST = 32  # characters, of a key from a person
# One line of a file of settings: blanks at its ends would be cut off.
_VALID = re.compile(r"[!-~]+")


def add(environment: str, root: Path, key: str | None = None) -> None:
    """Seal a key beside what the file has, and print it if it was made here.

    Args:
        environment: whose backups it is for.
        root: the tree.
        key: the key that the backups have already, for another cluster; without one, a new one.

    Raises:
        InputError: the key is weak, there is one already, or there is no password yet.
    """
    place = Place.of(environment, root)
    kept = place.kept()
    if overlays.PASSWORD_KEY not in kept.entries:
        raise InputError(
            f"no database password is sealed for {place.target} yet",
            hint=f"First: make seal ENV={environment}",
        )
    if key is None and overlays.BACKUP_KEY in kept.entries:
        raise InputError(
            f"{environment} has a key for its backups, and what was written with it opens with no"
            " other. Nothing was sealed",
            hint="To seal the same key for another cluster:\n"
            f"make seal ENV={environment} ARGS='--backup-key --stdin'\n"
            f"For a new path in the repository first remove {overlays.BACKUP_KEY} from"
            f" {place.path.relative_to(root)}.",
        )
    if key is not None:
        _refuse_weak(key)
    fresh = secrets.token_urlsafe(BYTES) if key is None else remember(key)
    entries = {**kept.entries, overlays.BACKUP_KEY: place.seal(as_settings(fresh))}
    place.write(Contents(entries, {**kept.notes, **place.note(OF_BACKUP_KEY)}))
    if key is None:
        click.echo(
            f"\nThe key of {environment}'s backups; this is the only time that it is shown:\n"
        )
        click.echo(f"  {fresh}\n")
        click.echo("Keep it outside of the cluster: without it nobody opens the backups.")


def as_settings(key: str) -> str:
    """The file that pgBackRest reads: base/postgres/backups mounts it as conf.d/key.conf."""
    return f"[global]\nrepo1-cipher-pass={key}\n"


def _refuse_weak(key: str) -> None:
    if len(key) < SHORTEST or not _VALID.fullmatch(key):
        raise InputError(
            f"this is not a valid key: it takes {SHORTEST} or more printable ASCII characters"
            " without spaces",
            hint="Leave --stdin out, and a strong one is made.",
        )
