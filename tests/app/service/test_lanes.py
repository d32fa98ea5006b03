"""Clients that ask for much get 503 at once, and probes and short reports are answered."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import requests
from werkzeug.test import EnvironBuilder

from coworking.access import new_key
from coworking.app import create_app
from coworking.lanes import MOST_WORKERS, PATIENCE, Busy, Lanes
from coworking.web import EXTENSION, dashboard
from coworking.web.operations import BUSY_AGE
from tests.app.service.clients import Clients

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flask.testing import FlaskClient

    from coworking.config import Config
    from tests.app.service.conftest import Service

# The time limits of the probes in base/coworking/deployment.yaml, in seconds, and a report.
LIMITS = {"/health_check": 3, "/readiness_check": 2, "/api/reports/daily_usage": 2}
ROWS = """
    INSERT INTO users (first_name, last_name, joined_at)
    SELECT 'a', 'b', '2020-01-01' FROM generate_series(1, 200);
    INSERT INTO tokens (user_id, token, created_at, used_at)
    SELECT 1 + g % 200, 'x', t, t + interval '1 minute'
    FROM (SELECT g, timestamp '2023-01-01' + g * interval '20 minutes' AS t
          FROM generate_series(1, 50000) g) AS rows
"""
CENTURIES = [
    f"/api/v1/{report}?tz={zone}&from={first}&to={first.replace(year=first.year + 100)}"
    for number, (report, zone) in enumerate(
        (report, zone)
        for report in ("overview", "heatmap")
        for zone in ("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Africa/Casablanca")
    )
    for first in (date(1926, 1, 2) + timedelta(days=number + 8 * n) for n in range(7))
]
HOURLY = ["/?from=2024-03-01&to=2024-04-10&by=hour"]


@pytest.fixture
def make_client(configured: Callable[..., Config], database: Any) -> Iterator[Any]:
    """`make_client(REPORT_MAX_AGE="60")`: a client of an app with these settings."""
    apps = []

    def make_client(**settings: str) -> FlaskClient:
        apps.append(create_app(configured(database, **settings)))
        return apps[-1].test_client()

    yield make_client
    for each in apps:
        each.extensions[EXTENSION].close()


def slowest(service: Service, path: str, seconds: float) -> float:
    """Ask again and again, as a probe does; every answer must be 200."""
    longest, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        assert service.get(path, timeout=LIMITS[path]).status_code == 200, path
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.1)
    return longest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("paths", "connections", "kept"),
    [(CENTURIES, 60, "0"), (HOURLY, 200, "24")],
    ids=["centuries", "hourly"],
)
def test_greedy_clients_leave_the_probes_their_time(
    database: Any, serve: Callable[..., Service], paths: list[str], connections: int, kept: str
) -> None:
    database.execute(ROWS)
    service = serve(database, LOG_LEVEL="WARNING", REPORT_KEEP_MB=kept)
    port = int(service.address.rpartition(":")[2])

    with (
        Clients(port, paths, connections=connections) as clients,
        ThreadPoolExecutor(len(LIMITS)) as probes,
    ):
        for asked in [probes.submit(slowest, service, path, 2) for path in LIMITS]:
            asked.result()

    assert set(clients.outcomes) <= {"200", "503"}, clients.outcomes
    assert clients.outcomes["200"] > 0
    assert service.process.poll() is None


def test_who_finds_no_place_is_refused_at_once(client: FlaskClient, database: Any) -> None:
    lanes = client.application.extensions[EXTENSION].lanes
    with contextlib.ExitStack() as places:
        for _ in range(24):
            places.enter_context(lanes.place())
        began = time.monotonic()
        for path in ("/", "/api/v1/overview", "/api/v1/checkins", "/api/v1/heatmap"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1"), path
            assert "oo many reports are asked for at this moment" in answer.text
        assert time.monotonic() - began < PATIENCE
        for path in ("/health_check", "/readiness_check", "/api/reports/daily_usage"):
            assert client.get(path).status_code == 200, path
    assert client.get("/").status_code == 200


def full(lanes: Lanes) -> contextlib.ExitStack:
    """All places taken, for as long as the block."""
    places = contextlib.ExitStack()
    while not lanes.full:
        places.enter_context(lanes.place())
    return places


def test_a_refusal_needs_no_view_and_is_the_view_s_own(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refusals alone kept the process busy, and probes waited 0.8 s behind them."""
    app = client.application
    services = app.extensions[EXTENSION]
    paths = ("/", "/?by=week&tz=Europe/Berlin", "/api/v1/overview", "/api/v1/checkins?by=week")
    with full(services.lanes):
        seen = [client.get(path) for path in paths]
        monkeypatch.setattr(app.wsgi_app, "_app", None)
        again = [client.get(path) for path in paths]

    assert [(each.status_code, each.text) for each in again] == [(503, each.text) for each in seen]
    for one, other in zip(seen, again, strict=True):
        for name in ("Content-Type", "Retry-After", "Content-Security-Policy", "X-Frame-Options"):
            assert one.headers.get(name) == other.headers.get(name), name
        assert (other.headers["Cache-Control"], "X-Request-ID" in other.headers) == (
            "no-store",
            True,
        )
    value = services.metrics.registry.get_sample_value
    labels = {"method": "GET", "route": "/api/v1/overview", "status": "503"}
    assert value("coworking_http_requests_total", labels) == 2


