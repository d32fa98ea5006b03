"""Fetching a cluster's certificate, from an API server of the test's own."""

from __future__ import annotations

import http.server
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ci import seal_cert
from tests.ci import verbs

ROOT = Path(__file__).parents[2]
PATH = (
    "/api/v1/namespaces/kube-system/services/http:sealed-secrets-controller:http/proxy/v1/cert.pem"
)
UNAVAILABLE = (
    b'{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 503,'
    b' "reason": "ServiceUnavailable", "message": "no endpoints available for service"}'
)
KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "{server}"}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
users: [{{name: u, user: {{}}}}]
current-context: c
"""

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Cluster:
    """An API server that answers one path; `asked` are the paths it was asked for."""

    def __init__(self) -> None:
        self.answer = b""
        self.status = 200
        self.refusals = 0
        self.asked: list[str] = []
        cluster = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                cluster.asked.append(self.path)
                refused = self.path == PATH and cluster.asked.count(PATH) <= cluster.refusals
                self.send_response(503 if refused else cluster.status)
                self.send_header("Content-Type", "application/json" if refused else "text/plain")
                self.end_headers()
                self.wfile.write(UNAVAILABLE if refused else cluster.answer)

            def log_message(self, *_arguments: object) -> None:
                """Tests print nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()


def fetch(
    tree: Path,
    server: str,
    *environments: str,
    run: Callable[..., verbs.Done] = verbs.in_this_process,
) -> verbs.Done:
    config = tree / "kubeconfig"
    config.write_text(KUBECONFIG.format(server=server))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(config))
        patch.setattr(seal_cert, "POLL", 0.05)
        return run("seal-cert", "--root", str(tree), *(environments or ["dev"]))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    overlay = tmp_path / "overlays" / "dev"
    overlay.mkdir(parents=True)
    (overlay / "kustomization.yaml").write_text("resources: []\n")
    return tmp_path


def test_it_keeps_what_the_controller_answers(tree: Path, cluster: Cluster) -> None:
    cluster.answer = (ROOT / "overlays/prod/sealing-cert.pem").read_bytes()
    server = f"http://127.0.0.1:{cluster.server.server_port}"
    done = fetch(tree, server, run=verbs.as_a_process)
    assert done.returncode == 0, done.stderr
    assert (tree / "overlays/dev/sealing-cert.pem").read_bytes() == cluster.answer
    assert PATH in cluster.asked
    assert "Now seal with it: make seal ENV='dev'" in done.stdout


def test_the_same_certificate_again_is_told(tree: Path, cluster: Cluster) -> None:
    cluster.answer = (ROOT / "overlays/prod/sealing-cert.pem").read_bytes()
    fetch(tree, f"http://127.0.0.1:{cluster.server.server_port}")
    done = fetch(tree, f"http://127.0.0.1:{cluster.server.server_port}")
    assert "The cluster's is the one that was there." in done.stdout
    assert "Now seal" not in done.stdout


def test_an_answer_that_is_no_certificate_changes_nothing(tree: Path, cluster: Cluster) -> None:
    cluster.answer = b"<html>a proxy's page</html>"
    done = fetch(tree, f"http://127.0.0.1:{cluster.server.server_port}")
    assert done.returncode == 2
    assert "the answer of sealed-secrets-controller is not a certificate" in done.stderr
    assert not (tree / "overlays/dev/sealing-cert.pem").exists()


def test_a_cluster_without_the_controller_is_told(tree: Path, cluster: Cluster) -> None:
    cluster.status = 404
    done = fetch(tree, f"http://127.0.0.1:{cluster.server.server_port}")
    assert done.returncode == 1
    assert "the cluster gave no certificate" in done.stderr
    assert "sealed-secrets must run there" in done.stderr


def test_a_controller_that_is_starting_is_waited_for(tree: Path, cluster: Cluster) -> None:
    cluster.answer = (ROOT / "overlays/prod/sealing-cert.pem").read_bytes()
    cluster.refusals = 1
    done = fetch(tree, f"http://127.0.0.1:{cluster.server.server_port}")
    assert done.returncode == 0, done.stderr
    assert cluster.asked.count(PATH) == 2


def test_two_environments_of_one_cluster_are_served_at_once(tree: Path, cluster: Cluster) -> None:
    (tree / "overlays/prod").mkdir()
    (tree / "overlays/prod/kustomization.yaml").write_text("resources: []\n")
    cluster.answer = (ROOT / "overlays/prod/sealing-cert.pem").read_bytes()
    done = fetch(tree, f"http://127.0.0.1:{cluster.server.server_port}", "dev", "prod")
    assert "make seal ENV='dev prod'" in done.stdout
    for name in ("dev", "prod"):
        assert (tree / f"overlays/{name}/sealing-cert.pem").read_bytes() == cluster.answer


def test_a_cluster_that_does_not_answer_is_told(tree: Path) -> None:
    done = fetch(tree, "http://127.0.0.1:1")
    assert done.returncode == 1
    assert "the cluster gave no certificate" in done.stderr
    assert "Traceback" not in done.stderr
