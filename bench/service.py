"""The service beside the older one's way of asking, at ten thousand, a million and ten million.

    python -m bench.service --sizes 10000,1000000,10000000
    python -m bench.service --large     # a hundred million over ten years beside ten in one

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

from bench.counts import END, differing_ranges, engine_of, fold_seconds
from bench.load import Load, measure
from bench.results import FOLDER, Results, machine
from ci.local.postgres import USER, local_postgres
from coworking.access import new_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

PORT = 5193
KEY_FILE = (FOLDER / "access_key").absolute()
ADDRESS = f"http://127.0.0.1:{PORT}"
MEMBERS = 100_000
DAYS = 365
LARGE = 10  # times the tokens and the days of the largest, with --large
RANGES = 100  # of members, compared with the plain query
SMALL_RANGES = 10_000  # the same on the smallest database
CENTURY = "from=1926-01-01&to=2026-01-01"


class Route(NamedTuple):
    """A path to measure, for how long, and the environment its server runs with."""

    name: str
    path: str
    connections: int
    seconds: float = 4.0


class Sown(NamedTuple):
    """A database of so many tokens over so many days."""

    tokens: int
    days: int

    @property
    def name(self) -> str:
        """The database's name, and the key of its figures."""
        return f"bench_{self.tokens}" + ("" if self.days == DAYS else f"_{self.days}")


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
ONE = "SELECT 1, beside them"
OVERVIEWS = [
    Route(ONE, "/bench/select_1", 1),
    *(Route(f"overview, {zone}", f"/api/v1/overview?tz={zone}", 1) for zone in ZONES),
]
UNKEPT = [
    Route("daily_usage, asked every time", "/api/reports/daily_usage", 16),
    Route("checkins, uncached", "/api/v1/checkins", 1),
    Route("heatmap, uncached", "/api/v1/heatmap", 1),
    *OVERVIEWS,
    Route("overview of 365 days", "/api/v1/overview?from=2025-01-01&to=2026-01-01", 1),
    Route("overview of 100 years", f"/api/v1/overview?{CENTURY}", 1),
    Route("checkins of 100 years", f"/api/v1/checkins?{CENTURY}&by=month", 1),
    Route("heatmap of 100 years", f"/api/v1/heatmap?{CENTURY}", 1),
]
# With an access key, which only this list needs.
LISTED = [
    Route("SELECT 1, with a key", "/bench/select_1", 1),
    Route("members not seen, first page", "/api/v1/members?list=not-seen", 1),
    Route("members who never came, first page", "/api/v1/members?list=never-came", 1),
]
OLD = [
    Route("old daily_usage", "/bench/old/daily_usage", 16, 20.0),
    Route("old user_visits", "/bench/old/user_visits", 16, 20.0),
]
RUNS_OF_LARGE = [({"REPORT_KEEP_MB": "0"}, OVERVIEWS)]
RUNS: list[tuple[dict[str, str], list[Route]]] = [
    ({}, EXACT),
    ({"REPORT_MAX_AGE": "1"}, AGED),
    ({"REPORT_KEEP_MB": "0"}, UNKEPT),
    ({"REPORT_KEEP_MB": "0", "ACCESS_KEY_FILE": str(KEY_FILE)}, LISTED),
    ({}, OLD),
]


@click.command()
@click.option("--sizes", default="10000,1000000,10000000", help="Tokens in each database.")
@click.option(
    "--large",
    is_flag=True,
    help=f"Only the overview, at the largest size and at {LARGE} times its tokens and days.",
)
def main(sizes: str, large: bool) -> None:
    """Measure the service's promises about speed and memory."""
    made = [Sown(int(size), DAYS) for size in sizes.split(",")]
    runs = RUNS
    if large:
        made = [made[-1], Sown(made[-1].tokens * LARGE, DAYS * LARGE)]
        runs = RUNS_OF_LARGE
    results = Results("service-large" if large else "service")
    click.echo(f"  {machine()}")
    KEY_FILE.parent.mkdir(parents=True, exist_ok=True)
    KEY_FILE.write_text(new_key())
    for size in made:
        with local_postgres((FOLDER / "postgres").resolve(), size.name) as host:
            results.figures[size.name] = _figures(host, size, runs)
            if not large and size in (made[0], made[-1]):
                _count(results, engine_of(host, size.name), size, last=size is made[-1])
    if len(made) > 1:
        compare = _compare_large if large else _compare
        compare(results, *(results.figures[size.name] for size in (made[0], made[-1])))
    sys.exit(0 if results.finish() else 1)


