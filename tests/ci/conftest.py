"""A real bare repository with a history, people who push to it, and the verb run against it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.ci import renders
from tests.ci.github import GitHub
from tests.ci.verbs import as_a_process, in_this_process

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
OVERLAY = "overlays/dev/coworking/image"
FILE = f"{OVERLAY}/kustomization.yaml"
REGISTRY = "183302320810.dkr.ecr.us-east-1.amazonaws.com/coworking"
# Comments, odd spacing and an order of its own: all of it must survive.
KUSTOMIZATION = f"""\
# Written by machines.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
images:
  - name:   other   # not ours
    newTag: "1-aaaaaaaa"
  - newTag: none    # this one
    newName: {REGISTRY}
    name: coworking
"""
PERSON = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Person",
    "GIT_AUTHOR_EMAIL": "person@example.org",
    "GIT_COMMITTER_NAME": "Person",
    "GIT_COMMITTER_EMAIL": "person@example.org",
}

# No housekeeping, which would be a process or two more for each command.
QUIET = ("--config=maintenance.auto=false", "--config=gc.auto=0")


class Answer(NamedTuple):
    """What the verb said."""

    status: int
    json: dict[str, Any]
    stderr: str
    stdout: str


class Clone:
    """A person's clone, with the few things that people do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def clone(self, url: str) -> Clone:
        self.folder.mkdir()
        self.git("clone", "-q", "--template=", *QUIET, url, ".")
        return self

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=os.environ | PERSON,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, path: str = "apps/app.txt", text: str | None = None) -> str:
        """Commit a change and return the commit."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            text = (file.read_text() if file.exists() else "") + "more\n"
        file.write_bytes(text.encode())
        self.git("add", "--all")
        self.git("commit", "-q", "-m", f"Change {path}")
        return self.git("rev-parse", "HEAD")

    def push(self) -> None:
        self.git("push", "-q", "origin", "HEAD:main")

    def pull(self) -> None:
        self.git("pull", "-q", "--ff-only", "origin", "main")

    def ship(self) -> str:
        """Commit a change of the app on top of the branch, push it, and return the commit."""
        self.pull()
        commit = self.commit()
        self.push()
        return commit


class Remote:
    """A bare repository whose branch main has the overlay, and a person's clone beside it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "remote.git"
        self.url = f"file://{self.path}"
        self.person = Clone(folder / "person")

    @classmethod
    def create(cls, folder: Path) -> Remote:
        """Make the repository, with the overlay in its first commit."""
        remote = cls(folder)
        subprocess.run(
            ["git", "init", "-q", "--bare", "-b", "main", "--template=", remote.path],
            env=os.environ | PERSON,
            check=True,
        )
        remote.git("config", "receive.autogc", "false")
        remote.person.clone(remote.url)
        # A relative address: the two folders can be copied together as they are.
        remote.person.git("config", "remote.origin.url", "../remote.git")
        remote.person.commit(FILE, KUSTOMIZATION)
        remote.person.push()
        remote.pack()
        return remote

    def pack(self) -> None:
        """Make both repositories few files, before the copies."""
        for git in (self.git, self.person.git):
            git("repack", "-a", "-d", "--quiet")
            git("pack-refs", "--all")

    def copy(self, folder: Path) -> Remote:
        """Copy the repository and the clone to another folder, which takes no git at all."""
        for original in (self.path, self.person.folder):
            shutil.copytree(original, folder / original.name)
        return type(self)(folder)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", f"--git-dir={self.path}", *arguments],
            env=os.environ | PERSON,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode()

    @property
    def tip(self) -> str:
        return self.git("rev-parse", "main").strip()

    def file(self, path: str = FILE, *, at: str = "main") -> str:
        return self.git("cat-file", "blob", f"{at}:{path}")

    def hook(self, name: str, script: str) -> Path:
        """Put a hook in place; it reads like a shell script."""
        file = self.path / "hooks" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return file

    def arguments(self, tag: str, **options: str | bool) -> list[str]:
        """The verb's command line; an option given as None is left out."""
        values: dict[str, Any] = {
            "url": self.url,
            "overlay": OVERLAY,
            "image": "coworking",
            "registry": REGISTRY,
            "tag": tag,
            **options,
        }
        words = [sys.executable, "-m", "ci", "set-image"]
        for name, value in values.items():
            flag = f"--{name.replace('_', '-')}"
            words += [flag] if value is True else [flag, str(value)]
        return words

    def set_image(
        self,
        tag: str,
        *,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        **options: Any,
    ) -> Answer:
        """Run the verb: as a process of its own where its environment matters, else in this one."""
        words = self.arguments(tag, **options)[3:]  # what follows `python -m ci`
        if env is None and cwd is None:
            done = in_this_process(*words)
        else:
            done = as_a_process(*words, env=env, cwd=cwd or ROOT)
        lines = done.stdout.splitlines()
        assert len(lines) == 1, done
        assert "Traceback" not in done.stderr
        return Answer(done.returncode, json.loads(lines[0]), done.stderr, done.stdout)

    def deploy(self, build: int, commit: str, **options: Any) -> Answer:
        """Write a build's tag back; it must succeed."""
        answer = self.set_image(f"{build}-{commit[:8]}", **options)
        assert answer.status == 0, answer
        return answer


