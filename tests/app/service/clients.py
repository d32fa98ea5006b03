"""Clients that keep their connections open and count how each of their requests ends."""

from __future__ import annotations

import html
import http.client
import re
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CONNECTIONS = 16
REPORTS = ("/api/reports/daily_usage", "/api/v1/overview", "/api/reports/user_visits")


def ask(connection: http.client.HTTPConnection, path: str, key: str = "") -> str:
    """The status of an answer, or the error in its place; the connection stays usable."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return repr(error)
    if answer.status == 503 and "Retry-After" not in answer.headers:
        return "503 without Retry-After"
    return str(answer.status)


class Clients:
    """Clients of one port, at work as long as the block runs, and until `at_least` requests.

    Attributes:
        key: the access key that they send from now on; none is sent when it is empty.
        outcomes: how requests ended, a status or an error, and how often.
        sent: how many requests had which key.
    """

    def __init__(
        self,
        port: int,
        paths: Sequence[str],
        *,
        key: str = "",
        connections: int = CONNECTIONS,
        at_least: int = 0,
    ) -> None:
        self.key = key
        self.outcomes: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self._port = port
        self._paths = paths
        self._at_least = at_least
        self._enough = threading.Event()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(connections)
        self._connections = connections
        self._working: list[Future[None]] = []

    @property
    def total(self) -> int:
        """How many requests have ended."""
        return self.outcomes.total()

    def __enter__(self) -> Clients:
        self._working = [self._pool.submit(self._work) for _ in range(self._connections)]
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._at_least = 0  # a service that fell over would never give as many answers
        self._enough.set()
        for each in self._working:
            each.result()
        self._pool.shutdown()

    def _work(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        number = 0
        while not (self._enough.is_set() and self.total >= self._at_least):
            number += 1
            key = self.key
            outcome = ask(connection, self._paths[number % len(self._paths)], key)
            with self._lock:
                self.outcomes[outcome] += 1
                self.sent[key] += 1
        connection.close()


def words(text: str) -> str:
    """What a reader of the page reads: no tags, one blank between words."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())
