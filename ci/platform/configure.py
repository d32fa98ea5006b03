"""`make configure`: turn a fork into its owner's, with one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ci.errors import CiError, InputError
from ci.platform.capacity import gather, pages
from ci.platform.capacity.eksctl import load_cluster
from ci.platform.capacity.prices import load_prices
from ci.platform.edits import Edits, refuse_changes, tracked
from ci.platform.environments import shared
from ci.tree import carried, networks, outside, overlays, owners, settings, snapshots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


def _options(function: Callable[..., None]) -> Callable[..., None]:
    """An option for each setting, the first in settings.py first."""
    for name, entry in reversed(settings.SETTINGS.items()):
        option = f"--{name.replace('_', '-')}"
        function = click.option(option, metavar="VALUE", help=f"{_sentence(entry.help)}.")(function)
    return function


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


@click.command(help="Change settings.yaml and every line that carries its values, in one commit.")
@_options
@overlays.root_option
def command(root: Path, **values: str | None) -> None:
    given = {name: value.strip() for name, value in values.items() if value and value.strip()}
    if not given:
        lines = [
            f"  {name.upper()}  {entry.help}, say {entry.example}"
            for name, entry in settings.SETTINGS.items()
        ]
        raise InputError(
            "nothing to change: name at least one setting",
            hint="make configure ACCOUNT= REGION= ZONES= …\n" + "\n".join(lines),
        )
    parsed: dict[str, Any] = {name: settings.parse(name, value) for name, value in given.items()}
    refuse_changes(root)
    # What the file says now may not fit what is given; together they must.
    before = settings.read(root)
    wanted = settings.check_together(before._replace(**parsed))
    _refuse_other_environments(before.environments, wanted.environments)
    edits = rewrite(root, wanted)
    if not edits.changed:
        click.echo("Everything says so already; no commit was made.")
        return
    edits.commit(_message(wanted), again="configure again")
    for path in edits.changed:
        click.echo(f"  {path}")
    click.echo(f"Committed: {len(edits.changed)} files now say {', '.join(_said(wanted, parsed))}.")
    for warning in (*warnings(wanted), *_without_certificates(root, wanted)):
        click.echo(f"warning: {warning}", err=True)
    if parsed.keys() & {"account", "region"}:
        click.echo(
            "Next, once the cluster is there: make seal-cert and make seal, for each environment."
        )


def _refuse_other_environments(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    """The order can change between the first, which the pipeline serves, and the last.

    Raises:
        InputError: an environment is added or removed, or the first or the last is another one.
    """
    if sorted(before) == sorted(after) and (before[0], before[-1]) == (after[0], after[-1]):
        return
    raise InputError(
        f"environments is {settings.typed(before)}. This command changes the order between the"
        f" first and the last, and can't make it {settings.typed(after)}",
        hint="An environment is more than its name:\npython -m ci environment add NAME --like"
        f" {before[-1]}\npython -m ci environment remove NAME",
    )


def _said(wanted: settings.Settings, given: Iterable[str]) -> list[str]:
    return [f"{name} {settings.typed(getattr(wanted, name))}" for name in given]


def warnings(wanted: settings.Settings) -> list[str]:
    """What is allowed, and better known before it is merged; a sentence each."""
    found = []
    for name, what in (
        ("prod_cidrs", wanted.environments[-1]),
        ("argocd_cidrs", "Argo CD's address"),
    ):
        if networks.are_everybody(getattr(wanted, name)):
            found.append(f"{name} lets the whole internet in: everybody can reach {what}.")
    if wanted.prod_cidrs and not wanted.prod_certificate:
        found.append(
            "prod_cidrs opens prod without prod_certificate: reports and access keys travel in"
            " plain HTTP."
        )
    return found


def _without_certificates(root: Path, wanted: settings.Settings) -> list[str]:
    """That the tree can't check the certificate of its database outside the cluster yet."""
    path = root / outside.CA_FILE
    there = path.is_file() and outside.has_certificates(path.read_text(encoding="utf-8"))
    if not wanted.database_host or there:
        return []
    said = f"{outside.CA_FILE} has no certificate yet, so the service takes no server. For RDS:"
    return [f"{said}\n{outside.fetch_certificates(wanted.region)}"]


def rewrite(root: Path, wanted: settings.Settings) -> Edits:
    """Write settings.yaml, the lines that carry its values, and what is computed from them."""
    edits, before = Edits(root), settings.read(root).environments
    # Read as they are before the first is written: a file that can't be read changes nothing.
    code_owners = owners.codeowners(root, wanted.owners)
    for name, text in list(_carried(root, wanted)):
        edits.write(name, text.encode())
    edits.write(owners.FILE, code_owners.encode() if code_owners is not None else None)
    shared.reorder_pages(edits, before, wanted.environments)
    if edits.changed:
        write_computed(edits)
    return edits


def write_computed(edits: Edits) -> None:
    """Write what is computed from the tree again.

    Raises:
        CiError: an overlay can't be rendered, or a page can't be written; all edits are undone.
    """
    try:
        for name, text in _computed(edits.root):
            edits.write(name, text.encode())
    except CiError:
        edits.restore()
        raise


def _carried(root: Path, wanted: settings.Settings) -> Iterator[tuple[str, str]]:
    """settings.yaml and each YAML file with a marked line: its name and what it should say."""
    for name in tracked(root):
        path = root / name
        if path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        if name != settings.FILE and not _carries_settings(name, content):
            continue
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name} is not UTF-8: {error.reason} at byte {error.start}",
                hint="Save it as UTF-8, which is what YAML is read as.",
            ) from error
        edit = carried.edit_file if name == settings.FILE else carried.carry
        yield name, edit(text, wanted)


def _computed(root: Path) -> Iterator[tuple[str, str]]:
    """What `make snapshots` and `ci capacity --write-docs` would write now, where it is kept."""
    for environment in overlays.environments(root):
        path = snapshots.snapshot_path(environment, root)
        if path.is_file():
            yield str(path.relative_to(root)), snapshots.snapshot(environment, root)
    if all((root / page).is_file() for page in pages.BLOCKS):
        cluster = load_cluster(root / gather.CLUSTER)
        tree = pages.survey(
            gather.gather(root, cluster), cluster, load_prices(root / gather.PRICES)
        )
        for page, text in pages.renewed(root, tree).items():
            yield str(page.relative_to(root)), text


def _carries_settings(name: str, content: bytes) -> bool:
    """Only YAML does: pages, docstrings and tests show such lines as examples."""
    return name.endswith((".yaml", ".yml")) and b"# settings:" in content


def _message(wanted: settings.Settings) -> str:
    lines = _said(wanted, settings.SETTINGS)
    return f"Configure for account {wanted.account} in {wanted.region}\n\n" + "\n".join(lines)
