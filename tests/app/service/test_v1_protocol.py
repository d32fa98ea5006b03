"""/api/v1 as HTTP: representations, conditions, methods, and what is refused."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Protocol

import pytest

from coworking.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.testing import FlaskClient

    from coworking.config import Config

REPORTS = ("/api/v1/overview", "/api/v1/checkins", "/api/v1/heatmap")
CSV = "text/csv; charset=utf-8; header=present"


class Database(Protocol):
    name: str

    def execute(self, *statements: str) -> None: ...


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("application/*", "application/json"),
        ("text/csv", CSV),
        ("text/*", CSV),
        ("application/json;q=0.1, text/csv", CSV),
        ("application/json; charset=utf-8", "application/json"),  # as many libraries send it
        ("application/json;charset=utf-8;q=0.1, text/csv;q=0.2", CSV),
        (CSV, CSV),
    ],
)
@pytest.mark.parametrize("path", REPORTS)
def test_accept_chooses_the_representation(
    client: FlaskClient, path: str, accept: str | None, content_type: str
) -> None:
    answer = client.get(path, headers={"Accept": accept} if accept else {})

    assert (answer.status_code, answer.content_type) == (200, content_type)
    assert "Accept" in answer.headers["Vary"]


def test_the_parameter_format_wins_over_accept(client: FlaskClient) -> None:
    answer = client.get("/api/v1/heatmap?format=csv", headers={"Accept": "application/json"})

    assert answer.content_type == CSV


def test_it_refuses_to_send_what_the_client_does_not_accept(client: FlaskClient) -> None:
    answer = client.get("/api/v1/heatmap", headers={"Accept": "image/png"})

    assert answer.status_code == 406
    assert answer.json == {
        "type": "about:blank",
        "title": "Not Acceptable",
        "status": 406,
        "detail": "Accept='image/png' allows neither application/json nor text/csv. "
        "Valid, for example: Accept: application/json",
    }


@pytest.mark.parametrize("query", ["", "?format=csv"])
def test_a_client_that_has_the_answer_gets_304(client: FlaskClient, query: str) -> None:
    first = client.get("/api/v1/heatmap" + query)

    again = client.get("/api/v1/heatmap" + query, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Vary"] == first.headers["Vary"]


@pytest.mark.parametrize("tag", ["*", '"other", {}'])
def test_if_match_of_the_present_answer_is_fulfilled(client: FlaskClient, tag: str) -> None:
    present = client.get("/api/v1/heatmap")

    again = client.get("/api/v1/heatmap", headers={"If-Match": tag.format(present.headers["ETag"])})

    assert (again.status_code, again.data) == (200, present.data)


def test_if_match_of_another_answer_is_a_problem(client: FlaskClient) -> None:
    """It was 412 with the whole report, and so for `*`."""
    answer = client.get("/api/v1/heatmap", headers={"If-Match": '"other"'})

    assert (answer.status_code, answer.content_type) == (412, "application/problem+json")
    assert answer.json is not None
    assert answer.json["status"] == 412


def test_each_representation_has_a_strong_etag_of_its_own(client: FlaskClient) -> None:
    tags = {
        client.get(f"/api/v1/heatmap?format={fmt}", headers=headers).headers["ETag"]
        for fmt in ("json", "csv")
        for headers in ({}, {"Accept-Encoding": "gzip"})
    }

    assert len(tags) == 4
    assert not any(tag.startswith("W/") for tag in tags)


def test_gzip_is_sent_when_accepted_and_has_the_same_text(client: FlaskClient) -> None:
    plain = client.get("/api/v1/heatmap")
    packed = client.get("/api/v1/heatmap", headers={"Accept-Encoding": "br, gzip"})
    refused = client.get("/api/v1/heatmap", headers={"Accept-Encoding": "gzip;q=0"})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert "Content-Encoding" not in plain.headers
    assert "Content-Encoding" not in refused.headers
    assert "Accept-Encoding" in plain.headers["Vary"]


@pytest.mark.parametrize("path", REPORTS)
def test_head_has_the_headers_of_get_and_no_body(client: FlaskClient, path: str) -> None:
    head, get = client.head(path), client.get(path)

    assert (head.status_code, head.data) == (200, b"")
    for name in ("ETag", "Content-Type", "Content-Length", "Report-Freshness"):
        assert head.headers[name] == get.headers[name]


def test_options_lists_the_methods(client: FlaskClient) -> None:
    answer = client.options("/api/v1/overview")

    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_a_wrong_method_is_told_the_right_ones(client: FlaskClient) -> None:
    answer = client.post("/api/v1/overview")

    assert answer.status_code == 405
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_a_path_that_does_not_exist_is_a_problem(client: FlaskClient) -> None:
    answer = client.get("/api/v1/occupancy")

    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


@pytest.mark.parametrize(
    ("query", "parameter", "value", "valid"),
    [
        ("from=2024-02-30", "from", "2024-02-30", "2024-05-01"),
        ("to=tomorrow", "to", "tomorrow", "2024-05-01"),
        ("to=", "to", "", "2024-05-01"),
        ("from=2024-05-02&to=2024-05-02", "to", "2024-05-02", "2024-05-03"),
        ("tz=Mars/Olympus_Mons", "tz", "Mars/Olympus_Mons", None),
        ("tz=europe/paris", "tz", "europe/paris", "Europe/Paris"),
        ("by=days", "by", "days", "day"),
        ("by=DAY", "by", "DAY", "day"),
        ("by=hour&from=2023-01-01&to=2024-01-01", "by", "hour", "day"),
        ("format=xml", "format", "xml", "json"),
        ("form=json", "form", "json", "format"),
        ("page=2", "page", "2", None),
        ("from=2024-05-01&from=2024-05-02", "from", "2024-05-01, 2024-05-02", "2024-05-01"),
        (
            "tz=" + "9" * 9000 + "&tz=UTC",
            "tz",
            "9" * 59 + "\N{HORIZONTAL ELLIPSIS}",
            "Europe/Berlin",
        ),
        ("page=2&page=3", "page", None, None),
        ("tz=Etc/GMT+12", "tz", "Etc/GMT 12", "Etc/GMT+12"),
        ("tz='%3B DROP TABLE tokens%3B--", "tz", "'; DROP TABLE tokens;--", None),
        ("tz=%00", "tz", "\x00", None),
        ("tz=%FF%FE", "tz", "%FF%FE", None),  # not UTF-8
        ("from=" + "9" * 9000, "from", "9" * 59 + "\N{HORIZONTAL ELLIPSIS}", "2024-05-01"),
        ("x" * 9000 + "=1", "x" * 59 + "\N{HORIZONTAL ELLIPSIS}", "1", None),
    ],
)
def test_a_bad_parameter_is_named_with_its_value_and_a_valid_one(
    client: FlaskClient, query: str, parameter: str, value: str | None, valid: str | None
) -> None:
    answer = client.get(f"/api/v1/checkins?{query}")

    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert answer.json is not None
    assert answer.json["parameter"] == parameter
    assert value in (None, answer.json["value"])
    assert valid in (None, answer.json["valid"])
    assert parameter in answer.json["detail"]
    assert answer.json["valid"] in answer.json["detail"]
    assert len(answer.data) < 1000


@pytest.mark.parametrize(
    ("path", "more"), [("/api/v1/overview", ", compare"), ("/api/v1/heatmap", "")]
)
def test_only_check_ins_are_cut_into_buckets(client: FlaskClient, path: str, more: str) -> None:
    answer = client.get(f"{path}?by=day")

    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["detail"] == (
        f"by='day' is not a parameter here; valid are from, to, tz, format{more}. Leave it out."
    )


@pytest.mark.parametrize("path", REPORTS)
def test_an_empty_database_answers_thirty_days_until_today(client: FlaskClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["meta"]["newest_check_in"] is None


@pytest.mark.parametrize("path", REPORTS)
def test_a_database_that_is_away_is_503_and_not_a_trace(
    configured: Callable[..., Config], database: Database, path: str
) -> None:
    away = create_app(configured(database, DB_PORT="1"))

    answer = away.test_client().get(path)

    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", [*REPORTS, "/api/reports/user_visits"])
def test_a_table_elsewhere_on_the_search_path_is_not_read(
    config: Config, client: FlaskClient, database: Database, path: str
) -> None:
    """The user's own schema is first on PostgreSQL's path, and a table there was read instead."""
    before = client.get(path)
    database.execute(
        "CREATE SCHEMA other",
        "CREATE TABLE other.tokens AS SELECT 1 AS user_id, timestamp '2024-05-01' AS used_at",
        "CREATE TABLE other.users ()",
        f"ALTER DATABASE {database.name} SET search_path = other",
    )
    again = create_app(config).test_client().get(path)  # on a connection with that path

    assert (again.status_code, again.data) == (200, before.data)


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v2", "/api/v1/x", "/api/openapi"])
def test_every_failure_below_api_is_a_problem_document(client: FlaskClient, path: str) -> None:
    """Below /api/reports it is the older service's page: see test_older_api.py."""
    answer = client.get(path)
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert answer.json is not None
    assert answer.json["status"] == 404
