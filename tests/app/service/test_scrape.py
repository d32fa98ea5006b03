"""METRICS_PORT: one port with the figures of all processes, and nothing else."""

from __future__ import annotations

import json
import signal
import socket
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from coworking.scrape import added

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPORT = "/api/reports/daily_usage"


@pytest.fixture(scope="module")
def two(serve_all: Callable[..., Any], reused_databases: Any) -> Iterator[Any]:
    """A service of two processes that only this file asks."""
    with reused_databases.lend(18) as database:
        yield serve_all(database, WEB_PROCESSES="2")


def samples(service: Any) -> dict[tuple[str, tuple[str, ...]], float]:
    """What a scrape finds, by name and the labels' values."""
    answer = requests.get(service.metrics, timeout=10)
    assert answer.status_code == 200
    return {
        (each.name, tuple(each.labels.values())): each.value
        for family in text_string_to_metric_families(answer.text)
        for each in family.samples
    }


def test_requests_to_all_processes_are_one_sum(two: Any) -> None:
    """Each process answered for itself, whichever got the connection."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: two.get(REPORT), range(60)))
    for _ in range(5):
        found = samples(two)
        assert found["coworking_http_requests_total", ("GET", REPORT, "200")] == 60
        assert found["coworking_http_request_seconds_count", (REPORT,)] == 60


def test_memory_is_that_of_all_processes_together(two: Any) -> None:
    parent = psutil.Process(two.process.pid)
    together = sum(each.memory_info().rss for each in (parent, *parent.children()))
    measured = samples(two)["process_resident_memory_bytes", ()]
    assert measured == pytest.approx(together, rel=0.2)


def test_a_gauge_that_is_no_amount_is_not_added_up(two: Any) -> None:
    assert samples(two)["coworking_build", ("dev", "unknown")] == 1


def test_the_port_has_nothing_else(two: Any) -> None:
    for path in ("/", "/health_check", REPORT, "/metrics/", "/%2e%2e/metrics"):
        answer = requests.get(two.metrics.removesuffix("/metrics") + path, timeout=10)
        assert (path, answer.status_code) == (path, 404)
        assert answer.text == "Not found. This port answers /metrics alone.\n"
    assert requests.post(two.metrics, timeout=10).status_code == 501


def test_a_head_has_no_body(two: Any) -> None:
    answer = requests.head(two.metrics, timeout=10)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")


def test_the_public_port_has_no_metrics(two: Any) -> None:
    assert two.get("/metrics").status_code == 404


@pytest.mark.thorough
def test_figures_without_a_process_are_refused_and_not_a_smaller_sum(
    serve: Callable[..., Any], database: Any
) -> None:
    """A sum that falls looks like a restart, and a rate would jump."""
    service = serve(database, WEB_PROCESSES="2")
    stopped = psutil.Process(service.process.pid).children()[0]
    stopped.suspend()
    try:
        answer = requests.get(service.metrics, timeout=20)
        assert answer.status_code == 503
        assert f"process {stopped.pid} gave no figures: timed out" in answer.text
    finally:
        stopped.resume()
    assert samples(service)["coworking_build", ("dev", "unknown")] == 1
    assert all(json.loads(line) for line in service.logged().splitlines())


@pytest.mark.thorough
def test_metrics_are_answered_while_the_service_drains(
    serve: Callable[..., Any], database: Any
) -> None:
    service = serve(database, DRAIN_SECONDS="1")
    service.process.send_signal(signal.SIGTERM)
    while service.get("/readiness_check").status_code != 503:
        pass
    assert requests.get(service.metrics, timeout=10).status_code == 200
    assert service.process.wait(timeout=10) == 0


def test_nothing_is_left_in_the_folder_for_temporary_files(
    serve: Callable[..., Any], database: Any
) -> None:
    with tempfile.TemporaryDirectory() as place:
        _leaves_nothing(serve(database, TMPDIR=place), Path(place))


def _leaves_nothing(service: Any, place: Path) -> None:
    (folder,) = place.glob("coworking-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert service.stop(signal.SIGINT) == 0
    assert list(place.glob("coworking-*")) == []


def test_a_folder_with_too_long_a_name_is_a_sentence(
    serve: Callable[..., Any], database: Any, tmp_path: Path
) -> None:
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    service = serve(database, ready=False, TMPDIR=str(folder))
    assert service.process.wait(timeout=10) == 1
    assert "has too long a name for the sockets in it\nSet TMPDIR to a folder" in service.logged()


def test_a_taken_port_is_a_sentence_that_names_its_setting(
    serve: Callable[..., Any], database: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service = serve(database, ready=False, METRICS_PORT=str(port))
        assert service.process.wait(timeout=10) == 1
    assert service.logged().endswith(
        f"error: 127.0.0.1:{port} can't be listened on: Address already in use\n"
        "Stop what listens there, or set APP_HOST and METRICS_PORT to another address.\n"
    )


def test_histograms_are_added_and_the_first_creation_counts() -> None:
    def process(count: float, created: float) -> list[Any]:
        found = [
            ("seconds_bucket", {"le": "+Inf"}, count),
            ("seconds_created", {}, created),
        ]
        return [
            ("seconds", "help", "histogram", found),
            ("age", "help", "gauge", [("age", {}, count)]),
        ]

    families = added([process(3, 20), process(4, 10)])
    assert {each.name: each.value for family in families for each in family.samples} == {
        "seconds_bucket": 7,
        "seconds_created": 10,
        "age": 4,
    }
