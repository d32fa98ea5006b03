"""GitHub, the cluster and Argo CD as a first deploy meets them, each behind its real interface."""

from __future__ import annotations

import base64
import http.server
import json
import shutil
import subprocess
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import yaml

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "github_pat_of-48-digits"
ARGO_TOKEN = "argo-token"
SEALER = "sealed-secrets-controller"
GIT = shutil.which("git") or "git"  # a test may remove the PATH
Answer = tuple[int, Any]


class Served:
    """A server on this machine; `answer` says what it answers."""

    def __init__(self) -> None:
        self.fails = 0
        self.asked: list[str] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.served = self  # type: ignore[attr-defined] - the handler's way here
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, query: dict[str, str], token: str) -> Answer:
        """The status and the body for a GET; bytes are sent as they are."""
        raise NotImplementedError


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        served: Served = self.server.served  # type: ignore[attr-defined] - set by Served
        parts = urlsplit(self.path)
        served.asked.append(f"{self.command} {parts.path}")
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        status, body = served.answer(parts.path, query, token)
        if served.fails:
            status, body = served.fails, {"message": "down"}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        kind = "text/plain" if isinstance(body, bytes) else "application/json; charset=utf-8"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_write(self) -> None:
        """Nothing that asks may write."""
        served: Served = self.server.served  # type: ignore[attr-defined] - set by Served
        served.asked.append(f"{self.command} {self.path}")
        self.send_error(405)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_write  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Be quiet."""


class GitHub(Served):
    """One repository, over a real bare one; anything else is the 404 that GitHub answers.

    Attributes:
        bare: the repository.
        is_private: shown only to TOKEN.
        hooks: its webhooks, which are shown only to TOKEN.
    """

    def __init__(self, bare: Path, name: str) -> None:
        super().__init__()
        self.bare, self.name = bare, name
        self.is_private = False
        self.hooks: list[dict[str, Any]] = []

    def answer(self, path: str, query: dict[str, str], token: str) -> Answer:
        if token and token != TOKEN:
            return 401, {"message": "Bad credentials", "status": "401"}
        found = self._found(path, query, is_known=token == TOKEN)
        return (200, found) if found is not None else (404, {"message": "Not Found"})

    def _found(self, path: str, query: dict[str, str], *, is_known: bool) -> Any:
        root = f"/repos/{self.name}"
        if self.is_private and not is_known:
            return None
        if path == root:
            return {"full_name": self.name, "private": self.is_private}
        if path == f"{root}/hooks":
            return self.hooks if is_known else None
        if path.startswith(f"{root}/contents/"):
            file = path.removeprefix(f"{root}/contents/")
            content = self._show(query.get("ref", "main"), file)
            if content is not None:
                encoded = base64.encodebytes(content).decode()  # in lines, as GitHub does
                return {"type": "file", "path": file, "encoding": "base64", "content": encoded}
        return None

    def _show(self, ref: str, file: str) -> bytes | None:
        command = [GIT, "--git-dir", str(self.bare), "show", f"{ref}:{file}"]
        done = subprocess.run(command, capture_output=True, check=False)
        return done.stdout if done.returncode == 0 else None


# What is served: the plural, the kind, and whether it is in a namespace.
RESOURCES = {
    "/api/v1": [
        ("nodes", "Node", False),
        ("services", "Service", True),
        ("configmaps", "ConfigMap", True),
    ],
    "/apis/apps/v1": [("deployments", "Deployment", True), ("statefulsets", "StatefulSet", True)],
    "/apis/argoproj.io/v1alpha1": [("applications", "Application", True)],
    "/apis/bitnami.com/v1alpha1": [("sealedsecrets", "SealedSecret", True)],
}


class Cluster(Served):
    """An API server that a real kubectl can ask: discovery, lists and single objects.

    Attributes:
        objects: what it has, by group and version, plural, namespace and name.
        certificate: what the sealed-secrets controller answers, once its Service is there.
        may_read: what is allowed; without it everything but discovery is 403.
        has_crds: whether Argo CD's kinds are known.
    """

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[tuple[str, str, str, str], dict[str, Any]] = {}
        self.certificate = b""
        self.may_read = True
        self.has_crds = False

    def put(
        self, version: str, plural: str, name: str, *, namespace: str = "", **body: Any
    ) -> None:
        """Add an object, or replace it."""
        group = "/api/v1" if version == "v1" else f"/apis/{version}"
        kind = next(kind for known, kind, _ in RESOURCES[group] if known == plural)
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        metadata |= body.pop("metadata", {})
        self.objects[group, plural, namespace, name] = {
            "apiVersion": version,
            "kind": kind,
            "metadata": metadata,
            **body,
        }

    def kubeconfig(self, folder: Path) -> Path:
        """Write a kubeconfig that leads here, as eksctl does."""
        file = folder / "kubeconfig"
        names = {"name": "c", "cluster": {"server": self.url}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [names],
            "contexts": [context],
            "users": [{"name": "u", "user": {}}],
        }
        file.write_text(yaml.safe_dump(config))
        return file

    def answer(self, path: str, query: dict[str, str], token: str) -> Answer:
        if (found := self._discovery(path)) is not None:
            return 200, found
        if not self.may_read:
            return _failure(403, "Forbidden", f'User "u" cannot get path "{path}"')
        proxied = f"/api/v1/namespaces/kube-system/services/http:{SEALER}:/proxy/v1/cert.pem"
        if path == proxied and ("/api/v1", "services", "kube-system", SEALER) in self.objects:
            return 200, self.certificate
        for group, resources in self._served().items():
            if path.startswith(f"{group}/"):
                return self._object(group, path.removeprefix(f"{group}/"), resources)
        return _failure(404, "NotFound", "the server could not find the requested resource")

    def _served(self) -> dict[str, list[tuple[str, str, bool]]]:
        return {
            group: kinds
            for group, kinds in RESOURCES.items()
            if self.has_crds or group in ("/api/v1", "/apis/apps/v1")
        }

    def _discovery(self, path: str) -> dict[str, Any] | None:
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            groups = []
            for served in self._served():
                if served.startswith("/apis/"):
                    name, version = served.split("/")[2:]
                    one = {"groupVersion": f"{name}/{version}", "version": version}
                    groups.append({"name": name, "versions": [one], "preferredVersion": one})
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        if path in self._served():
            resources = [
                {"name": n, "singularName": k.lower(), "kind": k, "namespaced": s, "verbs": ["get"]}
                for n, k, s in self._served()[path]
            ]
            version = path.removeprefix("/apis/").removeprefix("/api/")
            return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
        return None

    def _object(self, group: str, path: str, kinds: list[tuple[str, str, bool]]) -> Answer:
        parts = path.split("/")
        namespace = ""
        if parts[0] == "namespaces":
            namespace, parts = parts[1], parts[2:]
        known = {plural: kind for plural, kind, _ in kinds}
        if not parts or parts[0] not in known:
            return _failure(404, "NotFound", "the server could not find the requested resource")
        version = group.removeprefix("/apis/").removeprefix("/api/")
        if len(parts) == 1:
            items = [
                one
                for (served, plural, where, _), one in self.objects.items()
                if (served, plural) == (group, parts[0]) and namespace in ("", where)
            ]
            kind = f"{known[parts[0]]}List"
            return 200, {"kind": kind, "apiVersion": version, "metadata": {}, "items": items}
        found = self.objects.get((group, parts[0], namespace, parts[1]))
        if found is None:
            return _failure(404, "NotFound", f'{parts[0]} "{parts[1]}" not found')
        return 200, found


def _failure(code: int, reason: str, message: str) -> Answer:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return code, status | {"message": message, "reason": reason, "code": code}


class ArgoCD(Served):
    """Argo CD's server, as far as it says who is asking."""

    def answer(self, path: str, query: dict[str, str], token: str) -> Answer:
        del query
        if path == "/api/v1/session/userinfo":
            if token != ARGO_TOKEN:  # it answers anonymous users too
                return 200, {}
            return 200, {"loggedIn": True, "username": "admin", "iss": "argocd"}
        return 404, {"error": "Not Found", "code": 5, "message": "Not Found"}
