"""`python -m ci sealing-key backup FILE`: keep the controller's keys, and bring them back.

    python -m ci sealing-key backup ~/sealing-keys.json
    python -m ci sealing-key restore ~/sealing-keys.json

Without the keys nothing that is in git can be opened. The file is not encrypted, only closed to
others (mode 0600): a second secret to open it would be one more to lose. It belongs where the other
master keys are, and is refused inside of a git work tree.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from ci.errors import CiError, CommandError, InputError
from ci.run import run
from ci.tree import overlays, seal_cert, sealed_file, sealing
from ci.tree.sealed_file import (
    OF_ACCESS_KEY,
    OF_BACKUP_KEY,
    OF_NEXT,
    OF_PASSWORD,
    Contents,
    Place,
)
from treecheck.kustomize import kubectl

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMESPACE, SERVICE = sealing.CONTROLLER
LABEL = "sealedsecrets.bitnami.com/sealed-secrets-key"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
SECONDS = 30.0  # for one answer of the cluster
Json = dict[str, Any]


@click.group(help="Keep the sealing keys of a cluster in a file, and bring them back.")
def command() -> None:
    pass


@command.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Write the cluster's sealing keys to FILE, readable by you alone."""
    _refuse_git(file)
    found = json.loads(_raw("get", f"{SECRETS}?labelSelector={LABEL}"))["items"]
    if not found:
        raise CiError(
            f"the cluster has no sealing key in the namespace {NAMESPACE}",
            hint="Install sealed-secrets first:\nkubectl apply --server-side -k argocd/addons",
        )
    text = json.dumps({"items": [_kept(each) for each in found]}, indent=1)
    _write_closed(file, f"{text}\n")
    click.echo(f"{len(found)} keys are in {file}. Put it where your other master keys are.")


@command.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def restore(file: Path) -> None:
    """Bring the keys of FILE into the cluster, and let the controller read them.

    A key that the cluster has stays as it is.
    """
    keys = _read(file)
    made = 0
    for key in keys:
        try:
            _raw("create", SECRETS, key)
            made += 1
        except CommandError as error:
            if "(AlreadyExists)" not in error.output and "already exists" not in error.output:
                raise
    click.echo(f"{made} keys were brought, and {len(keys) - made} were there.")
    if made:  # it reads its keys when it starts
        _raw("delete", f"{PODS}?labelSelector=name%3D{SERVICE}")
        certificate = seal_cert.fetch(NAMESPACE, SERVICE, patience=120.0)
        click.echo(f"The controller has started again; it seals with {certificate.fingerprint}.")


def reseal(root: Path) -> None:
    """Fetch the newest certificate and seal every environment's secret with it.

    The controller does it, so nobody needs to know a value; then it is asked whether it can open
    all of it. Writes the files, or none.

    Raises:
        CiError: the controller doesn't answer, can't open a file, or leaves something out.
    """
    certificate = seal_cert.fetch(NAMESPACE, SERVICE)
    names = overlays.environments(root)
    again = {name: _resealed(overlays.sealed_secret_path(name, root)) for name in names}
    for name, (entries, before) in again.items():  # nothing is written before all is there
        seal_cert.keep(certificate, overlays.certificate_path(name, root))
        notes = {**before, **_sealed_with(certificate, before)}
        Place.of(name, root).write(Contents(entries, notes))


def _resealed(path: Path) -> Contents:
    """The entries of a file, sealed with the newest key, and its annotations as they are."""
    before = sealed_file.read(path)
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        answer = json.loads(_raw("create", _proxied("rotate"), manifest))
        entries = {str(name): str(value) for name, value in answer["spec"]["encryptedData"].items()}
        manifest["spec"]["encryptedData"] = entries
        _raw("create", _proxied("verify"), manifest)
    except (CommandError, ValueError, KeyError, TypeError) as error:
        raise CiError(
            f"the controller can't open {path}, or can't seal it again",
            hint="Was it sealed for another cluster? Then seal it for this one:\n"
            "make seal ENV=dev ARGS=--fetch",
        ) from error
    if entries.keys() != before.entries.keys():
        raise CiError(f"the controller sealed other entries than those of {path}; nothing was done")
    return Contents(entries, before.notes)


def _sealed_with(certificate: sealing.Certificate, notes: Mapping[str, str]) -> dict[str, str]:
    """The annotations of the certificate; how old a password is stays as it was."""
    kinds = (OF_PASSWORD, OF_NEXT, OF_ACCESS_KEY, OF_BACKUP_KEY)
    return {kind.with_: certificate.fingerprint for kind in kinds if kind.with_ in notes}


def _proxied(what: str) -> str:
    path = seal_cert.proxy_path(NAMESPACE, SERVICE, seconds=SECONDS)
    return path.removesuffix("cert.pem") + what


def _raw(verb: str, path: str, body: Json | None = None) -> str:
    """Call the Kubernetes API by kubectl, with the person's own login."""
    if body is None:
        return run([kubectl(), verb, "--raw", path], timeout=SECONDS)
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:  # mode 0600
        json.dump(body, file)
        file.flush()
        return run([kubectl(), verb, "--raw", path, "-f", file.name], timeout=SECONDS)


def _kept(secret: Json) -> Json:
    """A key without what belongs to the cluster that it comes from."""
    about = secret["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": about["name"],
            "namespace": NAMESPACE,
            "labels": about["labels"],
        },
        "type": secret["type"],
        "data": secret["data"],
    }


def _read(file: Path) -> list[Json]:
    try:
        keys: list[Json] = json.loads(file.read_text(encoding="utf-8"))["items"]
        usable = all(
            key["metadata"]["namespace"] == NAMESPACE
            and LABEL in key["metadata"]["labels"]
            and {"tls.crt", "tls.key"} <= key["data"].keys()
            for key in keys
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        usable, keys = False, []
    if not usable or not keys:
        raise InputError(
            f"{file} is not a backup of sealing keys",
            hint="Name a file that this wrote:\npython -m ci sealing-key backup FILE",
        )
    return keys


def _refuse_git(file: Path) -> None:
    folder = file.resolve().parent
    done = subprocess.run(
        ["git", "-C", folder, "rev-parse", "--is-inside-work-tree"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.stdout.strip() == "true":
        raise InputError(
            f"{file} is inside of a git work tree, where a key could be committed",
            hint="Name a file elsewhere:\npython -m ci sealing-key backup ~/sealing-keys.json",
        )


def _write_closed(file: Path, text: str) -> None:
    """Write a file that nobody else could read at any moment; refuses one that is there."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InputError(
            f"{file} is there already, and may have keys that the cluster has no more",
            hint="Name another file.",
        ) from None
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.write(text)
