"""`make up`: what it prints, what it refuses, and that nothing is left running."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: Path, **environment: str) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DB_")}
    return subprocess.Popen(
        [sys.executable, "-m", "ci", "up"],
        cwd=folder,
        env=inherited | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    seen = ""
    while text not in seen:
        line = process.stdout.readline()
        assert line, f"ended before {text!r}:\n{seen}\n{process.communicate()[1]}"
        seen += line
    return seen


def still_running(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        words = process.info["cmdline"] or []
        if any(str(folder) in word for word in words):
            found.append(" ".join(words))
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int, str]]:
    """A running `make up`: its folder, its port and what it printed until it was ready."""
    folder, port = tmp_path_factory.mktemp("checkout"), free_port()
    process = start(folder, APP_PORT=str(port))
    try:
        yield folder, port, read_until(process, "Ctrl-C stops everything")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert still_running(folder) == []


def test_it_prints_each_step_with_its_seconds_and_then_where_to_look(
    running: tuple[Path, int, str],
) -> None:
    _, port, output = running
    for step in ("PostgreSQL in .local/postgres", "schema", "demo data", "service"):
        assert re.search(rf"^  {re.escape(step)} \.+ \d+\.\d s$", output, re.MULTILINE), output
    assert f"Dashboard  http://127.0.0.1:{port}/" in output
    assert output.count("  curl ") == 2


def test_the_reports_have_some_history(running: tuple[Path, int, str]) -> None:
    _, port, _ = running
    days = requests.get(f"http://127.0.0.1:{port}/api/reports/daily_usage", timeout=10).json()
    assert len(days) > 300
    assert requests.get(f"http://127.0.0.1:{port}/", timeout=10).ok


def test_a_second_one_in_the_same_checkout_says_that_one_runs(
    running: tuple[Path, int, str],
) -> None:
    folder, _, _ = running
    second = start(folder, APP_PORT=str(free_port()))
    _, errors = second.communicate(timeout=30)
    assert second.returncode == 2
    assert "`make up` runs in this checkout already, as process " in errors
    assert "Traceback" not in errors


def test_a_taken_port_is_named_with_another_to_take(
    running: tuple[Path, int, str], tmp_path: Path
) -> None:
    _, port, _ = running
    process = start(tmp_path, APP_PORT=str(port))
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert f"port {port} on 127.0.0.1 can't be used: Address already in use" in errors
    assert f"APP_PORT={port + 1} make up" in errors


def test_data_of_another_postgresql_is_left_alone(tmp_path: Path) -> None:
    data = tmp_path / ".local" / "postgres"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("13\n", encoding="ascii")
    process = start(tmp_path, APP_PORT=str(free_port()))
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "belongs to PostgreSQL 13, and this checkout runs 18" in errors
    assert "mv " in errors
    assert [entry.name for entry in data.iterdir()] == ["PG_VERSION"]


@pytest.mark.parametrize("presses", [1, 3])
def test_ctrl_c_stops_everything_however_often_it_is_pressed(tmp_path: Path, presses: int) -> None:
    process = start(tmp_path, APP_PORT=str(free_port()))
    read_until(process, "schema")
    for _ in range(presses):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.1)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert output.endswith("Stopped.\n")
    assert "Traceback" not in errors
    assert still_running(tmp_path) == []
