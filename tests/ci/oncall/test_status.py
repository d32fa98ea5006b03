"""What status says of recorded situations, and when it asks for a person."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from ci import reach
from ci.argocd.causes import Cause
from ci.argocd.client import ArgoError
from ci.oncall.status import Git as Tip
from ci.oncall.status import command, judge, unseen
from tests.ci.kubernetes_api import KubernetesApi, node, terminating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ci.argocd.application import Application
    from tests.ci.argocd_server import FakeArgo, Git

    Read = Callable[[str], Application]


@pytest.mark.parametrize(
    ("name", "person", "underway"),
    [
        ("resumed", [], []),
        ("rolled-back", ["auto-sync is off"], []),
        ("stuck", [], ["a sync is running: waiting for completion of hook batch/Job/migrate"]),
        ("migration-failing", ["the sync fails and is tried again (1)"], []),
        (
            "terminated",
            [
                "auto-sync is off",
                "the sync failed: Operation terminated",
                "Job/migrate of 99: Terminated",
            ],
            [],
        ),
    ],
)
def test_a_person_is_asked_for_when_it_does_not_mend_itself(
    recorded: Read, name: str, person: list[str], underway: list[str]
) -> None:
    asked, going_on = judge(recorded(name), ())

    assert len(asked) == len(person)
    assert all(found.startswith(start) for found, start in zip(asked, person, strict=True))
    assert list(going_on) == underway


def test_a_pod_that_can_not_start_is_a_fault_while_its_sync_still_waits(recorded: Read) -> None:
    fault = Cause("pod x is ImagePullBackOff", is_fault=True)
    waiting = Cause("pod y is ContainerCreating", is_fault=False)

    assert judge(recorded("stuck"), (fault,))[0] == ("pod x is ImagePullBackOff",)
    assert judge(recorded("stuck"), (waiting,))[0] == ()


@pytest.mark.parametrize(
    ("minutes", "commit", "is_late"), [(1, "other", False), (10, "other", True), (10, None, False)]
)
def test_a_commit_that_argo_cd_does_not_see_is_reported_after_minutes(
    recorded: Read, minutes: int, commit: str | None, is_late: bool
) -> None:
    app = recorded("resumed")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    tip = Tip("1-aaaaaaa", commit or app.revision, now - timedelta(minutes=minutes))

    assert bool(unseen(tip, app, now)) is is_late


def test_it_shows_what_git_says_and_what_runs_and_fails_for_a_missing_part(
    argo: FakeArgo, git: Git
) -> None:
    git.deploy("1-aaaaaaa")
    argo.sync()

    result = CliRunner().invoke(command, ["prod", "--format", "json"], catch_exceptions=False)

    [prod] = json.loads(result.output)
    assert prod["git"]["tag"] == prod["applications"][0]["runs"] == "1-aaaaaaa"
    assert prod["needs_person"] == ["there is no Application postgres-prod"]
    assert result.exit_code == 1


def test_a_git_server_that_is_away_is_said_and_not_hidden(argo: FakeArgo, git: Git) -> None:
    git.deploy("1-aaaaaaa")
    argo.sync()

    result = CliRunner().invoke(command, ["--url", "/no/such/folder"], catch_exceptions=False)

    assert "git can't be read" in result.output
    assert "runs       1-aaaaaaa" in result.output
    assert result.exit_code == 1


@pytest.fixture
def lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesApi]:
    """A cluster whose only node is lost, with prod's database on it."""
    folder = tmp_path / "kube"
    folder.mkdir()
    database = terminating("postgresql-0", "a", owner="StatefulSet")
    api = KubernetesApi(folder, [node("a", "Unknown"), database])
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig))
    yield api
    api.stop()


