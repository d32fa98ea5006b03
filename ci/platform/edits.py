"""Edits of a checkout that become one commit, or are undone together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.errors import CommandError, InputError
from ci.run import execute, run

if TYPE_CHECKING:
    from pathlib import Path


class Edits:
    """Files written below a checkout.

    Attributes:
        root: the checkout.
        before: the files that were written, each with what it was; None for one that was not there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.before: dict[str, bytes | None] = {}

    def write(self, name: str, after: bytes | None) -> None:
        """Give a file this content; None removes it."""
        path = self.root / name
        before = path.read_bytes() if path.is_file() else None
        if after != before:
            self.before.setdefault(name, before)
            _put(self.root, path, after)

    @property
    def changed(self) -> list[str]:
        """The files that differ from what they were."""
        return [name for name, before in self.before.items() if self._now(name) != before]

    def restore(self) -> None:
        """Give each file the content that it had."""
        for name, before in self.before.items():
            _put(self.root, self.root / name, before)

    def commit(self, message: str, *, again: str) -> None:
        """Make one commit of all of it.

        Args:
            message: the commit's.
            again: what a person does after a refusal, as the end of `Fix what it says, then …`.

        Raises:
            CommandError: git refuses it; the files are as they were.
        """
        # Named files are committed past the index, which is only written when all went well. It has
        # to know a new file's name.
        changed = self.changed
        new = [name for name in changed if self.before[name] is None]
        git = ["git", "--literal-pathspecs"]
        done = execute([*git, "add", "--intent-to-add", "--", *new], cwd=self.root)
        if done.status == 0:
            commit = [*git, "commit", "--quiet", "--file=-", "--", *changed]
            done = execute(commit, cwd=self.root, stdin=message.encode())
        if done.status != 0:
            self.restore()
            execute([*git, "reset", "--quiet", "--", *new], cwd=self.root)
            raise CommandError(
                "git commit",
                done.status,
                (done.stderr or done.stdout).decode(errors="replace"),
                hint=f"The files are as they were. Fix what it says, then {again}.",
            )

    def _now(self, name: str) -> bytes | None:
        path = self.root / name
        return path.read_bytes() if path.is_file() else None


def _put(root: Path, path: Path, content: bytes | None) -> None:
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return
    path.unlink(missing_ok=True)
    # git keeps no empty folder, and an empty overlay must not be left behind either.
    for folder in path.parents:
        if folder == root or not folder.is_dir() or any(folder.iterdir()):
            break
        folder.rmdir()


def refuse_changes(root: Path) -> None:
    """Refuse a work tree whose own changes would get into the commit.

    Raises:
        InputError: it has changes of tracked files that are not committed.
    """
    status = run(["git", "status", "--porcelain", "--untracked-files=no"], cwd=root)
    if status:
        raise InputError(
            "the work tree has changes that are not committed, and they would get into this"
            f" commit:\n{status.rstrip()}",
            hint="Commit them first, or put them aside with git stash.",
        )


def tracked(root: Path, *folders: str) -> list[str]:
    """The files that git knows, below these folders or everywhere."""
    found = run(["git", "--literal-pathspecs", "ls-files", "-z", "--", *folders], cwd=root)
    return [name for name in found.split("\0") if name]
