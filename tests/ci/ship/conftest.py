"""A branch with both environments, dev one build ahead; a stand-in for Argo CD; moto's ECR."""

from __future__ import annotations

import contextlib
import os
import threading
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
from moto import mock_aws

from ci.argocd.client import connect
from ci.aws.ecr import Ecr
from ci.git.access import open_remote
from ci.ship.candidate import Candidate
from ci.tree import overlays
from ci.tree.images import DATABASE_IMAGE, IMAGES, SERVICE_IMAGE
from ci.version.image_file import ImageFile
from tests.ci.ship.stand_ins import (
    BUILDS,
    COMPONENT,
    IMAGE,
    KUSTOMIZATION,
    MANIFEST,
    MOTO,
    WORKLOADS,
    Handler,
    World,
    deploy,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci.tree.images import SourceImage


@pytest.fixture(scope="session")
def both_environments(
    first_remote: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, dict[str, list[str]]]:
    """A repository where prod runs a build of each image, and dev the next one.

    Returns:
        The repository, and by an image's name three commits: that of prod's build, that of dev's,
        and the one that deployed the latter to dev.
    """
    remote = first_remote.copy(tmp_path_factory.mktemp("both"))
    for image in IMAGES.values():
        for environment in ("dev", "prod"):
            folder = remote.person.folder / image.overlay_folder(environment)
            folder.mkdir(parents=True, exist_ok=True)
            (folder.parent / "workload.yaml").write_text(WORKLOADS[image.name])
            (folder.parent / "kustomization.yaml").write_text(KUSTOMIZATION)
            text = COMPONENT.format(name=image.name, address=image.named_after(IMAGE))
            (folder / "kustomization.yaml").write_text(text)
    remote.person.commit()
    remote.person.push()
    commits = {}
    for image in (DATABASE_IMAGE, SERVICE_IMAGE):
        old, new = BUILDS[image.name]
        first = remote.person.ship()
        deploy(remote, image, "prod", old, first)
        second = remote.person.ship()
        commits[image.name] = [first, second, deploy(remote, image, "dev", new, second)]
    remote.pack()
    return remote, commits


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    """AWS as moto plays it, once for all tests of a file: boto3's first client reads megabytes."""
    with mock_aws():
        yield


def _application(name: str, first: str, deployed: str) -> dict[str, Any]:
    """What Argo CD knows of dev: in sync, healthy, at its second commit for an hour."""
    return {
        "metadata": {"name": name},
        "spec": {"destination": {"namespace": "coworking-dev"}, "source": {}},
        "status": {
            "sync": {"status": "Synced", "revision": deployed},
            "health": {"status": "Healthy"},
            "history": [
                {"id": 1, "revision": first, "deployedAt": _ago(minutes=300)},
                {"id": 2, "revision": deployed, "deployedAt": _ago(minutes=60)},
            ],
        },
    }


@pytest.fixture
def world(
    both_environments: tuple[Any, dict[str, list[str]]],
    aws: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[World]:
    """Dev has run its build for an hour, all is well, and prod runs the one before.

    It is about the service's image, or about the one that a test names by `about`.
    """
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(name, value)
    # The world's own, whatever environments this tree has.
    monkeypatch.setattr(overlays, "promotion_order", lambda *_: ("dev", "prod"))
    for name in ("AWS_ENDPOINT_URL", "ARGOCD_OPTS", "GIT_TOKEN", "GIT_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    image: SourceImage = getattr(request, "param", SERVICE_IMAGE)
    first, second, deployed = both_environments[1][image.name]
    old, new = BUILDS[image.name]
    made = World(
        image,
        both_environments[0].copy(tmp_path),
        tag=f"{new}-{second[:8]}",
        old=f"{old}-{first[:8]}",
        application=_application(f"{image.part}-dev", first, deployed),
        live=f"{new}-{second[:8]}",
        pod_digest="",
    )
    made.pod_digest = _push(made)
    handler = type("Handler", (Handler,), {"world": made})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        made.url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("ARGOCD_SERVER", made.url.removeprefix("http://"))
        monkeypatch.setenv("ARGOCD_OPTS", "--plaintext")
        monkeypatch.setenv("ARGOCD_AUTH_TOKEN", "x")
        yield made
        server.shutdown()


def _push(world: World) -> str:
    """Put dev's image into a registry with nothing else, and return its digest."""
    requests.post(f"{MOTO}/reset", timeout=5).raise_for_status()
    ecr, name = boto3.client("ecr", world.ecr.region), world.ecr.name
    ecr.create_repository(repositoryName=name)
    put = ecr.put_image(repositoryName=name, imageManifest=MANIFEST, imageTag=world.tag)
    ecr.start_image_scan(repositoryName=name, imageId={"imageTag": world.tag})
    digest: str = put["image"]["imageId"]["imageDigest"]
    return digest


def _ago(*, minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


@pytest.fixture
def candidate(world: World, tmp_path: Path) -> Iterator[Any]:
    """A function that makes the candidate from the world as it is then."""
    with contextlib.ExitStack() as stack:

        def make(*, soak: float = 30) -> Candidate:
            world.report_scan()
            access = stack.enter_context(open_remote(world.remote.url, {}))
            tip = access.repository.fetch("main")
            here, there = (
                ImageFile(
                    access.repository, tip, world.image.overlay_folder(name), world.image.name
                )
                for name in ("dev", "prod")
            )
            return Candidate(
                world.image,
                "dev",
                "prod",
                here,
                there,
                access.repository,
                access.folder,
                timedelta(minutes=soak),
                datetime.now(UTC),
                lambda: connect(os.environ),
                lambda: Ecr(world.ecr),
            )

        yield make
