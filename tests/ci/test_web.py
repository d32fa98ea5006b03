"""A server that is away for a moment is asked again; one that stays away ends in a sentence."""

from __future__ import annotations

import http.server
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from ci.argocd.client import ArgoCD, ArgoError
from ci.argocd.login import Login
from ci.errors import CiError
from ci.git import github
from ci.git.github import PullRequest, open_pull_request, upsert_comment
from ci.platform.plan.checks.outside import Outside

if TYPE_CHECKING:
    from collections.abc import Iterator

WANTED = PullRequest("branch", "main", "title", "body")
OPENED: tuple[int, dict[str, str], str] = (
    201,
    {},
    json.dumps({"html_url": "https://github.com/o/r/pull/7"}),
)


class Script(http.server.ThreadingHTTPServer):
    """Gives its answers one after the other, the last one again and again; None cuts the line."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ScriptHandler)
        self.answers: list[tuple[int, dict[str, str], str] | None] = []
        self.asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class ScriptHandler(http.server.BaseHTTPRequestHandler):
    server: Script

    def log_message(self, *args: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.server.answers[min(self.server.asked, len(self.server.answers) - 1)]
        self.server.asked += 1
        if answer is None:
            return
        status, headers, body = answer
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_PATCH = do_GET  # noqa: N815  (http.server's names)


@pytest.fixture
def script() -> Iterator[Script]:
    """A server with nothing to say yet."""
    with Script() as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield server
        server.shutdown()


def says(**body: Any) -> str:
    return json.dumps(body)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "first",
    [
        (429, {"Retry-After": "1"}, says(message="slow down")),
        (403, {"Retry-After": "1"}, says(message="You have exceeded a secondary rate limit")),
        (503, {"Retry-After": "1"}, "<html>"),
    ],
)
def test_a_pull_request_is_opened_once_the_server_said_when(script: Script, first: Any) -> None:
    script.answers = [first, OPENED]
    began = time.monotonic()
    address = open_pull_request("o/r", "t0ken", WANTED, api=script.url)
    assert address == "https://github.com/o/r/pull/7"
    assert time.monotonic() - began >= 1
    assert script.asked == 2


@pytest.mark.parametrize("away", [(502, {}, "<html>"), (500, {}, "{}"), None])
def test_a_question_is_asked_again_after_a_fault_that_may_pass(script: Script, away: Any) -> None:
    comment = json.dumps([{"id": 1, "body": "<!-- x --> old"}])
    script.answers = [away, (200, {}, comment), (200, {}, "{}")]
    done = upsert_comment("o/r", 7, "t0ken", "new", marker="<!-- x -->", api=script.url)
    assert done == "updated"
    assert script.asked == 3


@pytest.mark.parametrize("away", [(502, {}, "<html>"), (429, {"Retry-After": "1"}, "{}"), None])
def test_the_plan_asks_github_again_after_a_fault_that_may_pass(script: Script, away: Any) -> None:
    script.answers = [away, (200, {}, says(private=False))]
    outside = Outside(mock.Mock(github="o/r"), Path("/nonexistent"), {"GITHUB_API_URL": script.url})
    assert outside.github("") == {"private": False}
    assert script.asked == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((403, {}, says(message="API rate limit exceeded")), "GitHub's rate limit is used up: 403"),
        ((404, {}, "<html>"), "GitHub refuses to show o/r/hooks: 404"),
        ((200, {}, "null"), "answers as no API of GitHub does"),
        ((200, {}, '{"private"'), "answers as no API of GitHub does"),
    ],
)
def test_the_plan_says_what_github_said(script: Script, answer: Any, said: str) -> None:
    script.answers = [answer]
    with pytest.raises(CiError, match=said):
        github.look("o/r", "/hooks", "t0ken", api=script.url)


def test_what_github_does_not_have_is_no_error(script: Script) -> None:
    script.answers = [(404, {}, says(message="Not Found"))]
    assert github.look("o/r", "/hooks", None, api=script.url) is None


def test_what_may_have_been_done_is_not_done_twice(script: Script) -> None:
    script.answers = [None, OPENED]
    with pytest.raises(CiError, match="GitHub can't be reached: ConnectionError"):
        open_pull_request("o/r", "t0ken", WANTED, api=script.url)
    assert script.asked == 1


@pytest.mark.parametrize(
    ("headers", "when"),
    [
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1700000040"}, "after 22:14 UTC"),
        ({"Retry-After": "3600"}, "in 3600 s"),
        ({}, "in some minutes"),
    ],
)
def test_a_rate_limit_is_not_called_a_missing_right(
    script: Script, headers: dict[str, str], when: str
) -> None:
    script.answers = [(403, headers, says(message="API rate limit exceeded for user"))]
    with pytest.raises(CiError, match="GitHub's rate limit is used up: 403 API rate") as caught:
        upsert_comment("o/r", 7, "t0ken", "x", marker="m", api=script.url)
    assert caught.value.hint == f"The token's rights are not the cause. Try again {when}."
    assert script.asked == 1


def test_what_githubs_errors_name_is_shown(script: Script) -> None:
    errors = [
        {"message": "No commits between main and branch"},
        {"code": "invalid", "field": "head"},
    ]
    script.answers = [(422, {}, says(message="Validation Failed", errors=errors)), (200, {}, "[]")]
    with pytest.raises(CiError) as caught:
        open_pull_request("o/r", "t0ken", WANTED, api=script.url)
    assert str(caught.value) == (
        "GitHub refuses to open a pull request: 422 Validation Failed; No commits between main and"
        " branch; invalid head"
    )


@pytest.mark.parametrize("body", ["", "null", "[]", '{"html_url": "https://gi', "[1", "{}"])
def test_an_answer_that_makes_no_sense_is_a_sentence(script: Script, body: str) -> None:
    script.answers = [(200, {}, body)]
    with pytest.raises(CiError):
        open_pull_request("o/r", "t0ken", WANTED, api=script.url)
    if body != "[]":  # no comment yet
        with pytest.raises(CiError):
            upsert_comment("o/r", 7, "t0ken", "x", marker="m", api=script.url)


def test_argo_cd_is_asked_again_too(script: Script) -> None:
    script.answers = [(502, {}, "<html>"), None, (200, {}, says(Version="v3.4.7"))]
    assert ArgoCD(Login(script.url, "t0ken", True)).version() == "v3.4.7"
    assert script.asked == 3


@pytest.mark.parametrize("body", ["", "null", "[]", '{"manifest": "{"}', '{"manifest": "nul'])
def test_argo_cds_answers_that_make_no_sense_are_a_sentence(script: Script, body: str) -> None:
    script.answers = [(200, {}, body)]
    api = ArgoCD(Login(script.url, "t0ken", True))
    node = {"version": "v1", "kind": "Pod", "namespace": "n", "name": "p"}
    with pytest.raises(ArgoError, match=r"answered"):
        api.resource("coworking-dev", node)
