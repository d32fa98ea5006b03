"""Revert the commits behind a version in the service's source, each by `git revert`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.errors import CiError, PolicyError, RemoteError
from ci.git.made_commit import MACHINE
from ci.git.push import Verdict, judge_push
from ci.run import execute
from ci.tree.overlays import SERVICE_SOURCE
from ci.version.tag import PipelineTag

if TYPE_CHECKING:
    from pathlib import Path

    from ci.git.access import Access
    from ci.run import Done
    from ci.version.image_file import ImageFile


def commits_behind(
    access: Access, overlay: ImageFile, running: str, unwanted: str
) -> list[str] | None:
    """List the commits on the branch that changed the source between two versions, newest first.

    Returns:
        Their names, or None when a tag doesn't name its commit, as a hotfix's may.
    """
    ends = [PipelineTag.match(tag) for tag in (running, unwanted)]
    names = [overlay.resolve(tag.commit) if tag else None for tag in ends]
    if names[0] is None or names[1] is None:
        return None
    return access.repository.commits(f"{names[0]}..{names[1]}", SERVICE_SOURCE, "--first-parent")


def revert_source(access: Access, branch: str, commits: list[str]) -> str:
    """Revert commits, newest first, on the branch's tip, push them, and return the new tip.

    Raises:
        CiError: one doesn't revert cleanly.
        PolicyError: the branch takes no push.
        RemoteError: the remote can't be reached.
    """
    for attempt in range(5):
        tree = access.folder / f"source-{attempt}"
        _must(_git(access, access.folder, "clone", "-q", "--branch", branch, access.url, str(tree)))
        for commit in commits:
            _revert(access, tree, commit)
        done = _git(access, tree, "push", "--porcelain", "origin", f"HEAD:refs/heads/{branch}")
        refusal = judge_push(
            done.status, done.stdout.decode(), done.stderr.decode(), f"refs/heads/{branch}"
        )
        if refusal.verdict is Verdict.PUSHED:
            return _must(_git(access, tree, "rev-parse", "HEAD"))
        if refusal.verdict is Verdict.POLICY:
            raise PolicyError(
                f"{branch} refuses the push ({refusal.reason})",
                hint="Open a pull request with: git revert --no-edit " + " ".join(commits),
            )
        if refusal.verdict is not Verdict.RACE:
            raise RemoteError(f"the reverted source can't be pushed: {refusal.reason}")
    raise CiError(f"{branch} moves too fast to push the reverted source", hint="Try again.")


def _revert(access: Access, tree: Path, commit: str) -> None:
    parents = _must(_git(access, tree, "rev-list", "--parents", "-n", "1", commit)).split()[1:]
    of_a_merge = ["-m", "1"] if len(parents) > 1 else []
    done = _git(access, tree, "revert", "--no-edit", *of_a_merge, commit)
    if done.status != 0:
        raise CiError(
            f"commit {commit[:12]} can't be reverted cleanly; the source is as it was",
            hint=f"Revert it by hand (`git revert {commit[:12]}`) or merge a fix. The version in"
            " the tag in git is reverted already.",
        )


def _git(access: Access, folder: Path, *arguments: str) -> Done:
    author = access.author or MACHINE
    identity = ["-c", f"user.name={author.name}", "-c", f"user.email={author.email}"]
    options = ["-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false"]
    return execute(
        ["git", *identity, *options, *arguments],
        cwd=folder,
        env=access.environment,
        timeout=max(5.0, access.backoff.left),
    )


def _must(done: Done) -> str:
    if done.status != 0:
        raise RemoteError(f"`git {done.shown.split()[-1]}` failed: {done.stderr.decode()[-300:]}")
    return done.stdout.decode().strip()
