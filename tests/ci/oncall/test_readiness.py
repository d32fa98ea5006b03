"""How many pods of a part are ready, and for how long some may not be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ci.argocd.application import ResourceStatus
from ci.argocd.client import ArgoError
from ci.oncall.workloads import SHORT_FOR, Readiness, readiness

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.argocd.application import Application

NOW = datetime(2026, 11, 24, 11, 25, tzinfo=UTC)


class Pods:
    """What Argo CD says of the Deployment's pods: name -> not ready since, or None for ready."""

    def __init__(self, pods: dict[str, datetime | None], gone: str = "") -> None:
        self.pods, self.gone = pods, gone

    def resource_tree(self, _name: str) -> Any:
        owned = [{"uid": "r"}]
        pods = [{"kind": "Pod", "name": name, "parentRefs": owned} for name in self.pods]
        maker = {"kind": "ReplicaSet", "name": "coworking-1", "uid": "r"}
        stranger = {"kind": "Pod", "name": "coworking-x", "parentRefs": [{"uid": "job"}]}
        return {"nodes": [maker, stranger, *pods]}

    def resource(self, _app: str, node: Any) -> Any:
        if node["name"] == self.gone:
            raise ArgoError("gone")
        since = self.pods[node["name"]]
        ready = {"type": "Ready", "status": "False" if since else "True"}
        if since:
            ready["lastTransitionTime"] = f"{since:%Y-%m-%dT%H:%M:%SZ}"
        return {"metadata": {}, "status": {"conditions": [{"type": "Initialized"}, ready]}}


@pytest.fixture
def ask(
    recorded: Callable[[str], Application], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Readiness]:
    """Ask about a Deployment of so many replicas, of which so many are ready."""

    def answer(
        wanted: int | None, ready: int, pods: Pods | None = None, *, busy: bool = False
    ) -> Readiness:
        found = {"spec": {} if wanted is None else {"replicas": wanted}, "status": {}}
        if ready:
            found["status"]["readyReplicas"] = ready
        monkeypatch.setattr("ci.oncall.workloads.live", lambda *_: found)
        app = recorded("resumed")._replace(queued=busy)
        return readiness(pods or Pods({}), app, "coworking", NOW)

    return answer


def test_as_many_as_are_wanted_are_enough(ask: Callable[..., Readiness]) -> None:
    assert ask(2, 2) == Readiness("2/2")
    assert ask(1, 2) == Readiness("2/1")
    assert ask(None, 1) == Readiness("1/1")


def test_no_pod_wanted_needs_a_person(ask: Callable[..., Readiness]) -> None:
    assert ask(0, 0) == Readiness("0/0", "Deployment/coworking is scaled to 0 pods", is_fault=True)


@pytest.mark.parametrize("busy", [True, False])
def test_no_pod_at_all_needs_a_person_unless_a_sync_is_running(
    ask: Callable[..., Readiness], busy: bool
) -> None:
    problem = "0 of 2 pods of Deployment/coworking are ready"
    assert ask(2, 0, busy=busy) == Readiness("0/2", problem, is_fault=not busy)


@pytest.mark.parametrize(
    ("age", "is_fault"),
    [(SHORT_FOR - timedelta(seconds=1), False), (SHORT_FOR, True)],
)
def test_pods_may_be_away_for_a_minute_and_the_first_counts(
    ask: Callable[..., Readiness], age: timedelta, is_fault: bool
) -> None:
    since = NOW - age
    pods = Pods(
        {
            "coworking-a": NOW,
            "coworking-b": since,
            "coworking-c": None,
            "coworking-d": since - age,  # gone by now
            "other-e": since - age,
        },
        gone="coworking-d",
    )
    found = ask(4, 1, pods)

    assert found.shown == "1/4"
    assert found.problem.endswith(f"are ready, since {since:%H:%M:%S} UTC")
    assert found.is_fault is is_fault


@pytest.mark.parametrize(("left_over", "problem"), [(False, ""), (True, "is not in the cluster")])
def test_a_database_outside_has_no_server_to_be_missed(
    recorded: Callable[[str], Application],
    monkeypatch: pytest.MonkeyPatch,
    left_over: bool,
    problem: str,
) -> None:
    """After the way back the ConfigMap is left over, and the server is asked about again."""
    monkeypatch.setattr("ci.oncall.workloads.live", lambda *_: {})
    authorities = ResourceStatus("ConfigMap", "database-ca", False, left_over, False, "", "")
    app = recorded("resumed")._replace(resources=(authorities,), queued=False)
    found = readiness(Pods({}), app, "postgres", NOW)
    assert problem in found.problem
    assert bool(found.problem) is left_over
