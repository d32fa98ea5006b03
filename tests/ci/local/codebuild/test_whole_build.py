"""The whole of `ci/buildspec.yaml`, and the write-back after it, with a real engine and registry.

Only `make` is stood in for: what it runs has run on this tree already when this is reached.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.ci.local.codebuild import stand_ins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

World = Any
pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry on this machine; skipped without it or without an engine."""
    if "COWORKING_IMAGE" not in os.environ:
        pytest.skip("a whole build is part of `make test-image`, which wants COWORKING_IMAGE")
    if missing := stand_ins.missing_for_an_image():
        pytest.skip(missing)
    with stand_ins.registry(tmp_path) as address:
        yield address


def test_a_commit_becomes_an_image_with_its_tags_and_a_commit_in_git(
    world_with_engine: World, registry: str, aws: str
) -> None:
    world = world_with_engine
    outcome, log = world.build(PUSH_REGISTRY=registry)
    for result in outcome.phases:
        print(f"{result.phase:11} {result.seconds:6.1f} s")
    assert outcome.succeeded, log
    tag = f"57-{world.commit[:8]}"
    assert sorted(stand_ins.tags(registry)) == sorted([tag, "57", world.commit, "latest"])
    shown = subprocess.run(
        ["docker", "image", "inspect", f"{registry}/coworking:{tag}"],
        capture_output=True,
        text=True,
        check=True,
    )
    labels = json.loads(shown.stdout)[0]["Config"]["Labels"]
    assert labels["org.opencontainers.image.revision"] == world.commit
    stored = stand_ins.client("s3", aws).get_object(
        Bucket="artifacts", Key=f"coworking/{tag}/imagedefinitions.json"
    )
    ecr = "123456789012.dkr.ecr.us-east-1.amazonaws.com/coworking"
    assert json.load(stored["Body"]) == [{"name": "coworking", "imageUri": f"{ecr}:{tag}"}]
    assert world.git("rev-parse", "main") == world.commit
    written, log = world.write_back(world.finished(), PUSH_REGISTRY=registry)
    assert written.succeeded, log
    file = "overlays/dev/coworking/image/kustomization.yaml"
    assert f'newTag: "{tag}"' in world.git("show", f"main:{file}")
    assert "image.xml" in {report.name for report in outcome.reports}
