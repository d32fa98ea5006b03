"""What well-known images need: where they keep data, and where they write."""

from __future__ import annotations

from typing import NamedTuple


class ImageFacts(NamedTuple):
    """What an image's own documentation says.

    Attributes:
        data: the folder of its data.
        variable: the environment variable that moves it, or "".
        writes: folders, beside the data, that it writes to at run time.
        strict_folder: whether its server insists on an empty folder of its own for new data.
    """

    data: str = ""
    variable: str = ""
    writes: tuple[str, ...] = ()
    strict_folder: bool = False


# By the last part of the repository's name. Source: each image's page in its registry.
IMAGES: dict[str, ImageFacts] = {
    "postgres": ImageFacts(
        "/var/lib/postgresql/data", "PGDATA", ("/var/run/postgresql",), strict_folder=True
    ),
    "mysql": ImageFacts("/var/lib/mysql", "", ("/var/run/mysqld", "/tmp")),  # noqa: S108
    "mariadb": ImageFacts("/var/lib/mysql", "", ("/run/mysqld", "/tmp")),  # noqa: S108
    "mongo": ImageFacts("/data/db", "", ("/tmp",)),  # noqa: S108
    "nginx": ImageFacts("", "", ("/var/cache/nginx",)),
}


def repository(image: str) -> str:
    """An image's name without its tag and digest; a port of the registry is no tag."""
    name = image.partition("@")[0]
    head, colon, tail = name.rpartition(":")
    return head if colon and "/" not in tail else name


def tag(image: str) -> str:
    """An image's tag, or an empty text."""
    name = image.partition("@")[0]
    return name[len(repository(image)) + 1 :]


def facts_of(image: str) -> ImageFacts:
    """What is known of an image; nothing for most."""
    return IMAGES.get(repository(image).rpartition("/")[2], ImageFacts())
