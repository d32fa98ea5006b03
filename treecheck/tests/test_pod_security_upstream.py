"""Kubernetes' own fixtures for "restricted": what must be refused, and what must not.

`make pod-security` fetches them into .local/pod-security.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from treecheck.engine import check
from treecheck.facts import Facts
from treecheck.inputs import gather
from treecheck.schemas import version_of

if TYPE_CHECKING:
    from treecheck.model import Finding

FIXTURES = Path(__file__).parents[2] / ".local" / "pod-security"
COUNTS = {("1.32", "fail"): 69, ("1.32", "pass"): 19, ("1.35", "fail"): 76, ("1.35", "pass"): 23}
# Refused or never started for another reason that is told instead: the field of the same name.
INSTEAD = {"root-against-non-root", "probe-host-local", "required-field"}

pytestmark = pytest.mark.skipif(
    not FIXTURES.is_dir(), reason="upstream's fixtures are not here: make pod-security fetches them"
)


def findings(folder: Path, release: str, into: Path) -> dict[str, list[Finding]]:
    """What is found in each fixture, in a namespace that enforces "restricted"."""
    found = {}
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"apiVersion": "v1", "kind": "Namespace"}
    for fixture in sorted(folder.iterdir()):
        pod = yaml.safe_load(fixture.read_text(encoding="utf-8"))
        pod["metadata"]["namespace"] = "shop"
        made = {**namespace, "metadata": {"name": "shop", "labels": labels}}
        file = into / fixture.name
        file.write_text(yaml.safe_dump_all([made, pod]), encoding="utf-8")
        report = check(gather([str(file)], Facts()), Facts(), version_of(release))
        found[fixture.stem] = report.findings
    return found


def is_refused(each: Finding) -> bool:
    return 'enforces "restricted"' in each.message or each.rule in INSTEAD


@pytest.mark.parametrize("release", ["1.32", "1.35"])
def test_every_pod_that_upstream_refuses_is_found(release: str, tmp_path: Path) -> None:
    found = findings(FIXTURES / release / "fail", release, tmp_path)

    assert len(found) == COUNTS[release, "fail"]
    assert [name for name, each in found.items() if not any(map(is_refused, each))] == []


@pytest.mark.parametrize("release", ["1.32", "1.35"])
def test_no_pod_that_upstream_allows_is_refused(release: str, tmp_path: Path) -> None:
    found = findings(FIXTURES / release / "pass", release, tmp_path)

    assert len(found) == COUNTS[release, "pass"]
    assert [name for name, each in found.items() if any(map(is_refused, each))] == []
