"""`make configure`: turn a fork into its owner's, with one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ci import overlays, settings
from ci.errors import CommandError, InputError
from ci.run import execute, run

if TYPE_CHECKING:
    from pathlib import Path


@click.command(help="Change settings.yaml and every line that carries its values, in one commit.")
@click.option("--account", help="The AWS account, twelve digits.")
@click.option("--region", help="Where the cluster and the image repository are.")
@click.option("--repository", help="The image repository's name in ECR.")
@click.option("--git-url", help="What Argo CD reads and the pipeline writes to.")
@overlays.root_option
def command(root: Path, **values: str | None) -> None:
    given = {name: value for name, value in values.items() if value}
    if not given:
        lines = [
            f"  {name.upper()}  {entry.help}, say {entry.example}"
            for name, entry in settings.SETTINGS.items()
        ]
        raise InputError(
            "nothing to change: name at least one setting",
            hint="make configure ACCOUNT= REGION= REPOSITORY= GIT_URL=\n" + "\n".join(lines),
        )
    for name, value in given.items():
        settings.check(name, value)
    _refuse_changes(root)
    wanted = settings.read(root)._replace(**given)
    changed = rewrite(root, wanted)
    if not changed:
        click.echo("Everything says so already; no commit was made.")
        return
    _commit(root, changed, wanted)
    for path in changed:
        click.echo(f"  {path}")
    click.echo(f"Committed: {len(changed)} files now say {wanted.image} and {wanted.git_url}.")
    click.echo(
        "Next, once the cluster is there: make seal-cert and make seal, for dev and for prod."
    )


def _refuse_changes(root: Path) -> None:
    status = run(["git", "status", "--porcelain", "--untracked-files=no"], cwd=root)
    if status:
        raise InputError(
            "the work tree has changes that are not committed, and they would get into this"
            f" commit:\n{status.rstrip()}",
            hint="Commit them first, or put them aside with git stash.",
        )


def rewrite(root: Path, wanted: settings.Settings) -> dict[str, bytes]:
    """Write settings.yaml and the lines that carry its values.

    Returns:
        The files that changed, each with what it was.
    """
    changed: dict[str, tuple[bytes, bytes]] = {}
    for name in run(["git", "ls-files", "-z"], cwd=root).split("\0"):
        path = root / name
        if not name or path.is_symlink() or not path.is_file():
            continue
        before = path.read_bytes()
        if name != settings.FILE and not _carries_settings(name, before):
            continue
        try:
            text = before.decode()
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name} is not UTF-8: {error.reason} at byte {error.start}",
                hint="Save it as UTF-8, which is what YAML is read as.",
            ) from error
        edit = settings.edit_file if name == settings.FILE else settings.carry
        after = edit(text, wanted).encode()
        if after != before:
            changed[name] = before, after
    for name, (_, after) in changed.items():
        (root / name).write_bytes(after)
    return {name: before for name, (before, _) in changed.items()}


def _carries_settings(name: str, content: bytes) -> bool:
    """Only YAML does: pages, docstrings and tests show such lines as examples."""
    return name.endswith((".yaml", ".yml")) and b"# settings:" in content


def _commit(root: Path, changed: dict[str, bytes], wanted: settings.Settings) -> None:
    message = (
        f"Configure for account {wanted.account} in {wanted.region}\n\n"
        f"Images: {wanted.image}\nGit: {wanted.git_url}\n"
    )
    # Named files are committed past the index, which is only written when all went well.
    words = ["git", "--literal-pathspecs", "commit", "--quiet", "--file=-", "--", *changed]
    done = execute(words, cwd=root, stdin=message.encode())
    if done.status != 0:
        for name, before in changed.items():
            (root / name).write_bytes(before)
        raise CommandError(
            "git commit",
            done.status,
            (done.stderr or done.stdout).decode(errors="replace"),
            hint="The files are as they were. Mend what it says, then configure again.",
        )
