"""Which environments there are, and which comes after which."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.errors import InputError
from ci.tree import overlays, settings

ROOT = Path(__file__).parents[3]


def tree(root: Path, order: str, *folders: str) -> Path:
    """A tree with these environments; its settings are the repository's with another order."""
    lines = (ROOT / settings.FILE).read_text(encoding="utf-8").splitlines(keepends=True)
    said = [f"environments: {order}\n" if x.startswith("environments:") else x for x in lines]
    (root / settings.FILE).write_text("".join(said), encoding="utf-8")
    for name in folders:
        (root / "overlays" / name).mkdir(parents=True)
        (root / "overlays" / name / "kustomization.yaml").touch()
    return root


def test_the_repositorys_own_order_names_its_folders() -> None:
    assert sorted(overlays.promotion_order()) == sorted(overlays.environments()), (
        "one is more than a folder: python -m ci environment add NAME --like ENV"
    )


def test_environments_come_in_the_order_of_promotion(tmp_path: Path) -> None:
    root = tree(tmp_path, "[dev, qa, pre-prod, prod]", "dev", "pre-prod", "prod", "qa")
    assert overlays.environments(root) == ["dev", "qa", "pre-prod", "prod"]
    assert overlays.first(root) == "dev"
    assert overlays.last(root) == "prod"


def test_a_folder_that_the_settings_do_not_name_comes_last(tmp_path: Path) -> None:
    root = tree(tmp_path, "[dev, prod]", "dev", "prod", "attic")
    assert overlays.environments(root) == ["dev", "prod", "attic"]
    with pytest.raises(InputError, match="no environment 'attic'"):
        overlays.before("attic", root)


def test_a_version_comes_from_the_environment_before(tmp_path: Path) -> None:
    root = tree(tmp_path, "[dev, staging, prod]", "dev", "staging", "prod")
    assert [overlays.before(name, root) for name in overlays.environments(root)] == [
        None,
        "dev",
        "staging",
    ]


def test_a_tree_without_settings_has_the_default_order(tmp_path: Path) -> None:
    assert overlays.promotion_order(tmp_path) == ("dev", "prod")


@pytest.mark.parametrize(
    "order", ["[prod]", "[dev, dev]", "[dev, Prod]", "[dev, -x]", "[dev, x-]", "[dev, ../x]", "dev"]
)
def test_an_order_that_is_not_valid_is_refused(tmp_path: Path, order: str) -> None:
    with pytest.raises(InputError, match="environments"):
        overlays.environments(tree(tmp_path, order))
