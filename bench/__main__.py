"""`python -m bench [PART …]`: run every measurement, or those named; the status says what held."""

from __future__ import annotations

import functools
import subprocess
import sys

import click

from bench.mutants.__main__ import main as mutants
from bench.restore import command as restore

# Each prints its table, writes .local/bench/NAME.json, and ends with 1 when a promise is broken.
PARTS = {
    "service": "requests a second, latency and memory, beside the older way of asking",
    "writes": "what the rollups cost a writer",
    "greedy": "probes and short reports beside clients that ask for much",
    "validate": "the checks before a merge, beside other tools",
    "git": "the write-back and `history` in a repository of 50,000 commits",
}


def measure(part: str, *options: str) -> str | None:
    """Run one measurement; returns its name when a promise is broken."""
    click.echo(f"{part}: {PARTS[part]}")
    done = subprocess.run([sys.executable, "-m", f"bench.{part}", *options], check=False)
    return part if done.returncode else None


@click.group(chain=True, invoke_without_command=True)
@click.option("--large", is_flag=True, help="The overview at a hundred million tokens, alone.")
@click.pass_context
def main(context: click.Context, large: bool) -> None:
    """Run the measurements that are named, or all except `mutants` and `restore`, one by one."""
    if large:
        _judge([measure("service", "--large")])
    elif context.invoked_subcommand is None:
        _judge([measure(part) for part in PARTS])


@main.result_callback()
def _judge(broken: list[str | None], **_: bool) -> None:
    names = [part for part in broken if part]
    if names:
        raise click.ClickException(f"a promise of {' and '.join(names)} did not hold; see above")


for name, what in PARTS.items():
    main.add_command(click.Command(name, callback=functools.partial(measure, name), help=what))
main.add_command(mutants, "mutants")
main.add_command(restore, "restore")

if __name__ == "__main__":
    main()
