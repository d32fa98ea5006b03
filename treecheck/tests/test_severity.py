"""Errors are faults; hardening is a warning, unless the tree has the API server insist on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rule_cases import all_cases, case

from treecheck.engine import check
from treecheck.facts import Facts
from treecheck.inputs import gather
from treecheck.registry import RULES, Family, load_rules

if TYPE_CHECKING:
    from pathlib import Path

    from rule_cases import Case

    from treecheck.model import Finding

load_rules()
ENFORCED = ("privileged-container", "runs-as-root", "seccomp-unset")
# Policy that is an error wherever it stands: it gives a node, a secret or every right away, or runs
# something that nobody chose.
GIVES_AWAY = {
    "binding-too-broad", "credential-in-file", "database-exposed", "host-namespaces",
    "image-file-with-more", "image-unpinned", "privileged-container", "rbac-default-too-broad",
    "role-too-broad", "secret-in-configuration", "secret-in-plain-text",
}  # fmt: skip


def findings(broken: Case, folder: Path) -> list[Finding]:
    inputs = gather([str(broken.write(folder))], Facts())
    return check(inputs, Facts(), (1, 32), only=[broken.rule]).findings


def test_hardening_that_nothing_enforces_is_a_warning() -> None:
    errors = {r.id for r in RULES.values() if r.family is Family.POLICY and r.severity == "error"}

    assert {each for each in errors if RULES[each].is_ours} == GIVES_AWAY


@pytest.mark.parametrize("rule", ENFORCED)
def test_it_is_an_error_where_the_namespace_enforces_it(rule: str, tmp_path: Path) -> None:
    broken = [each for each in all_cases() if each.rule == rule and each.broken]
    found = [item for each in broken for item in findings(each, tmp_path / each.name)]

    assert {item.severity.value for item in found if "enforces" in item.message} == {"error"}


def test_it_is_a_warning_where_no_namespace_enforces_it(tmp_path: Path) -> None:
    (found,) = findings(case("capabilities", "of-every-container"), tmp_path)

    assert (found.severity.value, "does not allow it" in found.message) == ("warning", True)


def test_a_number_that_no_container_declares_may_be_right(tmp_path: Path) -> None:
    (by_number,) = findings(case("service-port-unknown", "plain"), tmp_path / "a")
    (by_name,) = findings(case("service-port-unknown", "by-name"), tmp_path / "b")

    assert (by_number.severity.value, by_name.severity.value) == ("warning", "error")
    assert "unless something listens there" in by_number.message
    assert by_name.message.endswith("connections to it fail")
