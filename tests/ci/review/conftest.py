"""Trees of one file each, outside any repository."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from ci.review.report import Comparison, make_report
from ci.review.trees import RenderedTree, read_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def compared(tmp_path: Path) -> Callable[[str, str], Comparison]:
    """Compare two texts of manifests, as the folder `shop` of two versions of a repository."""
    numbers = itertools.count()

    def tree(text: str) -> RenderedTree:
        folder = tmp_path / f"tree-{next(numbers)}" / "shop"
        folder.mkdir(parents=True)
        (folder / "manifests.yaml").write_text(text, encoding="utf-8")
        return read_tree(folder.parent)

    return lambda before, after: make_report(tree(before), tree(after))
