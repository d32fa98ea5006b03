"""A build that ended, as AWS describes it: in its event, and in CodeBuild's own API."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Finished(NamedTuple):
    """A build that ended.

    Attributes:
        project: the build project's name.
        identity: what follows the project's name in the build's ID.
        number: the build's number.
        commit: the whole name of the commit that was built.
        succeeded: whether it is green.
        exported: its exported variables, which the build itself chose.
        account, region: where it ran.
    """

    project: str
    identity: str
    number: int
    commit: str
    succeeded: bool
    exported: Mapping[str, str]
    account: str = "123456789012"
    region: str = "us-east-1"

    @property
    def status(self) -> str:
        """CodeBuild's word for how it ended."""
        return "SUCCEEDED" if self.succeeded else "FAILED"

    @property
    def key(self) -> str:
        """The build's ID."""
        return f"{self.project}:{self.identity}"

    @property
    def arn(self) -> str:
        """The build's ARN."""
        return f"arn:aws:codebuild:{self.region}:{self.account}:build/{self.key}"

    def event(self) -> dict[str, Any]:
        """The event of its end, in so far as its shape is documented.

        https://docs.aws.amazon.com/codebuild/latest/userguide/sample-build-notifications-ref.html
        Numbers are floats there (`"build-number": 55.0`), and whether the commit is in it depends
        on who started the build; so a rule had better ask for neither.
        """
        return {
            "version": "0",
            "detail-type": "CodeBuild Build State Change",
            "source": "aws.codebuild",
            "account": self.account,
            "region": self.region,
            "resources": [self.arn],
            "detail": {
                "build-status": self.status,
                "project-name": self.project,
                "build-id": self.arn,
                "additional-information": {
                    "build-complete": True,
                    "build-number": float(self.number),
                    "exported-environment-variables": [
                        {"name": name, "value": value} for name, value in self.exported.items()
                    ],
                },
                "current-phase": "COMPLETED",
                "version": "1",
            },
        }

    def record(self) -> dict[str, Any]:
        """What CodeBuild answers about it (`Build` in its API)."""
        return {
            "id": self.key,
            "arn": self.arn,
            "projectName": self.project,
            "buildNumber": self.number,
            "buildStatus": self.status,
            "buildComplete": True,
            "resolvedSourceVersion": self.commit,
            "exportedEnvironmentVariables": [
                {"name": name, "value": value} for name, value in self.exported.items()
            ],
        }


@contextlib.contextmanager
def codebuild(*builds: Finished) -> Iterator[str]:
    """Serve CodeBuild's API on this machine, as far as the write-back reads it.

    Args:
        builds: the builds that there are, the newest first.

    Yields:
        Its address, for AWS_ENDPOINT_URL_CODEBUILD.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = _answer(builds, self.headers.get("X-Amz-Target", ""), question)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name there)
            """Say nothing: a build's log is for the build."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(
    builds: tuple[Finished, ...], target: str, question: Mapping[str, Any]
) -> tuple[int, dict[str, Any]]:
    verb = target.removeprefix("CodeBuild_20161006.")
    if verb == "BatchGetBuilds":
        wanted = question["ids"]
        there = {build.key: build.record() for build in builds}
        return 200, {
            "builds": [there[one] for one in wanted if one in there],
            "buildsNotFound": [one for one in wanted if one not in there],
        }
    if verb == "ListBuildsForProject":
        ids = [build.key for build in builds if build.project == question["projectName"]]
        newest_first = question.get("sortOrder", "DESCENDING") == "DESCENDING"
        return 200, {"ids": ids if newest_first else ids[::-1]}
    message = f"{target} is not imitated here"
    return 400, {"__type": "InvalidInputException", "message": message}
