"""Answers recorded from a real Argo CD 3.4.7, and a small server that speaks its API."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ci.argocd.application import Application

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.ci.argocd_database import Database

RECORDED = Path(__file__).parent / "argocd" / "recorded"
IMAGE = "183302320810.dkr.ecr.us-east-1.amazonaws.com/coworking"
UNAVAILABLE = 'rpc error: code = Unavailable desc = connection error: "dial tcp: refused"'
OVERLAY = "overlays/prod/coworking/image/kustomization.yaml"


@pytest.fixture
def recorded() -> Callable[[str], Application]:
    """Read a recorded Application, by the name of its file."""
    return lambda name: Application.parse(json.loads((RECORDED / f"{name}.json").read_text()))


class Git:
    """A bare repository with prod's overlay, and the commits that a test makes in it.

    A commit is one process here, where a clone's add, commit and push are ten.

    Args:
        folder: where it is made.
        url: one that is there already, instead.
    """

    def __init__(self, folder: Path, url: str = "") -> None:
        self.url = url or str(folder / "remote.git")
        self._written: dict[str, str] = {}
        self._known: dict[tuple[str, ...], str] = {}
        if not url:
            self._make(folder)

    def _make(self, folder: Path) -> None:
        self._run(folder, "init", "-q", "--bare", "-b", "main", "--template=", self.url)
        with Path(self.url, "config").open("a") as config:
            config.write("[receive]\n\tautogc = false\n")

    def _run(self, folder: Path, *arguments: str, stdin: str = "") -> str:
        command = ["git", *arguments]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True, input=stdin
        )
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        """Write a file, which the next commit has."""
        self._written[path] = text

    def commit(self, path: str, text: str, message: str = "Change") -> str:
        """Commit a file on main and return the commit."""
        files = self._written | {path: text}
        self._written = {}
        return self._import(message, "".join(_file(*each) for each in files.items()))

    def merge(self, branch: str) -> None:
        """Merge a branch, which was made of main as it is, into main."""
        tree = self._run(Path(self.url), "rev-parse", f"{branch}^{{tree}}")
        self._import("Merge", f'merge refs/heads/{branch}^0\nM 040000 {tree} ""\n')

    def _import(self, message: str, changes: str) -> str:
        """Put a commit on main by git-fast-import's language; returns it."""
        tip = self.tip()
        who = "committer t <t@example.com> now\n"
        base = f"from {tip}\n" if tip else ""
        said = f"commit refs/heads/main\nmark :1\n{who}{_data(message)}{base}{changes}"
        # Without a limit it would start another process, which writes a file an object.
        options = ("-c", "fastimport.unpackLimit=1", "fast-import", "--quiet", "--date-format=now")
        return self._run(Path(self.url), *options, stdin=f"{said}\nget-mark :1\n")

    def deploy(self, tag: str) -> str:
        """Write prod's tag, as a write-back does."""
        text = (
            f'kind: Component\nimages:\n- name: coworking\n  newName: {IMAGE}\n  newTag: "{tag}"\n'
        )
        return self.commit(OVERLAY, text, f"deploy(prod): coworking to {tag}")

    def tip(self) -> str:
        """The commit at main's tip; empty before the first."""
        try:
            return Path(self.url, "refs/heads/main").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return ""

    def read(self, path: str, commit: str = "main") -> str:
        """A file as it is in a commit."""
        return self._show("show", f"{self._resolved(commit)}:{path}")

    def names(self, commit: str = "main") -> list[str]:
        """The paths of a commit's files."""
        return self._show("ls-tree", "-r", "--name-only", self._resolved(commit)).splitlines()

    def _resolved(self, commit: str) -> str:
        return self.tip() if commit == "main" else commit

    def _show(self, *words: str) -> str:
        """What git says of a commit, which stays; each is asked once."""
        if words not in self._known:
            self._known[words] = self._run(Path(self.url), *words)
        return self._known[words]

    def log(self) -> str:
        """The messages of main, newest first."""
        return self._run(Path(self.url), "log", "--format=%B", "main")


def _data(text: str) -> str:
    """A text in git-fast-import's language."""
    return f"data {len(text.encode())}\n{text}\n"


