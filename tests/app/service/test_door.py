"""Who gets in: by header, by a login's cookie, or not at all."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from coworking.app import create_app
from coworking.web import EXTENSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from coworking.config import Config


def key(name: str) -> str:
    """A key that is the same in every process that collects these tests."""
    return urlsafe_b64encode(sha256(name.encode()).digest()).decode().rstrip("=")


KEY, OTHER, WRONG = key("one"), key("another"), key("nobody's")
REPORTS = ("/api/reports/daily_usage", "/api/reports/user_visits")
V1 = ("/api/v1/overview", "/api/v1/checkins", "/api/v1/heatmap")
PAGES = ("/", "/openapi/")
BEHIND = (*REPORTS, *V1, *PAGES, "/openapi.json", "/nowhere", "/api/v1/nowhere", "/metrics")
ALWAYS = ("/health_check", "/readiness_check", "/version", "/static/dashboard.css")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def closed(configured: Callable[..., Config], database: Any, tmp_path: Path) -> Iterator[Any]:
    """`closed(COOKIE_SECURE="true")`: a client of a service with two keys."""
    apps = []
    (tmp_path / "ACCESS_KEY").write_text(f"{KEY}\n{OTHER}\n")

    def closed(**settings: str) -> FlaskClient:
        config = configured(database, ACCESS_KEY_FILE=str(tmp_path / "ACCESS_KEY"), **settings)
        apps.append(create_app(config))
        return apps[-1].test_client()

    yield closed
    for app in apps:
        app.extensions[EXTENSION].close()


@pytest.fixture
def stranger(closed: Callable[..., FlaskClient]) -> FlaskClient:
    return closed()


def log_in(client: FlaskClient, token: str = KEY, **form: str) -> TestResponse:
    return client.post("/login", data={"key": token, **form})


@pytest.mark.parametrize("path", BEHIND)
def test_everything_but_the_probes_needs_a_key(stranger: FlaskClient, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="coworking"'
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ALWAYS)
def test_probes_the_build_and_static_files_need_none(stranger: FlaskClient, path: str) -> None:
    assert stranger.get(path).status_code == 200


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "DELETE", "BREW"])
@pytest.mark.parametrize("path", ["/", REPORTS[0], V1[0]])
def test_no_method_goes_round_the_door(stranger: FlaskClient, method: str, path: str) -> None:
    assert stranger.open(path, method=method).status_code == 401


def test_the_older_api_refuses_in_a_plain_sentence(stranger: FlaskClient) -> None:
    answer = stranger.get(REPORTS[0])
    assert answer.mimetype == "text/plain"
    assert answer.text == (
        "An access key is needed: send it in the header `Authorization: Bearer KEY`. In a browser, "
        "log in at / first.\n"
    )


def test_v1_refuses_with_a_problem(stranger: FlaskClient) -> None:
    answer = stranger.get(V1[0])
    assert answer.mimetype == "application/problem+json"
    assert answer.json is not None
    assert (answer.json["status"], answer.json["title"]) == (401, "Unauthorized")
    assert "Authorization: Bearer KEY" in answer.json["detail"]


@pytest.mark.parametrize("token", [KEY, OTHER])
@pytest.mark.parametrize("path", [*REPORTS, *V1, *PAGES, "/openapi.json"])
def test_either_key_opens_everything(stranger: FlaskClient, path: str, token: str) -> None:
    assert stranger.get(path, headers=bearer(token)).status_code == 200


def test_the_answers_of_the_older_api_are_the_same_bytes(
    stranger: FlaskClient, client: FlaskClient
) -> None:
    for path in REPORTS:
        assert stranger.get(path, headers=bearer(KEY)).data == client.get(path).data


@pytest.mark.parametrize(
    ("header", "status", "challenge"),
    [
        (f"Bearer {WRONG}", 401, ', error="invalid_token"'),
        ("Bearer x", 401, ', error="invalid_token"'),
        ("Basic Y293b3JraW5nOnNlY3JldA==", 401, ""),
        (f"Basic {KEY}", 401, ""),
        ("Bearer", 400, ', error="invalid_request"'),
        ("", 400, ', error="invalid_request"'),
        (KEY, 400, ', error="invalid_request"'),
        (f"Bearer {KEY} ", 400, ', error="invalid_request"'),
        (f"Bearer {KEY}, Bearer {KEY}", 400, ', error="invalid_request"'),
        (f"Bearer {KEY},Bearer {KEY}", 400, ', error="invalid_request"'),
        ("Bearer \u00e9\u00fc", 400, ', error="invalid_request"'),
        ("Bearer " + "a" * 100_000, 401, ', error="invalid_token"'),
    ],
)
@pytest.mark.parametrize("path", [REPORTS[0], V1[0], "/"])
def test_a_header_that_does_not_open_is_refused_with_the_reason(
    stranger: FlaskClient, path: str, header: str, status: int, challenge: str
) -> None:
    answer = stranger.get(path, headers={"Authorization": header})
    assert answer.status_code == status
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="coworking"' + challenge
    assert KEY not in answer.text


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
def test_the_scheme_s_case_and_the_blanks_after_it_do_not_matter(
    stranger: FlaskClient, scheme: str
) -> None:
    headers = {"Authorization": f"{scheme} {KEY}"}
    assert stranger.get(REPORTS[0], headers=headers).status_code == 200


def test_a_key_in_the_address_opens_nothing(stranger: FlaskClient) -> None:
    for name in ("access_token", "key", "Authorization"):
        assert stranger.get(f"{REPORTS[0]}?{name}={KEY}").status_code == 401


def test_a_header_decides_alone(stranger: FlaskClient) -> None:
    log_in(stranger)
    assert stranger.get(REPORTS[0]).status_code == 200
    assert stranger.get(REPORTS[0], headers=bearer(WRONG)).status_code == 401


def test_strangers_learn_the_build_and_friends_the_schema(stranger: FlaskClient) -> None:
    build = {"version", "build", "commit"}
    assert set(stranger.get("/version").json or {}) == build
    assert set(stranger.get("/version", headers=bearer("x")).json or {}) == build
    found = stranger.get("/version", headers=bearer(KEY)).json or {}
    assert found["schema"]["needs"] == found["schema"]["has"]


def test_a_page_shows_the_login_in_its_place(stranger: FlaskClient) -> None:
    answer = stranger.get("/?days=7&theme=dark")
    assert (answer.status_code, answer.mimetype) == (401, "text/html")
    assert '<html lang="en" data-theme="dark">' in answer.text
    assert 'name="goal" value="/?days=7&amp;theme=dark"' in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_login_leads_to_the_page_that_was_asked_for(stranger: FlaskClient) -> None:
    answer = log_in(stranger, f" {KEY}\n", goal="/?days=7")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/?days=7")
    for path in ("/?days=7", V1[0], REPORTS[1], "/openapi.json"):
        assert stranger.get(path).status_code == 200


@pytest.mark.parametrize(
    "goal",
    [
        "https://example.com/",
        "//example.com/",
        "/\\example.com/",
        "\\\\example.com",
        "/\t/example.com",
        "javascript:alert(1)",
        "/\r\nSet-Cookie: a=b",
        "example.com",
        "",
        "/\u00e9",
    ],
)
def test_a_login_leads_to_no_other_host(stranger: FlaskClient, goal: str) -> None:
    answer = log_in(stranger, goal=goal)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_a_wrong_key_is_a_sentence_and_no_session(stranger: FlaskClient) -> None:
    answer = log_in(stranger, OTHER[:-1] + "!", goal="/?days=7")
    assert answer.status_code == 401
    assert "This is not a valid access key." in answer.text
    assert 'aria-invalid="true" aria-describedby="wrong"' in answer.text
    assert 'value="/?days=7"' in answer.text
    assert OTHER[:-1] not in answer.text
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("data", [{}, {"key": ""}, {"key": "\u00e9" * 50}, {"key": "a" * 9000}])
def test_any_other_text_is_no_key_either(stranger: FlaskClient, data: dict[str, str]) -> None:
    assert stranger.post("/login", data=data).status_code == 401


def test_a_form_that_is_too_long_is_refused(stranger: FlaskClient) -> None:
    assert log_in(stranger, "a" * 20_000).status_code == 413


def test_a_body_that_is_no_form_is_no_login(stranger: FlaskClient) -> None:
    answer = stranger.post("/login", data=b"\xff\x00" * 50, content_type="multipart/form-data")
    assert answer.status_code == 401


def test_the_cookie_is_for_this_site_and_not_for_scripts(stranger: FlaskClient) -> None:
    cookie = log_in(stranger).headers["Set-Cookie"]
    assert re.fullmatch(
        r"coworking=\d{10}\.[\w-]{43}; Expires=[^;]+ GMT; Max-Age=43200; HttpOnly; Path=/; "
        "SameSite=Lax",
        cookie,
    )


def test_a_secure_cookie_says_so_and_has_the_prefix_that_browsers_check(
    closed: Callable[..., FlaskClient],
) -> None:
    client = closed(COOKIE_SECURE="true")
    cookie = log_in(client).headers["Set-Cookie"]
    assert cookie.startswith("__Host-coworking=")
    assert "; Secure;" in cookie
    assert client.get("/").status_code == 200


def test_a_logout_ends_the_session(stranger: FlaskClient) -> None:
    log_in(stranger)
    assert "Log out" in stranger.get("/").text
    answer = stranger.post("/logout")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert stranger.get("/").status_code == 401


def test_a_logout_that_another_site_causes_changes_nothing(stranger: FlaskClient) -> None:
    """It comes without the cookie; taking the cookie away all the same would be a nuisance."""
    assert "Set-Cookie" not in stranger.post("/logout").headers


def test_the_address_of_the_login_leads_to_it(stranger: FlaskClient) -> None:
    answer = stranger.get("/login")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_a_session_from_one_process_counts_in_another(closed: Callable[..., FlaskClient]) -> None:
    here, there = closed(), closed()
    log_in(here)
    session = here.get_cookie("coworking")
    assert session is not None
    there.set_cookie("coworking", session.value)
    assert there.get("/").status_code == 200


@pytest.mark.parametrize("cookie", ["coworking=", "coworking=x.y", "coworking=\u00e9", "=", ";;"])
def test_a_cookie_that_is_no_session_opens_nothing(stranger: FlaskClient, cookie: str) -> None:
    client = stranger.application.test_client(use_cookies=False)
    for path in ("/", V1[0]):
        assert client.get(path, headers={"Cookie": cookie}).status_code == 401


@pytest.mark.parametrize("path", [*REPORTS, *V1, *PAGES, "/openapi.json"])
def test_no_shared_cache_keeps_what_a_key_opened(stranger: FlaskClient, path: str) -> None:
    answer = stranger.get(path, headers=bearer(KEY))
    assert "private" in answer.headers.getlist("Cache-Control")
    assert "Authorization, Cookie" in answer.headers.getlist("Vary")
    if "ETag" in answer.headers and path != "/":  # which says as of when it is
        again = stranger.get(path, headers=bearer(KEY) | {"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
        for name in ("Cache-Control", "Vary"):
            assert again.headers.getlist(name) == answer.headers.getlist(name)


def test_an_etag_without_a_key_is_worth_nothing(stranger: FlaskClient) -> None:
    tag = stranger.get(V1[0], headers=bearer(KEY)).headers["ETag"]
    assert stranger.get(V1[0], headers={"If-None-Match": tag}).status_code == 401


def test_an_open_door_changes_no_header(client: FlaskClient) -> None:
    for path in REPORTS:
        answer = client.get(path)
        assert "Cache-Control" not in answer.headers
        assert answer.headers["Vary"] == "Accept-Encoding"
    assert client.get("/").headers["Cache-Control"] == "no-cache"


def test_an_open_door_ignores_what_would_open_a_closed_one(client: FlaskClient) -> None:
    for headers in (bearer("x"), {"Authorization": ""}, {"Cookie": "coworking=x"}):
        assert client.get(REPORTS[0], headers=headers).status_code == 200
    answer = log_in(client)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "Set-Cookie" not in answer.headers
    assert "Log out" not in client.get("/").text


def test_no_key_is_logged(stranger: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    for path in (*BEHIND, f"/?key={quote(KEY)}"):
        stranger.get(path, headers=bearer(KEY))
        stranger.get(path, headers=bearer(WRONG))
        stranger.get(path)
    log_in(stranger)
    log_in(stranger, WRONG)
    session = stranger.get_cookie("coworking")
    said = json.dumps([record.__dict__ for record in caplog.records], default=str)
    assert "The access key is not valid." in said
    for secret in (KEY, WRONG, session and session.value):
        assert secret
        assert secret not in said


def test_the_document_names_the_scheme_and_who_needs_it(
    stranger: FlaskClient, client: FlaskClient
) -> None:
    document = stranger.get("/openapi.json", headers=bearer(KEY)).json or {}
    assert document["components"]["securitySchemes"]["accessKey"]["scheme"] == "bearer"
    assert document["security"] == [{"accessKey": []}]
    paths = {path: item["get"] for path, item in document["paths"].items()}
    assert paths["/health_check"]["security"] == paths["/readiness_check"]["security"] == []
    assert paths["/version"]["security"] == [{}, {"accessKey": []}]
    for path in (*REPORTS, *V1):
        assert "401" in paths[path]["responses"]
    without = client.get("/openapi.json").json or {}
    assert "security" not in without
    assert "401" not in json.dumps(without)