def test_a_lost_node_is_said_beside_what_argo_cd_says(
    argo: FakeArgo, git: Git, lost: KubernetesApi
) -> None:
    git.deploy("1-aaaaaaa")
    argo.sync()

    result = CliRunner().invoke(command, ["prod"], catch_exceptions=False)

    assert "runs       1-aaaaaaa" in result.output
    assert "! node a (instance i-0a) is silent since" in result.output
    assert "! pod postgresql-0 is Terminating on the lost node" in result.output
    assert "not looked at" not in result.output
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (None, "does not answer: [Errno 111] Connection refused"),
        ((503, b"no healthy targets", "text/plain"), "with status 503"),
    ],
)
def test_the_cluster_speaks_where_argo_cd_does_not_answer(
    argo: FakeArgo,
    lost: KubernetesApi,
    monkeypatch: pytest.MonkeyPatch,
    answer: tuple[int, bytes, str] | None,
    sentence: str,
) -> None:
    """On one node Argo CD is lost with the database."""
    argo.fail = answer
    if answer is None:
        monkeypatch.setenv("ARGOCD_URL", "http://127.0.0.1:9")

    result = CliRunner().invoke(command, [], catch_exceptions=False)

    assert result.output.splitlines()[:2] == [
        "prod: NEEDS A PERSON",
        "  pods       postgresql-0 Terminating",
    ]
    assert sentence in result.output
    assert "! pod postgresql-0 is Terminating on the lost node" in result.output
    assert result.exit_code == 1

    shown = CliRunner().invoke(command, ["prod", "--format", "json"], catch_exceptions=False)
    [prod] = json.loads(shown.output)
    assert (prod["well"], prod["applications"]) == (False, [])
    assert prod["pods"] == "postgresql-0 Terminating"


def test_an_argo_cd_that_refuses_is_not_taken_for_one_that_is_away(
    argo: FakeArgo, lost: KubernetesApi
) -> None:
    argo.fail = (401, b'{"message": "invalid session"}', "application/json")

    result = CliRunner().invoke(command, [])

    assert isinstance(result.exception, ArgoError)
    assert "does not accept the token" in str(result.exception)


def test_without_either_the_error_of_argo_cd_is_what_is_left(
    argo: FakeArgo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARGOCD_URL", "http://127.0.0.1:9")

    result = CliRunner().invoke(command, [])

    assert isinstance(result.exception, ArgoError)


def test_status_says_that_the_nodes_were_not_looked_at(argo: FakeArgo, git: Git) -> None:
    git.deploy("1-aaaaaaa")
    argo.sync()

    result = CliRunner().invoke(command, ["prod"], catch_exceptions=False)

    assert result.output.endswith("\nThe nodes were not looked at: there is no kubeconfig\n")


def balanced(host: str) -> dict[str, Any]:
    return {
        "kind": "Service",
        "metadata": {"annotations": {reach.INTERNAL: "true"}},
        "spec": {"type": "LoadBalancer"},
        "status": {"loadBalancer": {"ingress": [{"hostname": host}] if host else []}},
    }


@pytest.mark.parametrize(
    ("service", "line", "fault"),
    [
        (None, "reached by kubectl -n coworking-prod port-forward service/coworking 5153", ""),
        (
            balanced(""),
            "reached by an internal load balancer, plain HTTP, open to the whole VPC: which has no",
            "",
        ),
        (
            balanced("internal-a1-2.us-east-1.elb.amazonaws.com"),
            "the whole VPC: internal-a1-2.us-east-1.elb.amazonaws.com:5153",
            "",
        ),
        (
            balanced("a1-2.us-east-1.elb.amazonaws.com"),
            "the whole VPC: a1-2.us-east-1.elb.amazonaws.com:5153",
            "  ! the load balancer a1-2.us-east-1.elb.amazonaws.com is internet-facing",
        ),
    ],
)
def test_it_says_how_prod_is_reached_and_what_is_wrong_with_that(
    argo: FakeArgo, git: Git, service: dict[str, Any] | None, line: str, fault: str
) -> None:
    git.deploy("1-aaaaaaa")
    argo.sync()
    argo.service = service or argo.service
    shown = CliRunner().invoke(command, ["prod"], catch_exceptions=False).output
    assert line in shown
    assert ("  ! the load balancer" in shown) is bool(fault)
    assert fault in shown
