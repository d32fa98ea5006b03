"""Probes and short reports beside clients that ask for much, and then for much of the same.

    python -m bench.greedy --tokens 1000000

Sixty clients ask for ranges of a hundred years, each another one; then two hundred for one view by
the hour. They are processes of their own. What is watched is asked every 50 ms, as a probe does, by
a new connection.
"""

from __future__ import annotations

import http.client
import itertools
import multiprocessing
import os
import statistics
import sys
import threading
import time
from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

import click

from bench.results import FOLDER, Results, machine
from bench.service import DAYS, PORT, Sown, _prepare, _server
from ci.local.postgres import USER, local_postgres

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.queues import Queue

PROBES = ("/health_check", "/readiness_check")
SHORT = ("/api/reports/daily_usage", "/api/v1/checkins")
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Africa/Casablanca")
CENTURIES = [
    f"/api/v1/{report}?tz={zone}&from={first}&to={first.replace(year=first.year + 100)}"
    for report, zone in itertools.product(("overview", "heatmap"), ZONES)
    for first in (date(1926, 1, 2) + timedelta(days=n) for n in range(60))
]
HOURLY = ["/?from=2025-11-01&through=2025-12-10&by=hour"]


class Greed(NamedTuple):
    """Clients in number, what they ask in turn, and megabytes of answers that the service keeps."""

    clients: int
    paths: Sequence[str]
    keep: int


GREED = {
    "60 clients with 100 years": Greed(60, CENTURIES, 0),
    "200 clients with one hourly view": Greed(200, HOURLY, 24),
}


def ask(path: str, connection: http.client.HTTPConnection) -> str:
    """How a request ended: "200", "503" with Retry-After, or what must not be."""
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return type(error).__name__
    silent = answer.status == 503 and "Retry-After" not in answer.headers
    return f"{answer.status}{' without Retry-After' if silent else ''}"


def be_greedy(greed: Greed, seconds: float, outcomes: Queue[Counter[str]]) -> None:
    """Ask over kept connections for so long, and say how the requests ended."""
    until, found = time.monotonic() + seconds, Counter[str]()

    def work(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        for turn in itertools.count(number):
            if time.monotonic() > until:
                break
            found[ask(greed.paths[turn % len(greed.paths)], connection)] += 1
        connection.close()

    workers = [threading.Thread(target=work, args=(7 * n,)) for n in range(greed.clients)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    outcomes.put(found)


def watched(path: str, seconds: float) -> tuple[float, Counter[str]]:
    """The 99th percentile of its answers' milliseconds, and how they ended."""
    took, found, until = [], Counter[str](), time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        found[ask(path, connection)] += 1
        connection.close()
        took.append(1000 * (time.monotonic() - began))
        time.sleep(0.05)
    return statistics.quantiles(took, n=100)[98] if len(took) > 1 else took[0], found


def beside(greed: Greed | None, seconds: float) -> tuple[dict[str, float], Counter[str]]:
    """What is watched, beside these clients or alone: p99 by path, and all outcomes together."""
    outcomes: Queue[Counter[str]] = multiprocessing.Queue()
    process = None
    if greed is not None:
        process = multiprocessing.Process(target=be_greedy, args=(greed, seconds + 1, outcomes))
        process.start()
        time.sleep(0.5)
    p99: dict[str, float] = {}
    ended = Counter[str]()

    def watch(path: str) -> None:
        p99[path], found = watched(path, seconds)
        ended.update(found)

    watchers = [threading.Thread(target=watch, args=(path,)) for path in (*PROBES, *SHORT)]
    for each in watchers:
        each.start()
    for each in watchers:
        each.join()
    if process is not None:
        ended += outcomes.get(timeout=60)
        process.join()
    return p99, ended


@click.command()
@click.option("--tokens", default=1_000_000, help="Tokens in the database.")
@click.option("--seconds", default=10.0, help="How long each kind of client asks.")
def main(tokens: int, seconds: float) -> None:
    """Measure how the service answers others while some ask for much."""
    results = Results("greedy")
    click.echo(f"  {machine()}")
    size = Sown(tokens, DAYS)
    with local_postgres((FOLDER / "postgres").resolve(), size.name) as host:
        environment = os.environ | {
            "DB_HOST": str(host), "DB_NAME": size.name, "DB_USERNAME": USER, "DB_PORT": "5432",
            "APP_PORT": str(PORT), "DRAIN_SECONDS": "0", "LOG_LEVEL": "WARNING",
            "METRICS_PORT": str(PORT + 1),
        }  # fmt: skip
        _prepare(environment, size)
        for kind, greed in GREED.items():
            with _server(environment | {"REPORT_KEEP_MB": str(greed.keep)}):
                alone, _ = beside(None, seconds / 2)
                p99, ended = beside(greed, seconds)
            _judge(results, kind, alone, p99, ended)
    sys.exit(0 if results.finish() else 1)


def _judge(
    results: Results,
    kind: str,
    alone: dict[str, float],
    p99: dict[str, float],
    ended: Counter[str],
) -> None:
    click.echo(f"\n  {kind}: {dict(ended)}\n    {'p99 in ms':<34}{'alone':>8}{'beside':>8}")
    for path, value in p99.items():
        click.echo(f"    {path:<34}{alone[path]:>8.0f}{value:>8.0f}")
    results.figures[kind] = {"alone": alone, "beside": p99, "outcomes": ended}
    for path in PROBES:
        more = p99[path] - alone[path]
        results.promise(f"{path} p99 beside {kind}, ms more than alone", more, "<=", 200)
    for path in SHORT:
        results.promise(f"{path} p99 beside {kind}, ms", p99[path], "<=", 1000)
    wrong = ended.total() - ended["200"] - ended["503"]
    results.promise(f"answers beside {kind} that are neither 200 nor 503", wrong, "<=", 0)


if __name__ == "__main__":
    main()
