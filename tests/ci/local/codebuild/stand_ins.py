"""What a build meets in AWS, on this machine: moto, a registry, and a `make` that has run.

What `make` does in a build (install, test, check) runs on this tree anyway, by itself; a build in a
test would only do it again.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = "coworking"
DATABASE_REPOSITORY = "coworking-postgres"
BUCKET = "artifacts"
SECRET = "coworking/git-token"
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
MAKE = f"""#!/bin/sh
echo "make $*" >>"$CALLS"
[ "$BREAK" != "make $1" ] || exit 2
case "$1" in install*) ln -s {Path(sys.executable).parents[1]} .venv ;; esac
"""
_MANIFEST = '{"mediaType": "application/vnd.oci.image.manifest.v1+json", "schemaVersion": 2}'
_REGISTRY = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "{address}"}}
"""


@contextlib.contextmanager
def aws() -> Iterator[str]:
    """moto's server, empty; yields its address."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - slow, and every worker is here

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@functools.cache
def client(service: str, address: str) -> Any:
    """A client of one of moto's services; boto3 takes a while to make one."""
    session = boto3.Session(*KEYS.values(), region_name="us-east-1")
    return session.client(service, endpoint_url=address)


def make_stack(address: str, token: str) -> None:
    """Make what the pipeline's stack makes, as far as a build uses it, and nothing else."""
    requests.post(f"{address}/moto-api/reset", timeout=10).raise_for_status()
    for name in (REPOSITORY, DATABASE_REPOSITORY):
        client("ecr", address).create_repository(repositoryName=name)
    client("s3", address).create_bucket(Bucket=BUCKET)
    client("secretsmanager", address).create_secret(Name=SECRET, SecretString=token)


def push_image(address: str, tag: str, repository: str = REPOSITORY) -> None:
    """Push an image with nothing in it."""
    ecr = client("ecr", address)
    ecr.put_image(repositoryName=repository, imageManifest=_MANIFEST, imageTag=tag)


def variables(address: str, account: str) -> dict[str, str]:
    """What CodeBuild and the build project set, with moto in AWS's place."""
    return {
        **KEYS,
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCOUNT_ID": account,
        "AWS_DEFAULT_REGION": "us-east-1",
        "IMAGE_REPO_NAME": REPOSITORY,
        "ARTIFACTS_BUCKET": BUCKET,
        "GIT_TOKEN_SECRET": SECRET,
    }


def write_tools(folder: Path, tools: dict[str, str]) -> Path:
    """Write programs into a folder to put on the PATH; returns it."""
    folder.mkdir()
    for name, text in tools.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def missing_for_an_image() -> str:
    """What a build with a real image lacks on this machine, in a sentence; empty if nothing."""
    if shutil.which("docker-registry") is None:
        return "docker-registry is not installed (Debian's package of that name)"
    answer = shutil.which("docker") and subprocess.run(
        ["docker", "version"], capture_output=True, timeout=20, check=False
    )
    if not answer or answer.returncode != 0:
        return "no Docker engine answers: start one, or set DOCKER_HOST"
    return ""


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[str]:
    """A container registry that keeps its images in a folder; yields its `host:port`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = folder / "registry.yaml"
    config.write_text(_REGISTRY.format(folder=folder / "images", address=address))
    with subprocess.Popen(["docker-registry", "serve", config]) as process:
        deadline = time.monotonic() + 20
        while not _answers(address) and time.monotonic() < deadline:
            time.sleep(0.05)
        try:
            yield address
        finally:
            process.terminate()


def _answers(address: str) -> bool:
    try:
        return requests.get(f"http://{address}/v2/", timeout=2).ok
    except requests.ConnectionError:
        return False


def tags(address: str) -> list[str]:
    """The tags of the service's image in a registry; none before the first push."""
    answer = requests.get(f"http://{address}/v2/{REPOSITORY}/tags/list", timeout=5).json()
    return list(answer.get("tags") or [])
