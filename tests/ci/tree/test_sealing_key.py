"""The sealing keys: kept in a file and brought back; all sealed again by the controller."""

from __future__ import annotations

import base64
import json
import stat
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import rsa

from ci.tree import sealing
from tests.ci import verbs
from tests.ci.tree import test_seal
from tests.ci.tree.test_seal import KEY, PASSWORD, certificate, seal, sealed, tree
from tests.ci.tree.test_seal_cert import KUBECONFIG, Cluster, failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["tree"]  # the fixture
NEWEST = rsa.generate_private_key(65537, 2048)
SECRETS = "/api/v1/namespaces/kube-system/secrets"
PODS = "/api/v1/namespaces/kube-system/pods?labelSelector=name=sealed-secrets-controller"
PROXY = "/api/v1/namespaces/kube-system/services/http:sealed-secrets-controller:/proxy/v1"
LABEL = "sealedsecrets.bitnami.com/sealed-secrets-key"


def key_secret(name: str) -> dict[str, Any]:
    """A sealing key as the API server has it."""
    data = {
        each: base64.b64encode(f"{name} {each}".encode()).decode()
        for each in ("tls.crt", "tls.key")
    }
    return {
        "metadata": {
            "name": name,
            "namespace": "kube-system",
            "uid": name,
            "labels": {LABEL: "active"},
        },
        "type": "kubernetes.io/tls",
        "data": data,
    }


class KeyCluster(Cluster):
    """It has keys, and a controller that seals again with the newest and opens with both.

    Attributes:
        keys: the Secrets of the keys, by name.
        restarts: how often the controller's pod was deleted.
        loses: an entry that the controller leaves out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answer = certificate(NEWEST).encode()
        self.keys = {
            name: key_secret(name) for name in ("sealed-secrets-keyabc", "sealed-secrets-keyxyz")
        }
        self.restarts = 0
        self.loses = ""
        cluster, get = self, self.server.RequestHandlerClass

        class Handler(get):  # type: ignore[misc, valid-type]
            def _write(self) -> None:
                status, kind, body = cluster.write(self.command, self.path, self._body())
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(body)

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":  # kubectl sends files so
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            do_POST = do_DELETE = _write  # noqa: N815

        self.server.RequestHandlerClass = Handler

    def respond(self, path: str) -> tuple[int, str, bytes]:
        if unquote(path) == f"{SECRETS}?labelSelector={LABEL}":
            return _json({"items": list(self.keys.values())})
        return super().respond(path)

    def write(self, method: str, path: str, body: bytes) -> tuple[int, str, bytes]:
        """Answer a request that is not a GET."""
        if method == "DELETE" and unquote(path) == PODS:
            self.restarts += 1
            return _json({"items": []})
        if path == SECRETS:
            return self.create(json.loads(body))
        if path not in (f"{PROXY}/rotate", f"{PROXY}/verify"):
            return failure(404, "NotFound", "the server could not find the requested resource")
        manifest = json.loads(body)
        try:
            opened = self.opened(manifest)
        except (ValueError, InvalidTag):
            status = 409 if path.endswith("verify") else 500
            return failure(status, "InternalError", "it can't be opened")
        if path.endswith("/rotate"):
            return self.seal(manifest, opened)
        return 200, "text/plain", b""

    def create(self, secret: dict[str, Any]) -> tuple[int, str, bytes]:
        """Keep a key, unless it is there."""
        name = secret["metadata"]["name"]
        if name in self.keys:
            return failure(409, "AlreadyExists", f'secrets "{name}" already exists')
        self.keys[name] = secret
        return 201, *_json(secret)[1:]

    def seal(self, manifest: dict[str, Any], opened: dict[str, str]) -> tuple[int, str, bytes]:
        """Seal values with the newest key, as upstream's Rotate does."""
        opened.pop(self.loses, None)
        namespace = manifest["spec"]["template"]["metadata"]["namespace"]
        target = sealing.SecretName(namespace, manifest["metadata"]["name"])
        entries = {
            name: sealing.seal_value(value.encode(), NEWEST.public_key(), target)
            for name, value in opened.items()
        }
        return _json({"spec": {"encryptedData": entries}})

    @staticmethod
    def opened(manifest: dict[str, Any]) -> dict[str, str]:
        """The values, by whichever of the two keys opens them."""
        found = {}
        for name, value in manifest["spec"]["encryptedData"].items():
            try:
                found[name] = test_seal.open_sealed(value, "space/coworking-secret", NEWEST)
            except ValueError:
                found[name] = test_seal.open_sealed(value, "space/coworking-secret")
        return found


