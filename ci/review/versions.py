"""Which version replaces which: a change of the tags of our own images, and of nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ci.run import execute
from ci.tree.images import IMAGES
from ci.version.message import short_name
from ci.version.tag import PipelineTag

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ci.review.changes import ResourceChange

Tags = tuple[str, str, str]  # (image, old tag, new tag)
MOST_COMMITS = 50  # a list that nobody reads to its end


@dataclass(frozen=True)
class NewVersion:
    """An image of ours, and the tag that replaces another.

    Attributes:
        image: its short name.
        old, new: the tags.
        commits: a line for each commit that makes the difference, newest first.
        why: what the list of commits is, or why there is none.
    """

    image: str
    old: str
    new: str
    commits: list[str] = field(default_factory=list)
    why: str = ""


def new_versions(changes: Iterable[ResourceChange]) -> list[NewVersion]:
    """The versions that changes replace; none where one of them changes anything else.

    Images that somebody else makes are left out: nothing is known of their commits.
    """
    found: set[Tags] = set()
    for change in changes:
        tags = _tags(change.before, change.after)
        if not tags:
            return []
        found |= tags
    if not all(short_name(image) in IMAGES for image, _, _ in found):
        return []
    return [NewVersion(short_name(image), old, new) for image, old, new in sorted(found)]


def _tags(before: Any, after: Any, name: str = "") -> set[Tags] | None:
    """The tags in which two manifests differ; None where they differ in anything else."""
    if before == after:
        return set()
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        pairs = [_tags(before[key], after[key], str(key)) for key in before]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = [_tags(*pair, name) for pair in zip(before, after, strict=True)]
    elif name == "image" and isinstance(before, str) and isinstance(after, str):
        (image, _, old), (other, _, new) = before.rpartition(":"), after.rpartition(":")
        return {(image, old, new)} if image == other and image and "/" not in old + new else None
    else:
        return None
    known = [pair for pair in pairs if pair is not None]
    return set().union(*known) if len(known) == len(pairs) else None


def with_commits(version: NewVersion, root: Path | None) -> NewVersion:
    """The version with the commits of its image's source, as the repository at `root` has them."""
    if root is None:
        return version
    old, new = (_commit(root, tag) for tag in (version.old, version.new))
    if not (old and new):
        unknown = version.new if old else version.old
        return replace(version, why=f"The commit behind `{unknown}` is not known here.")
    source = IMAGES[version.image].source
    if _contains(root, new, old):
        lines = _log(root, f"{old}..{new}", source)
        return replace(version, commits=lines, why=f"What is new, from `{source}`:")
    if _contains(root, old, new):
        lines = _log(root, f"{new}..{old}", source)
        return replace(version, commits=lines, why="It goes back. What is taken out again:")
    lines = _log(root, f"{old}..{new}", source)
    return replace(version, commits=lines, why="Neither contains the other. What only it has:")


def _commit(root: Path, tag: str) -> str:
    """The commit that a pipeline's tag names, or an empty text."""
    parsed = PipelineTag.match(tag)
    if parsed is None:
        return ""
    name = f"{parsed.commit}^{{commit}}"
    done = execute(["git", "rev-parse", "--verify", "--quiet", name], cwd=root)
    return done.stdout.decode().strip() if done.status == 0 else ""


def _contains(root: Path, newer: str, older: str) -> bool:
    return not execute(["git", "merge-base", "--is-ancestor", older, newer], cwd=root).status


def _log(root: Path, span: str, source: str) -> list[str]:
    """`0a1b2c3d Count each visit once (Ann)` for each commit that touched the source."""
    form = "--format=%h %s (%an)"
    done = execute(["git", "log", "--abbrev=8", form, span, "--", source], cwd=root)
    lines = done.stdout.decode(errors="replace").splitlines()
    more = len(lines) - MOST_COMMITS
    return lines[:MOST_COMMITS] + [f"and {more} more"] * (more > 0)
