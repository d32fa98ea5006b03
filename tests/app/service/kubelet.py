"""A Secret's folder as the kubelet keeps it (its atomic writer), for tests that change one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Mount:
    """The entries are links through `..data`, one link that leads to the folder of the moment.

    Args:
        folder: where it is mounted; made here.
        entries: name to content.
    """

    def __init__(self, folder: Path, entries: dict[str, str]) -> None:
        self.folder = folder
        self._number = 0
        folder.mkdir()
        self.write(entries)

    def write(self, entries: dict[str, str]) -> None:
        """Change the Secret: a new folder, the one link, then links that came or went."""
        self._number += 1
        data = self.folder / f"..2026_11_28_{self._number}"
        data.mkdir()
        for name, content in entries.items():
            (data / name).write_text(content)
        link = self.folder / "..data_tmp"
        link.symlink_to(data.name)
        link.replace(self.folder / "..data")
        for name in entries:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        for path in self.folder.iterdir():
            if not path.name.startswith("..") and path.name not in entries:
                path.unlink()
        for old in self.folder.glob("..2026*"):
            if old != data:
                shutil.rmtree(old)
