"""The changes that docs/nodes.md offers: each is read from the page, made, and checked."""

import copy
import re
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
import yaml

from ci.platform.capacity import load_cluster, load_prices, report
from ci.platform.capacity.gather import CLUSTER, PRICES, gather
from ci.platform.plan.checks.aws import WITHOUT_EKS
from tests.infra.eksctl_rules import refusals

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/nodes.md").read_text(encoding="utf-8")
SCHEMA: Any = yaml.safe_load((Path(__file__).parent / "eksctl.schema.yaml").read_text("utf-8"))
DESCRIBED: Any = yaml.safe_load((ROOT / CLUSTER).read_text(encoding="utf-8"))


class Row(NamedTuple):
    """A row of the table: its name, and what it writes into the node group and elsewhere."""

    name: str
    group: list[Any]
    elsewhere: list[Any]


def rows() -> list[Row]:
    table = PAGE.split("## Changes to the one file")[1].split("\n\n")[2]
    found = []
    for line in table.splitlines()[2:]:
        name, group, elsewhere, _ = re.split(r"\s*\|\s*", line.strip("| "))
        found.append(Row(name, snippets(group), snippets(elsewhere)))
    return found


def snippets(cell: str) -> list[Any]:
    """What stands in backticks, read as YAML: a value to set, or the name of one to remove."""
    return [yaml.safe_load(text) for text in re.findall(r"`([^`]+)`", cell)]


def merge(into: dict[str, Any], change: dict[str, Any]) -> None:
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def changed(row: Row) -> dict[str, Any]:
    """eksctl's file with a row's change."""
    described = copy.deepcopy(DESCRIBED)
    (group,) = described["managedNodeGroups"]
    for snippet in row.group:
        if isinstance(snippet, str):
            del group[snippet]
        elif set(snippet) == {"memory"}:
            # The kubelet's reserve; `memory.available` is another key.
            group["overrideBootstrapCommand"] = re.sub(
                r"\bmemory: \w+", f"memory: {snippet['memory']}", group["overrideBootstrapCommand"]
            )
        else:
            merge(group, snippet)
    for snippet in row.elsewhere:
        merge(described, snippet)
    return described


ROWS = {row.name: row for row in rows()}


def test_the_page_offers_these_changes() -> None:
    assert list(ROWS) == [
        "t3.medium",
        "more nodes",
        "spot",
        "cluster autoscaler",
        "newer Kubernetes",
        "who may reach the Kubernetes API",
        "no audit log",
    ]


@pytest.mark.parametrize("name", ROWS)
def test_each_change_is_one_that_eksctl_takes_and_everything_fits(
    name: str, tmp_path: Path
) -> None:
    described = changed(ROWS[name])
    assert described != DESCRIBED
    jsonschema.validate(described, SCHEMA)
    assert refusals(described) == []
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump(described), encoding="utf-8")
    cluster = load_cluster(path)
    assert report(gather(ROOT, cluster), cluster, load_prices(ROOT / PRICES)).findings == ()


def test_the_larger_reserve_of_the_page_reaches_the_kubelet(tmp_path: Path) -> None:
    described = changed(ROWS["t3.medium"])
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump(described), encoding="utf-8")
    (group,) = load_cluster(path).groups
    assert group.kube_reserved is not None
    assert group.kube_reserved.memory == 585


def test_the_page_names_every_zone_that_the_plan_refuses() -> None:
    assert all(f"`{zone}`" in PAGE for zone in WITHOUT_EKS)


def test_spot_nodes_are_counted_as_spot(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump(changed(ROWS["spot"])), encoding="utf-8")
    assert [group.spot for group in load_cluster(path).groups] == [True]