def test_one_address_does_not_take_all_places(client: FlaskClient, database: Any) -> None:
    """Two hundred clients of one view took every place from the others."""
    app = client.application
    client.get("/")
    full_of = app.wsgi_app._full
    asked = [EnvironBuilder(path="/").get_environ() for _ in range(17)]

    assert [full_of.refusal(each) for each in asked[:16]] == [None] * 16
    assert [client.get("/").status_code for _ in range(2)] == [503, 503]
    assert client.get("/api/v1/overview").status_code == 200
    assert client.get("/?by=week").status_code == 200
    full_of.left(asked[0])
    assert [client.get("/").status_code for _ in range(20)] == [200] * 20
    for each in asked[1:16]:
        full_of.left(each)
    assert not full_of._inside


def test_what_needs_no_place_is_answered_while_all_are_taken(
    client: FlaskClient, database: Any
) -> None:
    with full(client.application.extensions[EXTENSION].lanes):
        found = {path: client.get(path).status_code for path in ("/version", "/api", "/nowhere")}
        found |= {"POST": client.post("/api/v1/overview").status_code}
        found |= {"members": client.get("/api/v1/members?list=not-seen").status_code}
    assert found == {"/version": 200, "/api": 404, "/nowhere": 404, "POST": 405, "members": 401}


