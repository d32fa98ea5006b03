"""A restore's pull request is called a restore, and the way back is called that.

The trees are of a few manifests; one test takes what `ci restore` writes into the whole tree.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from ci.review.markdown import write_markdown
from ci.review.report import Comparison, as_data, make_report
from ci.review.trees import read_tree
from ci.tree.claim import Claim, claim_file
from ci.tree.overlays import promotion_order
from tests.manifests import backed_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.review.trees import RenderedTree

    Compare = Callable[[str, str], Comparison]

TREE = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {claim}
  namespace: prod
  annotations: {{argocd.argoproj.io/sync-options: "{options}"}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: postgresql-restore, namespace: prod}}
data: {{RESTORE_TO: "{to}", RESTORE_SET: "{backup}"}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: postgresql, namespace: prod}}
spec:
  replicas: {replicas}
  template:
    spec:
      volumes: [{{name: data, persistentVolumeClaim: {{claimName: {claim}}}}}]
"""
MOMENT = "2026-11-28 10:00:00+0000"
SERVER = "StatefulSet prod/postgresql"


def tree(
    claim: str, to: str = "", *, backup: str = "", replicas: int = 1, keep: bool = True
) -> str:
    """prod's database with a claim of a number, and what fills it."""
    options = "Prune=false,Delete=false" if keep else ""
    name = f"data-postgresql-{claim}"
    return TREE.format(claim=name, to=to, backup=backup, replicas=replicas, options=options)


def said(report: Comparison) -> list[str]:
    """The risks, the worst first."""
    [section] = report.sections
    return [risk.sentence for risk in section.risks]


def test_a_restore_is_called_one_and_says_what_is_lost_and_how_to_go_back(
    compared: Compare,
) -> None:
    report = compared(tree("0"), tree("1", MOMENT, backup="20261127-031700F"))

    [section] = report.sections
    assert section.verdict == "4 resources, **a restore of the database**"
    [first, *others] = said(report)
    assert first == (
        "this restores the database to 2026-11-28 10:00:00+0000, from backup 20261127-031700F,"
        " into data-postgresql-1. What was written later is not in it. It is away until the claim"
        " is filled. data-postgresql-0 keeps its data, and reverting this commit goes back to it"
    )
    assert others == ["this restarts 1 pod"]
    text = write_markdown(report)
    assert text.count("the data does not move along") == 0
    assert f"- `{SERVER}`: this restores the database to" in text
    assert as_data(report)["environments"][0]["database"] == "a restore of the database"


def test_a_restore_to_the_newest_moment_says_nothing_of_later_rows(compared: Compare) -> None:
    first = said(compared(tree("0"), tree("1", "latest")))[0]

    assert first.startswith("this restores the database to latest, into data-postgresql-1. It is")


def test_the_revert_of_a_restore_is_called_a_way_back(compared: Compare) -> None:
    report = compared(tree("2", MOMENT), tree("1", "latest"))

    [section] = report.sections
    assert section.verdict == "4 resources, **the database goes back to an earlier claim**"
    assert said(report)[0] == (
        "this goes back to the claim data-postgresql-1, with what was written there until it was"
        " left. What was written since stays in data-postgresql-2"
    )


def test_a_new_claim_that_nothing_fills_is_not_called_a_restore(compared: Compare) -> None:
    report = compared(tree("0"), tree("1"))

    assert said(report)[0].startswith("this names the claim data-postgresql-1, and no restore")
    assert as_data(report)["environments"][0]["database"] == "a new claim for the database"


def test_a_restore_hides_no_other_risk(compared: Compare) -> None:
    report = compared(tree("0", keep=False), tree("1", MOMENT, replicas=0))

    [section] = report.sections
    assert section.verdict == "4 resources, **a restore of the database**, **2 other risks**"
    assert said(report)[0] == "this deletes it, and its data"
    assert "this stops every pod: replicas is 0" in said(report)


def test_an_image_beside_the_restore_and_another_resource_are_counted(compared: Compare) -> None:
    other = (
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: prod}\n"
        "data: {a: b}\n"
    )
    report = compared(tree("0"), tree("1", MOMENT) + other)

    assert report.live.startswith(
        "**Live at the merge:** `shop` a restore of the database and 1 other resource."
    )


def test_another_statefulset_s_claim_is_not_the_database_s(compared: Compare) -> None:
    before, after = (
        each.replace("name: postgresql,", "name: queue,") for each in (tree("0"), tree("1", MOMENT))
    )

    assert any("the data does not move along" in each for each in said(compared(before, after)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[RenderedTree, RenderedTree]:
    """The whole tree before and after what the verb writes into it."""
    folder = tmp_path_factory.mktemp("whole")
    before = backed_up.make(folder / "before")
    after = folder / "after"
    shutil.copytree(before, after)
    claim = Claim("data-postgresql-1", MOMENT, "20261127-031700F", "1", 1)
    (after / claim_file("prod")).write_text(claim.text(), encoding="utf-8")
    return read_tree(before), read_tree(after)


@pytest.mark.thorough
@pytest.mark.parametrize("is_back", [False, True])
def test_what_the_verb_writes_into_the_tree_is_called_so(
    whole: tuple[RenderedTree, RenderedTree], is_back: bool
) -> None:
    old, new = whole

    report = make_report(new, old) if is_back else make_report(old, new)

    what = "the database goes back to an earlier claim" if is_back else "a restore of the database"
    assert f"`overlays/prod` {what}" in report.live
    for name in promotion_order()[:-1]:
        assert f"`overlays/{name}` nothing" in report.live
    assert "**Needs a person:** data (StatefulSet coworking-prod/postgresql, see" in (
        write_markdown(report)
    )
    assert not report.findings
