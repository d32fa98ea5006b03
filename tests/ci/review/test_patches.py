"""The comment on a patch of the tree in patches/shop: patches/<case>.patch and <case>.md."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ci.review.markdown import write_markdown
from ci.review.report import make_report
from ci.review.trees import RenderedTree, read_tree
from treecheck.blame import forget

if TYPE_CHECKING:
    from collections.abc import Callable

PATCHES = Path(__file__).with_name("patches")
CASES = sorted(PATCHES.glob("*.patch"))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> RenderedTree:
    return read_tree(shutil.copytree(PATCHES / "shop", tmp_path_factory.mktemp("before") / "shop"))


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], RenderedTree]:
    """Reads the patched tree, always in one folder: what a patch leaves alone is rendered once."""
    folder = tmp_path_factory.mktemp("after") / "shop"

    def read(patch: Path) -> RenderedTree:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(PATCHES / "shop", folder)
        subprocess.run(["git", "apply", patch], cwd=folder, check=True)
        forget()  # where things stand in the files of the patch before
        return read_tree(folder)

    return read


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_patch_gives_the_recorded_comment(
    case: Path, before: RenderedTree, patched: Callable[[Path], RenderedTree]
) -> None:
    comment = write_markdown(make_report(before, patched(case), branch="main"))

    assert comment == case.with_suffix(".md").read_text(encoding="utf-8")
