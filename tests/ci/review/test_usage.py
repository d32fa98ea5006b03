"""The money and the room in the comment: the sums of `python -m ci capacity`, and nothing else."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from ci.platform.capacity import gather, load_cluster
from ci.review.usage import Usage, usage_of, used
from ci.tree.overlays import environments
from treecheck.model import Origin, Part, Resource

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def counted() -> dict[str, list[dict[str, object]]]:
    """What `python -m ci capacity` counts."""
    return gather.gather(ROOT, load_cluster(ROOT / gather.CLUSTER))


@pytest.fixture(scope="module")
def usage(counted: dict[str, list[dict[str, object]]]) -> Usage:
    groups = {
        f"overlays/{name}": [
            Resource(body, Part(name, name), Origin(None, 1)) for body in counted[name]
        ]
        for name in environments()
    }
    found = usage_of(ROOT, groups)
    assert found is not None
    return found


def changed(usage: Usage, kind: str, *path: str, value: object) -> Usage:
    """The usage with a field of prod's one resource of a kind."""
    resources = {name: copy.deepcopy(found) for name, found in usage.resources.items()}
    (body,) = (each for each in resources["prod"] if each["kind"] == kind)
    for step in path[:-1]:
        body = body[int(step) if isinstance(body, list) else step]
    body[path[-1]] = value
    return replace(usage, resources=resources)


def test_it_counts_what_capacity_counts(
    usage: Usage, counted: dict[str, list[dict[str, object]]]
) -> None:
    assert usage.resources == counted


def test_nothing_is_said_where_nothing_differs(usage: Usage) -> None:
    assert list(used(usage, usage)) == []
    assert list(used(None, usage)) == []


def test_a_larger_volume_is_more_money(usage: Usage) -> None:
    path = ("spec", "volumeClaimTemplates", "0", "spec", "resources", "requests", "storage")
    (said,) = used(usage, changed(usage, "StatefulSet", *path, value="40Gi"))

    assert said.startswith("**Money:** $1.60 more a month, $")
    assert said.endswith(": claimed volumes, gp3 $1.60 more.")


def test_more_pods_are_less_room_until_they_do_not_fit(usage: Usage) -> None:
    said = [
        list(used(usage, changed(usage, "HorizontalPodAutoscaler", "spec", "maxReplicas", value=n)))
        for n in (4, 30)
    ]

    assert ["everything fits." in line for (line,) in said] == [True, False]
    assert all(line.startswith("**Room, while everything rolls out") for (line,) in said)
    assert "**not everything fits** (`python -m ci capacity`)" in said[1][0]


def test_what_cannot_be_counted_is_said_to_be_unknown(usage: Usage) -> None:
    path = ("spec", "template", "spec", "containers", "0", "resources", "requests", "cpu")
    after = changed(usage, "StatefulSet", *path, value="much")

    assert list(used(usage, after)) == [
        "**Money and room:** not known: a request or a number of replicas can't be read."
    ]


def test_a_tree_that_describes_no_nodes_has_no_usage(tmp_path: Path) -> None:
    assert usage_of(tmp_path, {}) is None
