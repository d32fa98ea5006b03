"""`make up`: the service on this machine, with a database and some history to look at.

Its settings and the size of its demo data are those that the first environment renders to, dev, so
what runs here is what dev runs. Variables of the environment win.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
import requests

from ci.errors import CiError, InputError
from ci.local.postgres import USER, local_postgres
from ci.tree import overlays
from ci.tree.overlays import DATABASE, SERVICE
from treecheck.kustomize import render_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(".local")
CONFIG_MAP, SEED_JOB = f"{SERVICE}-configmap-", f"{SERVICE}-seed"
# A laptop's service is for nobody else; the port of the metrics is the service's own default.
DEFAULTS = {"APP_HOST": "127.0.0.1", "METRICS_PORT": "9153"}
READY_WITHIN = 60.0  # seconds
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Print a step's name when it begins, and its seconds when it is done."""
    if sys.stdout.isatty():  # the line is written over when the step is done
        click.echo(f"  {name} …\r", nl=False)
    began = time.monotonic()
    yield
    report(name, began)


def report(name: str, began: float) -> None:
    """Print a step's name and the seconds since it began."""
    click.echo(f"  {name} {'.' * max(2, 46 - len(name))} {time.monotonic() - began:.1f} s")


@click.command(help="Run the service here, with a database and demo data.")
def command() -> None:
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    try:
        with contextlib.ExitStack() as stack:
            settings, demo = like_deployed()
            environment = settings | os.environ
            environment = DEFAULTS | environment
            port = environment["APP_PORT"]
            stack.enter_context(_only_one(DATA / "up.lock"))
            for setting in ("APP_PORT", "METRICS_PORT"):
                _refuse_taken_port(setting, environment[setting])
            own_database = "DB_HOST" not in os.environ
            if own_database:
                environment |= stack.enter_context(_own_database())
                environment.pop("DB_PASSWORD_FILE", None)  # it is for another database
            with step("schema"):
                _coworking(environment, "migrate")
            if own_database:
                with step("demo data"):
                    _coworking(environment, *demo)
            began = time.monotonic()
            service = stack.enter_context(_service(environment))
            _wait_until_ready(service, port)
            report("service", began)  # on a line of its own, below what the service says
            _greet(port, environment["METRICS_PORT"], own_database)
            service.wait()
            raise CiError(f"the service ended with status {service.returncode}; see above")
    except KeyboardInterrupt:
        click.echo("Stopped.")


def like_deployed() -> tuple[dict[str, str], list[str]]:
    """The settings of the first environment's service, and its seeding command's words.

    Raises:
        InputError: its overlay can't be rendered, or brings no such ConfigMap or Job any more.
    """
    environment = overlays.first()
    settings: dict[str, str] | None = None
    words: list[str] = []
    for each in render_objects(overlays.overlay(environment)):
        name = each["metadata"]["name"]
        if each["kind"] == "ConfigMap" and name.startswith(CONFIG_MAP):
            settings = each["data"]
        elif each["kind"] == "Job" and name == SEED_JOB:
            words = each["spec"]["template"]["spec"]["containers"][0]["args"]
    if settings is None or not words:
        raise InputError(
            f"overlays/{environment} renders to no ConfigMap {CONFIG_MAP}… or no Job {SEED_JOB}",
            hint=f"`make render ENV={environment}` shows what it renders to.",
        )
    return settings, words


def _interrupt(_number: int, _frame: object) -> NoReturn:
    """Begin to stop; a second Ctrl-C must not leave half of it running."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Hold the checkout's lock; the system lets go of it however this process ends."""
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(exist_ok=True)
            lock = stack.enter_context(path.open("a+", encoding="ascii"))
        except OSError as error:
            raise InputError(
                f"{error.filename} can't be written: {error.strerror}",
                hint=f"{path.parent} must be a folder of this user's, or not be there.",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise InputError(
                f"`make up` runs in this checkout already, as process {lock.read().strip()}",
                hint="Stop that one with Ctrl-C, or use another clone with another APP_PORT and"
                " METRICS_PORT.",
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _refuse_taken_port(setting: str, port: str) -> None:
    if not (port.isascii() and port.isdecimal()) or not 1 <= int(port) <= 65535:
        raise InputError(f"{setting} is {port!r}, and a port is a number from 1 to 65535, say 5153")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError as error:
            raise InputError(
                f"port {port} on 127.0.0.1 can't be used: {error.strerror}",
                hint=f"Stop what listens there, or take another: {setting}={int(port) + 1} make up",
            ) from error


@contextlib.contextmanager
def _own_database() -> Iterator[dict[str, str]]:
    """Run this checkout's PostgreSQL; yields the environment that leads the service to it."""
    database = os.environ.get("DB_NAME", DATABASE)
    with contextlib.ExitStack() as stack:
        with step(f"PostgreSQL in {DATA / 'postgres'}"):
            host = stack.enter_context(local_postgres((DATA / "postgres").resolve(), database))
        # The socket's owner is let in without a password; the service insists on having one.
        yield {
            "DB_HOST": str(host),
            "DB_PORT": "5432",
            "DB_NAME": database,
            "DB_USERNAME": USER,
            "DB_PASSWORD": "unused",
        }


def _coworking(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", SERVICE, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CiError(f"`coworking {arguments[0]}` failed:\n{(done.stderr or done.stdout).strip()}")


@contextlib.contextmanager
def _service(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the production server, in a session of its own: Ctrl-C reaches it once, through us."""
    service = subprocess.Popen(
        [sys.executable, "-m", SERVICE, "serve"], env=environment, start_new_session=True
    )
    try:
        yield service
    finally:
        service.send_signal(signal.SIGINT)
        try:
            service.wait(timeout=15)
        except subprocess.TimeoutExpired:
            service.kill()


def _wait_until_ready(service: subprocess.Popen[bytes], port: str) -> None:
    deadline = time.monotonic() + READY_WITHIN
    session = requests.Session()
    session.trust_env = False  # a proxy of the environment is for other hosts
    while time.monotonic() < deadline:
        if service.poll() is not None:
            raise CiError(f"the service ended with status {service.returncode}; see above")
        with contextlib.suppress(requests.ConnectionError):
            if session.get(f"http://127.0.0.1:{port}/readiness_check", timeout=5).ok:
                return
        time.sleep(0.05)
    raise CiError(f"the service is not ready after {READY_WITHIN:.0f} s; see its messages above")


def _greet(port: str, metrics_port: str, own_database: bool) -> None:
    address = f"http://127.0.0.1:{port}"
    click.echo(f"\n  Dashboard  {address}/")
    click.echo(f"  Metrics    http://127.0.0.1:{metrics_port}/metrics\n")
    click.echo(f"  curl {address}/api/reports/daily_usage")
    click.echo(f"  curl '{address}/api/v1/overview?tz=Europe/Berlin'\n")
    kept = f"The data stays in {DATA}." if own_database else "The database is yours."
    click.echo(f"  Ctrl-C stops everything. {kept}\n")
