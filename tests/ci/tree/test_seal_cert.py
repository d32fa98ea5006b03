"""Fetching a cluster's certificate, from an API server of the test's own."""

from __future__ import annotations

import copy
import http.server
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ci.tree import seal_cert
from tests.ci import verbs
from tests.ci.kubernetes_api import KUBECONFIG

ROOT = Path(__file__).parents[3]
CERTIFICATE = (ROOT / "overlays/prod/sealing-cert.pem").read_bytes()
SERVICES = "/api/v1/namespaces/kube-system/services"
NAME = "sealed-secrets-controller"
# What the API server makes of the Service in sealed-secrets v0.40.0's controller.yaml.
UPSTREAM: dict[str, Any] = {
    "kind": "Service",
    "apiVersion": "v1",
    "metadata": {"name": NAME, "namespace": "kube-system", "labels": {"name": NAME}},
    "spec": {
        "ports": [{"protocol": "TCP", "port": 8080, "targetPort": 8080}],
        "selector": {"name": NAME},
        "clusterIP": "10.100.14.5",
        "type": "ClusterIP",
    },
}

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Cluster:
    """An API server with one Service: it answers any GET as a real one does.

    Attributes:
        service: the Service, or None if the cluster has none.
        answer: what the Service's pod answers at /v1/cert.pem; another path is 404 there.
        refusals: how many of the requests to the pod come before it is ready.
        html: what every path answers, where the server is not an API server at all.
        proxied: the paths that were passed on to the Service.
    """

    def __init__(self) -> None:
        self.service: dict[str, Any] | None = copy.deepcopy(UPSTREAM)
        self.answer = CERTIFICATE
        self.refusals = 0
        self.html = b""
        self.proxied: list[str] = []
        cluster = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, kind, body = cluster.respond(self.path)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                """Tests print nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def respond(self, path: str) -> tuple[int, str, bytes]:
        """The status, the type and the body of the answer to a path."""
        if self.html:
            return 200, "text/html", self.html
        place, _, rest = path.removeprefix(f"{SERVICES}/").partition("/")
        if not path.startswith(f"{SERVICES}/"):
            return failure(404, "NotFound", "the server could not find the requested resource")
        scheme, name, port = split(place)
        if self.service is None or name != NAME:
            return failure(404, "NotFound", f'services "{name}" not found')
        if not rest and not port and not scheme:
            return 200, "application/json", json.dumps(self.service).encode()
        if not rest.startswith("proxy/"):
            return failure(404, "NotFound", "the server could not find the requested resource")
        self.proxied.append(path)
        return self.proxy(scheme, port, rest.removeprefix("proxy"))

    def proxy(self, scheme: str, port: str, path: str) -> tuple[int, str, bytes]:
        """Pass a request on: by the port's name, its number, or no name for one without a name."""
        assert self.service is not None
        ports = self.service["spec"].get("ports", [])
        known = {each.get("name", "") for each in ports} | {str(each["port"]) for each in ports}
        if port not in known or len(self.proxied) <= self.refusals:
            return failure(
                503, "ServiceUnavailable", f'no endpoints available for service "{NAME}"'
            )
        if scheme == "https":
            return failure(500, "InternalError", "tls: first record does not look like TLS")
        if path != "/v1/cert.pem":
            return 404, "text/plain", b"404 page not found"
        return 200, "application/x-pem-file", self.answer


def split(place: str) -> tuple[str, str, str]:
    """`[SCHEME:]NAME[:PORT]` in parts, as apimachinery's SplitSchemeNamePort reads it."""
    parts = place.split(":")
    if len(parts) == 3:
        return parts[0], parts[1], parts[2]
    return "", parts[0], parts[1] if len(parts) == 2 else ""


def failure(code: int, reason: str, message: str) -> tuple[int, str, bytes]:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    return code, "application/json", json.dumps(status).encode()


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
        # Patient enough for a pod that comes; a wrong path must not cost its two minutes.
        return run(
            *("seal-cert", "--root", str(tree), "--patience", "3"), *(environments or ["dev"])
        )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    overlay = tmp_path / "overlays" / "dev"
    overlay.mkdir(parents=True)
    (overlay / "kustomization.yaml").write_text("resources: []\n")
    return tmp_path


