"""`python -m ci rotate ENV password`: change a secret everywhere, in one command.

    python -m ci rotate prod password --push       the database's password
    python -m ci rotate prod password --dry-run    say what would be done
    python -m ci rotate sealing-key                seal all again with the cluster's newest key

What was done is read from git, the cluster and the database, so a call after one that was stopped
goes on where that one was.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from ci.argocd.client import connect
from ci.errors import InputError
from ci.git.access import open_remote, remote_url
from ci.git.remote import check_branch
from ci.oncall import rotate_password
from ci.tree import sealing_key, settings
from ci.tree.overlays import overlay, root_option

if TYPE_CHECKING:
    from pathlib import Path

SEALING_KEY = "sealing-key"
GIT_SECONDS = 3600.0  # for git in all, between whose steps the cluster is waited for


@click.command()
@click.argument("environment", metavar="ENV")
@click.argument("secret", type=click.Choice(["password"]), required=False)
@click.option("--push", is_flag=True, help="Commit to the branch itself, where policy lets you.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@click.option("--again", is_flag=True, help="Rotate although it was rotated within the hour.")
@click.option("--url", metavar="URL", help="The git repository; by default settings.yaml's.")
@click.option("--branch", default="main", show_default=True)
@root_option
def command(  # noqa: PLR0913  (one argument for each option)
    *,
    environment: str,
    secret: str | None,
    push: bool,
    dry_run: bool,
    again: bool,
    url: str | None,
    branch: str,
    root: Path,
) -> None:
    """Rotate the database's password in ENV, without a failed request.

    Seals a new password beside the present one, waits until every pod knows it and the database
    refuses the old one, then removes the old one. Both steps are commits: pushed with --push, else
    branches to merge, and each call goes on from there. Called again after it was stopped at any
    moment, it goes on and ends.

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
    check_branch(branch)
    overlay(environment)  # or an error that names those that there are
    api = connect(os.environ)
    place = remote_url(url, settings.read().git_url)
    with open_remote(place, os.environ, seconds=GIT_SECONDS) as access:
        work = rotate_password.Rotating(api, access, environment, branch, push)
        rotate_password.rotate(work, dry_run=dry_run, again=again)