def _file(path: str, text: str) -> str:
    return f"M 100644 inline {path}\n{_data(text)}"


class FakeArgo:
    """An Argo CD with one Application, which syncs at once; just what the verbs ask for.

    It exists for the verbs' own logic. What the real one answers is recorded, and the end-to-end
    suite runs the verbs against it.
    """

    def __init__(self, git: Git) -> None:
        self.git = git
        self.url = ""
        self.calls: list[str] = []
        self.live = ""
        self.service: dict[str, Any] = {"kind": "Service", "spec": {"type": "ClusterIP"}}
        self.fail: tuple[int, bytes, str] | None = None
        # What the repo server has no copy of while git is away, or all commits while it is down.
        self.unrendered: set[str] = set()
        self.render_takes = 0.0  # seconds; as while git hangs
        self.database: Database | None = None
        self.pods: dict[str, dict[str, Any]] = {}  # the service's own, as the cluster has them
        self.replica_sets: dict[str, tuple[str, str]] = {}  # name: its tag, and when it was made
        self.application: dict[str, Any] = json.loads((RECORDED / "resumed.json").read_text())
        self.application["spec"]["source"]["repoURL"] = git.url
        self.application["status"]["history"] = []

    def sync(self) -> None:
        """Deploy the branch's tip, as auto-sync does."""
        self._deploy(self.git.tip())
        self.application["status"]["sync"] |= {"status": "Synced", "revision": self.git.tip()}
        self.application["status"]["reconciledAt"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"

    def _deploy(self, revision: str) -> None:
        history = self.application["status"]["history"]
        history.append({"id": len(history), "revision": revision, "deployedAt": None})
        self.live = self._tag(revision)
        state = self.application["status"]["operationState"]
        state |= {"phase": "Succeeded", "syncResult": {"revision": revision}}

    def _tag(self, revision: str) -> str:
        return self.git.read(OVERLAY, revision).rpartition("newTag:")[2].strip().strip('"')

    def manifests(self, revision: str) -> list[dict[str, Any]]:
        """What a commit renders to: the Deployment, and a ConfigMap if the commit has its file."""
        found = [_deployment(self._tag(revision))]
        if "level" in self.git.names(revision):
            level = {"LOG_LEVEL": self.git.read("level", revision)}
            found.append({"kind": "ConfigMap", "metadata": {"name": "c"}, "data": level})
        return found

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Any:
        """Answer a call with JSON, or with (status, message)."""
        self.calls.append(f"{method} {path}")
        routes: dict[str, Callable[[], Any]] = {
            "GET ": lambda: {"items": [self.application, *self._databases()]},
            "GET /coworking-prod": lambda: self._read(refresh="refresh" in query),
            "PUT /coworking-prod": lambda: self._write(
                body, validate=query.get("validate") != ["false"]
            ),
            "PATCH /coworking-prod": lambda: self._patch(json.loads(body["patch"])),
            "DELETE /coworking-prod/operation": self._terminate,
            "POST /coworking-prod/rollback": lambda: self._roll_back(body["id"]),
            "GET /coworking-prod/manifests": lambda: self._render(query["revision"][0]),
            "GET /coworking-prod/resource": lambda: self._resource(query),
            "GET /coworking-prod/resource-tree": lambda: {
                "nodes": [_node(name, created) for name, (_, created) in self.replica_sets.items()]
            },
        }
        if self.database:
            routes |= self.database.routes(self._databases()[0], query)
        route = routes.get(f"{method} {path.removeprefix('/api/v1/applications')}")
        return route() if route else (404, f"no {path}")

    def _databases(self) -> list[dict[str, Any]]:
        if not self.database:
            return []
        app = json.loads(json.dumps(self.application))
        app["metadata"]["name"] = "postgres-prod"
        app["status"]["health"]["status"] = self.database.health
        return [app]

    def _read(self, *, refresh: bool) -> Any:
        if refresh:
            self.application["status"]["sync"]["revision"] = self.git.tip()
        return self.application

    def _render(self, revision: str) -> Any:
        time.sleep(self.render_takes)
        if revision in self.unrendered:
            return 500, UNAVAILABLE
        try:
            return {"manifests": [json.dumps(m) for m in self.manifests(revision)]}
        except subprocess.CalledProcessError:
            return 400, f"failed to checkout: unable to read tree ({revision})"

    def _resource(self, query: dict[str, list[str]]) -> Any:
        [kind], [name] = query["kind"], query["resourceName"]
        found = self.service if kind == "Service" else _deployment(self.live)
        if kind == "ReplicaSet":
            found = _deployment(self.replica_sets[name][0])
        return {"manifest": json.dumps(found)}

    def _write(self, application: Any, *, validate: bool) -> Any:
        # Argo CD renders the branch's tip of a spec that it validates.
        if validate and self.unrendered:
            return 400, f"application spec for coworking-prod is invalid: {UNAVAILABLE}"
        self.application = application
        return application

    def _patch(self, change: dict[str, Any]) -> Any:
        merge(self.application, change)
        if self.application["spec"]["syncPolicy"]["automated"].get("enabled") is not False:
            self.sync()
        return self.application

    def _terminate(self) -> Any:
        self.application.pop("operation", None)
        self.application["status"]["operationState"]["phase"] = "Failed"
        return {}

    def _roll_back(self, target: int) -> Any:
        if self.application["spec"]["syncPolicy"]["automated"].get("enabled") is not False:
            return 400, "rollback cannot be initiated when auto-sync is enabled"
        if "operation" in self.application:
            return 400, "another operation is already in progress"
        revision = self.application["status"]["history"][target]["revision"]
        state = self.application["status"]["operationState"]
        if revision in self.unrendered:
            state |= {
                "phase": "Error",
                "operation": {"sync": {"revision": revision}},
                "syncResult": {"revision": ""},
                "message": f"ComparisonError: Failed to load target state: {UNAVAILABLE}",
            }
            return self.application
        self._deploy(revision)
        return self.application


def merge(target: dict[str, Any], change: dict[str, Any]) -> None:
    """Apply a JSON merge patch (RFC 7396), whose null removes a field."""
    for key, value in change.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            merge(target.setdefault(key, {}), value)
        else:
            target[key] = value


def _node(name: str, created: str) -> dict[str, str]:
    return {
        "group": "apps",
        "version": "v1",
        "kind": "ReplicaSet",
        "namespace": "coworking-prod",
        "name": name,
        "uid": name,
        "createdAt": created,
    }


def _deployment(tag: str) -> dict[str, Any]:
    pod = {"containers": [{"name": "coworking", "image": f"{IMAGE}:{tag}"}]}
    return {
        "kind": "Deployment",
        "metadata": {"name": "coworking"},
        "spec": {"replicas": 2, "template": {"spec": pod}},
        "status": {
            "replicas": 2,
            "updatedReplicas": 2,
            "availableReplicas": 2,
            "readyReplicas": 2,
        },
    }


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """An empty remote repository."""
    return Git(tmp_path)


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the fake."""

    fake: FakeArgo

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"null")
        parts = urlsplit(self.path)
        answer = self.fake.answer(self.command, parts.path, parse_qs(parts.query), body)
        status, kind = 200, "application/json"
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        if self.fake.fail:
            status, data, kind = self.fake.fail
        elif isinstance(answer, tuple):
            status, data = answer[0], json.dumps({"message": answer[1]}).encode()
        # Who waited for a render that takes long may have gone; the server would print a traceback
        # then, into whichever test runs by now.
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serve(fake: FakeArgo) -> Iterator[None]:
    """Let the fake answer at an address of its own, while the block lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"fake": fake}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def argo(git: Git, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeArgo]:
    """The fake, running, and named by the environment."""
    fake = FakeArgo(git)
    with serve(fake):
        for name in ("ARGOCD_SERVER", "ARGOCD_OPTS", "GIT_TOKEN", "GIT_TOKEN_FILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("ARGOCD_URL", fake.url)
        monkeypatch.setenv("ARGOCD_AUTH_TOKEN", "t0ken-of-the-tests")
        monkeypatch.setenv("KUBECONFIG", str(RECORDED / "none"))  # not the cluster of whoever tests
        monkeypatch.setattr("ci.argocd.environment.POLL", 0.01)
        yield fake
