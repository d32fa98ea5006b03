"""A fork with other values in settings.yaml passes the tests that read them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from ci.tree import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/fork.md").read_text(encoding="utf-8")
# Those that look at the tree itself, and which of their tests. The other files make trees of their
# own, with values of their own.
QUICK = {
    "tests/ci/git/test_access.py": "not_utf_8",
    "tests/ci/platform/plan/test_plan.py": "first_build or settings",
    "tests/ci/local/test_cluster.py": "",
    "tests/ci/tree/test_carried.py": "",
    "tests/ci/tree/test_render.py": "number or snapshot",
    "tests/docs/test_deploy_pages.py": "",
    "tests/infra/test_cluster_file.py": "",
    "tests/manifests/test_security.py": "settings_yaml",
}
# These render or check the whole tree again and again.
LONG = {
    "tests/ci/platform/capacity/test_tree.py": "",
    "tests/ci/platform/test_configure.py": "becomes or region",
    "tests/ci/review/test_validate.py": "finds_nothing",
    "tests/manifests/test_argocd.py": "settings_yaml or labels or restricted",
    "tests/manifests/test_rendering.py": "snapshot or schema",
    "tests/manifests/test_security.py": "settings_yaml or cookie",
}
OTHERS = {
    "PLACE": "Bob's Loft & Co. (Mitte)",
    "TIME_ZONE": "Europe/Berlin",
    "KUBERNETES": "1.35",
    "REPOSITORY": "team/space",
    "PROD_CIDRS": "203.0.113.0/24,198.51.100.7/32",
    "PROD_CERTIFICATE": "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b2c3d",
    "ARGOCD_CIDRS": "10.8.0.0/16",
    "ARGOCD_CERTIFICATE": "arn:aws:acm:eu-central-1:123456789012:certificate/4e5f6a7b",
    "OWNERS": "@your-org/platform,@ada",
    "SIGNER": "1234567+your-bot@users.noreply.github.com",
    # With a bucket the checker misses the sealed key; tests/manifests has that state with one.
    "BACKUP_BUCKET": "none",
    "BACKUP_DAYS": "30",
    "BACKUP_ENDPOINT": "none",
    "BACKUP_REGION": "eu-west-1",
    # With a host the checker misses the certificates; tests/manifests has that state with them.
    "DATABASE_HOST": "none",
    "DATABASE_PORT": "5433",
    "DATABASE_NETWORK": "10.20.0.0/16",
    "ENVIRONMENTS": ",".join(settings.read().environments),  # `ci environment` changes which
}


# Not in the fork's own configuration, where the tests would find it.
PERSON = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.org",
}


def run(
    folder: Path, *words: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    whole = {**os.environ, **(env or {})}
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=whole)


def of_the_page() -> dict[str, str]:
    """What the first command of docs/fork.md gives."""
    (line, *_) = re.findall(r"^make configure .*", PAGE, re.MULTILINE)
    pairs = [word.split("=", 1) for word in shlex.split(line)[2:]]
    return dict(pairs)


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository as it is, configured by the page's own command and every other setting."""
    folder = tmp_path_factory.mktemp("fork")
    for name in run(ROOT, "git", "ls-files", "-z").stdout.split("\0"):
        source, target = ROOT / name, folder / name
        if name and source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)
    for words in (
        "git init --quiet --initial-branch=main --template=",
        "git add .",
        "git commit --quiet --message=Fork",
    ):
        assert run(folder, *shlex.split(words), env=PERSON).returncode == 0
    given = of_the_page() | OTHERS
    assert set(given) == {name.upper() for name in settings.SETTINGS}
    options = [f"--{name.lower().replace('_', '-')}={value}" for name, value in given.items()]
    done = run(folder, sys.executable, "-m", "ci", "configure", *options, env=PERSON)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.thorough
@pytest.mark.timeout(400)  # for all of them
@pytest.mark.parametrize(
    "dependent",
    [pytest.param(QUICK, id="quick"), pytest.param(LONG, id="long", marks=pytest.mark.thorough)],
)
def test_a_configured_fork_passes_the_tests_that_read_its_settings(
    fork: Path, tmp_path: Path, dependent: dict[str, str]
) -> None:
    """With the page's example account, `make test` found copies of it in the examples.

    One pytest runs all: thirteen would each start and import the same.
    """
    report = tmp_path / "tests.xml"
    named = (
        f"{Path(file).name} and ({names})" if names else Path(file).name
        for file, names in dependent.items()
    )
    words = ("-m", "pytest", "-q", "-p", "no:xdist", "-o", "junit_family=xunit1")
    wanted = ("-k", " or ".join(named), f"--junitxml={report}")
    done = run(fork, sys.executable, *words, *dependent, *wanted)
    assert done.returncode == 0, done.stdout[-3000:]
    ran = {case.get("file") for case in ElementTree.parse(report).iter("testcase")}
    assert ran == set(dependent)


def test_the_commit_has_everything_that_follows(fork: Path) -> None:
    assert run(fork, "git", "status", "--porcelain").stdout == ""
    assert run(fork, "git", "rev-list", "--count", "HEAD").stdout.strip() == "2"
    changed = run(fork, "git", "show", "--format=", "--name-only").stdout.split()
    for name in ("README.md", "docs/cost.md", "tests/manifests/snapshots/prod.yaml"):
        assert name in changed
