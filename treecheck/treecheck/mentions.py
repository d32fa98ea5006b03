"""What a repository's pages, scripts and other files say about a file of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from treecheck.errors import InputError
from treecheck.files import SKIPPED_FOLDERS, load_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from treecheck.files import SourceFile

SCRIPTS = frozenset({".md", ".mk", ".sh", ".just", ".tf", ".toml"})
SCRIPT_NAMES = frozenset({"Makefile", "justfile", "Justfile", ".justfile"})
LARGEST = 200_000  # bytes of a page or script


class Mentions:
    """The texts of a folder, read once somebody asks."""

    def __init__(self, folder: Path, files: dict[Path, SourceFile]) -> None:
        self.folder = folder
        self.files = files
        self._texts: list[tuple[Path, str]] | None = None

    def has(self, file: Path) -> bool:
        """Whether a page, a script or a manifest names a file with its folder: `kind/calico.yaml`.

        Somebody applies it by hand then, or another tool reads it by its address. A kustomization
        that mentions it in a comment does not count.
        """
        if self._texts is None:
            self._texts = [*self._scripts(), *self._manifests(self.files.values())]
        name = f"{file.parent.name}/{file.name}"
        return any(name in text for path, text in self._texts if path != file)

    def _scripts(self) -> Iterator[tuple[Path, str]]:
        for top, folders, names in os.walk(self.folder):
            folders[:] = [each for each in folders if each not in SKIPPED_FOLDERS | {".git"}]
            for name in names:
                path = Path(top, name)
                known = path.suffix in SCRIPTS or name in SCRIPT_NAMES
                if not known or path.is_symlink() or path.stat().st_size > LARGEST:
                    continue
                try:
                    yield path, load_text(path)
                except InputError:
                    continue

    def _manifests(self, files: Iterable[SourceFile]) -> Iterator[tuple[Path, str]]:
        for each in files:
            if not each.is_kustomization:
                yield each.path, each.text
