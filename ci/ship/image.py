"""Build the service's image with Docker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.run import run
from ci.tree.overlays import ROOT, SERVICE_SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable


def build(
    names: Iterable[str], *, number: str, commit: str, base: str = "", options: Iterable[str] = ()
) -> None:
    """Build the image of this checkout.

    Args:
        names: what to call it, each with its tag.
        number: the build's number, or what stands for it.
        commit: the commit, or a word that says that it is none.
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
            SERVICE_SOURCE,
        ],
        cwd=ROOT,
        timeout=1200,
    )
