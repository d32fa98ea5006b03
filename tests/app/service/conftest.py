"""The service on a real database: its configuration, its app, and the real command."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import requests

from coworking.app import create_app
from coworking.cli import main
from coworking.config import SETTINGS, Config
from coworking.database import Database
from coworking.web import EXTENSION
from tests.app.service.own_server import OwnServer, own_server
from tests.app.service.warm import Forked, Warm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flask.testing import FlaskClient

    from coworking.app import App


class Address(Protocol):
    """What the `database` fixtures tell of a database."""

    host: str
    port: int
    user: str
    password: str
    name: str


def environment_of(database: Address) -> dict[str, str]:
    file = getattr(database, "password_file", None)
    password = {"DB_PASSWORD_FILE": str(file)} if file else {"DB_PASSWORD": database.password}
    return {
        "DB_HOST": database.host,
        "DB_PORT": str(database.port),
        "DB_USERNAME": database.user,
        **password,
        "DB_NAME": database.name,
        # Patient: that a busy machine takes its time is not a fault, except in test_faults.py.
        "DB_CHECK_TIMEOUT": "10",
    }


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Config]:
    """`configured(database, REPORT_MAX_AGE="1")`: the settings as the environment gives them."""

    def configured(database: Address, **settings: str) -> Config:
        with monkeypatch.context() as patched:
            for name, value in {**environment_of(database), **settings}.items():
                patched.setenv(name, value)
            return Config.read()

    return configured


@pytest.fixture(scope="module")
def running() -> Iterator[OwnServer]:
    """A PostgreSQL that only this module uses, and may break."""
    with own_server() as running:
        yield running


@pytest.fixture
def server(running: OwnServer) -> Iterator[OwnServer]:
    """The same, running again after each test whatever the test did."""
    yield running
    if (running.folder / "data" / "postmaster.pid").exists():
        running.signal(signal.SIGCONT)
    else:
        running.start()


@pytest.fixture
def config(database: Address, configured: Callable[..., Config]) -> Config:
    """The settings for `database`, and defaults for the rest."""
    return configured(database)


@pytest.fixture
def connections(config: Config) -> Iterator[Database]:
    """The service's own way to `database`."""
    connections = Database(config)
    yield connections
    connections.close()


@pytest.fixture
def app(config: Config) -> Iterator[App]:
    """The app on `database`."""
    app = create_app(config)
    yield app
    app.extensions[EXTENSION].close()


@pytest.fixture
def client(app: App) -> FlaskClient:
    """A client of the app, without a server between."""
    return app.test_client()


@dataclass
class Service:
    """A running `coworking serve`."""

    process: subprocess.Popen[str] | Forked
    address: str
    metrics: str
    log: Path

    def get(self, path: str, **arguments: Any) -> requests.Response:
        return requests.get(self.address + path, timeout=arguments.pop("timeout", 20), **arguments)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def logged(self) -> str:
        return self.log.read_text()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def wait_for(condition: Callable[[], object], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"no {what} within {seconds} s")
        time.sleep(0.02)


@pytest.fixture
def wait() -> Callable[..., None]:
    """`wait(condition, "name of it", seconds)`: returns when it holds, fails when it doesn't."""
    return wait_for


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """What the services are started by."""
    warm = Warm()
    yield warm
    warm.close()


@pytest.fixture
def serve(tmp_path: Path, warm: Warm) -> Iterator[Callable[..., Service]]:
    """`serve(database, DRAIN_SECONDS="1")`: the service, ready; ended after the test.

    With `cold=True` it is the command as it is installed, and else a fork (warm.py).
    """
    with _serving(tmp_path, warm) as serve:
        yield serve


@pytest.fixture(scope="module")
def serve_all(
    tmp_path_factory: pytest.TempPathFactory, warm: Warm
) -> Iterator[Callable[..., Service]]:
    """`serve` for what several tests of a file look at; ended after the last of them."""
    with _serving(tmp_path_factory.mktemp("services"), warm) as serve:
        yield serve


@contextlib.contextmanager
def _serving(folder: Path, warm: Warm) -> Iterator[Callable[..., Service]]:
    started: list[Service] = []

    def serve(
        database: Address, *, ready: bool = True, cold: bool = False, **settings: str
    ) -> Service:
        port = int(settings.pop("APP_PORT", 0)) or free_port()
        log = folder / f"service-{port}.log"
        environment = os.environ | environment_of(database) | {"APP_HOST": "127.0.0.1"} | settings
        environment["APP_PORT"] = str(port)
        environment.setdefault("METRICS_PORT", str(free_port()))
        process = (_start if cold else warm.start)(environment, log)
        metrics = f"http://127.0.0.1:{environment['METRICS_PORT']}/metrics"
        service = Service(process, f"http://127.0.0.1:{port}", metrics, log)
        started.append(service)
        if ready:
            wait_for(lambda: answers(service, "/readiness_check"), "readiness")
            # One process is enough for that; the figures need all of them.
            wait_for(lambda: requests.get(metrics, timeout=10).ok, "figures of every process")
        return service

    yield serve
    for service in started:
        if service.process.poll() is None:
            service.process.send_signal(signal.SIGINT)
        service.process.wait(timeout=30)


def _start(environment: dict[str, str], log: Path) -> subprocess.Popen[str]:
    with log.open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "coworking", "serve"],
            env=environment,
            stdout=output,
            stderr=output,
            text=True,
        )


def answers(service: Service, path: str) -> bool:
    with contextlib.suppress(requests.ConnectionError, requests.Timeout):
        return service.get(path, timeout=2).status_code == 200
    if service.process.poll() is not None:
        pytest.fail(f"the service ended with {service.process.returncode}: {service.logged()}")
    return False


@dataclass
class Done:
    """How a verb ended."""

    returncode: int
    stdout: str
    stderr: str


class Run(Protocol):
    def __call__(self, *arguments: str, on: Any = None, **environment: str) -> Done: ...


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("verify", on=database)`: the verb on a database, or in the environment given."""

    def run(*arguments: str, on: Any = None, **environment: str) -> Done:
        if on is not None:
            environment = {
                "DB_HOST": on.host,
                "DB_PORT": str(on.port),
                "DB_USERNAME": on.user,
                "DB_PASSWORD": on.password,
                "DB_NAME": on.name,
            } | environment
        with monkeypatch.context() as patched:
            for name in set(os.environ) & set(SETTINGS):
                patched.delenv(name)
            for name, value in environment.items():
                patched.setenv(name, value)
            patched.setattr(sys, "argv", ["coworking", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run
