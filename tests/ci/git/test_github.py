"""What is not GitHub's API is told so."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from ci.errors import CiError
from ci.git.github import PullRequest, open_pull_request, upsert_comment

if TYPE_CHECKING:
    from collections.abc import Iterator


class WebPage(BaseHTTPRequestHandler):
    """As the address of the web page answers, or a proxy that asks for a login."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>Sign in</html>")

    do_POST = do_GET  # noqa: N815  (http.server's name)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def page() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), WebPage) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_web_page_in_the_place_of_the_api_is_named(page: str) -> None:
    with pytest.raises(CiError, match=f"{page}/repos/o/r/pulls answers as no API of GitHub"):
        open_pull_request("o/r", "t0ken", PullRequest("a", "main", "A", ""), api=page)
    with pytest.raises(CiError, match=f"{page}/repos/o/r/issues/7/comments answers as no API"):
        upsert_comment("o/r", 7, "t0ken", "text", marker="<!-- -->", api=page)
