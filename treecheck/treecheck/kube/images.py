"""What well-known images need: where they keep data, and where they write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class ImageFacts(NamedTuple):
    """What an image's own documentation says.

    Attributes:
        data: the folder of its data.
        variable: the environment variable that moves it, or "".
        writes: folders, beside the data, that it writes to at run time.
        strict_folder: whether its server insists on an empty folder of its own for new data.
        settings: (folder of its configuration, file in it without which it does not start), or ().
        one_server: whether several replicas of it are several databases that know nothing of each
            other.
        needs: variables of which one has to be set before its server makes its first data.
        scripts: the folder whose scripts it runs over new data; "" for none.
        root: whether the image names no user of its own, so that it starts as root.
        listens: ports on which it listens whether or not a container declares them.
    """

    data: str = ""
    variable: str = ""
    writes: tuple[str, ...] = ()
    strict_folder: bool = False
    settings: tuple[str, ...] = ()
    one_server: bool = False
    needs: tuple[str, ...] = ()
    scripts: str = ""
    root: bool = False
    listens: tuple[int, ...] = ()


# Where the official images of databases look for scripts.
SCRIPTS = "/docker-entrypoint-initdb.d"
# By the last part of the repository's name. Source: each image's page in its registry.
IMAGES: dict[str, ImageFacts] = {
    "postgres": ImageFacts(
        "/var/lib/postgresql/data",
        "PGDATA",
        ("/var/run/postgresql",),
        strict_folder=True,
        one_server=True,
        needs=("POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE", "POSTGRES_HOST_AUTH_METHOD"),
        scripts=SCRIPTS,
        root=True,
    ),
    "mysql": ImageFacts(
        "/var/lib/mysql",
        "",
        ("/var/run/mysqld", "/tmp"),  # noqa: S108
        one_server=True,
        needs=(
            "MYSQL_ROOT_PASSWORD",
            "MYSQL_ROOT_PASSWORD_FILE",
            "MYSQL_ALLOW_EMPTY_PASSWORD",
            "MYSQL_RANDOM_ROOT_PASSWORD",
        ),
        scripts=SCRIPTS,
        root=True,
    ),
    "mariadb": ImageFacts(
        "/var/lib/mysql",
        "",
        ("/run/mysqld", "/tmp"),  # noqa: S108
        one_server=True,
        scripts=SCRIPTS,
        root=True,
    ),
    "mongo": ImageFacts(
        "/data/db",
        "",
        ("/tmp",),  # noqa: S108
        one_server=True,
        scripts=SCRIPTS,
        root=True,
    ),
    "kube-state-metrics": ImageFacts(listens=(8080, 8081)),
    "nginx": ImageFacts(
        "", "", ("/var/cache/nginx",), settings=("/etc/nginx", "nginx.conf"), root=True
    ),
} | {
    name: ImageFacts(root=True)
    for name in (
        "alpine", "busybox", "debian", "golang", "httpd", "node", "php", "python", "rabbitmq",
        "redis", "ruby", "traefik", "ubuntu",
    )
}  # fmt: skip


# The release of PostgreSQL since which the image keeps its data in a folder for each release, and
# does not start with a mount at the old place: https://github.com/docker-library/postgres/pull/1259
NEW_FOLDER = 18
# The first minor release of each whose image asks for a password, and before trusted everybody:
# https://github.com/docker-library/postgres/pull/658
TRUSTING = {10: 12, 11: 7, 12: 2}
OLD_FOLDER = "/var/lib/postgresql/data"


def listed_images(body: Any) -> Iterator[str]:
    """The images that kustomize's `images:` can change: of every list of containers, of any kind.

    A custom resource may hold such a list at any depth (KServe's InferenceService).
    Source: https://github.com/kubernetes-sigs/kustomize/blob/master/api/filters/imagetag/legacy.go
    """
    for key, value in body.items() if isinstance(body, dict) else ():
        for each in value if isinstance(value, list) else (value,):
            image = each.get("image") if isinstance(each, dict) else None
            if key in {"containers", "initContainers"} and isinstance(image, str):
                yield image
            yield from listed_images(each)


def repository(image: str) -> str:
    """An image's name without its tag and digest; a port of the registry is not a tag."""
    name = image.partition("@")[0]
    head, colon, tail = name.rpartition(":")
    return head if colon and "/" not in tail else name


def tag(image: str) -> str:
    """An image's tag, or an empty text."""
    name = image.partition("@")[0]
    return name[len(repository(image)) + 1 :]


def is_built_later(image: str) -> bool:
    """Whether an image is the path of a Go program: `ko apply` builds it and writes its name.

    Source: https://ko.build/features/k8s/
    """
    return image.startswith("ko://")


def facts_of(image: str) -> ImageFacts:
    """What is known of an image; nothing for most.

    A mirror of an image counts as the image; one that is built otherwise (Bitnami's) doesn't.
    """
    if "bitnami" in image:
        return ImageFacts()
    name = repository(image).rpartition("/")[2]
    found = IMAGES.get(name, ImageFacts())
    major = re.match(r"\d+", tag(image))
    release = re.match(r"(\d+)\.(\d+)", tag(image))
    if name == "postgres" and release and int(release[2]) < TRUSTING.get(int(release[1]), 0):
        found = found._replace(needs=())
    if name == "postgres" and major and int(major[0]) >= NEW_FOLDER:
        return found._replace(data=f"/var/lib/postgresql/{major[0]}/docker")
    return found


def is_official(image: str) -> bool:
    """Whether an image is one of Docker Hub's own, and not somebody's of the same last name."""
    return repository(image).removeprefix("docker.io/").removeprefix("library/").count("/") == 0
