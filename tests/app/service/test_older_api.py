"""The older reports, byte for byte as the older service answered (../older_service/README.md)."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coworking.web.bodies import SHORTEST_GZIP
from tests.app.versions import BOTH

if TYPE_CHECKING:
    from flask.testing import FlaskClient

RECORDED = sorted((Path(__file__).parents[1] / "older_service").glob("*.json"))
ADA = (
    "INSERT INTO users (id, first_name, last_name, joined_at)"
    " VALUES (1, 'Ada', 'Ngata', '2023-01-05 09:00:00')"
)


def token(user: int, created: str, used: str | None) -> str:
    when = "NULL" if used is None else f"'{used}'"
    return (
        "INSERT INTO tokens (user_id, token, created_at, used_at)"
        f" VALUES ({user}, '000001', '{created}', {when})"
    )


@BOTH
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_it_answers_as_the_older_service_did(
    client: FlaskClient, database: Any, path: Path
) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    database.execute(case["sql"] or "SELECT 1")
    for recorded in case["answers"]:
        answer = client.open(recorded["path"], method=recorded["method"])
        headers = {name: answer.headers.get(name) for name in recorded["headers"]}
        assert (answer.status_code, answer.text) == (recorded["status"], recorded["body"])
        assert headers == recorded["headers"]


def test_every_recorded_case_is_there() -> None:
    assert len(RECORDED) >= 9


def test_user_ids_are_in_the_order_of_numbers(client: FlaskClient, database: Any) -> None:
    database.execute(
        "INSERT INTO users (id, first_name, last_name, joined_at)"
        " SELECT n, 'a', 'b', '2023-01-05' FROM unnest(ARRAY[-1, 2, 10, 2147483647]) AS n",
        *(token(user, "2023-02-07", None) for user in (10, 2147483647, 2, -1)),
    )
    assert client.get("/api/reports/user_visits").text == (
        '{"-1":{"joined_at":"2023-01-05 00:00:00","visits":1},'
        '"2":{"joined_at":"2023-01-05 00:00:00","visits":1},'
        '"10":{"joined_at":"2023-01-05 00:00:00","visits":1},'
        '"2147483647":{"joined_at":"2023-01-05 00:00:00","visits":1}}\n'
    )


def test_years_before_1000_have_four_digits(client: FlaskClient, database: Any) -> None:
    database.execute(
        "INSERT INTO users (id, first_name, last_name, joined_at)"
        " VALUES (1, 'a', 'b', '0987-06-05 04:03:02.000100')",
        token(1, "0987-06-05 04:03:02", "0987-06-05"),
    )
    assert client.get("/api/reports/daily_usage").text == '{"0987-06-05":1}\n'
    assert client.get("/api/reports/user_visits").text == (
        '{"1":{"joined_at":"0987-06-05 04:03:02.000100","visits":1}}\n'
    )


def test_an_infinite_date_is_the_last_or_the_first_that_python_has(
    client: FlaskClient, database: Any
) -> None:
    """PostgreSQL has no text for infinity: one such member made the whole report fail with 500,
    and such a day was left out."""
    database.execute(
        "INSERT INTO users (id, first_name, last_name, joined_at)"
        " VALUES (1, 'a', 'b', 'infinity'), (2, 'a', 'b', '-infinity')",
        token(1, "infinity", "2023-02-07"),
        token(1, "9999-12-31", "2023-02-07"),
        token(2, "-infinity", "infinity"),
    )
    assert client.get("/api/reports/daily_usage").text == '{"0001-01-01":1,"9999-12-31":2}\n'
    assert client.get("/api/reports/user_visits").text == (
        '{"1":{"joined_at":"9999-12-31 23:59:59.999999","visits":2},'
        '"2":{"joined_at":"0001-01-01 00:00:00","visits":1}}\n'
    )


def test_a_write_is_seen_by_the_next_request(client: FlaskClient, database: Any) -> None:
    database.execute(ADA, token(1, "2023-02-07", "2023-02-07"))
    assert client.get("/api/reports/daily_usage").text == '{"2023-02-07":1}\n'
    database.execute(token(1, "2023-02-07", "2023-02-08"))
    assert client.get("/api/reports/daily_usage").text == '{"2023-02-07":2}\n'
    database.execute("TRUNCATE tokens")
    assert client.get("/api/reports/daily_usage").text == "{}\n"
    assert client.get("/api/reports/user_visits").text == "{}\n"


def test_a_changed_date_of_joining_is_seen_by_the_next_request(
    client: FlaskClient, database: Any
) -> None:
    database.execute(ADA, token(1, "2023-02-07", None))
    client.get("/api/reports/user_visits")
    database.execute("UPDATE users SET joined_at = '2024-02-29 12:00:00.5'")
    assert client.get("/api/reports/user_visits").text == (
        '{"1":{"joined_at":"2024-02-29 12:00:00.500000","visits":1}}\n'
    )


def test_a_long_report_is_whole(client: FlaskClient, database: Any) -> None:
    database.execute(
        "INSERT INTO users (id, first_name, last_name, joined_at)"
        " SELECT n, 'a', 'b', timestamp '2023-01-05' + n * interval '0.25 s'"
        " FROM generate_series(1, 5000) AS n",
        "INSERT INTO tokens (user_id, token, created_at)"
        " SELECT n, '000001', '2023-02-07' FROM generate_series(1, 5000) AS n",
    )
    answer = client.get("/api/reports/user_visits")
    assert int(answer.headers["Content-Length"]) == len(answer.data) > 250_000
    report = json.loads(answer.data)
    assert list(report) == [str(user) for user in range(1, 5001)]
    assert report["4999"] == {"joined_at": "2023-01-05 00:20:49.750000", "visits": 1}
    head = client.head("/api/reports/user_visits")
    assert (head.headers["Content-Length"], head.data) == (answer.headers["Content-Length"], b"")


def test_long_answers_leave_threads_for_the_others(client: FlaskClient, database: Any) -> None:
    """A client that reads slowly keeps a thread; only so many may."""
    database.execute(
        "INSERT INTO users (id, first_name, last_name, joined_at)"
        " SELECT n, 'a', 'b', '2023-01-05' FROM generate_series(1, 1500) AS n",
        "INSERT INTO tokens (user_id, token, created_at)"
        " SELECT n, '000001', '2023-02-07' FROM generate_series(1, 1500) AS n",
    )
    path = "/api/reports/user_visits"
    slow = [client.get(path, buffered=False) for _ in range(24)]
    refused = client.get(path)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert client.get("/api/reports/daily_usage").status_code == 200
    for each in slow:
        each.close()
    assert client.get(path).status_code == 200


def test_query_strings_are_ignored(client: FlaskClient) -> None:
    for query in ("?from=x", "?a=1&a=2", "?%00%ff", "?" + "x" * 4000):
        assert client.get("/api/reports/daily_usage" + query).text == "{}\n"


HOSTILE_PATHS = (
    "/api/reports/daily_usage/",
    "/api/reports/",
    "/api/reports",
    "/api/reports/daily_usage%00",
    "/api/reports/%2e%2e/%2e%2e/etc/passwd",
    "/api/reports/daily_usage;x",
    "/API/REPORTS/DAILY_USAGE",
    "/<script>alert(1)</script>",
    "/" + "a" * 8000,
)


def test_other_paths_are_not_found_as_before(client: FlaskClient) -> None:
    for path in HOSTILE_PATHS:
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert answer.text == (
            "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n"
            "<h1>Not Found</h1>\n<p>The requested URL was not found on the server. If you entered "
            "the URL manually please check your spelling and try again.</p>\n"
        )


def test_other_methods_are_refused_as_before(client: FlaskClient) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"):
        answer = client.open("/api/reports/user_visits", method=method)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
        assert answer.text == (
            "<!doctype html>\n<html lang=en>\n<title>405 Method Not Allowed</title>\n"
            "<h1>Method Not Allowed</h1>\n"
            "<p>The method is not allowed for the requested URL.</p>\n"
        )


def test_gzip_and_an_etag_change_no_byte_of_the_text(client: FlaskClient, database: Any) -> None:
    database.execute(
        "INSERT INTO users (id, first_name, last_name, joined_at)"
        " SELECT n, 'a', 'b', '2023-01-05' FROM generate_series(1, 2500) AS n",
        "INSERT INTO tokens (user_id, token, created_at, used_at)"
        " SELECT n, '1', day, day FROM generate_series(1, 2500) AS n,"
        " LATERAL (SELECT timestamp '2023-01-05' + n % 400 * interval '1 day') AS t(day)",
    )
    for path in ("/api/reports/daily_usage", "/api/reports/user_visits"):
        plain = client.get(path)
        packed = client.get(path, headers={"Accept-Encoding": "gzip"})

        assert gzip.decompress(packed.data) == plain.data
        assert zlib.decompressobj(31).decompress(packed.data) == plain.data  # one member
        assert len(packed.data) == int(packed.headers["Content-Length"]) < len(plain.data) / 3
        assert packed.headers["ETag"] == plain.headers["ETag"][:-1] + '-gzip"'
        assert {"Accept-Encoding"} == set(plain.vary) == set(packed.vary)
        for answer, accepted in ((plain, "identity"), (packed, "gzip")):
            headers = {"If-None-Match": answer.headers["ETag"], "Accept-Encoding": accepted}
            again = client.get(path, headers=headers)
            assert (again.status_code, again.data) == (304, b"")
            assert again.headers["ETag"] == answer.headers["ETag"]
        other = client.get(path, headers={"If-Match": '"other"'})
        assert other.status_code == 412
    database.execute(token(1, "2023-02-07", None))
    headers = {"If-None-Match": plain.headers["ETag"]}
    assert client.get("/api/reports/user_visits", headers=headers).status_code == 200


def test_a_client_that_has_the_long_report_takes_no_place(
    client: FlaskClient, database: Any
) -> None:
    database.execute(
        "INSERT INTO users (id, first_name, last_name, joined_at)"
        " SELECT n, 'a', 'b', '2023-01-05' FROM generate_series(1, 1500) AS n",
        "INSERT INTO tokens (user_id, token, created_at)"
        " SELECT n, '000001', '2023-02-07' FROM generate_series(1, 1500) AS n",
    )
    path = "/api/reports/user_visits"
    slow = [client.get(path, buffered=False) for _ in range(24)]
    tag = slow[0].headers["ETag"]

    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert client.get(path, headers={"Accept-Encoding": "gzip"}).status_code == 503
    for each in slow:
        each.close()


def test_gzip_that_a_client_refuses_is_not_sent(client: FlaskClient, database: Any) -> None:
    days = "generate_series(timestamp '2023-01-01', '2023-05-01', interval '1 day') AS day"
    database.execute(
        ADA,
        "INSERT INTO tokens (user_id, token, created_at, used_at)"
        f" SELECT 1, '000001', day, day FROM {days}",
    )
    assert len(client.get("/api/reports/daily_usage").data) > SHORTEST_GZIP
    for accepted in ("", "gzip;q=0", "br", "identity, gzip;q=0.0"):
        answer = client.get("/api/reports/daily_usage", headers={"Accept-Encoding": accepted})
        assert "Content-Encoding" not in answer.headers
