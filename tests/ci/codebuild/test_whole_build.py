"""The whole of `ci/buildspec.yaml` with a real engine and a real registry.

Only `make` is stood in for: what it runs has run on this tree already when this is reached.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

World = Any
pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]
CONFIG = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry on this machine; skipped without it or without an engine."""
    if "COWORKING_IMAGE" not in os.environ:
        pytest.skip("a whole build is part of `make test-image`, which wants COWORKING_IMAGE")
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry is not installed (Debian's package of that name)")
    answer = shutil.which("docker") and subprocess.run(
        ["docker", "version"], capture_output=True, timeout=20, check=False
    )
    if not answer or answer.returncode != 0:
        pytest.skip("no Docker engine answers: start one, or set DOCKER_HOST")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = tmp_path / "registry.yaml"
    config.write_text(CONFIG.format(folder=tmp_path / "images", port=address.partition(":")[2]))
    with subprocess.Popen(["docker-registry", "serve", config]) as process:
        deadline = time.monotonic() + 20
        while not _answers(address) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield address
        process.terminate()


def _answers(address: str) -> bool:
    try:
        return requests.get(f"http://{address}/v2/", timeout=2).ok
    except requests.ConnectionError:
        return False


def test_a_commit_becomes_an_image_with_its_tags_and_a_commit_in_git(
    world_with_engine: World, registry: str, aws: str
) -> None:
    world = world_with_engine
    outcome, log = world.build(PUSH_REGISTRY=registry)
    for result in outcome.phases:
        print(f"{result.phase:11} {result.seconds:6.1f} s")
    assert outcome.succeeded, log
    tag = f"57-{world.commit[:8]}"
    tags = requests.get(f"http://{registry}/v2/coworking/tags/list", timeout=5).json()["tags"]
    assert sorted(tags) == sorted([tag, "57", world.commit, "latest"])
    shown = subprocess.run(
        ["docker", "image", "inspect", f"{registry}/coworking:{tag}"],
        capture_output=True,
        text=True,
        check=True,
    )
    labels = json.loads(shown.stdout)[0]["Config"]["Labels"]
    assert labels["org.opencontainers.image.revision"] == world.commit
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    s3 = boto3.client("s3", "us-east-1", endpoint_url=aws, **keys)
    stored = s3.get_object(Bucket="artifacts", Key=f"coworking/{tag}/imagedefinitions.json")
    ecr = "123456789012.dkr.ecr.us-east-1.amazonaws.com/coworking"
    assert json.load(stored["Body"]) == [{"name": "coworking", "imageUri": f"{ecr}:{tag}"}]
    file = "overlays/dev/coworking/image/kustomization.yaml"
    assert f'newTag: "{tag}"' in world.git("show", f"main:{file}")
    assert "image.xml" in {report.name for report in outcome.reports}
