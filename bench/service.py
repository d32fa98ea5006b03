"""The service beside the older one's way of asking, at ten thousand, a million and ten million.

    python -m bench.service --sizes 10000,1000000,10000000

Everything is measured in one run, on one server with one client, so that the ratios are of the same
machine in the same hour. The databases stay in .local/bench for the next run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import click
import psutil
import requests

from bench.load import Load, measure
from bench.results import FOLDER, Results, machine
from ci.local.postgres import USER, local_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT = 5193
ADDRESS = f"http://127.0.0.1:{PORT}"
MEMBERS = 100_000


class Route(NamedTuple):
    """A path to measure, for how long, and the environment its server runs with."""

    name: str
    path: str
    connections: int
    seconds: float = 4.0


# Whole hours, half hours, and a zone whose dates are nearly a day ahead.
ZONES = ("UTC", "Asia/Kolkata", "Pacific/Apia", "Asia/Kathmandu")
EXACT = [
    Route("constant, first", "/bench/constant", 16),
    Route("SELECT 1", "/bench/select_1", 16),
    Route("daily_usage, exact", "/api/reports/daily_usage", 16),
    Route("SELECT 1, again", "/bench/select_1", 16),
    Route("daily_usage, exact, again", "/api/reports/daily_usage", 16),
    Route("SELECT 1, one connection", "/bench/select_1", 1),
    Route("readiness, one connection", "/readiness_check", 1),
    Route("readiness", "/readiness_check", 16),
    Route("daily_usage, one connection", "/api/reports/daily_usage", 1),
    Route("user_visits", "/api/reports/user_visits", 16),
    Route("constant, last", "/bench/constant", 16),
]
AGED = [
    Route("constant, beside REPORT_MAX_AGE=1", "/bench/constant", 16),
    Route("daily_usage, REPORT_MAX_AGE=1", "/api/reports/daily_usage", 16),
]
UNKEPT = [
    Route("daily_usage, asked every time", "/api/reports/daily_usage", 16),
    Route("checkins, uncached", "/api/v1/checkins", 1),
    Route("heatmap, uncached", "/api/v1/heatmap", 1),
    Route("SELECT 1, beside them", "/bench/select_1", 1),
    *(Route(f"overview, {zone}", f"/api/v1/overview?tz={zone}", 1) for zone in ZONES),
    Route("overview of 365 days", "/api/v1/overview?from=2025-01-01&to=2026-01-01", 1),
]
OLD = [
    Route("old daily_usage", "/bench/old/daily_usage", 16, 20.0),
    Route("old user_visits", "/bench/old/user_visits", 16, 20.0),
]
RUNS: list[tuple[dict[str, str], list[Route]]] = [
    ({}, EXACT),
    ({"REPORT_MAX_AGE": "1"}, AGED),
    ({"REPORT_KEEP_MB": "0"}, UNKEPT),
    ({}, OLD),
]


@click.command()
@click.option("--sizes", default="10000,1000000,10000000", help="Tokens in each database.")
def main(sizes: str) -> None:
    """Measure the service's promises about speed and memory."""
    counts = [int(size) for size in sizes.split(",")]
    results = Results("service")
    click.echo(f"  {machine()}")
    data = (FOLDER / "postgres").resolve()
    for count in counts:
        name = f"bench_{count}"
        with local_postgres(data, name) as host:
            environment = os.environ | {
                "DB_HOST": str(host), "DB_NAME": name, "DB_USERNAME": USER, "DB_PORT": "5432",
                "APP_PORT": str(PORT), "DRAIN_SECONDS": "0", "DB_STATEMENT_TIMEOUT": "120",
                "LOG_LEVEL": "WARNING", "METRICS_PORT": str(PORT + 1),
            }  # fmt: skip
            _prepare(environment, count)
            click.echo(f"\n  {count:,} tokens" + " " * 31 + "requests/s    p50 ms   MiB  errors")
            results.figures[str(count)] = {
                name: figures
                for settings, routes in RUNS
                for name, figures in _measured(environment | settings, routes)
            }
    if len(counts) > 1:
        _compare(results, results.figures[str(counts[0])], results.figures[str(counts[-1])])
    sys.exit(0 if results.finish() else 1)


