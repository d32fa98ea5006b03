"""What operators ask and read: health, readiness, version, figures, log lines."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import generate_latest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from coworking import schema
from coworking.app import create_app
from coworking.logs import JsonLines
from coworking.web import EXTENSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.testing import FlaskClient

    from coworking.app import App
    from coworking.config import Config


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """`lines()`: what was logged, as the JSON objects of standard output."""
    caplog.set_level(logging.DEBUG, logger="coworking")
    return lambda: [json.loads(JsonLines().format(record)) for record in caplog.records]


def test_health_needs_no_database(configured: Callable[..., Config], database: Any) -> None:
    app = create_app(configured(database, DB_PORT="1"))
    answer = app.test_client().get("/health_check")
    assert (answer.status_code, answer.text) == (200, "ok")


def test_it_is_ready_with_the_schema_that_it_needs(client: FlaskClient) -> None:
    answer = client.get("/readiness_check")
    assert (answer.status_code, answer.text) == (200, "ok")


def test_it_is_ready_with_a_later_releases_schema(client: FlaskClient, database: Any) -> None:
    database.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
    assert client.get("/readiness_check").status_code == 200


def test_it_is_not_ready_with_the_older_services_tables(
    older_database: Any, configured: Callable[..., Config]
) -> None:
    answer = create_app(configured(older_database)).test_client().get("/readiness_check")
    assert answer.status_code == 503
    assert answer.json == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "the database's schema lacks what this build needs",
    }


def test_it_is_not_ready_when_the_schema_was_taken_back(client: FlaskClient, database: Any) -> None:
    database.execute("DELETE FROM alembic_version")
    answer = client.get("/readiness_check")
    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["detail"] == (
        "the database's schema is at revision none, and this build needs "
        f"{schema.REQUIRED_REVISION}"
    )


def test_a_report_without_its_schema_is_503_and_not_an_unforeseen_error(
    client: FlaskClient, database: Any
) -> None:
    schema.downgrade(create_engine(database.url, poolclass=NullPool), "0001")
    for path in ("/api/reports/daily_usage", "/api/v1/overview", "/"):
        assert client.get(path).status_code == 503


def test_it_is_not_ready_while_it_stops_but_still_answers(config: Config) -> None:
    client = create_app(config, stopping=lambda: True).test_client()
    answer = client.get("/readiness_check")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json is not None
    assert answer.json["detail"] == "this process is stopping"
    report = client.get("/api/reports/daily_usage")
    assert (report.status_code, report.headers["Connection"]) == (200, "close")


def test_version_has_release_build_and_commit(
    configured: Callable[..., Config], database: Any
) -> None:
    """It named the schema to everybody."""
    client = create_app(configured(database, BUILD="118", COMMIT="3f2a91c0")).test_client()
    assert client.get("/version").json == {
        "version": "1.0.0",
        "build": "118",
        "commit": "3f2a91c0",
    }


def test_metrics_are_on_another_port(client: FlaskClient) -> None:
    assert client.get("/metrics").status_code == 404


def figures(app: App) -> str:
    """What the app counts, in Prometheus's format."""
    return generate_latest(app.extensions[EXTENSION].metrics.registry).decode()


def test_metrics_count_by_route_and_never_by_what_a_client_sends(
    app: App, client: FlaskClient
) -> None:
    for path in ("/health_check?user=42", "/secret/42", "/api/reports/daily_usage"):
        client.get(path)
    client.open("/health_check", method="HACK42")
    text = figures(app)
    count = "coworking_http_requests_total"
    for line in (
        f'{count}{{method="GET",route="/health_check",status="200"}} 1.0',
        f'{count}{{method="GET",route="(none)",status="404"}} 1.0',
        f'{count}{{method="GET",route="/api/reports/daily_usage",status="200"}} 1.0',
        f'{count}{{method="other",route="(none)",status="405"}} 1.0',
        'coworking_http_request_seconds_count{route="/health_check"} 1.0',
        'coworking_build{build="dev",commit="unknown"} 1.0',
    ):
        assert line in text
    assert "42" not in re.sub(r" [0-9.e+]+$", "", text, flags=re.MULTILINE)


def test_each_app_counts_for_itself(config: Config) -> None:
    first, second = create_app(config), create_app(config)
    first.test_client().get("/health_check")
    assert 'route="/health_check"' in figures(first)
    assert 'route="/health_check"' not in figures(second)


def test_a_request_is_one_log_line_without_anything_that_the_client_sent(
    client: FlaskClient, lines: Callable[..., list[dict[str, Any]]]
) -> None:
    client.get(
        "/api/reports/daily_usage?name=Ada&token=000001",
        headers={"Authorization": "Bearer s3cret", "User-Agent": "Ada's phone"},
        environ_base={"REMOTE_ADDR": "192.0.2.7"},
    )
    (line,) = lines()
    assert set(line) == {
        *("time", "level", "logger", "message"),
        *("request_id", "method", "route", "status", "milliseconds"),
    }
    assert (line["method"], line["route"], line["status"]) == (
        "GET",
        "/api/reports/daily_usage",
        200,
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])


def test_a_probe_that_succeeds_is_logged_at_debug_level(
    client: FlaskClient, lines: Callable[..., list[dict[str, Any]]]
) -> None:
    client.get("/health_check")
    assert [line["level"] for line in lines()] == ["DEBUG"]


def test_a_sane_request_id_is_kept(client: FlaskClient) -> None:
    answer = client.get("/health_check", headers={"X-Request-ID": "4f1b:trace/7"})
    assert answer.headers["X-Request-ID"] == "4f1b:trace/7"


def test_an_unusable_request_id_is_replaced(client: FlaskClient) -> None:
    for sent in ("", "a b", 'x"}', "x" * 129, "\u00e9", "<script>"):
        answers = [client.get("/health_check", headers={"X-Request-ID": sent}) for _ in range(2)]
        first, second = (answer.headers["X-Request-ID"] for answer in answers)
        assert first != second
        assert re.fullmatch(r"[0-9a-f]{16}-\d+", first)


def test_every_answer_forbids_what_browsers_do_unasked(client: FlaskClient) -> None:
    for path in ("/health_check", "/api/reports/daily_usage", "/nowhere"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"


def test_an_unforeseen_error_is_500_for_the_client_and_a_traceback_in_the_log(
    app: App, lines: Callable[..., list[dict[str, Any]]]
) -> None:
    @app.get("/broken")
    def broken() -> str:
        raise ZeroDivisionError("the secret is 42")

    answer = app.test_client().get("/broken?q=1")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    traceback, request = lines()
    assert "ZeroDivisionError" in traceback["traceback"]
    assert traceback["request_id"] == request["request_id"] == answer.headers["X-Request-ID"]
    assert request["status"] == 500


def test_errors_below_api_v1_are_problems(client: FlaskClient) -> None:
    for path, status in (("/api/v1/nowhere", 404), ("/api/v1", 404), ("/api/v1/overview", 405)):
        answer = client.post(path)
        assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
        assert answer.json is not None
        assert answer.json["status"] == status


@pytest.mark.parametrize("path", ["/", "/api/v1/overview", "/api/reports/daily_usage"])
def test_the_line_of_a_failure_has_its_reason(
    configured: Callable[..., Config],
    database: Any,
    lines: Callable[[], list[dict[str, Any]]],
    path: str,
) -> None:
    """The dashboard's had none, and the others ran two sentences into one."""
    create_app(configured(database, DB_PORT="1")).test_client().get(path)
    reason = lines()[-1]["reason"]
    assert re.match(r"the database can't be reached; connection to .* Connection refused", reason)
