"""`coworking serve` as a process: its stop, its limits, what it refuses."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil
import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPORT = "/api/reports/daily_usage"


MEMBERS = 100_000
MANY = (
    f"""INSERT INTO users (id, first_name, last_name, joined_at)
        SELECT n, 'a', 'b', '2023-01-05' FROM generate_series(1, {MEMBERS}) AS n""",
    f"""INSERT INTO tokens (user_id, token, created_at)
        SELECT n, '000001', '2023-02-07' FROM generate_series(1, {MEMBERS}) AS n""",
)


@pytest.fixture(scope="module")
def crowd(reused_databases: Any) -> Iterator[Any]:
    """A database with as many members as are promised to be no trouble."""
    with reused_databases.lend(18) as database:
        database.execute(*MANY)
        yield database


@pytest.fixture(scope="module")
def crowded(serve_all: Callable[..., Any], crowd: Any) -> Any:
    """The service on it, as it is without settings."""
    return serve_all(crowd, cold=True)


class Ended(NamedTuple):
    """What was seen of a service from its start to its end by SIGINT."""

    statuses: set[int]
    processes: int
    status: int
    seconds: float
    log: str
    password: str


@pytest.fixture(scope="module")
def ended(serve_all: Callable[..., Any], reused_databases: Any) -> Ended:
    """A run with a setting that is none, two processes, a long drain and all it can log."""
    settings = {"DB_USER": "typo", "WEB_PROCESSES": "2", "DRAIN_SECONDS": "10"}
    with reused_databases.lend(18) as database:
        service = serve_all(database, cold=True, LOG_LEVEL="DEBUG", **settings)
        processes = len(psutil.Process(service.process.pid).children())
        service.get("/nowhere?password=" + database.password)
        statuses = {service.get(REPORT).status_code for _ in range(20)}
        began = time.monotonic()
        status = service.stop(signal.SIGINT)
        seconds = time.monotonic() - began
        log = service.logged()
        return Ended(statuses, processes, status, seconds, log, database.password)


@pytest.mark.slow
def test_sigint_ends_it_without_the_drain(ended: Ended) -> None:
    assert ended.status == 0
    assert ended.seconds < 5


def test_several_processes_serve_one_port(ended: Ended) -> None:
    assert ended.processes == 2
    assert ended.statuses == {200}


def test_every_line_of_its_output_is_json_and_none_has_the_password(ended: Ended) -> None:
    messages = [json.loads(line)["message"] for line in ended.log.splitlines()]
    assert "DB_USER is not a setting; did you mean DB_USERNAME?" in messages
    assert {"starting", "request", "stopping", "stopped"} <= set(messages)
    assert ended.password not in ended.log


@pytest.mark.slow
def test_sigterm_drains_closes_kept_connections_and_ends_with_0(
    serve: Callable[..., Any], database: Any
) -> None:
    """A client that keeps its connection would otherwise stay with a process that is leaving."""
    service = serve(database, cold=True, DRAIN_SECONDS="1")
    with requests.Session() as session:
        assert "close" not in session.get(service.address + REPORT).headers.get("Connection", "")
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        while service.get("/readiness_check").status_code != 503:
            assert time.monotonic() - began < 0.9
        assert service.get(REPORT).status_code == 200  # on a new connection: the listener is open
        assert session.get(service.address + REPORT).headers["Connection"] == "close"
    assert service.process.wait(timeout=10) == 0
    assert time.monotonic() - began >= 1
    with pytest.raises(requests.ConnectionError):
        service.get(REPORT)


def has_ended(process: psutil.Process) -> bool:
    """Whether it is gone, or is a zombie: in some containers nobody reaps orphans."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_a_second_signal_ends_it_at_once(
    serve: Callable[..., Any], database: Any, wait: Callable[..., None]
) -> None:
    service = serve(database, DRAIN_SECONDS="30")
    children = psutil.Process(service.process.pid).children()
    service.process.send_signal(signal.SIGTERM)
    while service.get("/readiness_check").status_code != 503:
        pass
    assert service.stop(signal.SIGTERM) == 128 + signal.SIGTERM
    wait(lambda: all(map(has_ended, children)), "end of the workers")


def test_a_request_under_way_is_answered(
    serve: Callable[..., Any], database: Any, wait: Callable[..., None]
) -> None:
    """It waits for a lock in the database when the signal comes, and gets its answer after it."""
    service = serve(database, DRAIN_SECONDS="0")
    blocker = database.connect()
    blocker.autocommit = False
    with blocker.cursor() as cursor:
        cursor.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(service.get, "/api/reports/user_visits")
        wait(
            lambda: database.rows("SELECT 1 FROM pg_locks WHERE NOT granted"),
            "request that waits for the lock",
        )
        service.process.send_signal(signal.SIGTERM)
        wait(lambda: refuses(service), "closed listener")
        blocker.commit()
        assert (answer.result().status_code, answer.result().text) == (200, "{}\n")
    blocker.close()
    assert service.process.wait(timeout=10) == 0


