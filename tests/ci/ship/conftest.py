"""A branch with both environments, dev one build ahead; a stand-in for Argo CD; moto's ECR."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import requests
from click.testing import CliRunner
from moto import mock_aws

from ci.argocd.client import connect
from ci.argocd.environment import overlay_folder
from ci.aws.ecr import Ecr
from ci.aws.registry import EcrRepository
from ci.cli import group
from ci.git.access import open_remote
from ci.ship.candidate import Candidate
from ci.tree import settings
from ci.version.image_file import ImageFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

IMAGE = settings.read().image
ECR = EcrRepository.parse(IMAGE)
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: coworking}
spec:
  selector: {matchLabels: {app: coworking}}
  template:
    metadata: {labels: {app: coworking}}
    spec: {containers: [{name: coworking, image: coworking}]}
"""
KUSTOMIZATION = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [deployment.yaml]
components: [image]
"""
COMPONENT = f"""\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
images:
- name: coworking
  newName: {IMAGE}
  newTag: "none"
"""
MOTO = "http://motoapi.amazonaws.com/moto-api"
MANIFEST = '{"mediaType": "application/vnd.oci.image.manifest.v1+json", "schemaVersion": 2}'


@dataclass
class World:
    """Everything that a promotion looks at; a test changes one thing of it.

    Attributes:
        remote: the bare repository.
        tag: the tag that dev runs.
        old: the tag that prod runs.
        application: what Argo CD says of coworking-dev.
        live: the tag of dev's Deployment in the cluster.
        pod_digest: the digest that dev's pod runs.
        scan: the status of the scan of dev's image.
        findings: what it found, by severity.
        posted: what the stand-in for GitHub was sent.
    """

    remote: Any
    tag: str
    old: str
    application: dict[str, Any]
    live: str
    pod_digest: str
    url: str = ""
    scan: str = "COMPLETE"
    findings: dict[str, int] = field(default_factory=lambda: {"MEDIUM": 2})
    posted: list[dict[str, Any]] = field(default_factory=list)

    def ci(self, *words: str) -> Result:
        """Run `python -m ci …` in this process, so that moto sees its calls."""
        self.report_scan()
        return CliRunner().invoke(group, [*words, "--url", self.remote.url])

    def message(self, ref: str) -> str:
        return self.remote.git("log", "-1", "--format=%B", ref).strip()

    def branches(self) -> set[str]:
        return set(self.remote.git("for-each-ref", "--format=%(refname:short)").split())

    def report_scan(self) -> None:
        """Tell moto what the scan of dev's image found; moto keeps the first that it is told."""
        result = {
            "imageScanFindings": {"findingSeverityCounts": self.findings},
            "repositoryName": ECR.name,
            "imageId": {"imageTag": self.tag},
            "imageScanStatus": {"status": self.scan},
        }
        requests.post(
            f"{MOTO}/static/ecr/scan-finding-results",
            json={"results": [result], "region": ECR.region},
            timeout=5,
        ).raise_for_status()

    def answer(self, path: str, query: dict[str, list[str]]) -> dict[str, Any]:
        """Answer as Argo CD does."""
        base = "/api/v1/applications/coworking-dev"
        if path == base:
            return self.application
        if path == f"{base}/resource-tree":
            return {
                "nodes": [
                    {"kind": "ReplicaSet", "name": "coworking-1", "uid": "r"},
                    {"kind": "Pod", "name": "p", "uid": "p", "parentRefs": [{"uid": "r"}]},
                ]
            }
        pod = {
            "status": {
                "containerStatuses": [
                    {"name": "coworking", "imageID": f"{IMAGE}@{self.pod_digest}"}
                ]
            }
        }
        deployment = {
            "kind": "Deployment",
            "metadata": {"name": "coworking"},
            "spec": {"template": {"spec": {"containers": [{"image": f"{IMAGE}:{self.live}"}]}}},
        }
        kind = query["kind"][0]
        return {"manifest": json.dumps(pod if kind == "Pod" else deployment)}


class Handler(BaseHTTPRequestHandler):
    """One request to the stand-ins for Argo CD and GitHub."""

    world: World

    def log_message(self, *args: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.endswith("/pulls"):
            return self._send(200, [{"html_url": "https://github.com/o/r/pull/7"}])
        return self._send(200, self.world.answer(parts.path, parse_qs(parts.query)))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.world.posted.append(body)
        if len(self.world.posted) > 1:
            return self._send(422, {"message": "A pull request already exists"})
        return self._send(201, {"html_url": "https://github.com/o/r/pull/7"})

    def _send(self, status: int, body: Any) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


@pytest.fixture(scope="session")
def both_environments(
    first_remote: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, list[str]]:
    """A repository where prod runs build 56 and dev build 57.

    Returns:
        The repository, and three commits: that of build 56, that of 57, and the one that deployed
        57 to dev.
    """
    remote = first_remote.copy(tmp_path_factory.mktemp("both"))
    for environment in ("dev", "prod"):
        folder = remote.person.folder / "overlays" / environment / "coworking"
        (folder / "image").mkdir(parents=True, exist_ok=True)
        (folder / "deployment.yaml").write_text(DEPLOYMENT)
        (folder / "kustomization.yaml").write_text(KUSTOMIZATION)
        (folder / "image/kustomization.yaml").write_text(COMPONENT)
    remote.person.commit()
    remote.person.push()
    first = remote.person.ship()
    remote.deploy(56, first, overlay=overlay_folder("prod"), registry=IMAGE)
    second = remote.person.ship()
    deployed = remote.deploy(57, second, registry=IMAGE).json["commit"]
    remote.pack()
    return remote, [first, second, deployed]


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    """AWS as moto plays it, once for all tests of a file: boto3's first client reads megabytes."""
    with mock_aws():
        yield


def _application(first: str, deployed: str) -> dict[str, Any]:
    """What Argo CD knows of dev: in sync, healthy, at its second commit for an hour."""
    return {
        "metadata": {"name": "coworking-dev"},
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
    both_environments: tuple[Any, list[str]],
    aws: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """Dev has run build 57 for an hour, all is well, and prod runs build 56."""
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "ARGOCD_OPTS", "GIT_TOKEN", "GIT_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    remote = both_environments[0].copy(tmp_path)
    first, second, deployed = both_environments[1]
    tag = f"57-{second[:8]}"
    requests.post(f"{MOTO}/reset", timeout=5).raise_for_status()
    ecr = boto3.client("ecr", ECR.region)
    ecr.create_repository(repositoryName=ECR.name)
    put = ecr.put_image(repositoryName=ECR.name, imageManifest=MANIFEST, imageTag=tag)
    ecr.start_image_scan(repositoryName=ECR.name, imageId={"imageTag": tag})
    application = _application(first, deployed)
    digest = put["image"]["imageId"]["imageDigest"]
    made = World(remote, tag, f"56-{first[:8]}", application, tag, digest)
    handler = type("Handler", (Handler,), {"world": made})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        made.url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("ARGOCD_SERVER", made.url.removeprefix("http://"))
        monkeypatch.setenv("ARGOCD_OPTS", "--plaintext")
        monkeypatch.setenv("ARGOCD_AUTH_TOKEN", "x")
        yield made
        server.shutdown()


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
                ImageFile(access.repository, tip, overlay_folder(name), "coworking")
                for name in ("dev", "prod")
            )
            return Candidate(
                "dev",
                "prod",
                here,
                there,
                access.repository,
                access.folder,
                timedelta(minutes=soak),
                datetime.now(UTC),
                lambda: connect(os.environ),
                lambda: Ecr(ECR),
            )

        yield make
