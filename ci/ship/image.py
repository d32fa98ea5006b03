"""Build one of our images with Docker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.run import run
from ci.tree.images import SERVICE_IMAGE
from ci.tree.overlays import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable


def build(  # noqa: PLR0913  (all that an image is made of)
    names: Iterable[str],
    *,
    number: str,
    commit: str,
    source: str = SERVICE_IMAGE.source,
    base: str = "",
    options: Iterable[str] = (),
) -> None:
    """Build the image of this checkout.

    Args:
        names: what to call it, each with its tag.
        number: the build's number, or what stands for it.
        commit: the commit, or a word that says that it is none.
        source: the folder of its Dockerfile.
        base: another base image than the Dockerfile's.
        options: more options of `docker build`.

    Raises:
        CommandError: Docker refuses, with what it said.
    """
    arguments = {"BUILD": number, "COMMIT": commit}
    if base:
        arguments["BASE_IMAGE"] = base
    run(
        [
            *("docker", "build", *options),
            *(
                word
                for name, value in arguments.items()
                for word in ("--build-arg", f"{name}={value}")
            ),
            *(word for name in names for word in ("--tag", name)),
            source,
        ],
        cwd=ROOT,
        timeout=1200,
    )
