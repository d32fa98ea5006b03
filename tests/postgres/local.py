"""A repository of backups in a folder: quicker than S3, and its files can be damaged by hand."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from tests.postgres.claim import OS_USER

if TYPE_CHECKING:
    from pathlib import Path


class LocalRepository(NamedTuple):
    """A folder.

    Attributes:
        folder: the repository's path.
        key: the key of the backups; empty for files that are not encrypted.
    """

    folder: Path
    key: str = ""

    def variables(self) -> dict[str, str]:
        """pgBackRest's settings that are the tests' own."""
        values = {"type": "posix", "path": str(self.folder), "cipher-type": "none"}
        if self.key:
            values |= {"cipher-type": "aes-256-cbc", "cipher-pass": self.key}
        return {f"PGBACKREST_REPO1_{k.upper().replace('-', '_')}": v for k, v in values.items()}

    def make(self) -> LocalRepository:
        """Make the folder, for PostgreSQL's own user."""
        self.folder.mkdir()
        if OS_USER:
            shutil.chown(self.folder, OS_USER)
        return self

    def copy(self, folder: Path) -> LocalRepository:
        """The same repository in another folder."""
        subprocess.run(["cp", "-a", self.folder, folder], check=True)
        return self._replace(folder=folder)

    def backup(self) -> Path:
        """The folder of its newest backup."""
        return max(path for path in (self.folder / "backup/main").iterdir() if path.name[0] == "2")

    def biggest(self) -> Path:
        """The biggest file of its newest backup."""
        files = [path for path in self.backup().rglob("*") if path.is_file()]
        return max(files, key=lambda path: path.stat().st_size)

    def segment(self, name: str) -> Path:
        """The file of a segment of the write-ahead log."""
        (found,) = (self.folder / "archive/main").rglob(f"{name}-*")
        return found


def halve(path: Path) -> None:
    """Cut a file in its middle."""
    body = path.read_bytes()
    path.write_bytes(body[: len(body) // 2])
