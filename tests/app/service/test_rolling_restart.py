"""New processes take over from old ones under load, and no request fails."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.app.service.clients import Clients, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Replacements, and requests at least; the second is a test of `make test-long`.
RESTARTS = [(1, 1500), pytest.param(2, 5000, marks=pytest.mark.slow)]
PATHS = ("/api/reports/daily_usage", "/api/reports/user_visits", "/health_check")


@pytest.fixture
def proxy(tmp_path: Path, wait: Callable[..., None]) -> Iterator[tuple[int, Path]]:
    """A port whose connections go to the ready ones of the ports in a file."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    backends = tmp_path / "backends"
    backends.write_text("")
    script = Path(__file__).with_name("readiness_proxy.py")
    process = subprocess.Popen([sys.executable, script, str(port), backends])
    yield port, backends
    process.terminate()
    process.wait(timeout=10)


def name_backends(file: Path, *services: Any) -> None:
    """Write the list of ports in one go: a half-written one would name nobody."""
    unfinished = file.with_suffix(".new")
    unfinished.write_text("\n".join(map(port_of, services)))
    unfinished.replace(file)


@pytest.mark.slow
@pytest.mark.parametrize(("replacements", "at_least"), RESTARTS)
def test_a_rolling_restart_under_load_fails_no_request(
    serve: Callable[..., Any],
    database: Any,
    proxy: tuple[int, Path],
    wait: Callable[..., None],
    *,
    replacements: int,
    at_least: int,
) -> None:
    port, backends = proxy
    old = serve(database, DRAIN_SECONDS="1.5", LOG_LEVEL="WARNING")
    name_backends(backends, old)
    wait(lambda: ask(client_of(port), "/readiness_check") == "200", "proxy")
    with Clients(port, PATHS, at_least=at_least) as clients:
        for _ in range(replacements):
            new = serve(database, DRAIN_SECONDS="1.5", LOG_LEVEL="WARNING")
            name_backends(backends, old, new)
            before = clients.total
            wait(lambda before=before: clients.total > before + 500, "traffic during the overlap")
            assert old.stop(signal.SIGTERM) == 0
            name_backends(backends, new)
            old = new
    assert clients.outcomes == {"200": clients.total}
    assert clients.total >= at_least


def port_of(service: Any) -> str:
    return str(service.address.rpartition(":")[2])


def client_of(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=5)
