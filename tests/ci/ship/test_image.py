"""What Docker is asked to build."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.ship import image
from ci.tree.overlays import ROOT, SERVICE_SOURCE

if TYPE_CHECKING:
    import pytest


def test_the_image_knows_its_build_and_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[list[str], dict[str, Any]]] = []
    monkeypatch.setattr(image, "run", lambda words, **more: calls.append((words, more)))

    image.build(["a:1", "b:1"], number="57", commit="1f2e3d4c")
    image.build(["a:1"], number="0", commit="none", base="base:2", options=["--pull"])

    first, second = (words for words, _ in calls)
    arguments = ["--build-arg", "BUILD=57", "--build-arg", "COMMIT=1f2e3d4c"]
    assert first == ["docker", "build", *arguments, "--tag", "a:1", "--tag", "b:1", SERVICE_SOURCE]
    arguments = ["BUILD=0", "COMMIT=none", "BASE_IMAGE=base:2"]
    assert second[:3] == ["docker", "build", "--pull"]
    assert second[3:-3] == [word for each in arguments for word in ("--build-arg", each)]
    assert all(more["cwd"] == ROOT for _, more in calls)
