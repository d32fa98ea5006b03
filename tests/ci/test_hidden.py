"""No secret in any output: every verb against servers that repeat what they are sent."""

from __future__ import annotations

import base64
import http.server
import json
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from ci import hidden
from ci.cli import VERBS
from ci.review import diff
from ci.review.report import Comparison
from tests.ci.quick_aws import put_aws
from tests.ci.verbs import as_a_process, in_this_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRETS = {
    "GIT_TOKEN": "ghp-of-the-test-9f8e7d6c",
    "GITHUB_TOKEN": "gho-of-the-test-5b4a3928",
    "ARGOCD_AUTH_TOKEN": "eyJ-argo-of-the-test.1a2b3c+/=\n",
    "AWS_ACCESS_KEY_ID": "AKIAOFTHETEST0000000",
    "AWS_SECRET_ACCESS_KEY": "aws/of+the/test/0123456789",
    "AWS_SESSION_TOKEN": "session//of==the++test",
    "DB_PASSWORD": "pass-of-the-test&<>",
    "ACCESS_KEY": "key-of-the-test-\u00e9\u00e8",
}
# A key's ID is not a secret, as AWS itself says; everything else is.
SECRET = [value.strip() for name, value in SECRETS.items() if not name.endswith("_ID")]
KUBE_TOKEN = "kube-of-the-test-77aa"
TRACING = {
    "GIT_TRACE": "2",
    "GIT_TRACE_CURL": "2",
    "GIT_CURL_VERBOSE": "1",
    "GIT_TRACE_PACKET": "2",
    "GIT_TRACE_REDACT": "0",
    "CI_DEBUG": "1",
}
GIT = ["--url", "{server}/o/r.git"]
# What makes each verb speak to somebody, or fail in the attempt.
WORDS: dict[str, list[str]] = {
    "base-images": [],
    "capacity": ["--cluster-file", "/nonexistent"],
    "cluster": ["--help"],
    "codebuild": ["/nonexistent"],
    "configure": ["--account", SECRET[0]],
    "diff": ["--base", "HEAD", "--post"],
    "environment": ["add", f"_{SECRET[0]}", "--like", "prod"],  # never valid: nothing is written
    "history": ["dev", "--url", "{server}/o/r.git"],
    "hotfix": ["--to", "dev", "--tag", "v1", "--reason", "x", "--url", "{server}/o/r.git"],
    "pipeline": ["write-back"],
    "plan": ["--check"],
    "promote": ["--url", "{server}/o/r.git", "--dry-run"],
    "render": ["/nonexistent"],
    "restore": ["prod", "--to", "latest", *GIT],
    "resume": ["dev"],
    "rollback": ["dev", "--list"],
    "rotate": ["dev", "password", *GIT],
    "seal": ["dev", "--stdin", "--fetch"],
    "seal-cert": ["dev", "--patience", "0"],
    "sealing-key": ["backup", "/nonexistent/keys"],
    "set-image": [
        *("--url", "{server}/o/r.git", "--overlay", "overlays/dev/coworking/image"),
        *("--image", "coworking", "--tag", "57-1f2e3d4c", "--budget", "1"),
        *("--registry", "183302320810.dkr.ecr.us-east-1.amazonaws.com/coworking"),
    ],
    "snapshots": ["--root", "/nonexistent"],
    "status": ["dev"],
    "up": ["--port", "not-a-port"],
    "validate": ["/nonexistent"],
}

# Other ways into what a verb speaks to.
MORE: list[tuple[str, list[str]]] = [
    ("history", ["prod", "--json", "--url", "{server}/o/r.git"]),
    ("hotfix", ["--to", "prod", "--tag", "v1", "--reason", "x", "--unchecked", *GIT]),
    ("pipeline", ["login"]),
    ("pipeline", ["publish"]),
    ("pipeline", ["comment"]),
    ("plan", ["--check", "--format", "json"]),
    ("promote", [*GIT, "--push", "--override", "healthy", "--reason", "x"]),
    ("restore", ["prod", *GIT]),
    ("resume", ["prod", "--source", *GIT]),
    ("rollback", ["prod"]),
    ("rotate", ["sealing-key"]),
    ("seal", ["dev", "prod", "--stdin"]),
    ("status", ["--format", "json", *GIT]),
]
RUNS = [*WORDS.items(), *MORE]
FORMS = ("text", "json", "success")
# What these are given here is refused before they speak to anybody, or is the help text alone.
SILENT = {"cluster", "up"}
WORKS = {*(("cluster", form) for form in FORMS), ("diff", "success")}