def _figures(
    host: Path, size: Sown, runs: list[tuple[dict[str, str], list[Route]]]
) -> dict[str, dict[str, float]]:
    environment = os.environ | {
        "DB_HOST": str(host), "DB_NAME": size.name, "DB_USERNAME": USER, "DB_PORT": "5432",
        "APP_PORT": str(PORT), "DRAIN_SECONDS": "0", "DB_STATEMENT_TIMEOUT": "120",
        "LOG_LEVEL": "WARNING", "METRICS_PORT": str(PORT + 1),
    }  # fmt: skip
    _prepare(environment, size)
    click.echo(f"\n  {size.tokens:,} tokens" + " " * 31 + "requests/s    p50 ms   MiB  errors")
    return {
        name: figures
        for settings, routes in runs
        for name, figures in _measured(environment | settings, routes)
    }


def _count(results: Results, engine: Engine, size: Sown, *, last: bool) -> None:
    """Compare counts of members with the plain query, and time the fold on the largest database."""
    ranges = RANGES if last else SMALL_RANGES
    wrong = differing_ranges(engine, ranges, size.days)
    sentence = f"of {ranges:,} ranges, those whose members differ, {size.tokens:,} tokens"
    results.promise(sentence, wrong, "<=", 0)
    if last:
        results.promise("fold of 10,000 changes, s", fold_seconds(engine), "<=", 1)


def _prepare(environment: dict[str, str], size: Sown) -> None:
    members = str(min(MEMBERS, max(10, size.tokens // 10)))
    tokens, days = str(size.tokens), str(size.days)
    began = time.monotonic()
    for arguments in (
        ["migrate"],
        [
            *("seed", "--if-empty", "--users", members, "--tokens", tokens, "--days", days),
            *("--end", str(END)),
        ],
        ["fold"],
    ):
        subprocess.run(
            [sys.executable, "-m", "coworking", *arguments],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    click.echo(f"\n  {size.tokens:,} tokens made in {time.monotonic() - began:.1f} s")


def _measured(
    environment: dict[str, str], routes: list[Route]
) -> Iterator[tuple[str, dict[str, float]]]:
    headers = {}
    if "ACCESS_KEY_FILE" in environment:
        headers["Authorization"] = f"Bearer {KEY_FILE.read_text()}"
    with _server(environment) as process:
        for route in routes:
            # Connections, plans and caches are warm.
            requests.get(ADDRESS + route.path, timeout=120, headers=headers)
            with _largest(process) as memory:
                load = measure(
                    ADDRESS + route.path,
                    connections=route.connections,
                    seconds=route.seconds,
                    headers=headers,
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
        deadline = time.monotonic() + 120
        while True:
            if time.monotonic() > deadline:
                raise TimeoutError("the service was not ready after 120 s")
            with contextlib.suppress(requests.RequestException):
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


Figures = dict[str, dict[str, float]]


def _compare(results: Results, small: Figures, large: Figures) -> None:
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
    _compare_with_select_1(results, large)
    promise("answers that failed", sum(each["errors"] for each in large.values()), "<=", 0)
    promise("noise: constant route, last / first", min(constants) / max(constants), ">=", 0.7)


def _compare_with_select_1(results: Results, large: Figures) -> None:
    """What an answer costs, as a multiple of the route that only asks SELECT 1."""
    limits = {"checkins, uncached": 15, "heatmap, uncached": 15}
    limits |= {f"overview, {zone}": 12 if zone == "UTC" else 40 for zone in ZONES}
    limits |= {f"{report} of 100 years": 100 for report in ("overview", "checkins", "heatmap")}
    limits |= {route.name: 50 for route in LISTED[1:]}
    for name, limit in limits.items():
        one = LISTED[0].name if name.startswith("members") else ONE
        ratio = large[name]["p50_ms"] / large[one]["p50_ms"]
        results.promise(f"{name}: p50 / SELECT 1 route's", ratio, "<=", limit)


def _compare_large(results: Results, usual: Figures, large: Figures) -> None:
    """The overview costs no more with ten times the tokens, at the same check-ins a day."""
    for zone in ZONES:
        ratios = [
            each[f"overview, {zone}"]["p50_ms"] / each[ONE]["p50_ms"] for each in (usual, large)
        ]
        results.promise(
            f"overview, {zone}: multiple of SELECT 1, large / usual",
            ratios[1] / ratios[0],
            "<=",
            1.3,
        )


if __name__ == "__main__":
    main()
