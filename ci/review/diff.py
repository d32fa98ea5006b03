"""`python -m ci diff`: compare two versions, print the comment, and post it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci.errors import InputError
from ci.git.github import API, repository_name, upsert_comment
from ci.review.markdown import MARKER, write_markdown
from ci.review.report import as_data, make_report
from ci.review.trees import checked_out, merge_base, read_tree
from ci.run import run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci.review.report import Comparison

SERVICE = "apps/coworking"  # a change of it starts a build, which goes to the first environment


@click.command("diff")
@click.option("--base", required=True, metavar="REF", help="The branch to merge into.")
@click.option("--head", metavar="REF", help="The proposal; by default the files as they are here.")
@click.option("--format", "style", type=click.Choice(["markdown", "json"]), default="markdown")
@click.option("--output", type=click.Path(path_type=Path), help="Write to a file instead.")
@click.option("--post", is_flag=True, help="Create or update the comment on the pull request.")
def command(base: str, head: str | None, style: str, output: Path | None, post: bool) -> None:
    """Say what a change does to each environment: what is risky, what differs, what is new.

    The head is compared with the merge base, so what others merged meanwhile does not show. With
    --post it needs GITHUB_TOKEN, GITHUB_REPOSITORY (owner/name) and PULL_REQUEST (its number);
    without a token, as in a fork's pull request, the text is only written.
    """
    report = compare(base, head)
    if style == "json":
        text = json.dumps(as_data(report), indent=2, ensure_ascii=False) + "\n"
    else:
        text = write_markdown(report)
    if output is not None:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"--output {str(output)!r} can't be written: {error.strerror}",
                hint="Name a file in a folder that exists, such as comment.md.",
            ) from error
    elif not post or "GITHUB_TOKEN" not in os.environ:
        click.echo(text, nl=False)
    if post:
        click.echo(_post(write_markdown(report), os.environ), err=True)


def compare(base: str, head: str | None) -> Comparison:
    """The report of `head` (None: the working tree) against its merge base with `base`."""
    ancestor = merge_base(base, head or "HEAD")
    with checked_out(ancestor) as old:
        before = read_tree(old)
    root = Path(run(["git", "rev-parse", "--show-toplevel"]).strip())
    named = ["git", "-C", str(root), "diff", "--name-only", ancestor, *([head] if head else [])]
    builds = bool(run([*named, "--", SERVICE]).strip())
    branch = _branch(base)
    if head is None:
        return make_report(before, read_tree(root), root, builds=builds, branch=branch)
    with checked_out(head) as new:
        return make_report(before, read_tree(new), root, builds=builds, branch=branch)


def _branch(base: str) -> str:
    """The name of the branch that `base` is, here or at the remote; "" where it is none."""
    name = base.removeprefix("refs/heads/").removeprefix("origin/")
    places = [f"refs/heads/{name}", f"refs/remotes/origin/{name}"]
    is_branch = name != "HEAD" and run(["git", "for-each-ref", *places]).strip()
    return name if is_branch else ""


def _post(text: str, environment: Mapping[str, str]) -> str:
    token = environment.get("GITHUB_TOKEN")
    if not token:
        return "no GITHUB_TOKEN, so no comment is posted (a fork's pull request has none)"
    url = environment.get("CODEBUILD_SOURCE_REPO_URL", "")
    name = repository_name(url, environment)
    number = environment.get("PULL_REQUEST") or environment.get(
        "CODEBUILD_WEBHOOK_TRIGGER", ""
    ).removeprefix("pr/")
    if not name or not number.isdecimal():
        raise InputError(
            f"GITHUB_REPOSITORY is {name or ''!r} and PULL_REQUEST is {number!r}",
            hint="Set them to the repository's owner/name and the pull request's number, say 12.",
        )
    api = environment.get("GITHUB_API_URL", API)
    done = upsert_comment(name, int(number), token, text, marker=MARKER, api=api)
    return f"comment {done} on {name}#{number}"
