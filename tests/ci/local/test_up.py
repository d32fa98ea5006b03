"""`make up`: what it prints, what it refuses, and that nothing is left running."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil
import pytest
import requests

from tests.ci import verbs

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: Path, **environment: str) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DB_")}
    return subprocess.Popen(
        [sys.executable, "-m", "ci", "up"],
        cwd=folder,
        env=inherited
        | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "METRICS_PORT": str(free_port())}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def start_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch, port: int, metrics_port: int | None = None
) -> verbs.Done:
    """Run it in this process, which keeps its own answers to signals: for what it refuses."""
    for name in [name for name in os.environ if name.startswith("DB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("APP_PORT", str(port))
    monkeypatch.setenv("METRICS_PORT", str(metrics_port or free_port()))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.chdir(folder)
    return verbs.in_this_process("up")


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


class Running(NamedTuple):
    """A `make up`: its folder, its ports, what it printed until it was ready, and its process."""

    folder: Path
    port: int
    metrics_port: int
    output: str
    process: subprocess.Popen[str]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A checkout's folder as people have them.

    Its name has a blank and a letter that isn't ASCII, of which PostgreSQL's own files tell too,
    and it is too long for a socket. It is not below pytest's folder, which any other run of pytest
    closes to the user that the server runs as.
    """
    with tempfile.TemporaryDirectory(prefix="Zoë's checkout ") as place:
        folder = Path(place) / ("long" * 25)
        folder.mkdir()
        yield folder


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Running]:
    """The one that the tests look at; `stopped` ends it."""
    port, metrics_port = free_port(), free_port()
    # What a shell may have set for other things: a proxy, and another database's password.
    others = {"http_proxy": "http://127.0.0.1:1", "DB_PASSWORD_FILE": "/nowhere"}
    process = start(folder, APP_PORT=str(port), METRICS_PORT=str(metrics_port), **others)
    try:
        yield Running(
            folder, port, metrics_port, read_until(process, "Ctrl-C stops everything"), process
        )
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)


@pytest.fixture(scope="module")
def stopped(running: Running) -> tuple[Path, int, str, str]:
    """The same, ended by one Ctrl-C: its folder, its status and what it printed from then on."""
    os.killpg(running.process.pid, signal.SIGINT)
    output, errors = running.process.communicate(timeout=30)
    return running.folder, running.process.returncode, output, errors


@pytest.mark.thorough
def test_it_prints_each_step_with_its_seconds_and_then_where_to_look(
    running: Running,
) -> None:
    _, port, metrics_port, output, _ = running
    for step in ("PostgreSQL in .local/postgres", "schema", "demo data", "service"):
        assert re.search(rf"^  {re.escape(step)} \.+ \d+\.\d s$", output, re.MULTILINE), output
    assert f"Dashboard  http://127.0.0.1:{port}/" in output
    assert f"Metrics    http://127.0.0.1:{metrics_port}/metrics" in output
    assert output.count("  curl ") == 2


def test_it_listens_on_this_machine_alone(running: Running) -> None:
    pid_file = running.folder / ".local" / "postgres" / "postmaster.pid"
    postmaster = psutil.Process(int(pid_file.read_bytes().split(b"\n")[0]))
    service = psutil.Process(running.process.pid)
    addresses = {
        (each.laddr.ip, each.laddr.port)
        for process in (postmaster, service, *service.children(recursive=True))
        for each in process.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    }
    # PostgreSQL has a Unix socket only.
    assert addresses == {("127.0.0.1", running.port), ("127.0.0.1", running.metrics_port)}


def test_its_metrics_are_where_it_says(running: Running) -> None:
    answer = requests.get(f"http://127.0.0.1:{running.metrics_port}/metrics", timeout=10)
    assert "coworking_http_requests_total" in answer.text


def test_the_reports_have_some_history(running: Running) -> None:
    port = running.port
    days = requests.get(f"http://127.0.0.1:{port}/api/reports/daily_usage", timeout=10).json()
    assert len(days) > 300
    assert requests.get(f"http://127.0.0.1:{port}/", timeout=10).ok


def test_a_second_one_in_the_same_checkout_says_that_one_runs(
    running: Running,
) -> None:
    second = start(running.folder, APP_PORT=str(free_port()))
    _, errors = second.communicate(timeout=30)
    assert second.returncode == 2
    assert "`make up` runs in this checkout already, as process " in errors
    assert "Traceback" not in errors


def test_a_taken_port_is_named_with_another_to_take(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = running.port
    done = start_here(tmp_path, monkeypatch, port)
    assert done.returncode == 2
    assert f"port {port} on 127.0.0.1 can't be used: Address already in use" in done.stderr
    assert f"APP_PORT={port + 1} make up" in done.stderr


def test_a_taken_port_for_metrics_is_named_too(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = running.metrics_port
    done = start_here(tmp_path, monkeypatch, free_port(), taken)
    assert done.returncode == 2
    assert f"port {taken} on 127.0.0.1 can't be used: Address already in use" in done.stderr
    assert f"METRICS_PORT={taken + 1} make up" in done.stderr


def test_data_of_another_postgresql_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / ".local" / "postgres"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("13\n", encoding="ascii")
    done = start_here(tmp_path, monkeypatch, free_port())
    assert done.returncode == 2
    assert "belongs to PostgreSQL 13, and this checkout runs 18" in done.stderr
    assert "mv " in done.stderr
    assert [entry.name for entry in data.iterdir()] == ["PG_VERSION"]


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (".local", ".local can't be written: File exists"),
        (".local/postgres", "/.local/postgres can't be used: File exists"),
        (".local/postgres/photos", "/.local/postgres holds 'photos', and no data of PostgreSQL's"),
    ],
)
def test_something_else_in_the_place_of_the_data_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: str, sentence: str
) -> None:
    """A file there was a stack trace, and a folder of something else an error of initdb's."""
    (tmp_path / made).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / made).write_text("mine", encoding="ascii")
    done = start_here(tmp_path, monkeypatch, free_port())
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert (tmp_path / made).read_text(encoding="ascii") == "mine"


# From here on the running one is stopped; what follows starts again on its data, which takes less.


def test_one_ctrl_c_stops_everything(stopped: tuple[Path, int, str, str]) -> None:
    folder, status, output, errors = stopped
    assert status == 0
    assert output.endswith("Stopped.\n")
    assert "Traceback" not in errors
    assert still_running(folder) == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("step", "signals"),
    [("schema", [signal.SIGINT] * 3), ("PostgreSQL", [signal.SIGTERM])],
    ids=["Ctrl-C pressed three times", "SIGTERM"],
)
def test_it_stops_while_it_starts_however_often_it_is_told(
    stopped: tuple[Path, int, str, str], step: str, signals: list[signal.Signals]
) -> None:
    folder, *_ = stopped
    process = start(folder, APP_PORT=str(free_port()))
    read_until(process, step)
    for number in signals:
        os.killpg(process.pid, number)
        time.sleep(0.1)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert output.endswith("Stopped.\n")
    assert "Traceback" not in errors
    assert still_running(folder) == []
