"""The tree as `make configure BACKUP_BUCKET=…` leaves it, with a key sealed beside the password."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ci.tree import carried, overlays, settings

if TYPE_CHECKING:
    from ci.tree.settings import Settings

ROOT = Path(__file__).parents[2]
PARTS = ("argocd", "base", "infra", "overlays", "settings.yaml")
BUCKET = "coworking-backups-111122223333"


def wanted(**values: str) -> Settings:
    """This tree's settings with a bucket of AWS's in its region, and what else is named."""
    alone = {"backup_days": "28", "backup_endpoint": "", "backup_region": ""}
    return settings.read(ROOT)._replace(**{"backup_bucket": BUCKET, **alone, **values})


def make(folder: Path, **values: str) -> Path:
    """Copy the tree into a folder, switch the backups on there, and return the folder."""
    copy_tree(folder, wanted(**values))
    seal(overlays.sealed_secret_path(overlays.last(folder), folder))
    return folder


def copy_tree(folder: Path, chosen: Settings) -> None:
    """Copy the tree into a folder, with other settings."""
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part)
        else:
            shutil.copy(ROOT / part, folder / part)
    for path in folder.rglob("*.yaml"):
        edit = carried.edit_file if path.name == settings.FILE else carried.carry
        path.write_text(edit(path.read_text(), chosen))


def seal(path: Path) -> None:
    """Put a key beside the password, as `make seal ENV=prod ARGS=--backup-key` does."""
    text = path.read_text()
    if "BACKUP_KEY: " in text:
        return
    password = re.search(r"(?m)^ +DB_PASSWORD: (\S+)$", text)
    assert password is not None
    path.write_text(text.replace(password[0], f"    BACKUP_KEY: {password[1]}\n{password[0]}"))
