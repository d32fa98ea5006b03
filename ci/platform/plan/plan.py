"""`python -m ci plan`: print every step of a first deploy, or say how far it is. It runs none.

    python -m ci plan                          the whole plan
    python -m ci plan --check                  how far each step is, and the next one
    python -m ci plan --check --format json    the same for a program

With --check the exit status is 0 when all is done, 1 when something is to do, and 5 when the first
step that is not done is unknown.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from typing import TYPE_CHECKING

import click

from ci.errors import CiError
from ci.platform.plan import names, show, steps
from ci.platform.plan.checks import aws, backups, judge
from ci.platform.plan.checks.outside import Outside
from ci.platform.plan.names import UNKNOWN_CONNECTION
from ci.tree import overlays

if TYPE_CHECKING:
    from pathlib import Path

    from ci.platform.plan.names import Names
    from ci.platform.plan.step import Judged

EXIT_STATUS = {
    0: "every step that is not optional is done",
    1: "something is to do; the output names the next step",
    2: "settings.yaml or infra/eksctl/cluster.yaml can't be used",
    5: "the first step that is not done is unknown; its line says what could not be asked",
}


@click.command(help="Print every step of a first deploy, or with --check say how far it is.")
@click.option("--check", is_flag=True, help="Ask AWS, GitHub, the cluster and Argo CD; read only.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.option("--connection", default="", metavar="ARN", help="The connection to GitHub.")
@click.option("--bot", default="0", help="GitHub account id of the account that writes tags back.")
@click.option("--email", default="", help="Who hears of failed builds.")
@overlays.root_option
def command(*, check: bool, form: str, connection: str, bot: str, email: str, root: Path) -> None:  # noqa: PLR0913
    mine = names.read(root, connection=connection, bot=bot, email=email)
    judged: tuple[Judged, ...] | None = None
    if check:
        outside = Outside(mine, root, os.environ)
        outside.names = mine = _with_issuer(outside, _with_connection(outside))
        judged = tuple(judge(steps.all_steps(mine, root), outside))
    listed = steps.all_steps(mine, root)
    if form == "json":
        click.echo(json.dumps(show.as_json(mine, listed, judged), indent=2))
    else:
        click.echo(show.checked(judged) if judged else show.text(listed))
    if judged:
        sys.exit(status(judged))


def _with_connection(outside: Outside) -> Names:
    """The names with the connection's ARN, where AWS can be asked for it."""
    mine = outside.names
    if mine.connection != UNKNOWN_CONNECTION:
        return mine
    try:
        return dataclasses.replace(mine, connection=aws.find_connection_arn(outside))
    except CiError:
        return mine  # the check of the step says why


def _with_issuer(outside: Outside, mine: Names) -> Names:
    """The names with the cluster's OIDC issuer, where the cluster is there and AWS says it."""
    try:
        return dataclasses.replace(mine, issuer=backups.issuer(outside) or mine.issuer)
    except CiError:
        return mine  # the checks of the cluster say why


def status(judged: tuple[Judged, ...]) -> int:
    """The exit status that goes with what was found."""
    first = show.first_not_done(judged)
    if first is None:
        return 0
    return 1 if first.mark.word == "open" else 5
