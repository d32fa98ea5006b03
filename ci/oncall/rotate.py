"""`python -m ci rotate ENV password`: change a secret everywhere, in one command.

    python -m ci rotate prod password --push       the database's password
    python -m ci rotate prod password --dry-run    say what would be done

What was done is read from git, the cluster and the database, so a call after one that was stopped
goes on where that one was.
"""

from __future__ import annotations

import os

import click

from ci.argocd.client import connect
from ci.git.access import open_remote, remote_url
from ci.git.remote import check_branch
from ci.oncall import rotate_password
from ci.tree import settings
from ci.tree.overlays import overlay

GIT_SECONDS = 3600.0  # for git in all, between whose steps the cluster is waited for


@click.command()
@click.argument("environment", metavar="ENV")
@click.argument("secret", type=click.Choice(["password"]))
@click.option("--push", is_flag=True, help="Commit to the branch itself, where policy lets you.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@click.option("--again", is_flag=True, help="Rotate although it was rotated within the hour.")
@click.option("--url", metavar="URL", help="The git repository; by default settings.yaml's.")
@click.option("--branch", default="main", show_default=True)
def command(  # noqa: PLR0913  (one argument for each option)
    *,
    environment: str,
    secret: str,  # noqa: ARG001  (there is one so far)
    push: bool,
    dry_run: bool,
    again: bool,
    url: str | None,
    branch: str,
) -> None:
    """Rotate the database's password in ENV, without a failed request.

    Seals a new password beside the present one, waits until every pod knows it and the database
    refuses the old one, then removes the old one. Both steps are commits: pushed with --push, else
    branches to merge, and each call goes on from there. Called again after it was stopped at any
    moment, it goes on and ends.
    """
    check_branch(branch)
    overlay(environment)  # or an error that names those that there are
    api = connect(os.environ)
    place = remote_url(url, settings.read().git_url)
    with open_remote(place, os.environ, seconds=GIT_SECONDS) as access:
        work = rotate_password.Rotating(api, access, environment, branch, push)
        rotate_password.rotate(work, dry_run=dry_run, again=again)
