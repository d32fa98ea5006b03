"""`make seal ENV=dev`: seal the database's password, or an access key; a new one, or from stdin."""

from __future__ import annotations

import os
import secrets
import sys
from datetime import date
from pathlib import Path

import click

from ci.errors import CiError, InputError
from ci.hidden import remember
from ci.tree import access_key, backup_key, overlays, rotation, seal_cert, sealed_file, sealing
from ci.tree.sealed_file import (
    OF_ACCESS_KEY,
    OF_BACKUP_KEY,
    OF_PASSWORD,
    SEALED_FOR,
    Contents,
    Place,
)

SHORTEST = 16  # characters, of a password from a person
LONGEST = 512
COMPARE_SECONDS = 10.0  # for a cluster that is asked for its certificate on the way
FETCH_PATIENCE = 120.0  # seconds for a controller that is starting


@click.command(help="Seal the database's password for environments, or an access key.")
@click.argument("environments", nargs=-1)
@click.option(
    "--access-key",
    "task",
    flag_value="access-key",
    help="Seal an access key; the one before it stays valid until --drop-old.",
)
@click.option(
    "--drop-old",
    "task",
    flag_value="drop-old",
    help="Remove the access key before the present one.",
)
@click.option(
    "--backup-key",
    "task",
    flag_value="backup-key",
    help="Seal the key that the backups are encrypted with; --stdin: the one that they have.",
)
@click.option(
    "--age",
    "task",
    flag_value="age",
    help="Print how old secrets and certificates are; write nothing.",
)
@click.option("--stdin", is_flag=True, help="Read the password or the key from standard input.")
@click.option(
    "--s3-key",
    "s3_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="With --backup-key and backup_endpoint: a file, the S3 key's name and its secret.",
)
@click.option("--fetch", is_flag=True, help="First fetch the cluster's certificate (seal-cert).")
@overlays.root_option
def command(  # noqa: PLR0913  (one argument for each option)
    *,
    environments: tuple[str, ...],
    task: str | None,
    stdin: bool,
    s3_file: Path | None,
    fetch: bool,
    root: Path,
) -> None:
    if task == "age":
        for name in environments or overlays.environments(root):
            click.echo(describe_age(name, root))
        return
    if not environments:
        known = " or ".join(overlays.environments(root))
        raise InputError(f"name the environment: python -m ci seal ENV, ENV being {known}")
    if stdin and len(environments) > 1:
        what = {"access-key": "an access key", "backup-key": "a key"}.get(task or "", "a password")
        raise InputError(f"two environments must not share {what}; with --stdin name one")
    _check_s3_file(task, s3_file)
    if fetch:
        fetch_certificate(environments, root)
    for name in environments:
        if task == "access-key":
            access_key.add(name, root, _from_stdin("Access key") if stdin else None)
        elif task == "drop-old":
            access_key.drop_old(name, root)
        elif task == "backup-key":
            backup_key.add(name, root, _from_stdin("Backup key") if stdin else None, s3_file)
        else:
            seal(name, _from_stdin("Password") if stdin else new_password(), root)


def _check_s3_file(task: str | None, s3_file: Path | None) -> None:
    if s3_file and task != "backup-key":
        raise InputError("--s3-key belongs to --backup-key")


def fetch_certificate(environments: tuple[str, ...], root: Path) -> None:
    """Keep the cluster's certificate in the overlays of environments, as `make seal-cert` does.

    Raises:
        CiError: the cluster or the controller does not answer.
    """
    paths = [overlays.certificate_path(name, root) for name in environments]
    certificate = seal_cert.fetch(*sealing.CONTROLLER, patience=FETCH_PATIENCE)
    for path in paths:
        seal_cert.keep(certificate, path)
        click.echo(f"{path.relative_to(root)}: SHA-256 {certificate.fingerprint}")


def new_password() -> str:
    """A password of 256 random bits that needs quoting nowhere."""
    return secrets.token_urlsafe(32)


def seal(environment: str, password: str, root: Path) -> None:
    """Seal an environment's password, keep its access keys, and show what changed.

    Raises:
        InputError: the environment, its certificate or the password can't be used.
    """
    check_password(password)
    compare_with_cluster(environment, root)
    place = Place.of(environment, root)
    kept = place.kept()
    rotation.refuse_announced(environment, kept.entries)
    entries = {**kept.entries, overlays.PASSWORD_KEY: place.seal(password)}
    place.write(Contents(entries, {**kept.notes, **place.note(OF_PASSWORD)}))
    click.echo(
        "Where the database holds data already, this alone does not change its password:"
        " see docs/secrets.md."
    )


