"""`make render ENV=dev`: print what Argo CD would apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ci.tree import overlays
from treecheck import kustomize

if TYPE_CHECKING:
    from pathlib import Path


@click.command(help="Print what Argo CD would apply to an environment.")
@click.argument("environment")
@overlays.root_option
def command(environment: str, root: Path) -> None:
    click.echo(kustomize.render(overlays.overlay(environment, root)), nl=False)
