"""The command group behind `python -m ci`: verbs, registered once, imported only when called."""

from __future__ import annotations

import importlib
import os
import shlex
import sys
import traceback
from typing import NamedTuple

import click

from ci import hidden
from ci.errors import did_you_mean
from treecheck.command import run_command


class Verb(NamedTuple):
    """A verb: its module, which holds a click command named `command`, and its line in `--help`."""

    module: str
    help: str


# Importing a verb costs what its libraries cost; `--help` and the other verbs should not pay it.
VERBS: dict[str, Verb] = {
    "diff": Verb("ci.review.diff", "Say what a change does to each environment, for its reviewer."),
    "base-images": Verb("ci.ship.base_images", "Move the image's base to its tag's newest digest."),
    "capacity": Verb(
        "ci.platform.capacity.capacity", "Say whether all fits the nodes, and the price."
    ),
    "cluster": Verb("ci.local.cluster", "Make a cluster on this machine with kind and Docker."),
    "codebuild": Verb("ci.local.codebuild.codebuild", "Run a buildspec here, as CodeBuild would."),
    "configure": Verb("ci.platform.configure", "Turn a fork into its owner's, with one commit."),
    "environment": Verb(
        "ci.platform.environments.verb", "Add an environment to the tree, or remove one."
    ),
    "history": Verb("ci.ship.history", "What ran when: commit, build and person, from git."),
    "hotfix": Verb("ci.ship.hotfix", "Put an image into an environment by hand, with the reason."),
    "pipeline": Verb("ci.ship.pipeline", "Do one step of a build; the buildspec calls them."),
    "plan": Verb("ci.platform.plan.plan", "Every step of a first deploy, and how far it is."),
    "promote": Verb("ci.ship.promote", "Propose an environment's tag for the next, behind gates."),
    "render": Verb("ci.tree.render", "Print what Argo CD would apply to an environment."),
    "restore": Verb("ci.oncall.restore", "Restore the database from its backups, by a commit."),
    "resume": Verb("ci.oncall.resume", "Revert a rolled-back version in git; auto-sync on again."),
    "rollback": Verb("ci.oncall.rollback", "Roll an environment back, as Argo CD's web page does."),
    "rotate": Verb(
        "ci.oncall.rotate", "Change a secret everywhere: password, access key, backup key."
    ),
    "seal": Verb("ci.tree.seal", "Seal the database's password or an access key."),
    "seal-cert": Verb("ci.tree.seal_cert", "Fetch a cluster's sealing certificate."),
    "sealing-key": Verb("ci.tree.sealing_key", "Keep the sealing keys in a file; bring them back."),
    "set-image": Verb("ci.ship.set_image", "Write a build's image tag into an overlay, in order."),
    "snapshots": Verb("ci.tree.snapshots", "Accept what each environment renders to now."),
    "status": Verb("ci.oncall.status", "What git says, what is synced, what runs, what failed."),
    "up": Verb("ci.local.up", "Run the service here, with a database and demo data."),
    "validate": Verb("ci.review.validate", "Check manifests for what would break after the merge."),
}


def load(name: str) -> click.Command:
    """Import a verb's module and return its command."""
    command: click.Command = importlib.import_module(VERBS[name].module).command
    return command


class LazyGroup(click.Group):
    """A click group that knows its commands from VERBS and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load(cmd_name) if cmd_name in VERBS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = did_you_mean(args[0], VERBS)
            there_is = near or f"There is {', '.join(sorted(VERBS))}."
            raise click.UsageError(f"{error.message} {there_is}", error.ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, VERBS[name].help) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """The tasks around the coworking service."""


def main() -> None:
    """Run a verb; a CiError becomes its sentence on standard error and its exit status.

    Any other exception becomes a sentence as well, and with CI_DEBUG=1 its traceback: whatever is
    printed, secrets are hidden in it.
    """
    hidden.remember_all(os.environ)
    with hidden.guarded_output():
        try:
            run_command(group, "python -m ci")
        except ModuleNotFoundError:
            raise  # ci/__main__.py says which package is missing
        except Exception as error:  # noqa: BLE001  (the last resort of every verb)
            _explain(error)
            sys.exit(1)


def _explain(error: Exception) -> None:
    said = " ".join(str(error).split())
    click.echo(f"error: {type(error).__name__}: {said}. This is a fault of the verb.", err=True)
    if os.environ.get("CI_DEBUG"):
        click.echo("".join(traceback.format_exception(error)), err=True)
    else:
        again = shlex.join(["python", "-m", "ci", *sys.argv[1:]])
        click.echo(f"Show where it happened, with secrets hidden:\nCI_DEBUG=1 {again}", err=True)