def compare_with_cluster(environment: str, root: Path) -> None:
    """Warn where KUBECONFIG leads to a cluster that seals with another certificate than ours.

    A controller makes a new key every 30 days and keeps the older ones, so another certificate is
    no error yet: https://github.com/bitnami-labs/sealed-secrets#sealing-key-renewal
    """
    if not os.environ.get("KUBECONFIG"):
        return
    ours = sealing.read_certificate(overlays.certificate_path(environment, root))
    try:
        live = seal_cert.fetch(*sealing.CONTROLLER, seconds=COMPARE_SECONDS)
    except CiError as error:
        first = str(error).partition("\n")[0]
        click.echo(f"warning: not compared with the cluster of KUBECONFIG: {first}", err=True)
        return
    if live.fingerprint != ours.fingerprint:
        click.echo(
            f"warning: the cluster of KUBECONFIG seals with {live.fingerprint[:12]}, and this is"
            f" sealed with {ours.fingerprint[:12]}. It opens only if the cluster still has that"
            f" key. If not:\nmake seal ENV={environment} ARGS=--fetch",
            err=True,
        )


def check_password(password: str) -> None:
    """Refuse a password that is weak, or that a file or a prompt would not carry unchanged.

    Raises:
        InputError: its length or a character; the password itself is not shown.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise InputError(
            f"the password has {len(password)} characters; it takes {SHORTEST} to {LONGEST}",
            hint="Leave --stdin out, and a strong one is made.",
        )
    if not all(" " < character <= "~" for character in password):
        raise InputError(
            "the password has a space, a control character or a letter outside ASCII; it takes"
            " printable ASCII without spaces",
            hint="Leave --stdin out, and a strong one is made.",
        )


def _from_stdin(what: str) -> str:
    if sys.stdin.isatty():
        return remember(click.prompt(what, hide_input=True, confirmation_prompt=True, err=True))
    lines = sys.stdin.read().splitlines()
    remember("\n".join(lines))
    if len([line for line in lines if line.strip()]) > 1:
        raise InputError(
            f"standard input has {len(lines)} lines, and {what.lower()} is one line; nothing was"
            " sealed",
            hint="Two lines are a mistake in most cases, so neither was taken. Give one line:\n"
            "printf '%s\\n' \"$SECRET\" | python -m ci seal ENV --stdin",
        )
    return lines[0] if lines else ""


def describe_age(environment: str, root: Path) -> str:
    """Sentences about an environment's sealed secret and its certificate: how old they are, whether
    they belong together, and which access keys are valid."""
    today = sealing.utc_now().date()
    certificate = sealing.read_certificate(overlays.certificate_path(environment, root))
    entries, notes = sealed_file.read(overlays.sealed_secret_path(environment, root))
    begins, ends = certificate.begins.date(), certificate.ends.date()
    words = [
        f"{environment}: sealed {_ago(notes[OF_PASSWORD.on], today)},",
        f"for {notes[SEALED_FOR]};",
        f"certificate {certificate.fingerprint[:12]} made {(today - begins).days} days ago,",
        f"valid until {ends}." if ends >= today else f"EXPIRED on {ends}.",
    ]
    if notes[OF_PASSWORD.with_] != certificate.fingerprint:
        words.append(
            f"The secret was sealed with another, {notes[OF_PASSWORD.with_][:12]}: seal it again"
            " when that key is gone from the cluster."
        )
    if certificate.throw_away:
        words.append("The certificate is the throw-away one: make seal-cert, then make seal.")
    if overlays.PASSWORD_NEXT in entries:
        words.append(f"It is being rotated: python -m ci rotate {environment} password")
    if overlays.ACCESS_KEY not in entries:
        words.append("No access key.")
    elif OF_ACCESS_KEY.on in notes:
        words.append(f"Access key sealed {_ago(notes[OF_ACCESS_KEY.on], today)}.")
    if OF_BACKUP_KEY.on in notes:
        words.append(f"The backups' key sealed {_ago(notes[OF_BACKUP_KEY.on], today)}.")
    if overlays.ACCESS_KEY_OLD in entries:
        words.append(f"The one before is valid too: make seal ENV={environment} ARGS=--drop-old")
    return " ".join(words)


def _ago(day: str, today: date) -> str:
    return f"{(today - date.fromisoformat(day)).days} days ago ({day})"


def sealed_with(environment: str, root: Path) -> str:
    """The fingerprint of the certificate that an environment's secret was sealed with."""
    path = overlays.sealed_secret_path(environment, root)
    return sealed_file.read(path).notes[OF_PASSWORD.with_]
