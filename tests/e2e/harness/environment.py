"""What the suite needs from the environment, as data; and its refusals, a sentence each.

Nothing is changed before `check` has passed.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ci.tree import settings
from tests.e2e.harness import upstream
from treecheck.kustomize import kubectl

if TYPE_CHECKING:
    from collections.abc import Mapping

# The variables, with what each is; docs/e2e.md shows this table and a test compares.
VARIABLES: dict[str, str] = {
    "KUBECONFIG": "the throw-away cluster's administrator",
    "E2E_UPSTREAM": "a folder with the files of upstream that bootstrap.md's lines fetch",
    "E2E_GIT_URL": "an http(s) git repository that machine and pods reach; `main` is overwritten",
    "GIT_USER": "who may push to it",
    "GIT_TOKEN": "their token or password",
    "E2E_IMAGE": "an archive (docker save) of the image built from apps/coworking/Dockerfile",
    "E2E_LOAD_IMAGE": "a command that makes the image archives named after it available to pods",
}

# What may be set beside those; docs/e2e.md shows this table too.
KUBERNETES, NODE, POSTGRES_IMAGE = "E2E_KUBERNETES", "E2E_NODE", "E2E_POSTGRES_IMAGE"
OPTIONAL: dict[str, str] = {
    KUBERNETES: "the cluster's Kubernetes version, if it isn't the one of `settings.yaml`",
    NODE: "a command that loses a node: `lost NAMESPACE` stops its kubelet and the containers"
    " there, `back` starts it again",
    POSTGRES_IMAGE: "an archive (docker save) of the image built from apps/postgres/Dockerfile",
}
# Whoever makes a throw-away cluster says so by this ConfigMap.
MARK = ("kube-system", "throw-away-cluster")


class Unusable(Exception):  # noqa: N818 - it is shown as a sentence, not as an error
    """The environment can't be used; the message is one sentence."""


class Settings(NamedTuple):
    """The environment, checked."""

    kubernetes: str
    upstream: Path
    git_url: str
    git_user: str
    git_token: str
    image: Path
    load_image: tuple[str, ...]
    node: tuple[str, ...]
    postgres_image: Path | None


def check(environ: Mapping[str, str]) -> Settings:
    """Check that everything is there and of the right version, by reading alone.

    Raises:
        Unusable: something isn't; the message says what.
    """
    missing = [name for name in VARIABLES if not environ.get(name)]
    if missing:
        raise Unusable(
            f"the end-to-end tests need {', '.join(missing)} (see docs/e2e.md); nothing was changed"
        )
    image = Path(environ["E2E_IMAGE"])
    if not image.is_file():
        raise Unusable(f"E2E_IMAGE {str(image)!r} is not a file; nothing was changed")
    kubernetes = environ.get(KUBERNETES) or settings.read().kubernetes
    database = environ.get(POSTGRES_IMAGE)
    if database and not Path(database).is_file():
        raise Unusable(f"{POSTGRES_IMAGE} {database!r} is not a file; nothing was changed")
    _check_cluster(kubernetes)
    return Settings(
        kubernetes,
        _check_upstream(Path(environ["E2E_UPSTREAM"]).resolve()),
        environ["E2E_GIT_URL"],
        environ["GIT_USER"],
        environ["GIT_TOKEN"],
        image,
        tuple(shlex.split(environ["E2E_LOAD_IMAGE"])),
        tuple(shlex.split(environ.get(NODE, ""))),
        Path(database) if database else None,
    )


def _check_cluster(kubernetes: str) -> None:
    version = json.loads(_kubectl("get", "--raw=/version", what="no cluster answers at KUBECONFIG"))
    found = f"{version['major']}.{version['minor'].rstrip('+')}"
    if found != kubernetes:
        raise Unusable(
            f"the cluster is Kubernetes {found}, not {kubernetes} ({KUBERNETES} names another);"
            " nothing was changed"
        )
    namespace, name = MARK
    _kubectl(
        *("--namespace", namespace, "get", "configmap", name),
        what="the cluster is not marked as throw-away, and these tests delete what they find there"
        f" (if it is one: kubectl -n {namespace} create configmap {name})",
    )


def _check_upstream(folder: Path) -> Path:
    missing = [name for name in upstream.names() if not (folder / name).is_file()]
    if missing:
        raise Unusable(f"E2E_UPSTREAM {str(folder)!r} has no {missing[0]}; nothing was changed")
    return folder


def _kubectl(*arguments: str, what: str) -> str:
    done = subprocess.run(
        [kubectl(), "--request-timeout=10s", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise Unusable(f"{what} ({said}); nothing was changed")
    return done.stdout
