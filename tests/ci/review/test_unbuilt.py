"""An environment that can't be rendered: the comment says so on top, and calls nothing removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci.review.markdown import write_markdown
from ci.review.report import as_data, make_report
from ci.review.trees import read_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ci.review.report import Comparison

HEAD = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\ndata: {A: a}\n"
SOUND = {
    "overlays/one/kustomization.yaml": HEAD + "resources: [part]\n",
    "overlays/one/part/kustomization.yaml": HEAD + "resources: [settings.yaml]\n",
    "overlays/one/part/settings.yaml": MAP,
    "overlays/two/kustomization.yaml": HEAD + "resources: [settings.yaml]\n",
    "overlays/two/settings.yaml": MAP.replace("shop", "other"),
}
BROKEN = SOUND | {
    "overlays/one/part/kustomization.yaml": HEAD + "resources: [setings.yaml]\n",
    "overlays/two/settings.yaml": MAP.replace("shop", "other").replace("A: a", "A: b"),
}


@pytest.fixture
def comparison(tmp_path: Path) -> Callable[[dict[str, str], dict[str, str]], Comparison]:
    def compare(before: dict[str, str], after: dict[str, str]) -> Comparison:
        trees = []
        for side, files in (("before", before), ("after", after)):
            for name, text in files.items():
                (tmp_path / side / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / side / name).write_text(text, encoding="utf-8")
            trees.append(read_tree((tmp_path / side).resolve()))
        return make_report(*trees)

    return compare


def test_it_says_so_on_top_and_calls_nothing_of_it_removed(
    comparison: Callable[[dict[str, str], dict[str, str]], Comparison],
) -> None:
    report = comparison(SOUND, BROKEN)

    comment = write_markdown(report)
    first = comment[comment.index("### What this changes") :].splitlines()[2]
    assert first.startswith(
        "**`overlays/one` can't be rendered**: overlays/one/part/kustomization.yaml names"
        " setings.yaml, which is not there. "
    )
    assert "| `overlays/one` | **can't be rendered** |" in comment
    assert "removed" not in comment
    assert "| `overlays/two` | 1 resource, nothing risky |" in comment
    assert list(as_data(report)["unbuilt"]) == ["overlays/one"]


def test_what_can_be_rendered_again_is_not_called_new(
    comparison: Callable[[dict[str, str], dict[str, str]], Comparison],
) -> None:
    comment = write_markdown(comparison(BROKEN, SOUND))

    assert "| `overlays/one` | **could not be rendered before** |" in comment
    assert "added" not in comment
    assert comment.count("<details>") == 1
