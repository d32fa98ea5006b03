"""GET /metrics on METRICS_PORT: the figures of all processes of one service, added up.

A worker counts in its own memory, which costs a request nothing, and gives its figures to whoever
connects to its Unix socket. The parent serves the port: at each scrape it asks every worker. A
worker that doesn't answer fails the scrape, because a sum without it would look like a restart.

    folder = Path(tempfile.mkdtemp())
    share(metrics.registry, folder)                         # in each worker
    Scrape("127.0.0.1", 9153, folder, workers=2).start()    # in the parent
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from coworking import logs
from coworking.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

PATH = "/metrics"
TEXT = "text/plain; charset=utf-8"
WORKER_PATIENCE = 2.0  # seconds in which a worker gives its figures
CLIENT_PATIENCE = 5.0  # seconds in which a client sends its request
# Gauges of which a service has as much as its processes together; of others the largest counts.
ADDED = frozenset(
    {
        *("process_virtual_memory_bytes", "process_resident_memory_bytes", "process_open_fds"),
        *("coworking_builds", "coworking_kept_answers", "coworking_kept_bytes"),
    }
)


class WorkerSilent(ServiceError):  # noqa: N818 (a state, and it passes)
    """A worker gave no figures, so there is no sum."""


def share(registry: CollectorRegistry, folder: Path) -> None:
    """Give this process's figures to whoever connects to its socket in `folder`, from now on."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / str(os.getpid())))
    listener.listen()
    threading.Thread(target=_give, args=(listener, registry), name="figures", daemon=True).start()


def _give(listener: socket.socket, registry: CollectorRegistry) -> None:
    while True:
        with contextlib.suppress(OSError):  # whoever asked has gone away
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(WORKER_PATIENCE)
                connection.sendall(json.dumps(_plain(registry.collect())).encode())


def _plain(families: Iterable[Metric]) -> list[Any]:
    """Families as JSON has them: name, help, type, and (name, labels, value) of each sample."""
    return [
        (
            each.name,
            each.documentation,
            each.type,
            [(sample.name, sample.labels, sample.value) for sample in each.samples],
        )
        for each in families
    ]


class Workers(Collector):
    """The sum of what the workers and this process count.

    Args:
        folder: where the workers' sockets are.
        workers: how many there must be.
    """

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder = folder
        self._workers = workers
        self._own = CollectorRegistry()
        ProcessCollector(registry=self._own)
        PlatformCollector(registry=self._own)

    def collect(self) -> Iterable[Metric]:
        """Ask every worker, one after the other.

        Raises:
            WorkerSilent: one of them did not answer.
        """
        answers = [_ask(path) for path in sorted(self._folder.iterdir())]
        found = [each for each in answers if each is not None]
        if len(found) != self._workers:
            raise WorkerSilent(f"{len(found)} of {self._workers} processes gave their figures")
        return added([*found, _plain(self._own.collect())])


def _ask(path: Path) -> list[Any] | None:
    """A worker's figures; None if it has ended.

    Raises:
        WorkerSilent: it takes too long.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(WORKER_PATIENCE)
        try:
            connection.connect(str(path))
            with connection.makefile("rb") as answer:
                plain: list[Any] = json.load(answer)
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return None
        except (OSError, ValueError) as error:
            raise WorkerSilent(f"process {path.name} gave no figures: {error}") from None
        return plain


def added(processes: Iterable[list[Any]]) -> list[Metric]:
    """One family of each name, its samples added up over the processes.

    Counters and histograms are sums, and so are the gauges of ADDED; of other gauges the largest
    counts, and of a moment of creation the first.
    """
    sums: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    families: dict[str, Metric] = {}
    for process in processes:
        for name, documentation, kind, samples in process:
            families.setdefault(name, Metric(name, documentation, kind))
            values = sums.setdefault(name, {})
            join = _joined(name, kind)
            for sample, labels, value in samples:
                key = (sample, tuple(labels.items()))
                both = min if sample.endswith("_created") else join
                values[key] = both((values[key], value)) if key in values else value
    for name, values in sums.items():
        for (sample, labels), value in values.items():
            families[name].add_sample(sample, dict(labels), value)
    return list(families.values())


def _joined(name: str, kind: str) -> Callable[[tuple[float, float]], float]:
    return sum if kind in ("counter", "histogram") or name in ADDED else max


class Scrape(ThreadingHTTPServer):
    """The port's server; it listens from its making on, and answers after `start`.

    Args:
        host: the address to listen on.
        port: its port.
        folder: where the workers' sockets are.
        workers: how many there are.
        own: more figures of this process.

    Raises:
        OSError: the address can't be listened on.
    """

    daemon_threads = True

    def __init__(
        self, host: str, port: int, folder: Path, *, workers: int, own: Collector | None = None
    ) -> None:
        self.registry = CollectorRegistry()
        if own is not None:
            self.registry.register(own)
        self.registry.register(Workers(folder, workers))
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def start(self) -> None:
        """Answer from now on, in a thread."""
        threading.Thread(target=self.serve_forever, name="metrics", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    """GET and HEAD of PATH; this port has nothing else."""

    server: Scrape
    timeout = CLIENT_PATIENCE
    server_version = "coworking"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != PATH:
            self._answer(404, TEXT, b"Not found. This port answers /metrics alone.\n")
            return
        try:
            figures = generate_latest(self.server.registry)
        except WorkerSilent as error:
            logs.warning("no figures", reason=str(error))
            self._answer(503, TEXT, f"{error}\n".encode())
            return
        self._answer(200, CONTENT_TYPE_LATEST, figures)

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the default's lines are not JSON."""