def test_a_worker_does_not_outlive_its_parent(
    serve: Callable[..., Any], database: Any, wait: Callable[..., None]
) -> None:
    service = serve(database)
    children = psutil.Process(service.process.pid).children()
    service.process.kill()
    wait(lambda: all(map(has_ended, children)), "end of the workers")


def test_a_worker_that_dies_ends_the_service_with_1(
    serve: Callable[..., Any], database: Any
) -> None:
    service = serve(database)
    psutil.Process(service.process.pid).children()[0].kill()
    assert service.process.wait(timeout=10) == 1


def test_it_stays_up_without_a_database_and_says_so(
    serve: Callable[..., Any], database: Any, wait: Callable[..., None]
) -> None:
    service = serve(database, ready=False, DB_PORT="1")
    wait(lambda: not refuses(service), "open listener")
    assert service.get("/health_check").text == "ok"
    assert service.get("/readiness_check").status_code == 503
    assert service.get("/").status_code == 503
    assert service.stop(signal.SIGINT) == 0


def test_a_port_that_is_taken_is_said_in_a_line(serve: Callable[..., Any], database: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        service = serve(database, ready=False, APP_PORT=port)
        assert service.process.wait(timeout=10) == 1
    assert "Traceback" not in service.logged()
    assert "can't be listened on" in service.logged()


@pytest.mark.slow
def test_hostile_bytes_do_no_harm(crowded: Any) -> None:
    port = int(crowded.address.rpartition(":")[2])
    for sent, expected in (
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n", b"HTTP/1.1 4"),
        (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 4"),
        (b"\x16\x03\x01 this is no HTTP\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET /%ff%00/../%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 404"),
        (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 405"),
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            try:
                connection.sendall(sent)
                answer = connection.recv(65536)
            except (ConnectionResetError, BrokenPipeError):
                answer = expected  # it hung up before the end of what it would not take
        assert answer.startswith(expected), sent[:40]
        assert b"Traceback" not in answer
    assert crowded.get("/health_check").text == "ok"


def refuses(service: Any) -> bool:
    port = int(service.address.rpartition(":")[2])
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


def slow_reader(port: int, path: str) -> socket.socket:
    """A client that asks and then reads nothing."""
    connection = socket.socket()
    # Else the kernel alone would take all of the answer.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


@contextlib.contextmanager
def probed(service: Any) -> Iterator[None]:
    """Ask for its health each half second meanwhile, as the kubelet does all the time.

    granian decides about another thread when a request comes. One that comes in the instant in
    which the last idle thread takes another request waits until the next request, or that thread.
    """
    stopped = threading.Event()

    def probe() -> None:
        while not stopped.wait(0.5):
            with contextlib.suppress(requests.Timeout):
                service.get("/health_check", timeout=2)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@pytest.mark.slow
def test_clients_that_read_slowly_stop_nobody_else(
    serve: Callable[..., Any], crowd: Any, wait: Callable[..., None]
) -> None:
    """Each keeps a thread until it has read all, or goes away."""
    # Kept for a while: what others write to the same server must not make it build another.
    service = serve(crowd, WEB_THREADS="4", REPORT_MAX_AGE="60")
    path = "/api/reports/user_visits"
    port = int(service.address.rpartition(":")[2])
    slow: list[socket.socket] = []

    def refuses_one_more() -> bool:
        slow.append(slow_reader(port, path))
        return bool(service.get(path).status_code == 503)

    with probed(service):
        wait(refuses_one_more, "refusal of one more")
        assert service.get("/health_check", timeout=2).text == "ok"
        assert service.get(REPORT, timeout=2).status_code == 200
        for connection in slow:
            connection.close()
        wait(lambda: service.get(path).status_code == 200, "freed place")


def test_memory_stays_small(crowded: Any) -> None:
    with ThreadPoolExecutor(16) as pool:
        sizes = list(
            pool.map(lambda _: len(crowded.get("/api/reports/user_visits").content), range(32))
        )
    assert set(sizes) == {sizes[0]}
    assert sizes[0] > 5_000_000
    parent = psutil.Process(crowded.process.pid)
    tree = [parent, *parent.children()]
    assert max(process.memory_info().rss for process in tree) < 150e6
