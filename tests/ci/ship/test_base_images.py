"""`python -m ci base-images` against a registry that answers as Amazon's public one does.

Every request without the token is refused, and who doesn't accept an index gets the manifest of
one platform, as from a real registry. A test at the end asks the reference implementation.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from ci.aws.public_registry import INDEXES, Image, RegistryError, index_of
from ci.errors import InputError
from ci.ship.base_images import move
from tests.ci.local.codebuild import stand_ins
from tests.ci.verbs import in_this_process

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
NAME, TAG = "docker/library/python", "3.11-slim-bookworm"
ONE = "application/vnd.oci.image.manifest.v1+json"
PLATFORMS = [("linux", "amd64"), ("linux", "arm64"), ("unknown", "unknown")]
OLD = f"sha256:{'a' * 64}"


def index_body(platforms: list[tuple[str, str]]) -> bytes:
    manifests = [
        {
            "mediaType": ONE,
            "digest": f"sha256:{number:064}",
            "size": 1,
            "platform": {"os": system, "architecture": architecture},
        }
        for number, (system, architecture) in enumerate(platforms)
    ]
    return json.dumps(
        {"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": manifests}
    ).encode()


class PublicRegistry:
    """What the registry has, and how it misbehaves."""

    def __init__(self) -> None:
        self.index = index_body(PLATFORMS)
        self.status = 200
        self.said = ""
        self.address = ""

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.index).hexdigest()}"

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        url = urlsplit(path)
        if url.path == "/token":
            if parse_qs(url.query) != {"service": ["public.ecr.aws"], "scope": ["aws"]}:
                return 400, {}, b"{}"
            return 200, {"Content-Type": "application/json"}, b'{"token": "t0ken"}'
        if headers.get("Authorization") != "Bearer t0ken":
            realm = (
                f'Bearer realm="http://{self.address}/token",service="public.ecr.aws",scope="aws"'
            )
            return 401, {"WWW-Authenticate": realm}, b'{"errors": []}'
        if self.status != 200:
            return self.status, {}, b'{"errors": []}'
        return self._manifest(url.path, headers.get("Accept", ""))

    def _manifest(self, path: str, accepted: str) -> tuple[int, dict[str, str], bytes]:
        if path != f"/v2/{NAME}/manifests/{TAG}":
            return 404, {}, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}'
        if INDEXES[0] not in accepted:
            return 200, {"Content-Type": ONE}, b'{"schemaVersion": 2}'
        return (
            200,
            {"Content-Type": INDEXES[0], "Docker-Content-Digest": self.said or self.digest},
            self.index,
        )


@pytest.fixture
def registry() -> Iterator[PublicRegistry]:
    made = PublicRegistry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = made.answer(self.path, dict(self.headers.items()))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def tree(tmp_path: Path, registry: PublicRegistry) -> Path:
    """A tree whose Dockerfile takes its base from that registry."""
    for name in ("apps/coworking/Dockerfile", "infra/eksctl/cluster.yaml"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    file = tmp_path / "apps/coworking/Dockerfile"
    base = f"ARG BASE_IMAGE={registry.address}/{NAME}:{TAG}@{OLD}"
    file.write_text(re.sub(r"(?m)^ARG BASE_IMAGE=.*$", base, file.read_text()))
    return tmp_path


def test_it_moves_the_digest_and_nothing_else(tree: Path, registry: PublicRegistry) -> None:
    file = tree / "apps/coworking/Dockerfile"
    before = file.read_text()

    done = in_this_process("base-images", "--root", str(tree))

    assert done.returncode == 0, done.stderr
    assert file.read_text() == before.replace(OLD, registry.digest)
    new = registry.digest.removeprefix("sha256:")[:12]
    assert done.stdout.endswith(f"{NAME}:{TAG} {'a' * 12} -> {new}\n")
    assert "stays at" in in_this_process("base-images", "--root", str(tree)).stdout


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"status": 404}, "has no such tag"),
        ({"status": 429}, "too many requests from this address"),
        ({"status": 503}, "answers 503"),
        ({"said": OLD}, "and what it sent is sha256:"),
        ({"index": index_body([("linux", "arm64")])}, "is not for linux/amd64 as the nodes are"),
    ],
)
def test_what_the_registry_refuses_changes_nothing(
    tree: Path, registry: PublicRegistry, changes: dict[str, Any], sentence: str
) -> None:
    vars(registry).update(changes)
    before = (tree / "apps/coworking/Dockerfile").read_text()
    done = in_this_process("base-images", "--root", str(tree))
    assert done.returncode in (2, 5)
    assert sentence in done.stderr
    assert (tree / "apps/coworking/Dockerfile").read_text() == before


def test_a_registry_that_cannot_be_reached_is_named() -> None:
    with pytest.raises(RegistryError, match=r"the registry of 127\.0\.0\.1:9/x:1 can't be asked"):
        index_of(Image.parse("127.0.0.1:9/x:1"))


@pytest.mark.parametrize(
    "image", ["python:3.11", "public.ecr.aws/x", "$BASE", "ghcr.io/a:b@sha256:1"]
)
def test_a_base_without_registry_or_tag_is_refused(image: str) -> None:
    with pytest.raises(InputError, match="does not name an image with its registry and its tag"):
        move(f"ARG BASE_IMAGE={image}\nFROM ${{BASE_IMAGE}}\n", "Dockerfile", "linux/amd64")


def test_a_dockerfile_without_the_argument_is_refused() -> None:
    with pytest.raises(InputError, match="Dockerfile has no line `ARG BASE_IMAGE=` with an image"):
        move("FROM public.ecr.aws/docker/library/python:3.11\n", "Dockerfile", "linux/amd64")


def test_the_tree_s_own_base_is_at_amazon_s_mirror_with_a_digest() -> None:
    text = (ROOT / "apps/coworking/Dockerfile").read_text()
    (line,) = re.findall(r"(?m)^ARG BASE_IMAGE=(\S+)$", text)
    image = Image.parse(line)
    assert (image.host, image.name) == ("public.ecr.aws", NAME)
    assert image.digest
    froms = re.findall(r"(?m)^FROM (\S+)", text)
    assert set(froms) == {"${BASE_IMAGE}"}
    assert "# syntax=" not in text.splitlines()[0]  # which BuildKit would fetch from Docker Hub


def test_no_build_pulls_from_docker_hub() -> None:
    compose = (ROOT / "tests/docker/compose.yaml").read_text()
    images = re.findall(r"(?m)^ +image: (\S+)$", compose)
    database = next(image for image in images if "POSTGRES_IMAGE" in image)
    assert set(images) == {database, "${COWORKING_IMAGE}"}
    version = re.search(
        r'newTag: "(\S+)"', (ROOT / "base/postgres/upstream/kustomization.yaml").read_text()
    )
    assert version is not None
    assert database == f"${{POSTGRES_IMAGE:-public.ecr.aws/docker/library/postgres:{version[1]}}}"


def test_the_reference_registry_gives_the_same_answer(tmp_path: Path) -> None:
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry is not installed (Debian's package of that name)")
    with stand_ins.registry(tmp_path) as address:
        digests = []
        for architecture in ("amd64", "arm64"):
            config = _upload(
                address, json.dumps({"architecture": architecture, "os": "linux"}).encode()
            )
            manifest = {"schemaVersion": 2, "mediaType": ONE, "config": config, "layers": []}
            config["mediaType"] = "application/vnd.oci.image.config.v1+json"
            digests.append(_put(address, architecture, ONE, json.dumps(manifest).encode()))
        index = index_body([("linux", "amd64"), ("linux", "arm64")])
        for number, digest in enumerate(digests):
            index = index.replace(f"sha256:{number:064}".encode(), digest.encode())
        digest = _put(address, TAG, INDEXES[0], index)

        found = index_of(Image.parse(f"{address}/{NAME}:{TAG}"))

    assert found.digest == digest
    assert found.platforms == {"linux/amd64", "linux/arm64"}


def _upload(address: str, blob: bytes) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    where = requests.post(f"http://{address}/v2/{NAME}/blobs/uploads/", timeout=5).headers[
        "Location"
    ]
    done = requests.put(f"{where}&digest={digest}", data=blob, timeout=5)
    assert done.status_code == 201, done.text
    return {"digest": digest, "size": len(blob)}


def _put(address: str, name: str, kind: str, body: bytes) -> str:
    done = requests.put(
        f"http://{address}/v2/{NAME}/manifests/{name}",
        data=body,
        headers={"Content-Type": kind},
        timeout=5,
    )
    assert done.status_code == 201, done.text
    return done.headers["Docker-Content-Digest"]
