"""`make seal ENV=prod ARGS=--access-key`: a fresh access key, while the one before it stays valid.

Nobody needs to know the present key to replace it: its sealed value moves from `ACCESS_KEY` to
`ACCESS_KEY_OLD`, and the service takes both. `--drop-old` removes the second when everybody has the
new key.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import click

from ci.errors import InputError
from ci.tree import overlays
from ci.tree.sealed_file import OF_ACCESS_KEY, Contents, Place

if TYPE_CHECKING:
    from pathlib import Path

KEY, OLD = overlays.ACCESS_KEY, overlays.ACCESS_KEY_OLD
BYTES = 32


def add(environment: str, root: Path, key: str | None = None) -> None:
    """Seal a key beside what the file has, and print it if it was made here.

    Args:
        environment: whose key it is.
        root: the tree.
        key: the key; without one, a fresh one is made and printed.

    Raises:
        InputError: the key is weak, two are valid already, or there is no password yet.
    """
    if key is not None:
        _refuse_weak(key)
    place = Place.of(environment, root)
    kept = _with_password(place)
    if OLD in kept.entries:
        raise InputError(
            f"{environment} has two access keys already; a third would end the first, which"
            " somebody may still use",
            hint=f"When nobody does: make seal ENV={environment} ARGS=--drop-old",
        )
    fresh = new_key() if key is None else key
    after = with_fresh(place, kept, fresh)
    place.write(after)
    if key is None:
        show(environment, fresh)
    if OLD in after.entries:
        click.echo(
            "The key before it is valid too. When everybody has the new one:"
            f" make seal ENV={environment} ARGS=--drop-old"
        )
    click.echo("docs/secrets.md says how to use it.")


def new_key() -> str:
    """A fresh key."""
    return secrets.token_urlsafe(BYTES)


def show(environment: str, key: str) -> None:
    """Print a key that was made here, once."""
    click.echo(f"\nThe access key of {environment}; this is the only time that it is shown:\n")
    click.echo(f"  {key}\n")


def with_fresh(place: Place, kept: Contents, key: str) -> Contents:
    """What is sealed with a key as the present one.

    The present one moves to the one before; where two are valid, the key replaces the newer.
    """
    entries = dict(kept.entries)
    if KEY in entries and OLD not in entries:
        entries[OLD] = entries[KEY]
    entries[KEY] = place.seal(key)
    return Contents(entries, {**kept.notes, **place.note(OF_ACCESS_KEY)})


def without_old(kept: Contents) -> Contents:
    """What is sealed, without the key before the present one."""
    return kept._replace(entries={name: v for name, v in kept.entries.items() if name != OLD})


def drop_old(environment: str, root: Path) -> None:
    """Remove the key before the present one.

    Raises:
        InputError: there is none.
    """
    place = Place.of(environment, root)
    kept = place.kept()
    if OLD not in kept.entries:
        raise InputError(
            f"{place.path.relative_to(root)} has no {OLD}, so there is nothing to drop"
        )
    place.write(without_old(kept))


def _with_password(place: Place) -> Contents:
    """What the file has; without the database's password in it a pod would not start."""
    kept = place.kept()
    if overlays.PASSWORD_KEY not in kept.entries:
        raise InputError(
            f"no database password is sealed for {place.target} yet",
            hint=f"First: make seal ENV={place.environment}",
        )
    return kept


def _refuse_weak(key: str) -> None:
    from coworking.access import weakness  # noqa: PLC0415 - the service's own rule

    reason = weakness(key)
    if reason:
        raise InputError(
            f"this is not a valid access key: {reason}",
            hint="Leave --stdin out, and a valid one is made.",
        )
