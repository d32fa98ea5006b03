"""docs/e2e.md against the suite that it describes, which `make test` doesn't run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.harness import bootstrap, world
from tests.e2e.harness.environment import OPTIONAL, VARIABLES, Unusable, check

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "e2e.md").read_text(encoding="utf-8")


def test_every_variable_is_in_the_table() -> None:
    for name, meaning in {**VARIABLES, **OPTIONAL}.items():
        assert f"| `{name}` | {meaning} |" in PAGE


def test_every_module_is_in_the_table() -> None:
    modules = sorted(path.stem for path in (ROOT / "tests" / "e2e").glob("test_*.py"))

    assert [
        line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `test_")
    ] == modules


def test_long_modules_are_in_the_table_of_their_own() -> None:
    long = PAGE.partition("And by `make e2e-long`:")[2]

    for path in (ROOT / "tests" / "e2e").glob("test_*.py"):
        marked = "pytestmark = pytest.mark.long" in path.read_text(encoding="utf-8")
        assert (f"| `{path.stem}` |" in long) == marked, path.stem


def test_the_suite_types_all_lines_of_the_bootstrap_page_but_the_one_for_aws() -> None:
    typed = bootstrap.lines()
    left_out = [line for line in typed if line not in bootstrap.runnable(typed)]

    assert [line.split("#")[0].split()[:3] for line in left_out] == [
        ["aws", "eks", "update-kubeconfig"]
    ]
    assert len(typed) > 4
    assert "kubectl apply --server-side --field-manager=coworking -k argocd/config" in typed


def test_the_suite_finds_what_it_types_from_other_parts_of_the_pages() -> None:
    assert "argocd-notifications-secret" in bootstrap.line_with(world.ON_CALL)
    assert len(bootstrap.lines(bootstrap.WHERE_ARGO_CD_IS)) == 4
    assert len(bootstrap.lines("Taking it down", ROOT / "docs" / "aws.md")) > 6


def test_a_typed_line_has_nothing_of_the_make_that_runs_the_suite(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in bootstrap.OF_MAKE:
        monkeypatch.setenv(name, "ARGS=-x")

    assert bootstrap.type_line('echo "$MAKEFLAGS$ARGS."', tmp_path, {}) == ".\n"


def test_what_is_missing_is_named_in_one_sentence() -> None:
    with pytest.raises(Unusable, match="need KUBECONFIG, ") as raised:
        check({"E2E_UPSTREAM": "upstream"})

    assert "E2E_UPSTREAM" not in str(raised.value)
    assert str(raised.value).endswith("nothing was changed")


def test_the_shorter_limits_are_still_in_the_tree() -> None:
    for path, pattern, _ in world.SHORTER:
        assert re.search(pattern, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), path
