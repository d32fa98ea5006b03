"""`python -m bench [PART …]`: run every measurement, or those named; the status says what held."""

from __future__ import annotations

import subprocess
import sys

import click

# Each prints its table, writes .local/bench/NAME.json, and ends with 1 when a promise is broken.
PARTS = {
    "service": "requests a second, latency and memory, beside the older way of asking",
    "writes": "what the rollups cost a writer",
    "validate": "the checks before a merge, beside other tools",
    "git": "the write-back and `history` in a repository of 50,000 commits",
}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
def main(parts: tuple[str, ...]) -> None:
    """Run the measurements, one after the other."""
    broken = []
    for part in parts or PARTS:
        click.echo(f"{part}: {PARTS[part]}")
        if subprocess.run([sys.executable, "-m", f"bench.{part}"], check=False).returncode:
            broken.append(part)
    if broken:
        raise click.ClickException(f"a promise of {' and '.join(broken)} did not hold; see above")


main()
