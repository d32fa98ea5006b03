"""Whatever answers in Argo CD's place, a person gets a sentence and what to do."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import warnings
from typing import TYPE_CHECKING, NamedTuple

import certifi
import pytest
from click.testing import CliRunner

from ci.argocd.client import ArgoCD, ArgoError, connect
from ci.argocd.login import SETTINGS, Login, find_login, how_to_log_in
from ci.errors import InputError
from ci.oncall.resume import command as resume
from ci.oncall.rollback import command as rollback
from ci.oncall.status import command as status
from tests.e2e.harness.upstream import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import click

    from tests.ci.argocd_server import FakeArgo


class Answer(NamedTuple):
    """An answer, and the words of the error and of its hint."""

    code: int
    body: bytes
    kind: str
    sentence: str
    hint: str = ""


PODS = "kubectl -n argocd get pods"
JSON, HTML = "application/json", "text/html"
NOT_JSON = ("something other than JSON", "Argo CD's own")
ANSWERS = {
    "401": Answer(401, b'{"message": "gone"}', JSON, "does not accept the token", "argocd login"),
    "403": Answer(403, b'{"message": "denied"}', JSON, "may not do that", "argocd-rbac-cm"),
    "503": Answer(
        503, b"no healthy targets", HTML, "with status 503", "kubectl -n argocd get pods"
    ),
    "500": Answer(500, b"oops", HTML, "with status 500"),
    "a_login_page": Answer(200, b"<html>Sign in</html>", HTML, *NOT_JSON),
    "a_redirect": Answer(307, b"", HTML, *NOT_JSON),
    "no_object": Answer(200, b'"text"', JSON, *NOT_JSON),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_unusable_answer_is_a_sentence_with_a_hint(argo: FakeArgo, answer: Answer) -> None:
    argo.fail = (answer.code, answer.body, answer.kind)

    with pytest.raises(ArgoError, match=answer.sentence) as raised:
        ArgoCD(Login(argo.url, "hidden", verify=True)).application("coworking-prod")

    assert answer.hint in raised.value.hint
    assert "hidden" not in f"{raised.value} {raised.value.hint}"


@pytest.mark.parametrize(
    ("url", "sentence", "hint"),
    [
        ("http://127.0.0.1:9", "Connection refused", "port-forward service/argocd-server"),
        ("http://argocd.invalid", "argocd.invalid", "No DNS server knows that name"),
        ("http://127.0.0.1:{silent}", "timed out", "Check the VPN"),
    ],
)
def test_nobody_answers_is_a_sentence_with_the_hint_of_its_cause(
    url: str, sentence: str, hint: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = url.format(silent=silent.getsockname()[1])
        with pytest.raises(ArgoError, match=f"Argo CD at {url} does not answer") as raised:
            ArgoCD(Login(url, "token", verify=True), timeout=0.3).applications()

    assert sentence in str(raised.value)
    assert hint in raised.value.hint


@pytest.mark.parametrize("verb", [status, rollback, resume])
def test_an_environment_that_is_not_there_is_named_with_those_that_are(
    argo: FakeArgo, verb: click.Command
) -> None:
    result = CliRunner().invoke(verb, ["prd"])

    assert isinstance(result.exception, InputError)
    assert str(result.exception) == "there is no environment 'prd'; there is prod"
    assert result.exception.hint == "Did you mean prod?"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            {"ARGOCD_SERVER": "argocd.example.com", "ARGOCD_AUTH_TOKEN": "t"},
            Login("https://argocd.example.com", "t", verify=True),
        ),
        (
            {"ARGOCD_SERVER": "a:80", "ARGOCD_AUTH_TOKEN": "t", "ARGOCD_OPTS": "--plaintext"},
            Login("http://a:80", "t", verify=True),
        ),
        (
            {
                "ARGOCD_SERVER": "a",
                "ARGOCD_AUTH_TOKEN": "t",
                "ARGOCD_OPTS": "--insecure --grpc-web",
            },
            Login("https://a", "t", verify=False),
        ),
        (
            {
                "ARGOCD_URL": "https://a/",
                "ARGOCD_AUTH_TOKEN": "t",
                "ARGOCD_OPTS": "--server-crt x.pem",
            },
            Login("https://a", "t", verify="x.pem"),
        ),
    ],
)
def test_the_login_is_the_one_that_the_argocd_command_uses(
    tmp_path: Path, environment: dict[str, str], expected: Login
) -> None:
    assert find_login(environment, tmp_path) == expected


def test_what_argocd_login_left_behind_is_enough(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "current-context: a:8080\n"
        "contexts: [{name: 'a:8080', server: 'a:8080', user: 'a:8080'}]\n"
        "servers: [{server: 'a:8080', insecure: true}]\n"
        "users: [{name: 'a:8080', auth-token: kept}]\n"
    )

    login = find_login({"ARGOCD_CONFIG_DIR": str(tmp_path)}, tmp_path)

    assert login == Login("https://a:8080", "kept", verify=False)


@pytest.mark.parametrize(
    "environment", [{}, {"ARGOCD_URL": "https://a"}, {"ARGOCD_AUTH_TOKEN": "t"}]
)
def test_without_an_address_or_a_token_it_says_how_to_get_them(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    with pytest.raises(InputError) as raised:
        find_login(environment, tmp_path)

    assert "argocd login ADDRESS --username on-call" in raised.value.hint


@pytest.mark.parametrize(
    ("data", "first_line"),
    [
        (
            "{accounts.developer: login, accounts.on-call: login, accounts.ci: apiKey}",
            "argocd login ADDRESS --username on-call   (or developer, admin)",
        ),
        (
            "{accounts.on-call: login, oidc.config: 'name: Our provider'}",
            "argocd login ADDRESS --sso",
        ),
        ("{accounts.ci: apiKey}", "argocd login ADDRESS --username NAME"),
        ("[a, list]", "argocd login ADDRESS --username NAME"),
    ],
)
def test_the_login_that_it_suggests_works_with_the_settings_of_the_tree(
    tmp_path: Path, data: str, first_line: str
) -> None:
    (tmp_path / SETTINGS).parent.mkdir(parents=True)
    (tmp_path / SETTINGS).write_text(f"kind: ConfigMap\ndata: {data}\n")

    assert how_to_log_in(tmp_path).splitlines()[0] == first_line


def test_a_file_of_another_form_is_no_login(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(json.dumps(["nothing", "of", "that"]))

    with pytest.raises(InputError, match="no Argo CD is named"):
        connect({"ARGOCD_CONFIG_DIR": str(tmp_path)})


@pytest.fixture
def own_certificate(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server with a certificate that only its own authority vouches for; its address and that."""
    authority = Authority(tmp_path)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"Version": "v3.4.7+1a2b3c4"}')

        def log_message(self, *_arguments: object) -> None:
            """Tests print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = authority.context("localhost").wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}", authority.file
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.thorough
@pytest.mark.parametrize("chosen", ["--server-crt", "--insecure"])
def test_the_options_of_argocd_win_over_a_bundle_of_the_environment(
    own_certificate: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    url, authority = own_certificate
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())  # as a company's laptop has it
    verify = str(authority) if chosen == "--server-crt" else False

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # urllib3 warns of what --insecure asks for
        assert ArgoCD(Login(url, "t", verify)).version() == "v3.4.7+1a2b3c4"
    with pytest.raises(ArgoError, match="is not trusted"):
        ArgoCD(Login(url, "t", verify=True)).version()
