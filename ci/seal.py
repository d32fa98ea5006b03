"""`make seal ENV=dev`: seal the database's password, a new one or one from standard input."""

from __future__ import annotations

import difflib
import secrets
import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import click
import yaml

from ci import overlays, seal_cert, sealing
from ci.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

SHORTEST = 16  # characters, of a password from a person
LONGEST = 512
FETCH_PATIENCE = 120.0  # seconds for a controller that is starting


@click.command(help="Seal the database's password for environments, or ask for the ages (--age).")
@click.argument("environments", nargs=-1)
@click.option("--stdin", is_flag=True, help="Read the password from standard input.")
@click.option(
    "--age", is_flag=True, help="Print how old secrets and certificates are; write nothing."
)
@click.option("--fetch", is_flag=True, help="First fetch the cluster's certificate (seal-cert).")
@overlays.root_option
def command(environments: tuple[str, ...], stdin: bool, age: bool, fetch: bool, root: Path) -> None:
    if age:
        for name in environments or overlays.environments(root):
            click.echo(describe_age(name, root))
        return
    if not environments:
        known = " or ".join(overlays.environments(root))
        raise InputError(f"name the environment: python -m ci seal ENV, ENV being {known}")
    if stdin and len(environments) > 1:
        raise InputError("two environments must not share a password; with --stdin name one")
    if fetch:
        fetch_certificate(environments, root)
    for name in environments:
        seal(name, _password_from_stdin() if stdin else new_password(), root)


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
    """Write an environment's sealed secret anew, and show what changed.

    Raises:
        InputError: the environment, its certificate or the password can't be used.
    """
    check_password(password)
    target = overlays.secret_target(environment, root)
    source = overlays.certificate_path(environment, root)
    certificate = sealing.read_certificate(source)
    now = sealing.utc_now()
    sealing.require_valid(certificate, str(source), now)
    path = overlays.sealed_secret_path(environment, root)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    after = sealing.sealed_secret(
        {overlays.PASSWORD_KEY: password}, certificate, target, now.date()
    )
    path.write_text(after, encoding="utf-8")
    shown = str(path.relative_to(root))
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), shown, shown, n=1, lineterm=""
    )
    click.echo("\n".join(_shorten(line) for line in lines))
    click.echo(f"Sealed for {target}; commit {shown}.")
    click.echo(
        "Where the database holds data already, this alone does not change its password:"
        " see docs/secrets.md."
    )
    if certificate.throw_away:
        click.echo(
            f"{source.relative_to(root)} is the throw-away certificate that this repository came"
            f" with: no cluster can open this. First: make seal-cert ENV={environment}",
            err=True,
        )


def _shorten(line: str, width: int = 100) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"


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


def _password_from_stdin() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")


def describe_age(environment: str, root: Path) -> str:
    """A sentence about an environment's sealed secret and its certificate: how old, and whether
    they belong together."""
    today = sealing.utc_now().date()
    certificate = sealing.read_certificate(overlays.certificate_path(environment, root))
    notes = _notes(overlays.sealed_secret_path(environment, root))
    sealed_on = date.fromisoformat(notes[sealing.SEALED_ON])
    begins, ends = certificate.begins.date(), certificate.ends.date()
    words = [
        f"{environment}: sealed {(today - sealed_on).days} days ago ({sealed_on}),",
        f"for {notes[sealing.SEALED_FOR]};",
        f"certificate {certificate.fingerprint[:12]} made {(today - begins).days} days ago,",
        f"valid until {ends}." if ends >= today else f"EXPIRED on {ends}.",
    ]
    if notes[sealing.SEALED_WITH] != certificate.fingerprint:
        words.append(
            f"The secret was sealed with another, {notes[sealing.SEALED_WITH][:12]}: seal it anew"
            " when that key is gone from the cluster."
        )
    if certificate.throw_away:
        words.append("The certificate is the throw-away one: make seal-cert, then make seal.")
    return " ".join(words)


def sealed_with(environment: str, root: Path) -> str:
    """The fingerprint of the certificate that an environment's secret was sealed with."""
    return _notes(overlays.sealed_secret_path(environment, root))[sealing.SEALED_WITH]


def _notes(path: Path) -> dict[str, str]:
    """The three annotations that `seal` writes."""
    try:
        body: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        annotations = body["metadata"]["annotations"]
        notes = {
            key: str(annotations[key])
            for key in (sealing.SEALED_FOR, sealing.SEALED_ON, sealing.SEALED_WITH)
        }
        date.fromisoformat(notes[sealing.SEALED_ON])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} does not say when and for what it was sealed",
            hint="Seal it anew: make seal ENV=dev (or prod).",
        ) from error
    return notes
