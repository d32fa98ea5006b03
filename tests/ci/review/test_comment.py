"""The comment, as recorded for typical changes: cases/<case>/{before,after}.yaml and comment.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ci.review.markdown import LIMIT, MARKER, write_markdown

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.review.report import Comparison

    Compared = Callable[[str, str], Comparison]

CASES = sorted(Path(__file__).with_name("cases").iterdir())


def read(case: Path) -> tuple[str, str]:
    before, after = (case / name for name in ("before.yaml", "after.yaml"))
    return before.read_text(encoding="utf-8"), after.read_text(encoding="utf-8")


def config_map(name: str, value: str) -> str:
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: shop\n"
        f"data:\n  text: {value}\n---\n"
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_typical_change_gives_the_recorded_comment(case: Path, compared: Compared) -> None:
    comment = write_markdown(compared(*read(case)))

    assert comment == (case / "comment.md").read_text(encoding="utf-8")


def test_the_same_input_gives_the_same_bytes(compared: Compared) -> None:
    case = next(case for case in CASES if case.name == "claim-to-empty-dir")

    assert write_markdown(compared(*read(case))) == write_markdown(compared(*read(case)))


def test_an_over_long_comment_loses_whole_resources_and_says_so(compared: Compared) -> None:
    before = "".join(config_map(f"c{n}", "a") for n in range(40))
    after = "".join(config_map(f"c{n}", "word " * 500) for n in range(40))

    comment = write_markdown(compared(before, after))

    assert len(comment) <= LIMIT
    assert comment.startswith(MARKER)
    assert "of 40 resources are left out: the comment is full." in comment
    assert comment.count("<details>") == comment.count("</details>") > 10
    assert comment.count(" (changed): left out") + comment.count("<details>") == 40


def test_risky_resources_are_the_last_to_be_left_out(compared: Compared) -> None:
    service = (
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: s\n  namespace: shop\n"
        "spec:\n  type: {}\n  externalName: shop.example.com\n  ports:\n    - port: 80\n---\n"
    )
    before = service.format("ExternalName") + config_map("c", "a")
    after = service.format("NodePort") + config_map("c", "word " * 200)

    comment = write_markdown(compared(before, after), limit=1500)

    assert "<summary><code>Service shop/s</code> changed" in comment
    assert "`ConfigMap shop/c` (changed): left out" in comment


def test_a_text_with_fences_of_its_own_does_not_end_the_block(compared: Compared) -> None:
    after = config_map("c", "|\n    ```\n    </details>\n    ```")

    comment = write_markdown(compared(config_map("c", "a"), after))

    assert "````diff" in comment


def test_a_name_cannot_hide_the_rest_of_the_comment(compared: Compared) -> None:
    """A pull request may come from anybody, and its names go into the comment's prose."""
    name = "a`b</code></details> <!-- c"
    comment = write_markdown(compared("", config_map(f'"{name}"', "x")))

    outside = re.sub(r"```.*?```", "", comment.removeprefix(MARKER), flags=re.DOTALL)
    assert "<!--" not in outside
    assert outside.count("</details>") == outside.count("<details>") == 1
    assert outside.count("</code>") == outside.count("<code>") == 1


def test_a_folder_of_any_name_is_one_row_of_the_table(compared: Compared) -> None:
    report = compared("", config_map("c", "x"))
    report.sections[0].name = "overlays/a|b `c`"
    assert "| `` overlays/a\\|b `c` `` | 1 resource, nothing risky |" in write_markdown(report)
