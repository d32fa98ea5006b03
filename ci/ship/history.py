"""`python -m ci history ENV`: what ran when, by which commit, build and person, from git alone.

2026-11-24 09:12  58-0a1b2c3d   build 58 of 0a1b2c3d  Ann    Count each visit once
2026-11-24 08:40  57-1f2e3d4c   reverted              Bob    Revert "deploy(prod): …"
"""

from __future__ import annotations

import itertools
import json
import os
from typing import TYPE_CHECKING, NamedTuple

import click

from ci.git.access import open_remote, remote_url
from ci.git.remote import check_branch
from ci.git.repository import Copied
from ci.ship.which_image import image_option, not_deployed
from ci.tree import overlays, settings
from ci.tree.overlays import ROOT
from ci.version.image_file import ImageFile
from ci.version.message import Message, environment_of
from ci.version.tag import PipelineTag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.git.repository import Repository
    from ci.tree.images import SourceImage
    from ci.version.image_file import Record


class Row(NamedTuple):
    """A change of what runs.

    Attributes:
        at: when git said so, UTC, ISO 8601.
        tag: the tag from then on.
        how: `build`, `promotion`, `hotfix`, `reverted` or `by hand`.
        commit: the commit that the image was made from; empty when unknown.
        build: the build's number, or None.
        person: who: of a build, the author of that commit; else of the change itself.
        what: the subject of that commit, or the reason.
        change: the commit that changed the tag.
    """

    at: str
    tag: str
    how: str
    commit: str
    build: int | None
    person: str
    what: str
    change: str


def rows(repository: Repository, overlay: ImageFile) -> Iterator[Row]:
    """Yield the changes of a tag, newest first; reads only what the rows in use need."""
    records = overlay.records()
    while (record := next(records, None)) is not None:
        records, older = itertools.tee(records)
        earlier = (each.version.tag for each in older)
        tag, before = record.version.tag, next(earlier, None)
        if tag is not None and tag != before:
            yield _row(repository, overlay, record, earlier)


def _row(
    repository: Repository, overlay: ImageFile, record: Record, earlier: Iterator[str | None]
) -> Row:
    version, message = record
    tag = PipelineTag.match(version.tag or "")
    commit = overlay.resolve(version.source or (tag.commit if tag else "")) or ""
    how = _how(record, earlier, environment_of(overlay.folder), overlay.image)
    person, what = message.author, message.trailers.get("Reason", message.subject)
    if how == "build" and commit:
        source = Message.parse(repository.objects([commit])[0] or b"")
        person, what = source.author, source.subject
    return Row(
        message.at.isoformat(),
        version.tag or "",
        how,
        commit,
        version.build if tag is None else tag.build,
        person,
        what,
        version.commit,
    )


def _how(record: Record, earlier: Iterator[str | None], environment: str, image: str) -> str:
    trailers = record.message.trailers
    if "Promoted-From" in trailers:
        return "promotion"
    if "Reason" in trailers and "Image" in trailers:  # `resume` gives a reason, and names no image
        return "hotfix"
    if "Build" in trailers:
        return "build"
    tag = record.version.tag or ""
    is_deployment = record.message.deploys(environment, image, tag)
    if is_deployment and record.version.image:
        return _how_by_tag(tag, environment)
    if tag in earlier:  # for a tag that is new, all of the history is read
        return "reverted"
    return _how_by_tag(tag, environment) if is_deployment else "by hand"


def _how_by_tag(tag: str, environment: str) -> str:
    """How it came, where a merge has kept the subject alone."""
    if PipelineTag.match(tag) is None:
        return "hotfix"
    return "build" if environment == overlays.first() else "promotion"


@click.command()
@click.argument("environment")
@image_option
@click.option("--url", help="The git repository; by default settings.yaml's.")
@click.option("--local", is_flag=True, help="Read this checkout instead of a remote.")
@click.option("--branch", default="main", show_default=True)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Rows.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(  # noqa: PLR0913  (one argument for each option)
    *,
    environment: str,
    image: SourceImage,
    url: str | None,
    local: bool,
    branch: str,
    limit: int,
    as_json: bool,
) -> None:
    """List what ran when in an environment, newest first, from git alone."""
    overlays.overlay(environment)  # or an error that names those that there are
    check_branch(branch)
    place = str(ROOT) if local else remote_url(url, settings.read().git_url)
    with open_remote(place, os.environ, part=Copied.COMMITS) as access:
        tip = access.tip(branch)
        folder = image.overlay_folder(environment)
        overlay = ImageFile(access.repository, tip, folder, image.name)
        for row in itertools.islice(rows(access.repository, overlay), limit):
            click.echo(json.dumps(row._asdict()) if as_json else _line(row))
        if sentence := not_deployed(image, environment, overlay):
            click.echo(sentence, err=True)


def _line(row: Row) -> str:
    made = f"build {row.build} of {row.commit[:8]}" if row.how == "build" else row.how
    line = f"{row.at[:16].replace('T', ' ')}  {row.tag:20}  {made:24}  {row.person:16}  {row.what}"
    # Anybody may choose names and subjects: their control characters must not reach a terminal.
    return "".join(sign if sign.isprintable() else "?" for sign in line)
