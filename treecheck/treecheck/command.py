"""Runs a command line and ends with the status and the sentence of its error."""

from __future__ import annotations

import sys

import click

from treecheck.errors import TreecheckError


def run_command(called: click.Command, name: str) -> None:
    """Run a command; an error becomes its sentence on standard error and its exit status."""
    try:
        called(prog_name=name)
    except TreecheckError as error:
        click.echo(f"error: {error}", err=True)
        if error.hint:
            click.echo(error.hint, err=True)
        sys.exit(error.exit_code)