def _json(body: Any) -> tuple[int, str, bytes]:
    return 200, "application/json", json.dumps(body).encode()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyCluster]:
    made = KeyCluster()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG.format(server=made.url))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def sealing_key(*words: str) -> verbs.Done:
    return verbs.in_this_process("sealing-key", *words)


def test_a_backup_brings_every_key_back_to_another_cluster(
    cluster: KeyCluster, tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    done = sealing_key("backup", str(file))
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = {name: each["data"] for name, each in cluster.keys.items()}
    cluster.keys = {}

    done = sealing_key("restore", str(file))

    assert done.returncode == 0, done.stderr
    assert {name: each["data"] for name, each in cluster.keys.items()} == before
    assert all(each["metadata"]["labels"] == {LABEL: "active"} for each in cluster.keys.values())
    assert cluster.restarts == 1
    assert "2 keys were brought, and 0 were there." in done.stdout


def test_a_key_that_is_there_stays(cluster: KeyCluster, tmp_path: Path) -> None:
    sealing_key("backup", str(tmp_path / "keys.json"))
    done = sealing_key("restore", str(tmp_path / "keys.json"))
    assert done.returncode == 0, done.stderr
    assert "0 keys were brought, and 2 were there." in done.stdout
    assert cluster.restarts == 0


def test_no_output_has_a_key(cluster: KeyCluster, tmp_path: Path) -> None:
    done = sealing_key("backup", str(tmp_path / "keys.json"))
    for each in cluster.keys.values():
        for value in each["data"].values():
            assert value not in done.stdout + done.stderr


def test_a_backup_is_refused_inside_of_a_git_work_tree(cluster: KeyCluster) -> None:
    from ci.tree.overlays import ROOT  # noqa: PLC0415

    done = sealing_key("backup", str(ROOT / "keys.json"))
    assert done.returncode == 2
    assert "inside of a git work tree" in done.stderr
    assert not (ROOT / "keys.json").exists()


def test_a_backup_replaces_no_file(cluster: KeyCluster, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("other keys")
    done = sealing_key("backup", str(tmp_path / "keys.json"))
    assert done.returncode == 2
    assert (tmp_path / "keys.json").read_text() == "other keys"


def test_a_cluster_without_a_key_is_reported(cluster: KeyCluster, tmp_path: Path) -> None:
    cluster.keys = {}
    done = sealing_key("backup", str(tmp_path / "keys.json"))
    assert done.returncode == 1
    assert "has no sealing key" in done.stderr
    assert not (tmp_path / "keys.json").exists()


@pytest.mark.parametrize(
    "text", ["", "{}", '{"items": []}', '{"items": [{"metadata": {}}]}', "[1]"]
)
def test_another_file_is_not_restored(cluster: KeyCluster, tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    done = sealing_key("restore", str(tmp_path / "keys.json"))
    assert done.returncode == 2
    assert "is not a backup of sealing keys" in done.stderr


def test_all_is_sealed_again_with_the_newest_key_without_knowing_a_value(
    cluster: KeyCluster, tree: Path
) -> None:
    seal(tree, "dev", "--stdin", stdin=PASSWORD)
    seal(tree, "dev", "--access-key")
    before = sealed(tree)

    done = verbs.in_this_process("rotate", "sealing-key", "--root", str(tree))

    assert done.returncode == 0, done.stderr
    after = sealed(tree)
    assert after["spec"]["encryptedData"].keys() == before["spec"]["encryptedData"].keys()
    value = after["spec"]["encryptedData"]["DB_PASSWORD"]
    assert test_seal.open_sealed(value, "space/coworking-secret", NEWEST) == PASSWORD
    with pytest.raises(ValueError, match="Decryption failed"):
        test_seal.open_sealed(value, "space/coworking-secret", KEY)
    notes = after["metadata"]["annotations"]
    fingerprint = sealing.parse_certificate(cluster.answer.decode(), "newest").fingerprint
    assert (
        notes["coworking/sealed-with"] == notes["coworking/access-key-sealed-with"] == fingerprint
    )
    assert notes["coworking/sealed-on"] == before["metadata"]["annotations"]["coworking/sealed-on"]
    assert (tree / "overlays/dev/sealing-cert.pem").read_text() == cluster.answer.decode()


def test_a_controller_that_loses_an_entry_changes_no_file(cluster: KeyCluster, tree: Path) -> None:
    seal(tree, "dev", "--stdin", stdin=PASSWORD)
    before = sealed(tree), (tree / "overlays/dev/sealing-cert.pem").read_text()
    cluster.loses = "DB_PASSWORD"
    done = verbs.in_this_process("rotate", "sealing-key", "--root", str(tree))
    assert done.returncode == 1
    assert (sealed(tree), (tree / "overlays/dev/sealing-cert.pem").read_text()) == before