def kept(tree: Path, environment: str = "dev") -> bytes:
    return (tree / f"overlays/{environment}/sealing-cert.pem").read_bytes()


def test_it_fetches_the_certificate_through_upstreams_service(tree: Path, cluster: Cluster) -> None:
    done = fetch(tree, cluster.url, run=verbs.as_a_process)
    assert done.returncode == 0, done.stderr
    assert kept(tree) == CERTIFICATE
    assert cluster.proxied == [f"{SERVICES}/http:{NAME}:/proxy/v1/cert.pem"]
    assert "Now seal with it: make seal ENV='dev'" in done.stdout


def test_it_asks_for_a_port_by_the_name_that_the_service_gives_it(
    tree: Path, cluster: Cluster
) -> None:
    assert cluster.service is not None
    # Helm's chart of sealed-secrets names it `http`; a distribution may name it otherwise.
    cluster.service["spec"]["ports"][0]["name"] = "web"
    done = fetch(tree, cluster.url)
    assert done.returncode == 0, done.stderr
    assert kept(tree) == CERTIFICATE
    assert cluster.proxied == [f"{SERVICES}/http:{NAME}:web/proxy/v1/cert.pem"]


def test_the_same_certificate_again_is_told(tree: Path, cluster: Cluster) -> None:
    fetch(tree, cluster.url)
    done = fetch(tree, cluster.url)
    assert "The cluster's is the one that was there." in done.stdout
    assert "Now seal" not in done.stdout


def test_an_answer_that_is_no_certificate_changes_nothing(tree: Path, cluster: Cluster) -> None:
    cluster.answer = b"<html>a proxy's page</html>"
    done = fetch(tree, cluster.url)
    assert done.returncode == 2
    assert "the answer of sealed-secrets-controller is not a certificate" in done.stderr
    assert not (tree / "overlays/dev/sealing-cert.pem").exists()


def test_a_cluster_without_the_service_is_told_with_the_command_that_installs_it(
    tree: Path, cluster: Cluster
) -> None:
    cluster.service = None
    done = fetch(tree, cluster.url)
    assert done.returncode == 1
    assert f"the cluster has no Service {NAME} in the namespace kube-system" in done.stderr
    assert "\nkubectl apply --server-side -k argocd/addons\n" in done.stderr


def test_a_service_without_a_port_is_told(tree: Path, cluster: Cluster) -> None:
    assert cluster.service is not None
    del cluster.service["spec"]["ports"]
    done = fetch(tree, cluster.url)
    assert done.returncode == 1
    assert f"the Service {NAME} in the namespace kube-system has no port" in done.stderr
    assert cluster.proxied == []


def test_a_server_that_is_not_an_api_server_is_told(tree: Path, cluster: Cluster) -> None:
    cluster.html = b"<html>log in to the hotel's network</html>"
    done = fetch(tree, cluster.url)
    assert done.returncode == 1
    assert "does not answer as a Kubernetes API does" in done.stderr


def test_a_controller_that_is_starting_is_waited_for(tree: Path, cluster: Cluster) -> None:
    cluster.refusals = 1
    done = fetch(tree, cluster.url)
    assert done.returncode == 0, done.stderr
    assert len(cluster.proxied) == 2


def test_a_controller_that_never_starts_is_told(tree: Path, cluster: Cluster) -> None:
    cluster.refusals = 1_000_000
    done = fetch(tree, cluster.url, "dev", "--patience", "0.2")
    assert done.returncode == 1
    assert "no endpoints available for service" in done.stderr
    assert f"kubectl -n kube-system get deployment {NAME}" in done.stderr


def test_two_environments_of_one_cluster_are_served_at_once(tree: Path, cluster: Cluster) -> None:
    (tree / "overlays/prod").mkdir()
    (tree / "overlays/prod/kustomization.yaml").write_text("resources: []\n")
    done = fetch(tree, cluster.url, "dev", "prod")
    assert "make seal ENV='dev prod'" in done.stdout
    for name in ("dev", "prod"):
        assert kept(tree, name) == CERTIFICATE


def test_a_cluster_that_does_not_answer_is_told(tree: Path) -> None:
    done = fetch(tree, "http://127.0.0.1:1")
    assert done.returncode == 1
    assert "the cluster gave no certificate" in done.stderr
    assert "Traceback" not in done.stderr
