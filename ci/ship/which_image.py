"""What promote, hotfix and history share: the option that names one of our images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ci.aws.registry import EcrRepository
from ci.tree import outside, settings
from ci.tree.images import IMAGES, SERVICE_IMAGE

if TYPE_CHECKING:
    from ci.tree.images import SourceImage
    from ci.version.image_file import ImageFile

# Gives the verb's function a SourceImage.
image_option = click.option(
    "--image",
    type=click.Choice(list(IMAGES)),
    default=SERVICE_IMAGE.name,
    show_default=True,
    callback=lambda _context, _parameter, name: IMAGES[name],
    help="Which image: the service's, or the database's.",
)


def image_words(image: SourceImage) -> str:
    """What a command has to be about this image; empty for the one that it takes by default."""
    return "" if image is SERVICE_IMAGE else f" --image {image.name}"


def repository_of(image: SourceImage) -> EcrRepository:
    """The ECR repository of an image, by settings.yaml."""
    return EcrRepository.parse(image.named_after(settings.read().image))


def is_deployed(image: SourceImage, overlay: ImageFile, commit: str = "") -> bool:
    """Whether an environment runs the image, whatever its tag; at the overlay's commit or another.

    Upstream's PostgreSQL runs until backups are on; the tag of ours only waits in git.
    """
    return not image.optional or overlay.is_component(commit)


def is_outside(image: SourceImage, overlay: ImageFile) -> bool:
    """Whether it is the database's image, and the environment's database is outside."""
    return image.optional and any(
        outside.names_it(text.decode(errors="replace")) for text in overlay.around()
    )


def not_deployed(image: SourceImage, environment: str, overlay: ImageFile) -> str:
    """The sentence that an environment does not run the image at all; empty where it does."""
    if is_deployed(image, overlay):
        return ""
    if is_outside(image, overlay):
        return (
            f"{environment}'s database is outside the cluster, so {environment} runs no image of"
            f" {image.name}: who runs it there updates it ({outside.PAGE})."
        )
    return (
        f"{environment} does not run this image yet, but upstream's: a tag in {overlay.path} counts"
        " once backups are on (docs/backups.md)."
    )
