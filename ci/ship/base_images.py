"""`python -m ci base-images`: move each Dockerfile's base to the digest that its tag has now.

apps/coworking/Dockerfile: …python:3.11-slim-bookworm a36c24f9cbdf -> 5d1f0c2e7a41
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import click

from ci.aws.public_registry import Image, index_of
from ci.errors import InputError
from ci.platform.capacity.eksctl import load_cluster
from ci.platform.capacity.gather import CLUSTER
from ci.tree.overlays import root_option

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ci.aws.public_registry import Index

_ARGUMENT = re.compile(r"(?m)^ARG BASE_IMAGE=(?P<image>\S+)$")
_SHOWN = 12  # digits of a digest


class Move(NamedTuple):
    """A Dockerfile's text with the digest that its base has now, and the base before and after."""

    text: str
    before: Image
    after: Image


def move(text: str, where: str, platform: str, ask: Callable[[Image], Index] = index_of) -> Move:
    """Move a Dockerfile's base image to the digest that its tag has now.

    Args:
        text: the Dockerfile.
        where: its name, for the error.
        platform: what the nodes run, such as `linux/amd64`.
        ask: how to ask the image's registry.

    Raises:
        InputError: it has no `ARG BASE_IMAGE=` with a registry and a tag, or the image is not for
            the nodes' platform.
        RegistryError: the registry can't be asked, or refuses.
    """
    found = _ARGUMENT.search(text)
    if found is None:
        raise InputError(
            f"{where} has no line `ARG BASE_IMAGE=` with an image",
            hint="ARG BASE_IMAGE=public.ecr.aws/docker/library/python:3.11-slim-bookworm",
        )
    before = Image.parse(found["image"])
    index = ask(before)
    if platform not in index.platforms:
        raise InputError(
            f"{before} is now {index.digest}, which is not for {platform} as the nodes are",
            hint="Nothing was changed. It is for " + ", ".join(sorted(index.platforms)) + ".",
        )
    after = before._replace(digest=index.digest)
    start, end = found.span("image")
    return Move(f"{text[:start]}{after}{text[end:]}", before, after)


@click.command()
@root_option
def command(root: Path) -> None:
    """Move each Dockerfile's base image to the digest that its tag has now at its registry.

    Commit what changes: it is a change of the service, so it is tested and built as any other.
    """
    platform = f"linux/{load_cluster(root / CLUSTER).architecture}"
    for file in sorted(root.glob("apps/*/Dockerfile")):
        name = str(file.relative_to(root))
        moved = move(file.read_text(encoding="utf-8"), name, platform)
        file.write_text(moved.text, encoding="utf-8")
        click.echo(f"{name}: {_shown(moved)}")


def _shown(moved: Move) -> str:
    old, new = (
        image.digest.removeprefix("sha256:")[:_SHOWN] for image in (moved.before, moved.after)
    )
    change = f"stays at {new}" if old == new else f"{old or 'no digest'} -> {new}"
    return f"{moved.after._replace(digest='')} {change}"
