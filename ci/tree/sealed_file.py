"""An environment's sealedsecret.yaml: what is sealed in it, with what, and when.

A sealed value can't be read back, but it can be kept as it is, and even under another name: the
label that it is bound to is the Secret's `namespace/name` and not the entry's.
"""

from __future__ import annotations

import difflib
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import yaml

from ci.errors import InputError
from ci.tree import overlays, sealing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

SEALED_FOR = "coworking/sealed-for"  # namespace/name


class Note(NamedTuple):
    """The annotations that say when a kind of entry was sealed, and with which certificate."""

    on: str  # a date
    with_: str  # the certificate's SHA-256, hexadecimal


OF_PASSWORD = Note("coworking/sealed-on", "coworking/sealed-with")
OF_NEXT = Note("coworking/next-sealed-on", "coworking/next-sealed-with")
OF_ACCESS_KEY = Note("coworking/access-key-sealed-on", "coworking/access-key-sealed-with")
OF_BACKUP_KEY = Note("coworking/backup-key-sealed-on", "coworking/backup-key-sealed-with")


class Contents(NamedTuple):
    """The entries, sealed, by name; and the annotations."""

    entries: dict[str, str]
    notes: dict[str, str]


class Place(NamedTuple):
    """Where an environment's values are sealed: for what, with what, into which file, and when."""

    environment: str
    root: Path
    target: sealing.SecretName
    certificate: sealing.Certificate
    certificate_path: Path
    path: Path
    now: datetime

    @classmethod
    def of(cls, environment: str, root: Path) -> Place:
        """The place of an environment.

        Raises:
            InputError: the environment or its certificate can't be used.
        """
        target = overlays.secret_name(environment, root)
        source = overlays.certificate_path(environment, root)
        certificate = sealing.read_certificate(source)
        now = sealing.utc_now()
        sealing.require_valid(certificate, str(source), now)
        path = overlays.sealed_secret_path(environment, root)
        return cls(environment, root, target, certificate, source, path, now)

    def seal(self, value: str) -> str:
        """A value as only this place's cluster can open it."""
        return sealing.seal_value(value.encode(), self.certificate.key, self.target)

    def note(self, note: Note) -> dict[str, str]:
        """The annotations of what is sealed now."""
        return {
            SEALED_FOR: str(self.target),
            note.on: self.now.date().isoformat(),
            note.with_: self.certificate.fingerprint,
        }

    def text(self, after: Contents) -> str:
        """The file that has these contents."""
        return _manifest(after, self.target)

    def write(self, after: Contents) -> None:
        """Write the file, and print the difference and what to do with it."""
        before = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        text = self.text(after)
        self.path.write_text(text, encoding="utf-8")
        shown = str(self.path.relative_to(self.root))
        lines = difflib.unified_diff(
            before.splitlines(), text.splitlines(), shown, shown, n=1, lineterm=""
        )
        click.echo("\n".join(_shorten(line) for line in lines))
        click.echo(f"Sealed for {self.target}; commit {shown}.")
        for warning in self._warnings(after):
            click.echo(warning, err=True)

    def _warnings(self, after: Contents) -> Iterable[str]:
        if self.certificate.throw_away:
            yield (
                f"{self.certificate_path.relative_to(self.root)} is the throw-away certificate that"
                " this repository came with: no cluster can open this. First:"
                f" make seal-cert ENV={self.environment}"
            )
        for note, entry, arguments in (
            (OF_PASSWORD, overlays.PASSWORD_KEY, ""),
            (OF_ACCESS_KEY, overlays.ACCESS_KEY, " ARGS=--access-key"),
            (OF_BACKUP_KEY, overlays.BACKUP_KEY, " ARGS='--backup-key --stdin'"),
        ):
            found = after.notes.get(note.with_, self.certificate.fingerprint)
            if entry in after.entries and found != self.certificate.fingerprint:
                yield (
                    f"{entry} was sealed with another certificate, {found[:12]}. If that was"
                    " another cluster's, this one can open nothing of the file:"
                    f" make seal ENV={self.environment}{arguments}"
                )

    def kept(self) -> Contents:
        """What the file has; nothing if there is none, or if it is for another Secret."""
        if not self.path.exists():
            return Contents({}, {})
        found = read(self.path)
        return found if found.notes[SEALED_FOR] == str(self.target) else Contents({}, {})


def read(path: Path) -> Contents:
    """What a file has sealed.

    Raises:
        InputError: it is not a file that `seal` wrote.
    """
    try:
        body: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = {str(name): str(value) for name, value in body["spec"]["encryptedData"].items()}
        notes = {str(name): str(value) for name, value in body["metadata"]["annotations"].items()}
        date.fromisoformat(notes[OF_PASSWORD.on])
        _ = notes[SEALED_FOR], notes[OF_PASSWORD.with_]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} does not say when and for what it was sealed",
            hint="Seal it again: make seal ENV=dev (or prod).",
        ) from error
    return Contents(entries, notes)


def _manifest(contents: Contents, target: sealing.SecretName) -> str:
    notes = "\n".join(f'    {name}: "{value}"' for name, value in sorted(contents.notes.items()))
    sealed = "\n".join(f"    {name}: {value}" for name, value in sorted(contents.entries.items()))
    return f"""\
# Written by `make seal`. It opens on one cluster, as {target}, and nowhere else.
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata:
  name: {target.name}
  labels:
    app.kubernetes.io/name: postgresql
    app.kubernetes.io/part-of: coworking
  annotations:
{notes}
spec:
  encryptedData:
{sealed}
  template:
    metadata:
      name: {target.name}
      namespace: {target.namespace}
    type: Opaque
"""


def _shorten(line: str, width: int = 100) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"
