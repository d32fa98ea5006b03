"""Git as a person at a terminal has it: their credentials and name, in a private copy.

Their own work tree and its branches are never looked at and never changed.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ci.errors import RemoteError
from ci.git.made_commit import Identity
from ci.git.remote import Token, check_url, git_environment
from ci.git.repository import ConnectionLost, Copied, Repository
from ci.git.retry import Backoff
from ci.git.scratch import scratch_folder
from ci.hidden import remember
from ci.run import execute

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


_ANSWERS_WITHIN = 30.0  # seconds
# How a remote is reached (CA, proxy, another address, ssh), and how a commit is signed.
_SETTINGS = r"^(http|https|url|ssh|gpg)\.|^(core\.(sshcommand|gitproxy)|user\.signingkey)$"
_VARIABLES = (
    *("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_PROXY_COMMAND"),
    *("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_CERT", "GIT_SSL_KEY", "GIT_SSL_NO_VERIFY"),
)


class Access(NamedTuple):
    """A remote repository that a verb may read and push to.

    Attributes:
        repository: its bare private copy.
        url: its address.
        environment: git's whole environment, for commands that need a work tree.
        folder: a private folder that goes with it.
        author: who commits are by; None for the machine's name.
        backoff: the budget of attempts and seconds.
        sign: whether the person signs their commits (`commit.gpgSign`).
        answers_within: seconds for a question that is not the repository's own.
    """

    repository: Repository
    url: str
    environment: Mapping[str, str]
    folder: Path
    author: Identity | None
    backoff: Backoff
    sign: bool = False
    answers_within: float = 30.0

    def tip(self, branch: str) -> str:
        """Fetch a branch and return the commit at its tip.

        Raises:
            RemoteError: the remote can't be reached, or doesn't know us.
        """
        try:
            return self.repository.fetch(branch)
        except ConnectionLost as lost:
            raise RemoteError(
                f"{self.url} can't be read: {lost.refusal.reason}",
                hint="Set GIT_TOKEN (and GIT_USER), or name another address by --url; a folder of"
                " another user's needs your `git config --global --add safe.directory`.",
            ) from lost

    def branch(self, followed: str) -> str:
        """Name the branch that Argo CD follows by a `targetRevision`: the remote's own for HEAD.

        Raises:
            RemoteError: the remote can't be reached, or has no default branch.
        """
        if followed not in ("", "HEAD"):
            return followed.removeprefix("refs/heads/")
        asked = ["git", "ls-remote", "--symref", self.url, "HEAD"]
        done = execute(asked, env=self.environment, timeout=self.answers_within)
        # "ref: refs/heads/main\tHEAD" (git-ls-remote's manual, --symref).
        found = re.search(r"^ref: refs/heads/(\S+)\tHEAD$", done.stdout.decode(), re.MULTILINE)
        if found is None:
            raise RemoteError(
                f"{self.url} does not say which branch HEAD is, which Argo CD follows",
                hint="Name a branch as `targetRevision` in argocd/apps.",
            )
        return found[1]

    def has(self, branch: str, commit: str, *, before: str) -> bool:
        """Whether `before`, a commit that somebody else has just pushed, contains `commit`."""
        self.tip(branch)
        return self.repository.is_ancestor(commit, before)


@contextlib.contextmanager
def open_remote(
    url: str,
    environ: Mapping[str, str],
    *,
    seconds: float = 120,
    least: float = 20,
    part: Copied = Copied.FOLDERS,
) -> Iterator[Access]:
    """Open a repository with GIT_TOKEN, or with what the person's own git would use.

    Args:
        url: its address.
        environ: the process's variables.
        seconds: the budget of all that is done with it.
        least: what a command of git may take at least. Argo CD is waited for in between.
        part: how much of it to copy.
    """
    url = check_url(url)
    within = min(seconds, _ANSWERS_WITHIN)
    environ = dict(environ)
    token = Token.read(environ)
    # What `insteadOf` makes of it: another host asks for another credential.
    meant = _ask("git", "ls-remote", "--get-url", url) or url
    if token is None and (saved := _saved_credential(meant, within)) is not None:
        environ["GIT_USER"], secret = saved
        token = Token(remember(secret))
    backoff = Backoff(attempts=20, seconds=seconds)
    with scratch_folder() as folder:
        config = _persons_settings(folder)
        environment = git_environment(environ, folder, url=meant, token=token, config=config)
        environment |= {name: environ[name] for name in _VARIABLES if name in environ}
        repository = Repository(
            url, folder, environment, left=lambda: max(least, backoff.left), part=part
        )
        sign = _ask("git", "config", "--type=bool", "commit.gpgSign") == "true"
        yield Access(repository, url, environment, folder, _author(), backoff, sign, within)


def remote_url(named: str | None, followed: str) -> str:
    """Choose the address: the named one, else this checkout's `origin` if it is the same place.

    Argo CD may read over https what people push to over ssh.

    Args:
        named: the address that the person gave, or None.
        followed: the address that Argo CD follows.
    """
    if named:
        return named
    origin = _ask("git", "remote", "get-url", "origin")
    return origin if origin and place(origin) == place(followed) else followed


def place(url: str) -> str:
    """Reduce an address to host and path, which are the same over https and ssh.

    >>> place("git@github.com:owner/coworking.git") == place("https://github.com/owner/coworking")
    True
    """
    if "://" not in url and ":" in url:
        host, _, path = url.rpartition("@")[2].partition(":")
    else:
        parts = urlsplit(url)
        host, path = parts.netloc.rpartition("@")[2], parts.path
    return f"{host.lower()}/{path.strip('/').removesuffix('.git')}"


def _saved_credential(url: str, within: float) -> tuple[str, str] | None:
    """Ask the person's credential helpers for a user name and a password, without a prompt."""
    if urlsplit(url).scheme not in ("http", "https"):
        return None
    answer = _ask("git", "credential", "fill", stdin=f"url={url}\n\n", within=within)
    fields = dict(line.partition("=")[::2] for line in answer.splitlines())
    if fields.get("username") and fields.get("password"):
        return fields["username"], fields["password"]
    return None


