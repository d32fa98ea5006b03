"""One overlay's tag at one commit of a branch: the file that has it, and the file's history."""

from __future__ import annotations

import copy
import posixpath
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from ci.errors import InputError
from ci.git.made_commit import File
from ci.version import scalar
from ci.version.message import SKIP_CI, Message, full_commit
from ci.version.order import Version
from ci.version.tag import BUILD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.git.repository import Repository
    from ci.version.scalar import ImageEntry

# The names that kustomize looks for; a folder may have only one of them.
FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_BATCH = 200  # commits whose files are brought by one request
_FEW = 20


class Record(NamedTuple):
    """A version of the file, and all that its commit says."""

    version: Version
    message: Message


class ImageFile:
    """The image entry of the folder `folder` as it is at the commit `tip`; also a `History`.

    Raises:
        InputError: there is no such folder, file or entry, or it can't be edited safely.
    """

    def __init__(self, repository: Repository, tip: str, folder: str, image: str) -> None:
        self.tip = tip
        self.folder = folder
        self.image = image
        self._repository = repository
        found = repository.read(tip, [str(PurePosixPath(folder) / name) for name in FILE_NAMES])
        if len(found) != 1:
            names = " and ".join(PurePosixPath(path).name for path in found)
            problem = f"has both {names}" if found else f"has no {FILE_NAMES[0]}"
            raise InputError(
                f"overlay {folder!r} {problem} in the branch",
                hint="Name the folder whose kustomization.yaml has `images:`, such as"
                " overlays/dev/coworking/image.",
            )
        self.path, self._file = found.popitem()
        self.entry: ImageEntry = scalar.find(self._file.data, image, file=self.path)

    def at(self, tip: str) -> ImageFile:
        """Return the same entry at a later commit, which must not have touched the file."""
        moved = copy.copy(self)
        moved.tip = tip
        return moved

    def with_tag(self, tag: str) -> File:
        """Return the file with the tag replaced and every other byte kept."""
        data = scalar.replace(self._file.data, self.image, tag, file=self.path)
        return File(self._file.mode, data)

    def is_component(self, commit: str = "") -> bool:
        """Whether the overlay around the folder has it as a component, at `tip` or at a commit.

        True as well where that overlay is missing or can't be read: who asks does less where it is
        false.
        """
        found = self.around(commit)
        return not found or any(map(self._is_listed, found))

    def around(self, commit: str = "") -> list[bytes]:
        """The kustomization of the overlay around the folder, at `tip` or at a commit."""
        folder = PurePosixPath(self.folder).parent
        names = [str(folder / name) for name in FILE_NAMES]
        return [file.data for file in self._repository.read(commit or self.tip, names).values()]

    def _is_listed(self, overlay: bytes) -> bool:
        try:
            content = yaml.safe_load(overlay)
        except (yaml.YAMLError, ValueError, RecursionError):
            return True
        listed = content.get("components") if isinstance(content, dict) else None
        around = str(PurePosixPath(self.folder).parent)
        paths = (posixpath.join(around, str(each)) for each in listed or ())
        return self.folder in map(posixpath.normpath, paths)

    # --- the history (ci.version.order.History) -------------------------------------------------

    def resolve(self, name: str) -> str | None:
        """Return the tip's one ancestor whose name is or starts with `name`; None if unclear."""
        commit = self._repository.resolve(name)
        if commit is None or not self._repository.is_ancestor(commit, self.tip):
            return None
        return commit

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `newer` contains `older`."""
        return self._repository.is_ancestor(older, newer)

    def lineage(self) -> Iterator[Version]:
        """Walk the versions that led to the file as it is, newest first."""
        for commits in self._staged():
            yield from self._versions(commits)

    def versions_since(self, commit: str) -> Iterator[Version]:
        """Walk every version, on any line of the history, that doesn't come before a commit."""
        span = f"{commit}..{self.tip}"
        return self._versions(self._repository.commits(span, self.path, "--full-history"))

    def records(self) -> Iterator[Record]:
        """Walk the changes of the file on the branch itself, newest first.

        A merged pull request is one change: its time is the merge's, its message is that of the
        commit that it merged. A `git pull` also makes a merge, of the branch into somebody's own
        commits; there, the pushes to the branch count one by one, as they were made.
        """
        for commits in self._repository.changes(self.tip, self.path):
            for record in self._records(commits):
                if record.message.is_merge and not record.version.image:
                    yield from self._brought(record)
                else:
                    yield record

    def _staged(self) -> Iterator[list[str]]:
        """The commits that changed the file: first a few, which is all that most callers read.

        To find the oldest of 500 in 50,000 commits takes git a second.
        """
        few = self._repository.commits(self.tip, self.path, f"--max-count={_FEW}")
        yield few
        if len(few) == _FEW:
            yield self._repository.commits(self.tip, self.path)[_FEW:]

    def _brought(self, merge: Record) -> Iterator[Record]:
        commit = merge.version.commit
        brought = self._repository.commits(f"{commit}^1..{commit}", self.path, with_folders=True)
        records = list(self._records([each for each in brought if each != commit]))
        pushed = [record for record in records if record.message.subject.endswith(SKIP_CI)]
        if not records or records[0].version.tag != merge.version.tag:
            yield merge  # a person resolved its conflict
        elif records[0] not in pushed:
            message = records[0].message._replace(at=merge.message.at)
            yield records[0]._replace(message=message)
        yield from pushed

    def _versions(self, commits: list[str]) -> Iterator[Version]:
        """The versions that changed this image's tag: the file may have other images', too.

        A merge changed it when it differs from all that it merged (from the first two: an octopus
        merge has no conflicts, so it changes nothing itself).
        """
        for commit, message, data, *before in self._objects(commits, "", "^1", "^2"):
            record = self._record(commit, message, data)
            if record.version.tag not in [self._tag(each) for each in before if each is not None]:
                yield record.version

    def _records(self, commits: list[str]) -> Iterator[Record]:
        for commit, message, data in self._objects(commits, ""):
            yield self._record(commit, message, data)

    def _objects(self, commits: list[str], *at: str) -> Iterator[tuple[Any, ...]]:
        """Yield each commit, its message, and the file there and at those of its parents."""
        for start in range(0, len(commits), _BATCH):
            batch = commits[start : start + _BATCH]
            files = [[f"{commit}{parent}:{self.path}" for parent in at] for commit in batch]
            folder = PurePosixPath(self.path).parent
            self._repository.bring(
                f"{commit}{parent}:{folder}" for commit in batch for parent in at
            )
            names = [name for row in zip(batch, files, strict=True) for name in (row[0], *row[1])]
            found = iter(self._repository.objects(names))
            for commit in batch:
                yield commit, Message.parse(next(found) or b""), *(next(found) for _ in at)

    def _tag(self, data: bytes | None) -> str | None:
        try:
            return scalar.find(data or b"", self.image, file=self.path).tag
        except InputError:  # the file was new or broken then: it deployed nothing
            return None

    def _record(self, commit: str, message: Message, data: bytes | None) -> Record:
        tag = self._tag(data)
        message = message.about(tag)
        trailers = message.trailers
        build = trailers.get("Build", "")
        source = full_commit(trailers.get("Source-Commit", ""))
        number = int(build) if BUILD.fullmatch(build) else None
        image = "Image" in trailers
        return Record(Version(commit, tag, source, number, image), message)


def check_folder(folder: str) -> str:
    """Return a folder of the repository, normalised, or raise an InputError."""
    path = PurePosixPath(folder)
    # The root itself has no name, and so no environment.
    if not path.parts or path.is_absolute() or ".." in path.parts or not folder.isprintable():
        raise InputError(
            f"overlay {folder!r} is not a folder inside the repository",
            hint="Give a path from the repository's root, such as overlays/dev/coworking/image.",
        )
    return str(path)
