"""`python -m ci pipeline STEP`: one step of a build."""

from __future__ import annotations

import os
import time

import click

from ci.ship.build import Build
from ci.ship.build_steps import STEPS


@click.command(
    help="Do one step of a build; the variables of CodeBuild say which build.\n\n\b\n"
    + "\n".join(f"{name:11} {step.help}" for name, step in STEPS.items())
)
@click.argument("step", type=click.Choice(list(STEPS)))
def command(step: str) -> None:
    """Do one step of a build."""
    began = time.monotonic()
    STEPS[step].act(Build(os.environ))
    click.echo(f"{step}: {time.monotonic() - began:.1f} s", err=True)
