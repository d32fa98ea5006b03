"""Lost nodes and the pods that hang on them, from the Kubernetes API by the real kubectl."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ci.oncall import lost_nodes
from ci.oncall.lost_nodes import (
    PAGE,
    ClusterState,
    NodeState,
    PodState,
    look,
    needs_person,
    not_ready,
    parse,
    serving,
)
from tests.ci.kubernetes_api import KubernetesApi, node, pod, terminating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Serve = Callable[..., KubernetesApi]

NOW = datetime(2026, 11, 28, 21, 2, tzinfo=UTC)
OUT_OF_SERVICE = {
    "key": "node.kubernetes.io/out-of-service",
    "value": "nodeshutdown",
    "effect": "NoExecute",
}


def said(*items: dict[str, Any], environment: str = "prod") -> tuple[str, ...]:
    return needs_person(parse(items), environment, NOW)


def test_a_cluster_whose_nodes_are_ready_needs_nobody() -> None:
    assert said(node("a"), pod("coworking-1", "a")) == ()


def test_a_silent_node_is_named_with_its_instance_and_the_pods_on_it() -> None:
    lost = node("a", "Unknown")
    assert said(lost, node("b"), pod("coworking-1", "a"), pod("coworking-2", "b")) == (
        (
            "node a (instance i-0a) is silent since 2026-11-28 21:00 UTC, with coworking-1 on it:"
            f" {PAGE}"
        ),
    )


def test_a_stateful_pod_on_it_holds_the_next_one_up() -> None:
    lost = node("a", "Unknown")
    database = terminating("postgresql-0", "a", owner="StatefulSet")
    first, second = said(lost, database)
    assert "with postgresql-0 on it" in first
    assert second == (
        "pod postgresql-0 is Terminating on the lost node, and no other starts until Node a is gone"
        f" or marked out-of-service. First make sure that its machine is stopped: {PAGE}"
    )


def test_argo_cds_own_pods_on_it_are_named_too() -> None:
    """Its controller is a StatefulSet: nothing is synced until it is back."""
    controller = terminating("controller-0", "a", owner="StatefulSet", namespace="argocd")
    found = said(node("a", "Unknown"), node("b"), controller, pod("coworking-1", "b"))
    assert "with argocd/controller-0 on it" in found[0]
    assert found[1].startswith("pod argocd/controller-0 is Terminating on the lost node")


def test_a_deployments_pod_on_it_holds_nothing_up() -> None:
    assert len(said(node("a", "Unknown"), terminating("coworking-1", "a"))) == 1


def test_the_taint_out_of_service_is_seen_while_it_works() -> None:
    lost = node("a", "Unknown", taints=[OUT_OF_SERVICE])
    database = terminating("postgresql-0", "a", owner="StatefulSet")
    assert "marked out-of-service: Kubernetes removes it now" in said(lost, database)[1]


def test_a_node_that_came_back_with_the_taint_gets_no_pods_and_status_says_how_to_change_it() -> (
    None
):
    back = node("a", taints=[OUT_OF_SERVICE])
    assert said(back, node("b"), pod("coworking-1", "b")) == (
        (
            "node a is Ready again and gets no pods, as it is still marked out-of-service:"
            " kubectl taint nodes a node.kubernetes.io/out-of-service-"
        ),
    )


def test_each_environment_hears_of_its_own_pods_only() -> None:
    items = [node("a", "Unknown"), pod("coworking-1", "a", namespace="coworking-dev")]
    assert said(*items, environment="prod") == ()
    assert len(said(*items, environment="dev")) == 1


def test_another_cluster_has_nothing_to_say() -> None:
    other = pod("web-1", "a", namespace="shop")
    assert said(node("a", "Unknown"), node("b", taints=[OUT_OF_SERVICE]), other) == ()


def test_a_node_that_joins_is_not_lost_at_once() -> None:
    joining = node("a", "False")
    condition = joining["status"]["conditions"][1]
    condition["lastTransitionTime"] = "2026-11-28T21:00:00Z"
    assert said(joining, pod("coworking-1", "a")) == ()
    condition["lastTransitionTime"] = "2026-11-28T20:50:00Z"
    assert "node a (instance i-0a) is not Ready since" in said(joining, pod("coworking-1", "a"))[0]


@pytest.mark.parametrize(("minute", "second", "count"), [(1, 40, 0), (2, 4, 0), (2, 6, 1)])
def test_a_pod_that_outlives_its_grace_on_a_node_that_is_well_is_said(
    minute: int, second: int, count: int
) -> None:
    """It should be gone at 21:01:35, and the kubelet gets 30 s more to say so."""
    cluster = parse([node("a"), terminating("coworking-1", "a")])
    found = needs_person(cluster, "prod", NOW.replace(minute=minute, second=second))
    assert len(found) == count
    assert all("should have been gone at 2026-11-28 21:01 UTC, after its 60 s" in x for x in found)


def test_a_pod_whose_node_object_is_gone_is_left_to_kubernetes() -> None:
    """It removes such pods by itself (kube-controller-manager, pod garbage collector)."""
    assert said(node("b"), terminating("postgresql-0", "a", owner="StatefulSet")) == ()


def test_it_says_which_pods_serve() -> None:
    items = [pod("coworking-1", "a"), pod("coworking-2", "b", ready="False")]
    cluster = parse([*items, terminating("postgresql-0", "b")])
    assert serving(cluster, "prod") == (
        "coworking-1 ready, coworking-2 not ready, postgresql-0 Terminating"
    )
    assert serving(cluster, "dev") == "no pods"


# --- through kubectl ------------------------------------------------------------------------------


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    started: list[KubernetesApi] = []

    def start(*items: dict[str, Any]) -> KubernetesApi:
        started.append(KubernetesApi(tmp_path, list(items)))
        return started[-1]

    yield start
    for api in started:
        api.stop()


def asked(api: KubernetesApi, tmp_path: Path) -> ClusterState:
    return look({"KUBECONFIG": str(api.kubeconfig), "HOME": str(tmp_path), "PATH": ""})


def test_kubectl_reads_nodes_and_the_pods_of_our_namespaces(serve: Serve, tmp_path: Path) -> None:
    argo = pod("argocd-server", "a", namespace="argocd")
    other = pod("web-1", "a", namespace="shop")
    items = [node("a", "Unknown"), terminating("postgresql-0", "a"), argo, other]
    cluster = asked(serve(*items), tmp_path)
    assert cluster.error == ""
    assert [one.name for one in cluster.nodes] == ["a"]
    assert [one.name for one in cluster.pods] == ["postgresql-0", "argocd-server"]
    assert cluster.environments == ["prod"]
    assert cluster.pods[0].gone_by == datetime(2026, 11, 28, 21, 1, 35, tzinfo=UTC)


def test_an_empty_cluster_is_no_error(serve: Serve, tmp_path: Path) -> None:
    assert asked(serve(), tmp_path) == ClusterState()


def test_what_this_account_may_not_read_is_said(serve: Serve, tmp_path: Path) -> None:
    api = serve(node("a"))
    api.forbidden = True
    assert "is forbidden" in asked(api, tmp_path).error


def test_a_cluster_that_does_not_answer_is_said(serve: Serve, tmp_path: Path) -> None:
    api = serve(node("a"))
    api.stop()
    api.stop = lambda: None  # type: ignore[method-assign]
    assert "refused" in asked(api, tmp_path).error


@pytest.mark.parametrize("environ", [{}, {"KUBECONFIG": "/no/such"}, {"HOME": "/no/such"}])
def test_without_a_kubeconfig_nothing_is_asked(environ: dict[str, str]) -> None:
    assert look(environ) == ClusterState(error="there is no kubeconfig")


def test_an_odd_kubeconfig_is_said(tmp_path: Path) -> None:
    odd = tmp_path / "kubeconfig"
    odd.write_text("[", encoding="utf-8")
    assert "error loading config file" in look({"KUBECONFIG": str(odd), "PATH": ""}).error


@pytest.mark.parametrize(
    ("said", "status", "error"),
    [
        ("printf 'first\\nno \\377 more\\n' >&2", 1, "no \ufffd more"),
        ("", 3, "kubectl ended with 3"),
        ("echo '{}'", 0, "'items'"),
        ("echo 'not JSON'", 0, "Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_whatever_kubectl_says_is_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, said: str, status: int, error: str
) -> None:
    program, config = tmp_path / "kubectl", tmp_path / "config"
    program.write_text(f"#!/bin/sh\n{said}\nexit {status}\n")
    program.chmod(0o755)
    config.touch()
    monkeypatch.setattr(lost_nodes, "kubectl", lambda: str(program))
    assert look({"KUBECONFIG": f"/no/such:{config}"}) == ClusterState(error=error)


def test_the_kubeconfig_of_the_home_folder_is_read_where_none_is_named(tmp_path: Path) -> None:
    folder = tmp_path / ".kube"
    folder.mkdir()
    (folder / "config").write_text("[", encoding="utf-8")
    home = {"HOME": str(tmp_path), "PATH": ""}
    assert "error loading config file" in look(home).error
    assert look({**home, "KUBECONFIG": "/no/such"}).error == "there is no kubeconfig"


@pytest.mark.parametrize(("seconds", "count"), [(59, 0), (60, 1)])
def test_a_pod_may_be_unready_for_a_minute(seconds: int, count: int) -> None:
    waiting = pod("coworking-1", "a", ready="False")
    began = NOW - timedelta(seconds=seconds)
    waiting["metadata"]["creationTimestamp"] = f"{began:%Y-%m-%dT%H:%M:%SZ}"
    for condition in waiting["status"]["conditions"]:
        condition.pop("lastTransitionTime", None)
    cluster = parse([waiting])
    assert len(not_ready(cluster, "prod", NOW)) == count
    assert not_ready(cluster, "dev", NOW) == ()


def test_pods_that_are_ready_that_have_ended_or_are_going_are_not_waited_for() -> None:
    ended = pod("job-1", "a", ready="False")
    ended["status"]["phase"] = "Succeeded"
    failed = pod("job-2", "a", ready="False")
    failed["status"]["phase"] = "Failed"
    items = [pod("coworking-1", "a"), ended, failed, terminating("coworking-2", "a")]
    assert not_ready(parse(items), "prod", NOW + timedelta(days=1)) == ()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({}, ""),
        ({"containerStatuses": [{"state": {"running": {}}}]}, ""),
        (
            {
                "containerStatuses": [
                    {"state": {"running": {}}, "lastState": {"terminated": {"reason": "Error"}}},
                    {"state": {"waiting": {"reason": "ErrImagePull"}}},
                ]
            },
            "Error",
        ),
        (
            {
                "conditions": [
                    {"type": "Initialized", "status": "False", "message": "no"},
                    {"type": "PodScheduled", "status": "False", "message": "0/1 nodes\n fit"},
                ]
            },
            "0/1 nodes fit",
        ),
        ({"conditions": [{"type": "PodScheduled", "status": "True", "message": "no"}]}, ""),
    ],
)
def test_the_reason_is_the_first_that_tells_something(status: dict[str, Any], reason: str) -> None:
    waiting = pod("coworking-1", "a")
    waiting["status"] = status
    (read,) = parse([waiting]).pods
    assert read.reason == reason


def test_what_a_node_and_a_pod_leave_out_reads_as_unknown() -> None:
    bare = {"kind": "Node", "metadata": {"name": "a"}, "spec": {"providerID": "kind://a/b"}}
    lonely = {"kind": "Pod", "metadata": {"name": "p", "namespace": "coworking-prod"}}
    cluster = parse([bare, lonely])
    assert cluster.nodes == (NodeState("a", "Unknown", None, "", False),)
    assert cluster.pods == (PodState("p", "coworking-prod", "", "", False, None, 0),)
    assert cluster.nodes[0].lost(NOW)


@pytest.mark.parametrize(("minutes", "lost"), [(5, False), (6, True)])
def test_a_node_may_be_unready_for_five_minutes(minutes: int, lost: bool) -> None:
    state = NodeState("a", "False", NOW - timedelta(minutes=minutes), "", False)
    assert state.lost(NOW) is lost
    assert state._replace(since=None).lost(NOW)
    assert not state._replace(ready="True").lost(NOW)
    assert state._replace(ready="Unknown", since=NOW).lost(NOW)
