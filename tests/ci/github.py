"""A server on this machine that speaks the three calls of GitHub's that a comment needs."""

from __future__ import annotations

import http.server
import json
from typing import Any

TOKEN = "t0ken"


class GitHub(http.server.ThreadingHTTPServer):
    """The three calls that a comment needs."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.comments = [{"id": n, "body": f"a person's remark {n}"} for n in range(130)]
        self.writes: list[str] = []

    @property
    def address(self) -> str:
        """What GITHUB_API_URL is set to."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        page = int(self.path.rpartition("page=")[2])
        self.answer(200, self.server.comments[(page - 1) * 100 : page * 100])

    def do_POST(self) -> None:
        self.server.writes.append("POST")
        self.server.comments.append({"id": 1000, "body": self.body()})
        self.answer(201, {})

    def do_PATCH(self) -> None:
        self.server.writes.append("PATCH")
        number = int(self.path.rpartition("/")[2])
        next(each for each in self.server.comments if each["id"] == number)["body"] = self.body()
        self.answer(200, {})

    def body(self) -> str:
        assert self.headers["Authorization"] == f"Bearer {TOKEN}"
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return str(content["body"])

    def answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Be quiet."""