class Echo(http.server.ThreadingHTTPServer):
    """Answers every request with one status and all that it was sent, in one of three forms."""

    daemon_threads = True
    form = "text"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), EchoHandler)
        self.seen = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class EchoHandler(http.server.BaseHTTPRequestHandler):
    server: Echo

    def log_message(self, *args: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("latin-1")
        given = self.headers.get("Authorization", "")
        if given.startswith("Basic "):
            given += " " + base64.b64decode(given[6:]).decode()
        sent = f"{self.path} {given} {dict(self.headers)} {body}"
        self.server.seen += sent
        status, kind, text = {
            "text": (403, "text/html", f"<p>who is {sent}?"),
            "json": (
                401,
                "application/json",
                json.dumps({"message": sent, "error": sent, "errors": [{"message": sent}]}),
            ),
            "success": (200, "application/json", json.dumps([sent])),
        }[self.server.form]
        if self.path.startswith("/o/r.git") and not given:
            status = 401  # git shows its token only when it is asked for it
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  (http.server's names)


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Echo]:
    """The server, with every address and every secret in the environment pointing to it."""
    with Echo() as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        kubeconfig = {
            "clusters": [{"name": "c", "cluster": {"server": server.url}}],
            "users": [{"name": "u", "user": {"token": KUBE_TOKEN}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        config = tmp_path / "kubeconfig"
        config.write_text(json.dumps(kubeconfig, indent=1))
        places = {
            "ARGOCD_SERVER": server.url.removeprefix("http://"),
            "ARGOCD_OPTS": "--plaintext",
            "AWS_ENDPOINT_URL": server.url,
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "GITHUB_API_URL": server.url,
            "GITHUB_REPOSITORY": "o/r",
            "PULL_REQUEST": "7",
            "KUBECONFIG": str(config),
            "HOME": str(tmp_path),
            "AWS_ACCOUNT_ID": "183302320810",
            "AWS_DEFAULT_REGION": "us-east-1",
            "MAIN_PROJECT": "coworking",
            "GIT_TOKEN_SECRET": "coworking/git-token",
        }
        for name, value in {**SECRETS, **TRACING, **places}.items():
            monkeypatch.setenv(name, value)
        put_aws(tmp_path)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        # What it says is made before anybody is spoken to, in seconds: tests/ci/review has that.
        monkeypatch.setattr(diff, "compare", lambda *_: Comparison([], [], []))
        yield server
        server.shutdown()


def leaked(text: str, *secrets: str) -> list[str]:
    """The secrets of the test that a text has, also as base64 and in a URL."""
    every = (*SECRET, KUBE_TOKEN, *secrets)
    return [each for each in every if any(form in text for form in hidden._forms_of(each))]


def test_every_verb_is_run_and_there_are_sixty_runs() -> None:
    assert set(WORDS) == set(VERBS), "a new verb needs its words here"
    faulty = [verb for verb, _ in RUNS if verb not in SILENT]
    assert len(faulty) * len(FORMS) >= 60
    assert {verb for verb in VERBS if verb not in SILENT} <= set(faulty)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("verb", "words"), RUNS, ids=[f"{number}-{verb}" for number, (verb, _) in enumerate(RUNS)]
)
def test_no_verb_shows_a_secret_that_a_server_repeats(
    echo: Echo, verb: str, words: list[str], form: str
) -> None:
    echo.form = form
    words = [word.format(server=echo.url) for word in words]
    done = in_this_process(verb, *words, stdin="sealed-of-the-test-123456\n")
    shown = done.stdout + done.stderr
    assert leaked(shown, "sealed-of-the-test-123456") == [], shown
    assert done.returncode != 0 or (verb, form) in WORKS, "this run has no fault"
    if verb in ("rollback", "status", "resume", "history", "set-image", "promote"):
        assert leaked(echo.seen), "nothing was sent, so nothing could be repeated"


# What git traces is the same in each form; `make test` has each form and each verb.
TRACED = [
    *[("history", "text"), ("hotfix", "json"), ("promote", "success")],
    *[("set-image", "text"), ("status", "json")],
]
OTHERS = [
    pytest.param(verb, form, marks=pytest.mark.thorough)
    for verb, _ in TRACED
    for form in FORMS
    if (verb, form) not in TRACED
]


@pytest.mark.parametrize(("verb", "form"), [*TRACED, *OTHERS])
def test_a_process_with_gits_tracing_on_shows_none(echo: Echo, verb: str, form: str) -> None:
    """What git writes to standard error by itself goes past Python."""
    echo.form = form
    words = [word.format(server=echo.url) for word in [*WORDS[verb], *GIT]]
    done = as_a_process(verb, *words, env=TRACING)
    assert done.returncode != 0
    assert leaked(done.stdout + done.stderr) == []


def test_a_token_that_ends_in_a_line_break_is_used_without_it(echo: Echo) -> None:
    """The HTTP library refused it, and its error had the token."""
    done = in_this_process("rollback", "dev", "--list")
    assert "Bearer eyJ-argo-of-the-test.1a2b3c+/= " in echo.seen
    assert "reserved character" not in done.stderr


@pytest.mark.parametrize(
    "token", ["two words-of-a-token", "t\u00f6ken-of-a-test", "line-one\nline-two"]
)
def test_a_token_that_no_header_can_have_is_named_by_its_place(
    echo: Echo, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("ARGOCD_AUTH_TOKEN", token)
    done = in_this_process("rollback", "dev", "--list")
    assert done.returncode == 2
    assert "the token in ARGOCD_AUTH_TOKEN is not one word" in done.stderr
    assert not any(part in done.stderr for part in token.split())


def test_an_unforeseen_error_is_a_sentence_and_its_traceback_hides_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError(f"no such thing as {SECRETS['GIT_TOKEN']}\nat all")

    monkeypatch.setenv("GIT_TOKEN", SECRETS["GIT_TOKEN"])
    monkeypatch.setattr("ci.cli.run_command", fail)
    done = in_this_process("status")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith(
        "error: ValueError: no such thing as [hidden] at all."
    )
    assert "Traceback" not in done.stderr
    assert "CI_DEBUG=1 python -m ci status" in done.stderr
    monkeypatch.setenv("CI_DEBUG", "1")
    done = in_this_process("status")
    assert "Traceback" in done.stderr
    assert SECRETS["GIT_TOKEN"] not in done.stderr


def test_files_that_variables_name_are_read_for_their_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("[default]\naws_secret_access_key = from-a-file-of-the-test\nregion = eu\n")
    token = tmp_path / "token"
    token.write_text("token-of-a-file\n")
    hidden.remember_all(
        {
            "AWS_SHARED_CREDENTIALS_FILE": str(keys),
            "GIT_TOKEN_FILE": str(token),
            "HTTPS_PROXY": "http://me:pass-of-a-proxy@proxy:3128",
            "GIT_TOKEN_SECRET": "name/of-a-secret",
        }
    )
    text = "from-a-file-of-the-test token-of-a-file pass-of-a-proxy name/of-a-secret region"
    assert hidden.hide(text) == "[hidden] [hidden] [hidden] name/of-a-secret region"


def test_bytes_are_guarded_too(capfd: pytest.CaptureFixture[str]) -> None:
    hidden.remember("bytes-of-the-test")
    with hidden.guarded_output():
        sys.stdout.buffer.write(b"x bytes-of-the-test y\n")
    assert "x [hidden] y" in capfd.readouterr().out