def _prepare(environment: dict[str, str], count: int) -> None:
    members = str(min(MEMBERS, max(10, count // 10)))
    began = time.monotonic()
    for arguments in (
        ["migrate"],
        ["seed", "--if-empty", "--users", members, "--tokens", str(count), "--end", "2026-01-01"],
        ["fold"],
    ):
        subprocess.run(
            [sys.executable, "-m", "coworking", *arguments],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    click.echo(f"\n  {count:,} tokens made in {time.monotonic() - began:.1f} s")


def _measured(
    environment: dict[str, str], routes: list[Route]
) -> Iterator[tuple[str, dict[str, float]]]:
    with _server(environment) as process:
        for route in routes:
            requests.get(
                ADDRESS + route.path, timeout=120
            )  # connections, plans and caches are warm
            with _largest(process) as memory:
                load = measure(
                    ADDRESS + route.path, connections=route.connections, seconds=route.seconds
                )
            yield route.name, _shown(route, load, memory[0])


def _shown(route: Route, load: Load, memory: float) -> dict[str, float]:
    click.echo(
        f"    {route.name:<42}{load.requests_per_second:>12,.1f}{load.p50_ms:>10,.2f}"
        f"{memory:>6,.0f}{load.errors:>8}"
    )
    return {
        "requests_per_second": load.requests_per_second,
        "p50_ms": load.p50_ms,
        "largest_process_mib": memory,
        "errors": load.errors,
    }


@contextlib.contextmanager
def _server(environment: dict[str, str]) -> Iterator[psutil.Process]:
    process = subprocess.Popen([sys.executable, "-m", "bench.server"], env=environment)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f"{ADDRESS}/readiness_check", timeout=5).ok:
                    break
            time.sleep(0.05)
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


@contextlib.contextmanager
def _largest(process: psutil.Process) -> Iterator[list[float]]:
    """Sample the resident memory of the server's processes; [0] is the largest one's, in MiB."""
    largest = [0.0]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.05):
            with contextlib.suppress(psutil.NoSuchProcess):
                for each in (process, *process.children(recursive=True)):
                    largest[0] = max(largest[0], each.memory_info().rss / 2**20)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield largest
    finally:
        done.set()
        sampler.join()


def _compare(
    results: Results, small: dict[str, dict[str, float]], large: dict[str, dict[str, float]]
) -> None:
    """The promises, of the largest database unless they compare it with the smallest."""

    def rate(*names: str) -> float:
        return sum(large[name]["requests_per_second"] for name in names) / len(names)

    def p50(name: str) -> float:
        return large[name]["p50_ms"]

    exact = rate("daily_usage, exact", "daily_usage, exact, again")
    select_1 = rate("SELECT 1", "SELECT 1, again")
    one = "daily_usage, one connection"
    aged = rate("daily_usage, REPORT_MAX_AGE=1") / rate("constant, beside REPORT_MAX_AGE=1")
    ready = p50("readiness, one connection") / p50("SELECT 1, one connection")
    memory = max(f["largest_process_mib"] for name, f in large.items() if "old" not in name)
    constants = (rate("constant, first"), rate("constant, last"))
    promise = results.promise
    promise("exact daily_usage / the old query's", exact / rate("old daily_usage"), ">=", 1000)
    promise("exact daily_usage / SELECT 1 route", exact / select_1, ">=", 0.9)
    promise("daily_usage with REPORT_MAX_AGE=1 / constant route", aged, ">=", 0.8)
    promise(
        "daily_usage p50 / its p50 on the small one", p50(one) / small[one]["p50_ms"], "<=", 1.3
    )
    promise("readiness p50 / SELECT 1 route's p50", ready, "<=", 1.5)
    promise("largest resident process, MiB", memory, "<=", 150)
    promise("checkins, uncached, p50 ms", p50("checkins, uncached"), "<=", 50)
    promise("heatmap, uncached, p50 ms", p50("heatmap, uncached"), "<=", 50)
    for zone in ZONES:
        overview = p50(f"overview, {zone}") / p50("SELECT 1, beside them")
        limit = 12 if zone == "UTC" else 40
        promise(f"overview p50 / SELECT 1 route's, {zone}", overview, "<=", limit)
    promise("noise: constant route, last / first", min(constants) / max(constants), ">=", 0.7)


if __name__ == "__main__":
    main()
