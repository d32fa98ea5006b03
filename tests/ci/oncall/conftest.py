"""What these tests share: recorded Applications, and a server that speaks Argo CD's API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ci.argocd_database import Database
from tests.ci.argocd_server import argo, git, recorded

if TYPE_CHECKING:
    from tests.ci.argocd_server import FakeArgo, Git

__all__ = ["argo", "git", "recorded"]


@pytest.fixture
def database(argo: FakeArgo, git: Git) -> Database:
    """prod, well, with its database."""
    git.deploy("1-aaaaaaa")
    argo.sync()
    argo.database = Database()
    return argo.database