def test_while_all_places_are_taken_a_stranger_is_still_one(
    make_client: Callable[..., FlaskClient], tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    key = new_key()
    keys.write_text(key)
    client = make_client(ACCESS_KEY_FILE=str(keys))
    with full(client.application.extensions[EXTENSION].lanes):
        for path in ("/", "/api/v1/overview"):
            assert client.get(path).status_code == 401
            wrong = {"Authorization": f"Bearer {new_key()}"}
            assert client.get(path, headers=wrong).status_code == 401
            for _ in range(2):
                right = {"Authorization": f"Bearer {key}"}
                assert client.get(path, headers=right).status_code == 503


def test_a_kept_answer_that_may_be_older_needs_no_place(
    make_client: Callable[..., FlaskClient],
) -> None:
    client = make_client(REPORT_MAX_AGE="60")
    shown = client.get("/api/v1/overview")
    with full(client.application.extensions[EXTENSION].lanes):
        assert client.get("/api/v1/overview").json == shown.json
        assert client.get("/api/v1/checkins").status_code == 503


def test_one_renders_a_page_for_those_who_ask_at_the_same_time(
    client: FlaskClient, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three rendered one page side by side, and each took three times as long."""
    made: list[float] = []
    make = dashboard._rendered

    def slowly(*asked: Any) -> Any:
        made.append(time.monotonic())
        time.sleep(0.2)
        return make(*asked)

    monkeypatch.setattr(dashboard, "_rendered", slowly)
    now = datetime.now(UTC)
    monkeypatch.setattr(dashboard, "datetime", SimpleNamespace(now=lambda _: now))
    app = client.application
    # However busy the machine is: nobody is refused for having waited.
    monkeypatch.setattr(app.extensions[EXTENSION].renders, "_within", 20.0)
    monkeypatch.setattr("coworking.lanes.PATIENCE", 20.0)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: app.test_client().get("/"), range(4)))

    assert [answer.status_code for answer in answers] == [200] * 4
    assert len(made) == 1


def test_while_half_of_the_places_are_taken_readiness_asks_the_database_less_often(
    client: FlaskClient, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = client.application.extensions[EXTENSION]
    asked: list[str] = []
    checks = services.freshness._checks
    ask = checks._ask
    monkeypatch.setattr(checks, "_ask", lambda: asked.append("once") or ask())
    for _ in range(3):
        client.get("/readiness_check")
    assert len(asked) == 3
    with contextlib.ExitStack() as places:
        for _ in range(12):
            assert not services.lanes.busy
            places.enter_context(services.lanes.place())
        assert services.lanes.busy
        began = time.monotonic()
        while time.monotonic() < began + 2 * BUSY_AGE:
            assert client.get("/readiness_check").status_code == 200
    assert 3 < len(asked) <= 6


def test_a_busy_page_does_not_blame_the_database(client: FlaskClient) -> None:
    lanes = client.application.extensions[EXTENSION].lanes
    with contextlib.ExitStack() as places:
        for _ in range(24):
            places.enter_context(lanes.place())
        page = client.get("/").text
    assert "Many people are reading them at this moment" in page
    assert "database" not in page


@pytest.mark.slow
def test_only_so_many_work_and_the_others_are_patient_once() -> None:
    lanes = Lanes(threads=32, pool=8)
    with contextlib.ExitStack() as turns:
        for _ in range(MOST_WORKERS):
            turns.enter_context(lanes.work(time.monotonic()))
        began = time.monotonic()
        with pytest.raises(Busy), lanes.work(began):
            pass
        assert PATIENCE <= time.monotonic() - began < PATIENCE + 0.4
        again = time.monotonic()
        with pytest.raises(Busy), lanes.work(began):
            pass
        assert time.monotonic() - again < PATIENCE / 2
    with lanes.work(time.monotonic()):
        pass


def test_the_smallest_process_has_a_place_and_a_turn() -> None:
    lanes = Lanes(threads=1, pool=1)
    with lanes.place(), lanes.work(time.monotonic()):
        pass


@pytest.mark.slow
def test_one_build_serves_all_who_ask_the_same(
    database: Any, serve: Callable[..., Service]
) -> None:
    """16 clients at once: the first builds, the others have its body; nobody is refused."""
    database.execute(ROWS)
    service = serve(database, LOG_LEVEL="WARNING")
    url = f"{service.address}/api/v1/overview?from=1926-01-01&to=2025-01-01"
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: requests.get(url, timeout=10), range(16)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1


@pytest.mark.slow
def test_one_page_is_rendered_for_all_who_ask_the_same_within_a_second(
    client: FlaskClient, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 views of one page took the processor for as long as 200 different ones.

    Each request asks twice. Between two requests other databases of the server may write, after
    which nobody knows without looking that this one's data is the same.
    """
    database.execute(ROWS)
    made: list[str] = []
    make, page = dashboard.rendered, dashboard._page
    monkeypatch.setattr(dashboard, "rendered", lambda *said: made.append(said[0]) or make(*said))
    asked: list[tuple[Any, ...]] = []

    def twice(picked: Any, wanted: Any, answer: Any, now: Any, arrived: Any) -> Any:
        asked.append((answer.age, answer.version, now.replace(microsecond=0)))
        page(picked, wanted, answer, now, arrived)
        return page(picked, wanted, answer, now, arrived)

    monkeypatch.setattr(dashboard, "_page", twice)
    shown = {client.get(HOURLY[0]).status_code for _ in range(8)}
    exact = [each for each in asked if each[0] == 0]

    assert (shown, len(asked)) == ({200}, 8)
    assert exact
    assert len(made) <= len(set(exact)) + 2 * (len(asked) - len(exact))


@pytest.mark.slow
def test_a_page_of_newer_data_is_another(client: FlaskClient, database: Any) -> None:
    database.execute(ROWS)
    url = HOURLY[0].replace("hour", "day")
    shown = client.get(url).text
    database.execute("DELETE FROM tokens WHERE used_at >= '2024-04-01'")
    assert client.get(url).text != shown


def test_what_is_built_and_kept_is_measured(client: FlaskClient) -> None:
    services = client.application.extensions[EXTENSION]
    value = services.metrics.registry.get_sample_value
    assert (value("coworking_builds"), value("coworking_kept_answers")) == (0, 0)
    client.get("/api/v1/overview")
    with services.lanes.work(time.monotonic()):
        assert value("coworking_builds") == 1
    assert (value("coworking_builds"), value("coworking_kept_answers")) == (0, 1)
    assert value("coworking_kept_bytes") > 100
