"""The image: what is in it, and that it does its work as Pod Security `restricted` lets it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from pytest_docker.plugin import Services

pytestmark = pytest.mark.docker


def docker(*arguments: str) -> str:
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def container_of(docker_services: Services) -> str:
    command = docker_services._docker_compose.execute("ps -q coworking")
    return str(command.decode().split()[-1])


def configuration(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("image", "inspect", image))[0]["Config"]
    return found


def test_it_serves_the_older_reports_from_a_read_only_container(address: str) -> None:
    answer = requests.get(f"{address}/api/reports/daily_usage", timeout=5)
    assert (answer.status_code, answer.text) == (200, "{}\n")


def test_it_serves_the_dashboards_files(address: str) -> None:
    assert requests.get(f"{address}/openapi.json", timeout=5).ok


def test_it_runs_as_a_user_without_privileges(docker_services: Services, address: str) -> None:
    container = container_of(docker_services)
    assert docker("exec", container, "id", "-u") == "10001"
    process = docker("exec", container, "cat", "/proc/1/status")
    assert "CapEff:\t0000000000000000" in process
    assert "NoNewPrivs:\t1" in process


def test_its_health_check_succeeds(docker_services: Services, address: str) -> None:
    assert docker("exec", container_of(docker_services), "coworking", "health") == "ok"


def test_it_says_how_to_check_and_to_stop_it(image: str) -> None:
    found = configuration(image)
    assert found["Healthcheck"]["Test"] == ["CMD", "coworking", "health"]
    assert found["StopSignal"] == "SIGTERM"
    assert found["User"] == "10001:10001"
    assert {"5153/tcp", "9153/tcp"} <= set(found["ExposedPorts"])


def test_its_labels_name_the_commit(image: str) -> None:
    found = configuration(image)
    commit = found["Labels"]["org.opencontainers.image.revision"]
    assert f"COMMIT={commit}" in found["Env"]


def test_it_holds_no_compiler_no_pip_and_no_wheels(image: str) -> None:
    modules = '["pip", "setuptools", "flit_core"]'
    script = f"""
        for tool in gcc cc g++ make pip pip3; do command -v $tool; done
        python -c 'import importlib.util as u; print(*filter(u.find_spec, {modules}), end="")'
        find /build /opt /root /tmp -name '*.whl' -o -path '*/.cache/pip' 2>/dev/null
        true
    """
    assert docker("run", "--rm", "--entrypoint", "sh", image, "-c", script) == ""


def test_an_empty_environment_is_explained_in_a_line_and_not_in_a_trace(image: str) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", image], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "error: DB_USERNAME is not set; for example DB_USERNAME=coworking" in done.stderr
    assert "Traceback" not in done.stderr


def test_sigterm_to_the_container_ends_it_with_status_0(
    docker_services: Services, address: str
) -> None:
    container = container_of(docker_services)
    docker("stop", "--time", "20", container)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", container) == "0"
    docker("start", container)
