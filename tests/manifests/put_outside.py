"""The tree as `make configure DATABASE_HOST=…` leaves it, with an authority's certificate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ci.tree import outside, settings
from tests.manifests.backed_up import copy_tree

if TYPE_CHECKING:
    from ci.tree.settings import Settings

ROOT = Path(__file__).parents[2]
HOST = "coworking-prod.abc123.us-east-1.rds.amazonaws.com"


def wanted(**values: str) -> Settings:
    """This tree's settings with a database outside, and what else is named."""
    return settings.read(ROOT)._replace(**{"database_host": HOST, **values})


def make(folder: Path, **values: str) -> Path:
    """Copy the tree into a folder, put prod's database outside there, and return the folder."""
    copy_tree(folder, wanted(**values))
    # Of another use, which is as good: what is looked at is whether one is there.
    certificate = (ROOT / "overlays/prod/sealing-cert.pem").read_text()
    (folder / outside.CA_FILE).write_text(certificate)
    return folder
