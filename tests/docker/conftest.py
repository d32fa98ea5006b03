"""The image beside PostgreSQL 15, in containers; skipped where there is no engine or no image."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from pytest_docker.plugin import Services


@pytest.fixture(scope="session")
def image() -> str:
    """The image under test, which COWORKING_IMAGE names."""
    name = os.environ.get("COWORKING_IMAGE", "")
    if not name:
        pytest.skip("COWORKING_IMAGE is not set: docker build -t coworking:test apps/coworking")
    found = subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False)
    if found.returncode != 0:
        pytest.fail(f"the engine has no image {name}: {found.stderr.decode().strip()}")
    return name


@pytest.fixture(scope="session")
def docker_compose_file(image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Overrides pytest-docker's: asked for before anything is started."""
    password = tmp_path_factory.mktemp("secret") / "password"
    password.write_text("a p@ssword\n")
    password.chmod(0o644)  # the container's user is another one
    os.environ["PASSWORD_FILE"] = str(password)
    return str(Path(__file__).parent / "compose.yaml")


@pytest.fixture(scope="session")
def address(docker_services: Services) -> str:
    """Where the service answers, once it is ready."""
    address = f"http://127.0.0.1:{docker_services.port_for('coworking', 5153)}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{address}/readiness_check", timeout=2).ok:
                return address
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    pytest.fail("the service is not ready after 60 s")
