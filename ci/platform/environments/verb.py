"""`python -m ci environment`: an environment more, or one fewer, as one commit.

python -m ci environment add staging --like prod     staging, between dev and prod
python -m ci environment remove staging              the tree as it was before
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ci.platform.capacity import gather
from ci.platform.capacity.eksctl import load_cluster
from ci.platform.edits import refuse_changes
from ci.platform.environments import shared
from ci.platform.environments.add import add
from ci.platform.environments.remove import remove
from ci.platform.environments.size import size
from ci.tree import overlays

if TYPE_CHECKING:
    from pathlib import Path

    from ci.platform.environments.add import Added

PROJECTS = "kubectl apply -k argocd/projects"
RIGHTS = "kubectl apply --server-side --field-manager=coworking -k argocd/config"


@click.group()
def command() -> None:
    """Add an environment to the tree, or remove one, in one commit."""


@command.command("add")
@click.argument("name")
@click.option("--like", required=True, metavar="ENV", help="The environment that it is made like.")
@click.option(
    "--before", metavar="ENV", help="Its place in the order of promotion; by default the last's."
)
@overlays.root_option
def add_command(name: str, like: str, before: str | None, root: Path) -> None:
    """Write one like another one (--like), before the last or another one (--before); commit it."""
    refuse_changes(root)
    added = add(root, name, like, before)
    order = " -> ".join(added.order)
    added.edits.commit(f"environments: add {name} like {like}\n\n{order}", again="add it again")
    _show(added.edits.changed)
    click.echo(f"Committed: {len(added.edits.changed)} files. A version goes {order}.")
    for sentence in what_it_is(name, like, added):
        click.echo(sentence)
    click.echo("\nThen, as an administrator, before this is merged:")
    for line in next_lines(name, root, added):
        click.echo(f"  {line}")


@command.command("remove")
@click.argument("name")
@overlays.root_option
def remove_command(name: str, root: Path) -> None:
    """Remove an environment's files and names, commit that, and say what stays on the cluster."""
    refuse_changes(root)
    keeps = shared.keeps_data(name, root)
    before = size((root / gather.CLUSTER).read_text(encoding="utf-8"))
    edits = remove(root, name)
    edits.commit(f"environments: remove {name}", again="remove it again")
    _show(edits.changed)
    click.echo(f"Committed: {len(edits.changed)} files.")
    after = size((root / gather.CLUSTER).read_text(encoding="utf-8"))
    click.echo("\nWhat the merge leaves on the cluster, and what removes it, in this order:")
    for line in what_stays(name, keeps=keeps):
        click.echo(f"  {line}")
    if before != after and after:
        click.echo(f"  {scale(root, after.desired)}")


def _show(changed: list[str]) -> None:
    for path in changed:
        click.echo(f"  {path}")


def what_it_is(name: str, like: str, added: Added) -> list[str]:
    """What to know of the new environment, a sentence each."""
    found = [f"It begins with {like}'s version and with no data."]
    if shared.keeps_data(name, added.edits.root):
        found.append(
            f"Its data is kept on a volume, and not backed up: backups are {added.order[-1]}'s."
        )
    if added.nodes is not None:
        found.append(
            f"The cluster is to have {added.nodes} nodes: docs/cost.md has the price, and `make"
            " capacity` says what would be cheaper."
        )
    found += [f"It does not fit the nodes: {each}" for each in added.shortages]
    return found


def next_lines(name: str, root: Path, added: Added) -> list[str]:
    """The commands that make it run: root can't apply what limits it."""
    lines = [PROJECTS, f"{RIGHTS}  # who may sync and roll back there"]
    if added.nodes is not None:
        lines.append(scale(root, added.nodes))
    if added.throw_away:
        lines.append(
            f"make seal ENV={name} ARGS=--fetch  # no cluster opens the tree's own; commit it"
        )
    return lines


def what_stays(name: str, *, keeps: bool) -> list[str]:
    """The commands that remove what pruning leaves, with what each is about."""
    namespace = overlays.namespace(name)
    lines = []
    if keeps:
        lines.append("argocd app confirm-deletion root  # root waits for it; the database goes on")
    lines += [
        f"kubectl delete namespace {namespace}  # with the database, for good",
        f"kubectl -n argocd delete appproject {namespace}",
        f"{RIGHTS}  # the rights there",
    ]
    if keeps:
        lines.append(f"kubectl get persistentvolumes | grep {namespace}/  # kept; delete by name")
    return lines


def scale(root: Path, nodes: int) -> str:
    """The command that gives a running cluster the number of nodes that the file says."""
    cluster = load_cluster(root / gather.CLUSTER)
    where = f"--cluster {cluster.name} --region {cluster.region} --name {cluster.groups[0].name}"
    return f"eksctl scale nodegroup {where} --nodes {nodes} --nodes-max {nodes}"
