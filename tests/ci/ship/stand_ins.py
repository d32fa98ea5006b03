"""Everything that a promotion looks at: a repository, a stand-in for Argo CD, moto's ECR."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import requests
from click.testing import CliRunner

from ci.aws.registry import EcrRepository
from ci.cli import group
from ci.tree import settings
from ci.tree.images import SERVICE_IMAGE

if TYPE_CHECKING:
    from click.testing import Result

    from ci.tree.images import SourceImage

# The numbers of the builds in prod and in dev.
BUILDS = {"coworking": (56, 57), "postgres": (3, 4)}
IMAGE = settings.read().image
WORKLOADS = {
    "coworking": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: coworking}
spec:
  selector: {matchLabels: {app: coworking}}
  template:
    metadata: {labels: {app: coworking}}
    spec: {containers: [{name: coworking, image: coworking}]}
""",
    # As base/postgres/backups makes it: each container runs the same image.
    "postgres": """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: postgresql}
spec:
  selector: {matchLabels: {app: postgresql}}
  template:
    metadata: {labels: {app: postgresql}}
    spec:
      initContainers: [{name: fill-claim, image: postgres}]
      containers: [{name: postgresql, image: postgres}, {name: backups, image: postgres}]
""",
}
KUSTOMIZATION = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [workload.yaml]
components: [image]
"""
COMPONENT = """\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
images:
- name: {name}
  newName: {address}
  newTag: "none"
"""
MOTO = "http://motoapi.amazonaws.com/moto-api"
MANIFEST = '{"mediaType": "application/vnd.oci.image.manifest.v1+json", "schemaVersion": 2}'


@dataclass
class World:
    """Everything that a promotion looks at; a test changes one thing of it.

    Attributes:
        image: which of our images it is about.
        remote: the bare repository.
        tag: the tag that dev runs.
        old: the tag that prod runs.
        application: what Argo CD says of the image's Application in dev.
        live: the tag of dev's workload in the cluster.
        pod_digest: the digest that dev's pod runs.
        scan: the status of the scan of dev's image.
        findings: what it found, by severity.
        posted: what the stand-in for GitHub was sent.
    """

    image: SourceImage
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
        default = self.image is SERVICE_IMAGE or "--image" in words
        named = () if default else ("--image", self.image.name)
        return CliRunner().invoke(group, [*words, *named, "--url", self.remote.url])

    @property
    def ecr(self) -> EcrRepository:
        """The image's repository."""
        return EcrRepository.parse(self.image.named_after(IMAGE))

    @property
    def name(self) -> str:
        """The name of dev's Application."""
        return f"{self.image.part}-dev"

    def part(self, environment: str) -> str:
        """The folder of the overlay that runs the image."""
        return f"overlays/{environment}/{self.image.part}"

    def file(self, environment: str) -> str:
        """The file that has the tag."""
        return f"{self.image.overlay_folder(environment)}/kustomization.yaml"

    def deploy(self, environment: str, build: int, commit: str) -> str:
        """Write a build's tag, and return the commit that did."""
        return deploy(self.remote, self.image, environment, build, commit)

    def edit(self, path: str, old: str, new: str) -> str:
        """Replace a text in a file on main, and return the commit."""
        person, text = self.remote.person, self.remote.file(path)
        assert old in text
        person.pull()
        commit: str = person.commit(path, text.replace(old, new))
        person.push()
        return commit

    def message(self, ref: str) -> str:
        return self.remote.git("log", "-1", "--format=%B", ref).strip()

    def branches(self) -> set[str]:
        return set(self.remote.git("for-each-ref", "--format=%(refname:short)").split())

    def report_scan(self) -> None:
        """Tell moto what the scan of dev's image found; moto keeps the first that it is told."""
        result = {
            "imageScanFindings": {"findingSeverityCounts": self.findings},
            "repositoryName": self.ecr.name,
            "imageId": {"imageTag": self.tag},
            "imageScanStatus": {"status": self.scan},
        }
        requests.post(
            f"{MOTO}/static/ecr/scan-finding-results",
            json={"results": [result], "region": self.ecr.region},
            timeout=5,
        ).raise_for_status()

    def answer(self, path: str, query: dict[str, list[str]]) -> dict[str, Any] | None:
        """Answer as Argo CD does; None for what is not there."""
        base = f"/api/v1/applications/{self.name}"
        if path == base:
            return self.application
        if path == f"{base}/resource-tree":
            return {"nodes": self._nodes()}
        asked = (query.get("kind", [""])[0], query.get("resourceName", [""])[0])
        if path == f"{base}/resource" and asked in (("Pod", "p"), self._named):
            return {"manifest": json.dumps(self._pod() if asked[0] == "Pod" else self._workload())}
        return None

    @property
    def _named(self) -> tuple[str, str]:
        return self.image.kind, self.image.workload

    def _nodes(self) -> list[dict[str, Any]]:
        """A Deployment's pods belong to a ReplicaSet; neither has the pods of Jobs."""
        owner = "ReplicaSet" if self.image.kind == "Deployment" else self.image.kind
        return [
            {"kind": owner, "name": "o", "uid": "o"},
            {"kind": "Pod", "name": "p", "uid": "p", "parentRefs": [{"uid": "o"}]},
            {"kind": "Job", "name": "j", "uid": "j"},
            {"kind": "Pod", "name": "q", "uid": "q", "parentRefs": [{"uid": "j"}]},
        ]

    def _pod(self) -> dict[str, Any]:
        """Its first container is another's: a mesh may put one there."""
        names = {"proxy": "example.com/proxy@sha256:1"}
        names[self.image.workload] = f"{self.ecr.address}@{self.pod_digest}"
        statuses = [{"name": name, "imageID": image} for name, image in names.items()]
        return {"status": {"containerStatuses": statuses}}

    def _workload(self) -> dict[str, Any]:
        containers = [
            {"name": "proxy", "image": "example.com/proxy:1"},
            {"name": self.image.workload, "image": f"{self.ecr.address}:{self.live}"},
        ]
        return {
            "kind": self.image.kind,
            "metadata": {"name": self.image.workload},
            "spec": {"template": {"spec": {"containers": containers}}},
        }


def deploy(remote: Any, image: SourceImage, environment: str, build: int, commit: str) -> str:
    """Write a build's tag back, and return the commit that did."""
    options = {"overlay": image.overlay_folder(environment), "image": image.name}
    answer = remote.deploy(build, commit, registry=image.named_after(IMAGE), **options)
    made: str = answer.json["commit"]
    return made


class Handler(BaseHTTPRequestHandler):
    """One request to the stand-ins for Argo CD and GitHub."""

    world: World

    def log_message(self, *args: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.endswith("/pulls"):
            return self._send(200, [{"html_url": "https://github.com/o/r/pull/7"}])
        answer = self.world.answer(parts.path, parse_qs(parts.query))
        return (
            self._send(404, {"message": "not found"}) if answer is None else self._send(200, answer)
        )

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
