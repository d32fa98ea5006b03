"""This repository's own nodes, pods and pages."""

import copy
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.errors import InputError
from ci.platform.capacity import load_addons, load_cluster, load_prices, report
from ci.platform.capacity.amounts import Amount, total
from ci.platform.capacity.gather import ADDONS, CLUSTER, PRICES, gather
from ci.platform.capacity.pages import BLOCKS, renewed, survey
from ci.platform.capacity.verdict import SITUATIONS
from ci.tree.overlays import environments
from tests.ci import verbs

ROOT = Path(__file__).parents[4]
CLUSTER_FILE = load_cluster(ROOT / CLUSTER)
PRICE_TABLE = load_prices(ROOT / PRICES)


@pytest.fixture(scope="module")
def tree() -> dict[str, list[dict[str, Any]]]:
    return gather(ROOT, CLUSTER_FILE)


def memory_of_a_waiting_pod(tree: dict[str, list[dict[str, Any]]], mib: int) -> bool:
    """Whether everything still fits with a pod more in dev."""
    pod = {"containers": [{"name": "c", "resources": {"requests": {"memory": f"{mib}Mi"}}}]}
    more = {"kind": "Pod", "metadata": {"name": "one-more"}, "spec": pod}
    return report({**tree, "more": [more]}, CLUSTER_FILE, PRICE_TABLE).fits


def test_everything_fits_at_the_maximum_and_while_everything_rolls_out(
    tree: dict[str, list[dict[str, Any]]],
) -> None:
    verdict = report(tree, CLUSTER_FILE, PRICE_TABLE)
    assert verdict.findings == ()
    required = [one.situation.name for one in verdict.outcomes if one.situation.required]
    assert required == ["quiet", "peak", "rollout"]


def test_it_fails_when_someone_adds_a_pod_that_does_not_fit(
    tree: dict[str, list[dict[str, Any]]],
) -> None:
    rollout = report(tree, CLUSTER_FILE, PRICE_TABLE).outcomes[2]
    free = total(fill.room for fill in rollout.fills).memory - rollout.demand.memory
    assert memory_of_a_waiting_pod(tree, 8)
    assert not memory_of_a_waiting_pod(tree, free + 1)


def test_it_fails_when_prod_may_scale_further(tree: dict[str, list[dict[str, Any]]]) -> None:
    changed = copy.deepcopy(tree)
    (autoscaler,) = (one for one in changed["prod"] if one["kind"] == "HorizontalPodAutoscaler")
    autoscaler["spec"]["maxReplicas"] = 60
    verdict = report(changed, CLUSTER_FILE, PRICE_TABLE)
    assert "peak" in verdict.findings[0]


def test_every_environment_argo_cd_and_every_add_on_are_counted(
    tree: dict[str, list[dict[str, Any]]],
) -> None:
    assert list(tree) == ["add-ons", "argo cd", "sealed-secrets", *environments()]
    names = {
        (pod.environment, pod.workload) for pod in report(tree, CLUSTER_FILE, PRICE_TABLE).pods
    }
    assert names >= {
        ("add-ons", "aws-node"),
        ("add-ons", "ebs-csi-controller"),
        ("add-ons", "fluent-bit"),
        ("argo cd", "argocd-server"),
        ("argo cd", "argocd-application-controller"),
        ("sealed-secrets", "sealed-secrets-controller"),
        *((name, "postgresql") for name in environments()),
    }


def test_every_pod_requests_memory(tree: dict[str, list[dict[str, Any]]]) -> None:
    """What requests nothing is used all the same, and would make the verdict worthless."""
    for pod in report(tree, CLUSTER_FILE, PRICE_TABLE).pods:
        assert pod.amount.memory > 0, pod
        assert pod.amount.cpu > 0, pod


@pytest.mark.parametrize(
    ("reserve", "verdict"),
    [
        # nodeadm's own: enough memory for everybody but the kubelet.
        (None, "the memory kept for its kubelet is made for 11"),
        (Amount(70, 475), ""),
        # For 110 pods, what EKS allows: it would take three quarters of the node.
        (Amount(70, 1465), "no node has room for"),
    ],
)
def test_nodes_of_t3_small_hold_it_only_with_a_reserve_set_by_hand(
    tree: dict[str, list[dict[str, Any]]], reserve: Amount | None, verdict: str
) -> None:
    group = replace(CLUSTER_FILE.groups[0], instance_type="t3.small")
    cluster = replace(CLUSTER_FILE, groups=(replace(group, kube_reserved=reserve),))
    findings = report(tree, cluster, PRICE_TABLE).findings
    assert findings == () if not verdict else verdict in findings[0]


