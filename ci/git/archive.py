"""The files of a commit, as `git archive` packs them, in a folder."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def unpack(archive: bytes, folder: Path) -> None:
    """Unpack a tar archive, without the links that lead out of it: kustomize follows none."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, [each for each in tar if _stays(each, folder)], filter="data")


def _stays(member: tarfile.TarInfo, folder: Path) -> bool:
    try:
        tarfile.data_filter(member, str(folder))
    except tarfile.FilterError:
        return False
    return True
