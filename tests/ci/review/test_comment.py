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
    assert "`Service shop/s`: this exposes port 80 outside the cluster: NodePort\n" in comment
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


def manifest(kind: str, name: str = "a", *, version: str = "v1", spec: str = "{}") -> str:
    return (
        f"apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: shop\n"
        f"spec: {spec}\n---\n"
    )


def test_what_a_reviewer_needs_least_is_left_out_first(compared: Compared) -> None:
    after = (
        manifest("PodDisruptionBudget", version="policy/v1")
        + manifest("Service")
        + manifest("Job", version="batch/v1")
        + manifest("NetworkPolicy", version="networking.k8s.io/v1")
        + manifest("ServiceAccount")
        + config_map("short", "a")
        + config_map("long", "word " * 20)
    )
    report = compared("", after)
    order: list[str] = []
    comment = write_markdown(report)
    while "<details>" in comment:
        comment = write_markdown(report, limit=len(comment) - 1)
        gone = re.findall(r"^`(.+)` \(added\): left out$", comment, re.MULTILINE)
        order += sorted(set(gone) - set(order))

    assert order == [
        "ConfigMap shop/long",
        "ConfigMap shop/short",
        "ServiceAccount shop/a",
        "NetworkPolicy shop/a",
        "Job shop/a",
        "Service shop/a",
        "PodDisruptionBudget shop/a",
    ]
    assert "7 of 7 resources are left out" in comment


def test_no_more_is_left_out_than_must_be(compared: Compared) -> None:
    report = compared("", config_map("a", "x") + config_map("b", "y"))
    comment = write_markdown(report)

    assert write_markdown(report, limit=len(comment)) == comment
    assert "1 of 2 resources are left out" in write_markdown(report, limit=len(comment) - 1)


def test_a_list_that_is_too_long_by_itself_is_cut(compared: Compared) -> None:
    report = compared("", "".join(config_map(f"c{n}", "x") for n in range(40)))

    comment = write_markdown(report, limit=1000)

    assert 900 < len(comment) <= 1000
    assert comment.startswith(MARKER)
    assert comment.endswith("\n\n(the rest is left out)\n")


def test_resources_are_in_the_order_of_their_titles(compared: Compared) -> None:
    names = [f"c{n}" for n in range(10, 30)]
    report = compared("", "".join(config_map(name, "x") for name in reversed(names)))

    titles = [change.title for change in report.sections[0].changes]
    assert titles == [f"ConfigMap shop/{name}" for name in names]


def test_the_verdict_counts_resources_and_risks(compared: Compared) -> None:
    claims = [manifest("PersistentVolumeClaim", name) for name in "ab"]
    config = config_map("c", "x")
    verdicts = [
        compared(before, after).sections[0].verdict
        for before, after in (
            (config, config),
            ("", config),
            ("", config + config_map("d", "x")),
            (claims[0], config),
            ("".join(claims), config),
        )
    ]
    assert verdicts == [
        "no change",
        "1 resource, nothing risky",
        "2 resources, nothing risky",
        "2 resources, **1 risk**",
        "3 resources, **2 risks**",
    ]


def test_only_what_the_change_brings_is_a_new_finding(compared: Compared) -> None:
    old = config_map("a", "x") + config_map("a", "x")
    report = compared(old, old + config_map("b", "x") + config_map("b", "x"))

    assert [(each.rule, each.resource) for each in report.findings] == [
        ("duplicate-resource", "ConfigMap shop/b")
    ]
    assert "- **error** `duplicate-resource` ConfigMap shop/b (" in write_markdown(report)
    assert compared(old, old).findings == []


def test_a_file_that_can_no_longer_be_read_is_a_new_finding(compared: Compared) -> None:
    broken = "a: [\n"
    report = compared("", broken)

    assert [each.rule for each in report.findings] == ["not-yaml"]
    assert compared(broken, broken).findings == []
    report.failures = ["shop/a.yaml is not text"]
    assert "#### This can't be read\n\n- shop/a.yaml is not text" in write_markdown(report)


@pytest.mark.parametrize("kind", ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"])
def test_more_rights_are_a_risk(compared: Compared, kind: str) -> None:
    report = compared("", manifest(kind, version="rbac.authorization.k8s.io/v1"))

    assert [each.sentence for each in report.sections[0].risks] == [
        "this changes what somebody may do"
    ]


def test_of_a_text_with_lines_only_the_changed_one_is_shown(compared: Compared) -> None:
    text = "|\n    " + "\n    ".join(f"line {n}" for n in range(20))
    report = compared(config_map("c", text), config_map("c", text.replace("line 9", "other")))

    (change,) = report.sections[0].changes
    assert [line for line in change.lines() if line[0] in "+-"] == ["-    line 9", "+    other"]


def test_a_key_of_a_secret_name_is_hidden_beside_a_name_that_is_none(compared: Compared) -> None:
    """`name` speaks for `value` alone, and for no other field beside it."""
    spec = "{name: password, value: hunter7zz, note: an ordinary sentence}"
    comment = write_markdown(compared("", manifest("Thing", version="example.com/v1", spec=spec)))

    assert "note: an ordinary sentence" in comment
    assert "value: (redacted, " in comment
    assert "hunter7zz" not in comment
