"""Git without a work tree: a bare copy of one branch, commits made of objects, plain pushes.

Only plumbing is used (fast-import for a commit, commit-tree to sign it), so there is no checkout,
no index, no hook of ours, no filter and no editor, and the caller's own folder is never looked at.
Between a look at the branch and the push few processes run, so that few pushes come between.
"""

from __future__ import annotations

import enum
import functools
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ci.errors import CommandError, InputError
from ci.git.made_commit import MACHINE, Edit, File, Identity, written
from ci.git.push import Refusal, Verdict, judge_connection, judge_push
from ci.hidden import hide
from ci.run import TIMED_OUT, Done, execute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# Everything that could run a program, ask a person, or do work that a throw-away copy has no use
# for.
_OPTIONS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.fsync": "none",
    "credential.helper": "",
    "credential.interactive": "false",
    "fastimport.unpackLimit": "0",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.version": "2",
    "push.followTags": "false",
    "push.gpgSign": "false",
    "push.recurseSubmodules": "no",
    "fetch.recurseSubmodules": "no",
    "http.lowSpeedLimit": "100",
    "http.lowSpeedTime": "30",
}
_TIP = "refs/writeback/"
_FETCH = ("fetch", "--quiet", "--no-tags")
_MADE = "refs/made"  # the newest commit of ours, on whatever parent
_IMPORT = ("--quiet", "--force", "--date-format=now")
_FIRST_STAGE = 1000  # commits
_LOCAL_SECONDS = 120.0  # for a command on the copy alone, which takes milliseconds


class Copied(enum.Enum):
    """What a fetch copies; what else is read is brought then. A server may send the whole instead.

    Of 50,000 commits and 250 MB these are 23 MB, 9 MB and some KB.
    """

    FOLDERS = "--filter=blob:none"  # every commit and folder
    COMMITS = "--filter=tree:0"  # every commit
    TIP = "--filter=blob:none --depth=1"  # the newest commit and its folders


