"""The tree on the git server: a copy of this checkout's HEAD that scenarios commit to and push."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.harness.argo_access import ArgoAccess


class Repository:
    """A clone with `origin` at the git server.

    Args:
        folder: where the clone is.
        url: the repository's address.
        user: who pushes.
        token: their token.

    Attributes:
        variables: what `python -m ci` finds beside the process's own environment.
    """

    def __init__(self, folder: Path, url: str, user: str, token: str) -> None:
        self.folder = folder
        self.url = url
        parts = urlsplit(url)
        self._push_url = parts._replace(netloc=f"{user}:{token}@{parts.netloc}").geturl()
        self._user, self._token = user, token
        self._webhook: tuple[str, str] | None = None
        self.variables: dict[str, str] = {}

    def begin(self, source: Path) -> None:
        """Copy a checkout's HEAD, with its history, and overwrite the server's `main` by it."""
        subprocess.run(
            ["git", "clone", "-q", "--no-hardlinks", source, self.folder], check=True, timeout=120
        )
        self.git("checkout", "-q", "-B", "main")
        self.git("config", "user.name", "End to end")
        self.git("config", "user.email", "e2e@example.com")
        # Also for `python -m ci` in this clone: what it pushes to is what Argo CD follows.
        self.git("remote", "set-url", "origin", self.url)
        self.git("config", "branch.main.remote", "origin")
        self.git("config", "branch.main.merge", "refs/heads/main")
        # A person's git knows their password; a line that says `git push` needs no more.
        answer = f"!f() {{ echo username={self._user}; echo password={self._token}; }}; f"
        self.git("config", "credential.helper", answer)

    def use(self, access: ArgoAccess) -> None:
        """Let the verbs, and the webhook, reach Argo CD."""
        self.variables = access.variables
        self._webhook = (f"{access.url}/api/webhook", str(access.certificate))

    def git(self, *arguments: str) -> str:
        """Run git in the clone."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"git {arguments}: {done.stderr}"
        return done.stdout.strip()

    def ci(
        self, *arguments: str, stdin: str = "", status: int | None = 0, **environment: str
    ) -> str:
        """Run `python -m ci` of the clone; `status` is the exit status it must have, if any."""
        done = subprocess.run(
            [sys.executable, "-m", "ci", *arguments],
            cwd=self.folder,
            env={
                **os.environ,
                **self.variables,
                "PYTHONPATH": os.pathsep.join((str(self.folder), str(self.folder / "treecheck"))),
                **environment,
            },
            input=stdin,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        output = f"{done.stdout}{done.stderr}"
        assert status in (None, done.returncode), f"ci {arguments}: {done.returncode}\n{output}"
        return output

    def ci_as(self, token: str, *arguments: str, status: int = 0) -> str:
        """Run it with an Argo CD token, whose account may not do everything."""
        return self.ci(*arguments, status=status, ARGOCD_AUTH_TOKEN=token)

    @property
    def head(self) -> str:
        """The commit that is checked out."""
        return self.git("rev-parse", "HEAD")

    def edit(self, path: str, pattern: str, replacement: str) -> None:
        """Replace what matches in a file; it must match."""
        file = self.folder / path
        text, count = re.subn(pattern, replacement, file.read_text(), flags=re.MULTILINE)
        assert count, f"{pattern!r} is not in {path}"
        file.write_text(text)

    def set_tag(self, environment: str, tag: str) -> None:
        """Write an environment's tag, as a build's write-back does."""
        path = f"overlays/{environment}/coworking/image/kustomization.yaml"
        self.edit(path, r"newTag: .*$", f'newTag: "{tag}"')

    def commit(self, message: str) -> str:
        """Commit everything and return the commit."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.head

    def push(self, *, webhook: bool = True, force: bool = False) -> str:
        """Push `main`, tell Argo CD as GitHub would, and return the commit."""
        self.git("push", "-q", *(["--force"] if force else []), self._push_url, "HEAD:main")
        if webhook:
            self.notify()
        return self.head

    def release(self, environment: str, tag: str, *, webhook: bool = True) -> str:
        """Deploy a tag: what a build's last step does; nothing when it is deployed already."""
        self.pull()
        self.set_tag(environment, tag)
        if self.git("status", "--porcelain"):
            self.commit(f"deploy({environment}): coworking to {tag}")
            self.push(webhook=webhook)
        return self.head

    def pull(self) -> None:
        """Take what others have pushed, `ci resume` for one."""
        self.git("fetch", "-q", self._push_url, "main")
        self.git("merge", "-q", "--ff-only", "FETCH_HEAD")

    def reset(self) -> None:
        """Forget what isn't on the server."""
        self.git("fetch", "-q", self._push_url, "main")
        self.git("reset", "-q", "--hard", "FETCH_HEAD")
        self.git("clean", "-q", "-fd")

    def notify(self) -> None:
        """Send Argo CD GitHub's push event (docs.github.com/webhooks), as far as it is read."""
        event = {
            "ref": "refs/heads/main",
            "before": self.git("rev-parse", "HEAD~1"),
            "after": self.head,
            "repository": {
                "html_url": self.url.removesuffix(".git"),
                "default_branch": "main",
            },
            "commits": [{"id": self.head, "added": [], "removed": [], "modified": ["overlays"]}],
        }
        assert self._webhook is not None, "nobody has logged in to Argo CD yet"
        url, certificate = self._webhook
        answer = requests.post(
            url, json=event, headers={"X-GitHub-Event": "push"}, timeout=10, verify=certificate
        )
        assert answer.ok, f"the webhook answered {answer.status_code}: {answer.text}"
