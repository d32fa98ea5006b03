"""Refuses what would find no place, before the framework spends time on it.

Who is refused often asks again at once, and two hundred such clients would keep the process busy
with refusals alone: one made here takes 5 µs, and one made by a view 150 to 350.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from coworking.lanes import FULL
from coworking.web.door import may_enter
from coworking.web.pages import CONTENT_SECURITY_POLICY
from coworking.web.problems import PROBLEM_TYPE, RETRY_AFTER, problem_body
from coworking.web.sessions import has_session

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import WSGIEnvironment

    from werkzeug.routing import Rule

    from coworking.web import Services

ADDRESS = "coworking.address"  # what a request is counted under
CROWDED = "coworking.crowded"  # that a view has to refuse the request
STATUS = "503 SERVICE UNAVAILABLE"


class NoPlace(NamedTuple):
    """A refused request's answer, and why for the log."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes
    reason: str


class Full:
    """The refusals of one app.

    Args:
        services: its services.
        rules: its endpoints; those of a report or the dashboard take a place for every request.
    """

    def __init__(self, services: Services, rules: Iterable[Rule]) -> None:
        self._services = services
        placed = {each.rule for each in rules if takes_place(each)}
        # Kept answers that may be a little old are given without a place.
        self._paths = frozenset(placed if services.config.report_max_age == 0 else ())
        self._problem = problem_body(503, FULL).encode()
        self._inside: Counter[str] = Counter()
        self._counting = threading.Lock()

    def refusal(self, environ: WSGIEnvironment) -> NoPlace | None:
        """The answer to a request, if it would find no place; None if a view has to look at it."""
        if environ["PATH_INFO"] not in self._paths or environ["REQUEST_METHOD"] != "GET":
            return None
        if not self._services.lanes.full and self._entered(environ):
            return None
        environ[CROWDED] = True
        return self._refused(environ)

    def left(self, environ: WSGIEnvironment) -> None:
        """Note that a request which had no refusal has its answer."""
        address = environ.get(ADDRESS)
        if address is not None:
            with self._counting:
                self._inside[address] -= 1
                if not self._inside[address]:
                    del self._inside[address]

    def _entered(self, environ: WSGIEnvironment) -> bool:
        """Count a request as one of those for its address, if they are not too many."""
        address = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        with self._counting:
            if self._inside[address] >= self._services.lanes.most_of_one:
                return False
            self._inside[address] += 1
        environ[ADDRESS] = address
        return True

    def _refused(self, environ: WSGIEnvironment) -> NoPlace | None:
        of, path = self._services, environ["PATH_INFO"]
        closed = of.keys.closed
        if closed and not may_enter(of, environ):
            return None
        if path != "/":
            return NoPlace(STATUS, _headers(PROBLEM_TYPE, self._problem), self._problem, FULL)
        logged_in = closed and has_session(of, environ)
        page = of.refusals.get((environ["QUERY_STRING"], logged_in, FULL))
        if page is None:  # the view makes it, and keeps it for the next
            return None
        headers = _headers(page.content_type, page.text)
        headers.append(("Content-Security-Policy", CONTENT_SECURITY_POLICY))
        return NoPlace(STATUS, headers, page.text, FULL)


def takes_place(rule: Rule) -> bool:
    """Whether every request to an endpoint takes a place; the members' list needs a key first."""
    return rule.endpoint.partition(".")[0] in ("v1", "dashboard") and rule.endpoint != "v1.members"


def _headers(content_type: str, body: bytes) -> list[tuple[str, str]]:
    return [
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
        ("Retry-After", RETRY_AFTER),
        ("Cache-Control", "no-store"),
    ]