class ConnectionLost(Exception):  # noqa: N818  (an event, not yet the error that a person sees)
    """A fetch failed; the refusal says whether trying again can help."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class Repository:
    """One remote repository, seen through a bare copy in a private folder.

    Args:
        url: a checked URL.
        folder: an empty private folder, for the copy.
        environment: git's whole environment, of `git_environment`.
        left: answers how many seconds git may still take.
        part: how much of it to copy.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        environment: Mapping[str, str],
        *,
        left: Callable[[], float] = lambda: 300.0,
        part: Copied = Copied.FOLDERS,
    ) -> None:
        self.url = url
        self._copy = folder / "copy.git"
        self._environment = environment
        self._left = left
        # What was once true of commits stays true; what was not can come with the next fetch.
        self._resolved: dict[str, str] = {}
        self._ancestors: set[tuple[str, str]] = set()
        self._brought: set[str] = set()
        # A fetch that leaves files out of a shallow clone in a folder never ends (git 2.39).
        source = Path(url.removeprefix("file://"))
        is_shallow = any((source / name).is_file() for name in ("shallow", ".git/shallow"))
        self._fetch = (*_FETCH, *([] if is_shallow else part.value.split()))
        self._lacks_folders = part is Copied.COMMITS
        init: list[str | Path] = ["git", "init", "--quiet", "--bare", "--template=", self._copy]
        self._checked(self._run(init, cwd=folder))
        self.git("config", "remote.origin.url", url)

    # --- the remote -------------------------------------------------------------------------------

    def fetch(self, branch: str) -> str:
        """Bring the copy up to date with a branch and return the commit at its tip.

        Raises:
            InputError: there is no such branch.
            ConnectionLost: the remote didn't answer, or didn't let us.
        """
        ref = f"refs/heads/{branch}"
        done = self._ask(*self._fetch, "origin", f"+{ref}:{_TIP}{branch}")
        said = self._hide(done.stderr)
        # "This information may be used by scripts" (git-fetch's manual): one process less.
        if done.status == 0 and (words := (self._copy / "FETCH_HEAD").read_text("utf-8").split()):
            return words[0]
        if done.status == 0:  # git fetches nothing from a shallow clone, and calls that a success
            raise InputError(
                f"{self.url} is a shallow clone: it lacks the history that shows the order",
                hint="Name the repository that it was cloned from, or `git fetch --unshallow` it.",
            )
        if f"fatal: couldn't find remote ref {ref}" in said.splitlines():
            raise InputError(
                f"{self.url} has no branch {branch!r}",
                hint="Name an existing branch with --branch; it needs at least one commit.",
            )
        raise ConnectionLost(judge_connection(said))

    def has_branch(self, branch: str) -> bool:
        """Ask the remote whether it has a branch."""
        done = self._ask("ls-remote", "--heads", "origin", f"refs/heads/{branch}")
        if done.status != 0:
            raise ConnectionLost(judge_connection(self._hide(done.stderr)))
        return bool(done.stdout.strip())

    def push(self, commit: str, branch: str) -> Refusal:
        """Push a commit to a branch as a plain fast-forward, and judge the answer."""
        ref = f"refs/heads/{branch}"
        done = self._ask("push", "--porcelain", "--no-verify", "origin", f"{commit}:{ref}")
        if done.status == TIMED_OUT:
            return Refusal(Verdict.NETWORK, "the remote didn't answer in time")
        return judge_push(done.status, self._hide(done.stdout), self._hide(done.stderr), ref)

    # --- the history ------------------------------------------------------------------------------

    def read(self, commit: str, paths: Iterable[str]) -> dict[str, File]:
        """Read those of the paths that are plain files in a commit."""
        paths = list(paths)
        self.bring_folders([commit])
        self.bring({f"{commit}:{str(PurePosixPath(path).parent).strip('.')}" for path in paths})
        found = {}
        for entry in self.git("ls-tree", "-z", commit, "--", *paths).split("\0"):
            about, _, path = entry.partition("\t")
            if about.startswith(("100644 blob ", "100755 blob ")):
                mode, _, blob = about.split(" ")
                found[path] = File(mode, self._try("cat-file", "blob", blob, must=True).stdout)
        return found

    def resolve(self, name: str) -> str | None:
        """Return the one commit whose object name is, or starts with, `name`; None if unclear."""
        if name not in self._resolved:
            done = self._try("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
            if done.status != 0:
                return None
            commit = done.stdout.decode().strip()
            self._resolved |= {name: commit, commit: commit}
        return self._resolved[name]

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `newer` contains `older`; a commit contains itself. False for unknown ones."""
        pair = older, newer
        if pair not in self._ancestors:
            if self._try("merge-base", "--is-ancestor", older, newer).status != 0:
                return False
            self._ancestors.add(pair)
        return True

    def merge_base(self, one: str, other: str) -> str:
        """Return the newest commit that two commits contain."""
        return self.git("merge-base", one, other).strip()

    def commits(
        self, revisions: str, path: str, *options: str, with_folders: bool = False
    ) -> list[str]:
        """List the commits that changed a path, newest first; `revisions` as for `git log`.

        Args:
            revisions: where to look.
            path: the file or folder.
            options: those of `git log`.
            with_folders: bring the folders of these commits first.
        """
        if with_folders:
            walked = self.git("rev-list", "--parents", revisions).split()
            self.bring_folders(dict.fromkeys(walked))
        return self.git("log", "--format=%H", *options, revisions, "--", path).split()

    def changes(self, tip: str, path: str) -> Iterator[list[str]]:
        """List the commits on a branch itself that changed a path, newest first, in stages.

        Most callers read the first stage alone, and so the folders of the newest commits alone.
        """
        walk = ("rev-list", "--first-parent")
        newest = self.git(*walk, f"--max-count={_FIRST_STAGE + 1}", tip).split()
        self.bring_folders(newest)
        if len(newest) <= _FIRST_STAGE:
            yield self.commits(tip, path, "--first-parent")
            return
        yield self.commits(f"{newest[-1]}..{tip}", path, "--first-parent")
        self.bring_folders(self.git(*walk, newest[-1]).split())
        yield self.commits(newest[-1], path, "--first-parent")

    def leaves_alone(self, older: str, newer: str, path: str) -> bool:
        """Whether `newer` only adds commits to `older` that don't touch a path."""
        if not self.is_ancestor(older, newer):
            return False
        return not self.commits(f"{older}..{newer}", path, "--full-history")

    def objects(self, names: Iterable[str]) -> list[bytes | None]:
        """Read objects by name (a commit, or `commit:path`) in one go; None for a missing one."""
        done = self._try("cat-file", "--batch", must=True, stdin="".join(f"{n}\n" for n in names))
        found: list[bytes | None] = []
        rest = done.stdout
        while rest:
            header, _, rest = rest.partition(b"\n")
            if header.endswith((b" missing", b" ambiguous")):
                found.append(None)
                continue
            size = int(header.rsplit(b" ", 1)[1])
            found.append(rest[:size])
            rest = rest[size + 1 :]
        return found

    def bring(self, folders: Iterable[str]) -> None:
        """Fetch the files below folders (`commit:path`) that the copy lacks, all in one request.

        git would do it by itself at the first look, one file and one connection at a time.

        Raises:
            ConnectionLost: the remote didn't answer.
        """
        names = [each for each in folders if each not in self._brought]
        if not names:
            return
        self._fetch_missing(names, "--ignore-missing")
        self._brought.update(names)

    def bring_folders(self, commits: Iterable[str]) -> None:
        """Fetch the folders of commits that the copy lacks, all in one request.

        Raises:
            ConnectionLost: the remote didn't answer.
        """
        names = list(commits)
        if not self._lacks_folders or not names:
            return
        if len(names) > 2 * _FIRST_STAGE:  # then all of them are the smaller request (git 2.36)
            again = self._ask(*_FETCH, "--refetch", Copied.FOLDERS.value, "origin", names[0])
            self._lacks_folders = again.status != 0
        if self._lacks_folders:
            self._fetch_missing(names, Copied.FOLDERS.value)

    def _fetch_missing(self, names: list[str], *options: str) -> None:
        """Fetch what these objects reach, less older commits, and the copy lacks."""
        listing = ("rev-list", "--objects", "--no-walk", "--missing=print", *options, "--stdin")
        listed = self._try(*listing, must=True, stdin="\n".join([*names, ""])).stdout.decode()
        missing = [line[1:] for line in listed.splitlines() if line.startswith("?")]
        if not missing:
            return
        noop = ("-c", "fetch.negotiationAlgorithm=noop")  # what we have doesn't matter here
        fetch = (*noop, *_FETCH, Copied.FOLDERS.value, "--no-write-fetch-head", "--stdin", "origin")
        done = self._ask(*fetch, stdin="\n".join([*missing, ""]))
        if done.status != 0:
            raise ConnectionLost(judge_connection(self._hide(done.stderr)))

    def archive(self, commit: str) -> bytes:
        """Return all files of a commit as a tar archive."""
        self.bring([f"{commit}:"])
        return self._try("archive", "--format=tar", commit, must=True).stdout

    # --- a commit ---------------------------------------------------------------------------------

    def commit(self, parent: str, change: Edit, *, author: Identity | None, sign: bool) -> str:
        """Make a commit that changes files of its parent, and return its object name.

        Args:
            parent: the commit to build on.
            change: the files and the message.
            author: who it is by; None for the configuration's user, or the machine's name.
            sign: sign it with the configuration's key.

        Raises:
            InputError: it can't be signed.
        """
        identity = author or self._identity
        made = self._try(
            "fast-import", *_IMPORT, must=True, stdin=written(parent, change, identity, ref=_MADE)
        )
        commit = made.stdout.decode().strip()
        return self._signed(commit, parent, change.message, identity) if sign else commit

    def _signed(self, commit: str, parent: str, message: str, identity: Identity) -> str:
        """Make a commit again with a signature, which fast-import can't write."""
        options = ["-c", f"user.name={identity.name}", "-c", f"user.email={identity.email}"]
        tree = f"{commit}^{{tree}}"
        done = self._try(*options, "commit-tree", tree, "-p", parent, "-S", stdin=message)
        if done.status != 0:
            raise InputError(
                f"the commit can't be signed: {' '.join(self._hide(done.stderr).split())}",
                hint="Name a configuration with user.signingKey (and gpg.format = ssh for an SSH"
                " key) by --git-config FILE.",
            )
        return done.stdout.decode().strip()

    @functools.cached_property
    def _identity(self) -> Identity:
        name, email = (
            self._try("config", "--get", key).stdout.decode(errors="replace").strip()
            for key in ("user.name", "user.email")
        )
        return Identity(name, email) if name and email else MACHINE

    # --- git itself -------------------------------------------------------------------------------

    def git(self, *arguments: str) -> str:
        """Run git on the copy and return what it prints, or raise a CommandError."""
        return self._try(*arguments, must=True).stdout.decode(errors="surrogateescape")

    def _ask(self, *arguments: str, stdin: str = "") -> Done:
        """Run a command that speaks to the remote, for as long as the budget lasts."""
        command = self._command(arguments)
        return self._run(command, stdin=stdin.encode(), timeout=max(1.0, self._left()))

    def _try(self, *arguments: str, must: bool = False, stdin: str | bytes = b"") -> Done:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = self._run(self._command(arguments), stdin=data)
        return self._checked(done) if must else done

    def _command(self, arguments: tuple[str, ...]) -> list[str | Path]:
        options = [word for name, value in _OPTIONS.items() for word in ("-c", f"{name}={value}")]
        return ["git", *options, f"--git-dir={self._copy}", *arguments]

    def _run(
        self,
        command: list[str | Path],
        *,
        cwd: Path | None = None,
        stdin: bytes = b"",
        timeout: float = _LOCAL_SECONDS,
    ) -> Done:
        return execute(
            command, cwd=cwd or self._copy, env=self._environment, stdin=stdin, timeout=timeout
        )

    def _checked(self, done: Done) -> Done:
        if done.status != 0:
            raise CommandError(
                self._hide(done.shown.encode()),
                done.status,
                self._hide(done.stderr or done.stdout),
            )
        return done

    def _hide(self, output: bytes) -> str:
        return hide(output.decode(errors="replace"))
