"""Load on one URL of this machine: wrk where it is installed, otherwise a client of our own.

>>> measure("http://127.0.0.1:5153/health_check", connections=16, seconds=3)  # doctest: +SKIP
Load(requests_per_second=12870.4, p50_ms=1.2, errors=0, client='wrk')
"""

from __future__ import annotations

import http.client
import shutil
import statistics
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

WRK_SCRIPT = Path(__file__).with_name("wrk.lua")


class Load(NamedTuple):
    """What a load saw: answers a second, the median latency in milliseconds, and the failures."""

    requests_per_second: float
    p50_ms: float
    errors: int
    client: str


def measure(
    url: str, *, connections: int, seconds: float, headers: Mapping[str, str] | None = None
) -> Load:
    """Ask for `url` over kept-alive connections for `seconds`, and count.

    An answer other than 2xx, or none, is an error. Only addresses of this machine are accepted.

    Raises:
        ValueError: the URL's host is not 127.0.0.1.
    """
    if urlsplit(url).hostname != "127.0.0.1":
        raise ValueError(f"load goes to 127.0.0.1 only, not to {url}")
    return (_wrk if shutil.which("wrk") else _threads)(url, connections, seconds, headers or {})


def _wrk(url: str, connections: int, seconds: float, headers: Mapping[str, str]) -> Load:
    done = subprocess.run(
        [
            *("wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"),
            *("--timeout=120s", "-s", str(WRK_SCRIPT), url),
            *(part for name, value in headers.items() for part in ("-H", f"{name}: {value}")),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    rate, p50, errors = done.stdout.strip().splitlines()[-1].split()
    return Load(float(rate), float(p50), int(errors), "wrk")


def _threads(url: str, connections: int, seconds: float, headers: Mapping[str, str]) -> Load:
    latencies: list[float] = []
    errors: list[str] = []
    began = time.perf_counter()
    workers = [
        threading.Thread(target=_ask, args=(url, headers, began + seconds, latencies, errors))
        for _ in range(connections)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    elapsed = time.perf_counter() - began
    p50 = statistics.median(latencies) * 1000 if latencies else float("nan")
    return Load(len(latencies) / elapsed, p50, len(errors), "http.client")


def _ask(
    url: str, headers: Mapping[str, str], until: float, latencies: list[float], errors: list[str]
) -> None:
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    while (asked := time.perf_counter()) < until:
        try:
            connection.request("GET", path, headers=dict(headers))
            answer = connection.getresponse()
            answer.read()
        except OSError as error:
            errors.append(str(error))
            connection.close()
            continue
        if answer.status >= 300:
            errors.append(str(answer.status))
        latencies.append(time.perf_counter() - asked)
    connection.close()
