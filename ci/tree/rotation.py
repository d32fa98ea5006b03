"""The two commits of a password's rotation, as files: announce the next one, then use it.

Announced, the sealed secret has both passwords, and the overlay brings the Job that changes the
database's. Used, the secret has the new one alone, and the Job is gone. Nobody needs to know the
password: its sealed value moves from one entry to the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ci.errors import InputError
from ci.tree import outside, overlays, sealed_file
from ci.tree.sealed_file import OF_NEXT, OF_PASSWORD, Contents, Place

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PASSWORD, NEXT = overlays.PASSWORD_KEY, overlays.PASSWORD_NEXT
ROTATED_AT = "coworking/rotated-at"  # when the newest rotation ended, RFC 3339
AT_REST = """\
# Written by `python -m ci rotate`: while the password is rotated, this brings the Job that changes
# it in the database. The service's image is the Job's.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
components:
  - ../../coworking/image
"""
# First, so that the image is for it too; the second where the database is outside the cluster.
_JOB = "  - ../../../../base/postgres/rotation\n"
_JOB_OUTSIDE = "  - ../../../../base/postgres/outside/rotation\n"


class SecretFiles(NamedTuple):
    """The files of an environment that a rotation reads and writes, by their paths in the tree."""

    sealed: str
    rotation: str
    read: tuple[str, ...]

    @classmethod
    def of(cls, environment: str) -> SecretFiles:
        """Those of an environment."""
        folder = f"overlays/{environment}"
        sealed, rotation = (
            f"{folder}/postgres/sealedsecret.yaml",
            f"{folder}/postgres/rotation/kustomization.yaml",
        )
        needed = ("kustomization.yaml", "sealing-cert.pem", "postgres/kustomization.yaml")
        return cls(sealed, rotation, (*(f"{folder}/{name}" for name in needed), sealed, rotation))

    def with_more(self, paths: tuple[str, ...]) -> SecretFiles:
        """These, and others that are read."""
        return self._replace(read=(*self.read, *paths))

    def put(self, contents: Mapping[str, bytes], root: Path) -> None:
        """Write the files that were read from a commit below a folder.

        Raises:
            InputError: the commit lacks one.
        """
        for path in self.read:
            if path not in contents:
                raise InputError(
                    f"the branch has no {path}, which this checkout has",
                    hint="Merge what brings it, then call this again.",
                )
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(contents[path])


def announce(environment: str, root: Path, password: str) -> dict[str, str]:
    """The files that announce a password, by path.

    Raises:
        InputError: the certificate can't be used, no password is sealed, or one is announced.
    """
    place = Place.of(environment, root)
    entries, notes = place.kept()
    if PASSWORD not in entries:
        raise InputError(
            f"no database password is sealed for {place.target} yet",
            hint=f"First:\nmake seal ENV={environment}",
        )
    refuse_announced(environment, entries)
    after = Contents({**entries, NEXT: place.seal(password)}, {**notes, **place.note(OF_NEXT)})
    files = SecretFiles.of(environment)
    return {files.sealed: place.text(after), files.rotation: with_job(environment, root)}


def with_job(environment: str, root: Path) -> str:
    """The overlay's component with the Job that reaches the environment's database."""
    head, image = AT_REST.split("components:\n")
    job = _JOB_OUTSIDE if outside.is_on(environment, root) else _JOB
    return f"{head}components:\n{job}{image}"


def use(environment: str, root: Path) -> dict[str, str]:
    """The files that use the announced password alone, by path."""
    place = Place.of(environment, root)
    entries, notes = place.kept()
    moved = {name: value for name, value in entries.items() if name != NEXT}
    moved[PASSWORD] = entries[NEXT]
    kept = {name: value for name, value in notes.items() if name not in OF_NEXT}
    kept |= {old: notes[new] for old, new in zip(OF_PASSWORD, OF_NEXT, strict=True)}
    kept[ROTATED_AT] = place.now.isoformat(timespec="seconds")
    files = SecretFiles.of(environment)
    return {files.sealed: place.text(Contents(moved, kept)), files.rotation: AT_REST}


def refuse_announced(environment: str, entries: Mapping[str, str]) -> None:
    """Refuse to seal over a rotation that is under way.

    Raises:
        InputError: a password is announced.
    """
    if NEXT in entries:
        raise InputError(
            f"{environment}'s password is being rotated: its next one is announced already",
            hint=f"This goes on with it:\npython -m ci rotate {environment} password",
        )


def contents(environment: str, root: Path) -> Contents:
    """What an environment's file has sealed."""
    return sealed_file.read(overlays.sealed_secret_path(environment, root))
