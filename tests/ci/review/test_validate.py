"""`python -m ci validate`: the checker on this repository, with the rules that it adds."""

from __future__ import annotations

import datetime
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

import ci.platform.rules  # noqa: F401  # its rules are registered by importing them
from ci.rules_page import PAGE, written
from treecheck.engine import check
from treecheck.facts import read_facts
from treecheck.inputs import gather
from treecheck.schemas import version_of

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[3]
TODAY = datetime.date(2026, 12, 1)
NODES = ROOT / "tests" / "ci" / "platform" / "capacity" / "rules" / "nodes-too-small"


def test_it_finds_nothing_in_this_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    facts = read_facts(ROOT / "infra" / "facts.yaml")

    report = check(gather([], facts), facts, version_of(facts.kubernetes), today=TODAY)

    assert report.findings == []
    assert report.failures == []
    assert report.resources > 20


def test_the_verb_runs_the_rules_that_this_repository_adds() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ci",
            "validate",
            NODES / "broken.yaml",
            "--facts",
            NODES / "facts.yaml",
            "--only",
            "nodes-too-small",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1, done.stderr
    assert "nodes-too-small" in done.stdout


def test_the_page_lists_every_rule_as_the_registry_has_it() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert page == written(page), "run make docs"


def test_the_pre_commit_hook_runs_it() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))

    entries = [hook["entry"] for hook in hooks["repos"][0]["hooks"]]
    assert ".venv/bin/python -m ci validate" in entries
