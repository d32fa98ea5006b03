"""What the suite needs from the environment, as data; and its refusals, a sentence each.

Nothing is changed before `check` has passed.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ci.argocd.client import ArgoCD, ArgoError
from ci.argocd.login import find_login
from ci.errors import CiError
from treecheck.kustomize import kubectl

if TYPE_CHECKING:
    from collections.abc import Mapping

# The variables, with what each is; docs/e2e.md shows this table and a test compares.
VARIABLES: dict[str, str] = {
    "KUBECONFIG": "the throw-away cluster's administrator",
    "ARGOCD_URL": "its Argo CD, as an address that this machine reaches, with http:// or https://",
    "ARGOCD_AUTH_TOKEN": "a token of its administrator",
    "E2E_GIT_URL": "an http(s) git repository that machine and pods reach; `main` is overwritten",
    "GIT_USER": "who may push to it",
    "GIT_TOKEN": "their token or password",
    "E2E_IMAGE": "an archive (docker save) of the image built from apps/coworking/Dockerfile",
    "E2E_LOAD_IMAGE": "a command that makes the image archives named after it available to pods",
}

KUBERNETES = "1.32"
ARGO_CD = "v3.4."
# Whoever makes a throw-away cluster says so by this ConfigMap.
MARK = ("kube-system", "throw-away-cluster")


class Unusable(Exception):  # noqa: N818 - it is shown as a sentence, not as an error
    """The environment can't be used; the message is one sentence."""


class Settings(NamedTuple):
    """The environment, checked."""

    argocd: ArgoCD
    git_url: str
    git_user: str
    git_token: str
    image: Path
    load_image: tuple[str, ...]


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
    _check_cluster()
    return Settings(
        _check_argocd(environ),
        environ["E2E_GIT_URL"],
        environ["GIT_USER"],
        environ["GIT_TOKEN"],
        image,
        tuple(shlex.split(environ["E2E_LOAD_IMAGE"])),
    )


def _check_cluster() -> None:
    version = json.loads(_kubectl("get", "--raw=/version", what="no cluster answers at KUBECONFIG"))
    found = f"{version['major']}.{version['minor'].rstrip('+')}"
    if found != KUBERNETES:
        raise Unusable(f"the cluster is Kubernetes {found}, not {KUBERNETES}; nothing was changed")
    namespace, name = MARK
    _kubectl(
        *("--namespace", namespace, "get", "configmap", name),
        what="the cluster is not marked as throw-away, and these tests delete what they find there"
        f" (if it is one: kubectl -n {namespace} create configmap {name})",
    )
    _kubectl(
        *("get", "crd", "sealedsecrets.bitnami.com"), what="sealed-secrets is not in the cluster"
    )
    _kubectl(*("get", "crd", "applications.argoproj.io"), what="Argo CD is not in the cluster")


def _check_argocd(environ: Mapping[str, str]) -> ArgoCD:
    try:
        api = ArgoCD(find_login(environ))
        version = api.version()
        api.applications()
    except (ArgoError, CiError) as error:
        raise Unusable(f"Argo CD can't be used: {error}; nothing was changed") from error
    if not version.startswith(ARGO_CD):
        raise Unusable(f"Argo CD is {version}, not {ARGO_CD}x; nothing was changed")
    return api


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
