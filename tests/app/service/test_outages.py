"""The database falls silent in each way it can, under load: quick answers, then whole by itself.

The service is the real command with its default patience; 16 clients keep their connections open.
"""

from __future__ import annotations

import dataclasses
import http.client
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
import pytest

from tests.app.service.conftest import free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.app.service.conftest import Service
    from tests.app.service.own_server import OwnServer

CONNECTIONS = 16
PATHS = (
    *("/api/reports/daily_usage", "/api/v1/overview", "/api/reports/user_visits"),
    *("/api/v1/checkins?tz=Europe/Berlin", "/api/v1/heatmap", "/"),
)
LIMIT = 1.2  # seconds that an answer may take
WHOLE = 2.0  # seconds after which no answer is a 503 any more
ROWS = """
    INSERT INTO users (first_name, last_name, joined_at)
    SELECT 'a', 'b', '2020-01-01' FROM generate_series(1, 50);
    INSERT INTO tokens (user_id, token, created_at, used_at)
    SELECT 1 + n % 50, 'x', t, t + interval '1 minute'
    FROM (SELECT n, now()::timestamp - n * interval '20 minutes' AS t
          FROM generate_series(1, 5000) n) AS rows
"""
WRITE = "INSERT INTO users (first_name, last_name, joined_at) VALUES ('', '', now())"


class Answered(NamedTuple):
    """When a request was sent and answered (monotonic seconds), with what, and Retry-After."""

    sent: float
    ended: float
    status: int
    retry_after: str | None

    @property
    def took(self) -> float:
        return self.ended - self.sent


class Load:
    """16 clients at work, beside probes, until the block ends."""

    def __init__(self, service: Service) -> None:
        self.answers: list[Answered] = []
        self.probes: list[Answered] = []
        self._port = int(service.address.rpartition(":")[2])
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(CONNECTIONS + 1)

    def __enter__(self) -> Load:
        for number in range(CONNECTIONS):
            self._pool.submit(self._work, PATHS[number % len(PATHS) :] + PATHS, 0.02, self.answers)
        self._pool.submit(self._work, ("/health_check",), 0.2, self.probes)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pool.shutdown()

    def _work(self, paths: tuple[str, ...], pause: float, into: list[Answered]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        turn = 0
        while not self._over.wait(pause):
            began = time.monotonic()
            try:
                connection.request("GET", paths[turn % len(paths)])
                answer = connection.getresponse()
                answer.read()
                found = (answer.status, answer.headers["Retry-After"])
            except (OSError, http.client.HTTPException):
                connection.close()
                found = (0, None)
            into.append(Answered(began, time.monotonic(), *found))
            turn += 1


class Writer:
    """Makes kept answers void, so that requests wait for statements and not only for checks."""

    def __init__(self, server: OwnServer) -> None:
        self._connection = server.connect()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.pid = self._connection.get_backend_pid()

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._connection.close()

    def _work(self) -> None:
        while not self._over.wait(0.05):
            with self._connection.cursor() as cursor:
                cursor.execute(WRITE)


@pytest.fixture
def proxy(server: OwnServer) -> Iterator[tuple[OwnServer, subprocess.Popen[bytes]]]:
    """The server's address through a network that the test can break, and what breaks it."""
    port = free_port()
    script = Path(__file__).with_name("forgetful_proxy.py")
    process = subprocess.Popen([sys.executable, script, str(port), str(server.port)])
    through = dataclasses.replace(server, port=port)

    def connects() -> bool:
        try:
            through.execute("SELECT 1")
        except psycopg2.OperationalError:
            return False
        return True

    wait_for(connects, "way through the proxy")
    yield through, process
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait(timeout=10)


class Outage(NamedTuple):
    """How to begin and to end one; `lasts` is whether new connections are silent too."""

    begin: Callable[[], None]
    end: Callable[[], None]
    lasts: bool


def outage(kind: str, server: OwnServer, network: subprocess.Popen[bytes], spared: int) -> Outage:
    """The outage of that name; the backend `spared` is never stopped alone."""

    def stop_backends() -> None:
        for each in server.backends():
            if each.pid != spared:
                each.suspend()

    def forget() -> None:
        network.send_signal(signal.SIGUSR1)
        time.sleep(0.1)  # a stopped process would look at it only when it goes on
        network.send_signal(signal.SIGSTOP)

    def go_on() -> None:
        network.send_signal(signal.SIGCONT)

    def thaw() -> None:
        server.signal(signal.SIGCONT)

    return {
        "backends": Outage(stop_backends, thaw, lasts=False),
        "frozen": Outage(lambda: server.signal(signal.SIGSTOP), thaw, lasts=True),
        "swallowed": Outage(lambda: network.send_signal(signal.SIGSTOP), go_on, lasts=True),
        "forgotten": Outage(forget, go_on, lasts=True),
    }[kind]


KINDS = ("backends", "frozen", "swallowed", "forgotten")


def happens(planned: Outage, seconds: float) -> tuple[float, float]:
    """Let it happen for so long, with time before and after it; returns when it began and ended."""
    time.sleep(min(2.0, seconds))
    began = time.monotonic()
    planned.begin()
    time.sleep(seconds)
    ended = time.monotonic()
    planned.end()
    time.sleep(min(WHOLE + 2, WHOLE + seconds / 4))
    return began, ended


def ask_once(service: Service) -> None:
    """Have each address answered: the first answers of a process take longer."""
    assert {service.get(path).status_code for path in PATHS} == {200}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        ("frozen", 1.5),
        ("forgotten", 1.5),
        *(pytest.param(kind, 20.0, marks=pytest.mark.slow) for kind in KINDS),
    ],
)
def test_an_outage_under_load_is_quick_503_and_then_whole_by_itself(
    server: OwnServer,
    proxy: tuple[OwnServer, subprocess.Popen[bytes]],
    serve: Callable[..., Service],
    *,
    kind: str,
    seconds: float,
) -> None:
    """16 requests in flight waited 11 s each for backends that were stopped."""
    through, network = proxy
    server.execute("TRUNCATE users, tokens RESTART IDENTITY CASCADE")
    server.execute(ROWS)
    service = serve(through, cold=seconds > 5, DB_CHECK_TIMEOUT="0.8", LOG_LEVEL="WARNING")
    ask_once(service)

    with Writer(server) as writer, Load(service) as load:
        planned = outage(kind, server, network, spared=writer.pid)
        began, ended = happens(planned, seconds)

    before = [each for each in load.answers if each.ended < began]
    during = [each for each in load.answers if each.ended >= began]
    away = [each for each in during if each.status == 503]
    busy, slowest = (max(each.took for each in answers) for answers in (before, during))
    last = max((each.ended for each in away), default=began)
    print(
        f"\n{kind}, {seconds:g} s: {len(during)} answers, {len(away)} of them 503, the slowest "
        f"{slowest:.2f} s (before: {busy:.2f} s); whole {last - began:.2f} s after it began, "
        f"{last - ended:.2f} s after it ended; /health_check at most "
        f"{max(each.took for each in load.probes):.2f} s"
    )
    assert {each.status for each in before} == {200}
    assert {each.status for each in during} <= {200, 503}
    assert away, "the outage was not noticed at all"
    assert {each.retry_after for each in away} == {"1"}
    # Longer only as far as the machine is busy with others.
    assert slowest <= LIMIT + 2 * busy
    assert last <= (ended if planned.lasts else began) + WHOLE + 2 * busy
    assert {each.status for each in load.probes} == {200}
    assert service.process.poll() is None
