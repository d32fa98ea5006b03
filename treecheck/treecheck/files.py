"""The YAML files of a tree, read once, as they were written."""

from __future__ import annotations

import fnmatch
import functools
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from treecheck.errors import InputError
from treecheck.reading import MAX_BYTES, Document, Fault, YamlError, read_documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KUSTOMIZATION_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "venv"})


@dataclass(slots=True)
class SourceFile:
    """A YAML file: its text, and its documents or the error that reading it ended with.

    `merged` tells that kustomize reads it, by YAML 1.2, and not kubectl as it is, by YAML 1.1;
    `opaque` that a generator takes it as it is, for a program that may read it in its own way;
    `unlisted` that it lies in the folder of a kustomization and that none names it; `twin` is the
    file from which what it has is applied all the same, as it is printed.
    """

    path: Path
    text: str
    documents: list[Document] = field(default_factory=list)
    error: YamlError | None = None
    merged: bool = True
    opaque: bool = False
    unlisted: bool = False
    twin: str = ""

    @property
    def is_kustomization(self) -> bool:
        """Whether it says how to render its folder."""
        return self.path.name in KUSTOMIZATION_NAMES


def read_source(path: Path) -> SourceFile:
    """Read one file; what is wrong with its text is kept in `error`, not raised.

    Raises:
        InputError: the file can't be read at all.
    """
    try:
        return parse_source(path, load_text(path))
    except YamlError as error:
        return SourceFile(path, "", [], error)


def read_any(path: Path) -> SourceFile:
    """Read a file of a tree; one that can't be read at all, such as a dangling link, too."""
    try:
        return read_source(path)
    except InputError as error:
        reason = str(error).replace(f"{path} ", "the file ")
        return SourceFile(path, "", [], YamlError(str(path), 1, reason, Fault.ACCESS))


@functools.lru_cache(maxsize=4096)
def _read_cached(path: Path, _mtime: int, _size: int) -> str:
    data = path.read_bytes()
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    return data.decode(encoding)


def load_text(path: Path) -> str:
    """A file's text, a byte order mark included.

    Raises:
        InputError: it is missing, too large, or no UTF-8 or UTF-16 text.
    """
    try:
        status = path.stat()
        if status.st_size > MAX_BYTES:
            raise InputError(f"{path} is larger than {MAX_BYTES // 1024 // 1024} MiB")
        return _read_cached(path, status.st_mtime_ns, status.st_size)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise YamlError(str(path), line, f"not UTF-8: {error.reason}", Fault.ENCODING) from error


@functools.lru_cache(maxsize=4096)
def parse(text: str, name: str) -> list[Document]:
    """What `read_documents` reads, once: nobody may change it."""
    return read_documents(text, name)


def parse_source(path: Path, text: str) -> SourceFile:
    """The documents of `text`, or the error in it."""
    try:
        return SourceFile(path, text, parse(text, str(path)))
    except YamlError as error:
        return SourceFile(path, text, [], error)


def yaml_files(folder: Path, ignore: Iterable[str] = ()) -> Iterator[Path]:
    """The YAML files and kustomizations below a folder, in order.

    Hidden folders are passed over, and those that `ignore` names: paths relative to `folder`, of
    a folder or with wildcards.
    """
    patterns = tuple(pattern.rstrip("/") for pattern in ignore)
    for top, folders, names in os.walk(folder):
        here = Path(top)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in SKIPPED_FOLDERS
            and not _ignored((here / name).relative_to(folder).as_posix(), patterns)
        )
        for name in sorted(names):
            path = here / name
            if path.suffix not in {".yaml", ".yml"} and name not in KUSTOMIZATION_NAMES:
                continue
            if not _ignored(path.relative_to(folder).as_posix(), patterns):
                yield path


def _ignored(relative: str, patterns: Iterable[str]) -> bool:
    return any(relative == each or fnmatch.fnmatch(relative, each) for each in patterns)


def kustomization_file(folder: Path) -> Path | None:
    """The file that says how to render a folder, or None."""
    for name in KUSTOMIZATION_NAMES:
        if (folder / name).is_file():
            return folder / name
    return None


def git_root(path: Path) -> Path | None:
    """The nearest folder at or above `path` that is a git working tree, or None."""
    resolved = path.resolve()
    for folder in (resolved, *resolved.parents):
        if (folder / ".git").exists():
            return folder
    return None


def line_of(file: Path, name: str) -> int:
    """The first line of a file that has a name by itself and is not a comment, or 1.

    If no line has it so, the first with the name in another text: `../web/web.yaml` for `web`.
    """
    alone = re.compile(rf"(?<![\w./-]){re.escape(name)}(?![\w./-])")
    lines = [
        (number, line)
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if name and name in line and not line.lstrip().startswith("#")
    ]
    first = next((number for number, line in lines if alone.search(line)), None)
    return first or (lines[0][0] if lines else 1)