def _persons_settings(scratch: Path) -> Path:
    """Write down how the person's git reaches a remote and signs, as it is in the current folder.

    Their aliases, hooks and the like stay out: a private copy has no use for them.
    """
    file = scratch / "settings"
    asked: list[tuple[str, ...]] = [("--get-regexp", _SETTINGS)]
    # Which folders of other users are trusted counts only there, or a checkout could say so itself.
    asked += [(scope, "--get-regexp", r"^safe\.directory$") for scope in ("--system", "--global")]
    lines = []
    for words in asked:
        for entry in filter(None, _ask("git", "config", "--includes", "-z", *words).split("\0")):
            key, _, value = entry.partition("\n")
            section, _, name = key.rpartition(".")
            section, _, part = section.partition(".")
            lines.append(f"[{section} {_quoted(part)}]" if part else f"[{section}]")
            lines.append(f"{name} = {_quoted(value)}")
            if name == "extraheader":
                remember(value.rpartition(" ")[2])
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return file


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _author() -> Identity | None:
    name, email = _ask("git", "config", "user.name"), _ask("git", "config", "user.email")
    return Identity(name, email) if name and email else None


def _ask(*command: str, stdin: str = "", within: float = 30.0) -> str:
    """Ask the person's own git; empty when it has no answer. Nothing it says is ever shown."""
    environment = {
        **os.environ,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "false",
        "SSH_ASKPASS": "false",
    }
    # A helper that asks a person may wait for ever: no answer in time means no credential.
    done = execute(command, env=environment, stdin=stdin.encode(), timeout=within)
    return done.stdout.decode(errors="replace").strip() if done.status == 0 else ""
