"""`python -m ci rotate ENV SECRET`: change a secret everywhere, in one command.

    python -m ci rotate prod password --push       the database's password
    python -m ci rotate prod access-key --push     a new access key, beside the present one
    python -m ci rotate prod backup-key --push     the key of the backups, and their path
    python -m ci rotate prod password --dry-run    say what would be done
    python -m ci rotate sealing-key                seal all again with the cluster's newest key

What was done is read from git, the cluster and the database, so a call after one that was stopped
goes on where that one was.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import click

from ci.argocd.client import connect
from ci.errors import InputError
from ci.git.access import open_remote, remote_url
from ci.git.remote import check_branch
from ci.oncall import rotate_access_key, rotate_backup_key, rotate_password
from ci.oncall.secret_commit import Rotating
from ci.tree import backup_key, sealing_key, settings
from ci.tree.overlays import overlay, root_option

SEALING_KEY = "sealing-key"
SECRETS = ("password", rotate_access_key.NAME, rotate_backup_key.NAME)
GIT_SECONDS = 3600.0  # for git in all, between whose steps the cluster is waited for


@click.command()
@click.argument("environment", metavar="ENV")
@click.argument("secret", type=click.Choice(SECRETS), required=False)
@click.option("--push", is_flag=True, help="Commit to the branch itself, where policy lets you.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@click.option(
    "--again",
    is_flag=True,
    help="Rotate although it was rotated within the hour; with access-key: make another in place of"
    " the new one, which nobody got.",
)
@click.option("--drop-old", is_flag=True, help="With access-key: end the one before.")
@click.option(
    "--s3-key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="With backup-key, and another S3 than AWS's: a file with its key's name and secret.",
)
@click.option("--url", metavar="URL", help="The git repository; by default settings.yaml's.")
@click.option("--branch", default="main", show_default=True)
@root_option
def command(*, environment: str, secret: str | None, root: Path, **options: Any) -> None:
    """Rotate a secret of ENV: password, access-key or backup-key.

    Each step is a commit: pushed with --push, else a branch to merge, and each call goes on from
    there. Called again after it was stopped at any moment, it goes on and ends.

    `password` fails no request: it seals a new password of the database beside the present one,
    waits until every pod knows it and the database refuses the old one, then removes the old one.

    `access-key` adds a key beside the present one, and shows it. Give it to those who had the one
    before, and then end that with --drop-old.

    `backup-key` seals a new key for the backups, shows it, and begins a new path in the bucket
    with it; the path before keeps its backups and its key. PostgreSQL restarts once.

    `rotate sealing-key` fetches the cluster's newest certificate and lets the controller seal every
    environment's secret with it. It writes the files, and you commit them.
    """
    if environment == SEALING_KEY and secret is None:
        sealing_key.reseal(root)
        return
    if secret is None:
        raise InputError(
            f"name the secret of {environment} to rotate",
            hint=f"python -m ci rotate {environment} password",
        )
    _rotate(environment, secret, root, Options(**options))


class Options(NamedTuple):
    """The options of the command line."""

    push: bool
    dry_run: bool
    again: bool
    drop_old: bool
    s3_key: Path | None
    url: str | None
    branch: str


def _rotate(environment: str, secret: str, root: Path, options: Options) -> None:
    _refuse_others_options(secret, options)
    check_branch(options.branch)
    overlay(environment)  # or an error that names those that there are
    s3 = backup_key.read_s3_key(options.s3_key) if options.s3_key else None
    if secret == rotate_backup_key.NAME:
        backup_key.check_s3(environment, root, s3)
    api = connect(os.environ)
    place = remote_url(options.url, settings.read().git_url)
    dry_run, again = options.dry_run, options.again
    with open_remote(place, os.environ, seconds=GIT_SECONDS) as access:
        work = Rotating(api, access, environment, options.branch, options.push)
        if secret == rotate_access_key.NAME:
            drop_old = options.drop_old
            rotate_access_key.rotate(work, drop_old=drop_old, dry_run=dry_run, again=again)
        elif secret == rotate_backup_key.NAME:
            rotate_backup_key.rotate(work, s3, dry_run=dry_run, again=again)
        else:
            rotate_password.rotate(work, dry_run=dry_run, again=again)


def _refuse_others_options(secret: str, options: Options) -> None:
    if options.drop_old and secret != rotate_access_key.NAME:
        raise InputError(f"--drop-old is for access-key; {secret} ends by itself")
    if options.s3_key and secret != rotate_backup_key.NAME:
        raise InputError(f"--s3-key is for backup-key; {secret} has nothing to do with S3")