@pytest.fixture(scope="session", autouse=True)
def _renders_once() -> Iterator[None]:
    with renders.kept():
        yield


@pytest.fixture(scope="session")
def first_remote(tmp_path_factory: pytest.TempPathFactory) -> Remote:
    """What each test gets its own copy of: making one takes twenty git processes."""
    return Remote.create(tmp_path_factory.mktemp("git"))


@pytest.fixture
def remote(tmp_path: Path, first_remote: Remote) -> Remote:
    """A bare repository with the overlay on main."""
    return first_remote.copy(tmp_path)


@pytest.fixture
def kustomization() -> str:
    """The overlay's file as the repository has it at first."""
    return KUSTOMIZATION


@pytest.fixture
def registry() -> str:
    """The ECR repository that the overlay names."""
    return REGISTRY


class GitServer(ThreadingHTTPServer):
    """`git http-backend` behind basic authentication, with switches for what can go wrong.

    Attributes:
        token: the password that may push; reading needs it too.
        seen: the Authorization headers that came.
        drop_answers: how many answers to a push are cut off after the push was done.
        moved_to: another server's URL, to redirect every request to.
        refuse_pushes: answer a push with 403, as a host does when the token may only read.
    """

    daemon_threads = True

    def __init__(self, root: Path, token: str) -> None:
        super().__init__(("127.0.0.1", 0), GitHandler)
        self.root = root
        self.token = token
        self.seen: list[str] = []
        self.drop_answers = 0
        self.refuse_pushes = False
        self.moved_to = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/remote.git"


class GitHandler(BaseHTTPRequestHandler):
    """One request to GitServer."""

    server: GitServer

    def log_message(self, *args: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        is_push = "git-receive-pack" in self.path
        given = self.headers.get("Authorization", "")
        self.server.seen.append(given)
        if self.server.moved_to:
            self.send_response(301)
            self.send_header(
                "Location", self.server.moved_to + self.path.removeprefix("/remote.git")
            )
            self.end_headers()
            return None
        if base64.b64decode(given[6:]).decode().partition(":")[2] != self.server.token:
            # A careless host repeats what it was sent.
            return self._answer(401, f"who is {given} {base64.b64decode(given[6:]).decode()}?")
        if is_push and self.server.refuse_pushes:
            return self._answer(403, "read only")
        said = self._ask_git()
        if is_push and self.command == "POST" and self.server.drop_answers:
            self.server.drop_answers -= 1
            return None
        head, _, content = said.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        return None

    do_POST = do_GET  # noqa: N815  (http.server's name)

    def _ask_git(self) -> bytes:
        """Hand the request to git's own CGI program; its answer has a head and a body."""
        path, _, query = self.path.partition("?")
        variables = {
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "REMOTE_USER": "bot",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        return subprocess.run(
            ["git", "http-backend"],
            env=os.environ | PERSON | variables,
            input=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            capture_output=True,
            check=True,
        ).stdout

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture
def server(remote: Remote) -> Iterator[GitServer]:
    """The same repository over HTTP, for whoever has the token."""
    remote.git("config", "http.receivepack", "true")
    with GitServer(remote.path.parent, "t0ken-of-48-digits") as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def github() -> Iterator[GitHub]:
    """A stand-in for GitHub's comments."""
    server = GitHub()
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
