"""What one process counts for Prometheus: requests by method, route template and status; no ids.

A registry belongs to one app, and so to one process; `scrape` adds up those of all processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from coworking.access import AccessKeys

# From an answer out of memory (half a millisecond) to the statement timeout (10 s).
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


class Metrics:
    """The counters of one app."""

    def __init__(self, keys: AccessKeys, *, build: str, commit: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "coworking_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "coworking_http_request_seconds",
            "Seconds from a request's arrival to its first byte.",
            ["route"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        Gauge("coworking_build", "Always 1.", ["build", "commit"], registry=self.registry).labels(
            build, commit
        ).set(1)
        self._gauge("door_open", "1 if the reports need no access key.", lambda: not keys.closed)
        self._gauge("access_keys_fault", "1 if the keys' files can't be used.", lambda: keys.fault)
        # Looking a label up costs as much as counting, so the series in use are remembered. They
        # are few: methods and routes are from lists, whatever a client sends.
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def watch(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Give a figure of this process at each scrape."""
        gauge = Gauge(f"coworking_{name}", help_text, registry=self.registry)
        gauge.set_function(value)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        key = (method if method in METHODS else "other", route, status)
        series = self._series.get(key)
        if series is None:
            series = (self._requests.labels(*map(str, key)), self._seconds.labels(route))
            self._series[key] = series
        series[0].inc()
        series[1].observe(seconds)

    def _gauge(self, name: str, help_text: str, is_true: Callable[[], object]) -> None:
        """1 while something is true, at each scrape."""
        self.watch(name, help_text, lambda: float(bool(is_true())))
