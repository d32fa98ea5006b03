"""The comment lists environments in the order of promotion, and says where a build goes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.review.live import live_at_merge
from ci.review.report import in_order
from ci.review.section import Section
from ci.review.trees import RenderedTree
from tests.ci.tree.test_overlays import tree

if TYPE_CHECKING:
    from pathlib import Path


def test_sections_come_in_the_order_of_promotion(tmp_path: Path) -> None:
    root = tree(tmp_path, "[qa, dev, prod]", "dev", "prod", "qa")
    names = ["overlays/dev", "overlays/prod", "overlays/qa", "argocd/apps", "templates"]
    found = in_order([Section(name) for name in names], root)
    assert [each.name for each in found] == [
        "argocd/apps",
        "overlays/qa",
        "overlays/dev",
        "overlays/prod",
        "templates",
    ]


def test_a_build_is_said_to_go_to_the_first_environment(tmp_path: Path) -> None:
    root = tree(tmp_path, "[qa, dev, prod]", "dev", "prod", "qa")
    said = live_at_merge([], RenderedTree(root), builds=True)
    assert said.endswith("the service's code, built then and live in qa first.")