def test_no_placement_puts_more_pods_on_a_node_than_its_reserve_is_made_for(
    tree: dict[str, list[dict[str, Any]]],
) -> None:
    """EKS allows 110, but each pod requests memory, and that runs out first."""
    for outcome in report(tree, CLUSTER_FILE, PRICE_TABLE).outcomes:
        for fill in outcome.fills:
            assert fill.pods <= fill.most * fill.nodes
            assert fill.most <= fill.covered == 20


def test_one_t3_medium_is_enough_only_while_it_is_quiet(
    tree: dict[str, list[dict[str, Any]]],
) -> None:
    group = replace(CLUSTER_FILE.groups[0], instance_type="t3.medium", desired=1)
    cluster = replace(CLUSTER_FILE, groups=(group,))
    outcomes = report(tree, cluster, PRICE_TABLE).outcomes
    waiting = {one.situation.name for one in outcomes if one.situation.required and one.waiting}
    assert "rollout" in waiting
    assert "quiet" not in waiting


def test_an_add_on_that_nobody_described_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "addons.yaml"
    table.write_text("addons: {coredns: {workloads: []}}\n", encoding="utf-8")
    with pytest.raises(InputError, match="doesn't say what the add-on eks-pod-identity-agent"):
        load_addons(table, CLUSTER_FILE)


def test_an_add_on_without_values_requests_its_default(tmp_path: Path) -> None:
    described: Any = yaml.safe_load((ROOT / CLUSTER).read_text(encoding="utf-8"))
    described["addons"] = [{"name": "coredns"}]
    changed = tmp_path / "cluster.yaml"
    changed.write_text(yaml.safe_dump(described), encoding="utf-8")
    (coredns,) = load_addons(ROOT / ADDONS, load_cluster(changed))
    assert coredns["spec"]["replicas"] == 2
    (container,) = coredns["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == {"requests": {"cpu": "100m", "memory": "70Mi"}}


@pytest.mark.parametrize("page", BLOCKS)
def test_the_pages_carry_the_figures_of_this_tree(
    tree: dict[str, list[dict[str, Any]]], page: str
) -> None:
    pages = renewed(ROOT, survey(tree, CLUSTER_FILE, PRICE_TABLE))
    assert (ROOT / page).read_text(encoding="utf-8") == pages[ROOT / page], (
        "run: python -m ci capacity --write-docs"
    )


def test_the_page_says_what_each_situation_is() -> None:
    page = (ROOT / "docs/nodes.md").read_text(encoding="utf-8")
    for situation in SITUATIONS:
        assert f"- **{situation.name}**: {situation.text}\n" in page


def test_the_command_says_how_full_and_what_would_be_cheapest() -> None:
    done = verbs.as_a_process("capacity")
    assert done.returncode == 0, done.stderr
    assert "Everything fits." in done.stdout
    assert "The cheapest node group that fits:" in done.stdout


def test_the_command_ends_with_1_on_one_node_and_names_what_waits(tmp_path: Path) -> None:
    text = (ROOT / CLUSTER).read_text(encoding="utf-8")
    changed = tmp_path / "cluster.yaml"
    changed.write_text(re.sub(r"desiredCapacity: \d", "desiredCapacity: 1", text), encoding="utf-8")
    done = verbs.in_this_process("capacity", "--cluster", str(changed), "--format", "json")
    verdict = json.loads(done.stdout)
    assert done.returncode == 1
    assert verdict["fits"] is False
    assert "no node has room for" in verdict["findings"][0]
    assert verdict["situations"][0]["groups"][0]["nodes"] == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kind: Nothing", "is not an eksctl cluster"),
        ("[", "is not an eksctl cluster"),
        ("metadata: {name: a}\nmanagedNodeGroups: []", "describes no managedNodeGroups"),
    ],
)
def test_a_file_that_is_no_cluster_ends_with_2_and_a_sentence(
    tmp_path: Path, text: str, sentence: str
) -> None:
    nonsense = tmp_path / "cluster.yaml"
    nonsense.write_text(text, encoding="utf-8")
    done = verbs.in_this_process("capacity", "--cluster", str(nonsense))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
