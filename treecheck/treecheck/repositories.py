"""Which repository an Application's source is of: this tree's own, as far as its files say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.files import git_root
from treecheck.model import as_mapping, as_text, mappings_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from treecheck.files import SourceFile
    from treecheck.model import Manifest

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://")
# What Argo CD fetches repositories by. Another program gives an address of another scheme its
# meaning, as idpbuilder does: https://github.com/cnoe-io/idpbuilder.
SCHEMES = frozenset({"file", "git", "git+ssh", "http", "https", "oci", "ssh"})


class Repositories:
    """The repository that a tree is, and what its Applications say about which one that is."""

    def __init__(self, folder: Path, files: dict[Path, SourceFile]) -> None:
        self.folder = folder
        self.files = files
        self._asked: tuple[set[str], set[str]] | None = None
        self._others: set[str] | None = None

    def find(self, path: str) -> Path | None:
        """The folder that a path from the repository's root means, or None."""
        for base in (git_root(self.folder), self.folder, *self.folder.parents):
            if base is not None and (base / path).is_dir():
                return (base / path).resolve()
        return None

    def folder_of(self, source: Manifest) -> Path | None:
        """The folder of this tree that a source names, or None.

        Each repository has a root. It is this one's where another Application of the address has a
        folder here, or where none has one of any address, and only one address has its root here.
        """
        path = as_text(source.get("path"))
        folder = self.find(path) if path else None
        scheme = _SCHEME.match(as_text(source.get("repoURL")))
        if folder is None or (scheme and scheme[1] not in SCHEMES):
            return None
        if self._others is None:
            named = (each for file in self.files.values() for each in _sources(file))
            self._others = alike(named, lambda path: self.find(path) is not None)
        if address(source) in self._others:
            return None
        if folder != self.find("."):
            return folder
        own, at_root = self._addresses()
        another = address(source) not in own if own else len(at_root) > 1
        return None if another else folder

    def _addresses(self) -> tuple[set[str], set[str]]:
        """The addresses whose sources name a folder of the tree, and those that name its root."""
        if self._asked is None:
            self._asked = set(), set()
            for source in (each for file in self.files.values() for each in _sources(file)):
                path = as_text(source.get("path"))
                folder = self.find(path) if path else None
                if folder is not None:
                    self._asked[folder == self.find(".")].add(address(source))
        return self._asked


def alike(sources: Iterable[Manifest], is_here: Callable[[str], bool]) -> set[str]:
    """The addresses of other repositories that have folders of the same names as this one.

    As many of their paths are missing here as are here, and another address has more of them here.
    `is_here` says whether a path is a folder of this repository.
    """
    paths: dict[str, set[str]] = {}
    for source in sources:
        path = as_text(source.get("path"))
        if path.strip("./") and "{{" not in path:
            paths.setdefault(address(source), set()).add(path)
    here = {url: sum(map(is_here, found)) for url, found in paths.items()}
    most = max(here.values(), default=0)
    return {
        url for url, found in paths.items() if 0 < here[url] < most and 2 * here[url] <= len(found)
    }


def _sources(file: SourceFile) -> Iterator[Manifest]:
    for document in file.documents:
        if as_text(as_mapping(document.value).get("apiVersion")).startswith("argoproj.io/"):
            yield from (each for each in mappings_in(document.value) if "repoURL" in each)


def address(source: Manifest) -> str:
    """A repository's address, one for all its forms: `git.example.com/shop`."""
    url = as_text(source.get("repoURL")).strip().lower()
    url = re.sub(r"^[a-z+]+://(?:[^/@]+@)?|^[^/@:]+@", "", url)
    return url.removesuffix("/").removesuffix(".git").replace(":", "/", 1)
