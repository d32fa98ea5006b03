"""What status says of recorded situations, and when it asks for a person."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from ci.argocd.causes import Cause, telling
from ci.argocd.client import ArgoError
from ci.oncall.judging import judge, unseen
from ci.oncall.reports import Git as Tip
from ci.oncall.status import command
from ci.tree import reach
from tests.ci.kubernetes_api import KubernetesApi, node, pod, terminating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ci.argocd.application import Application
    from tests.ci.argocd_database import Database
    from tests.ci.argocd_server import FakeArgo, Git

    Read = Callable[[str], Application]

NOW = datetime(2026, 11, 24, 11, 25, tzinfo=UTC)  # when the Applications were recorded


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
    asked, going_on = judge(recorded(name), (), "prod", NOW)

    assert len(asked) == len(person)
    assert all(found.startswith(start) for found, start in zip(asked, person, strict=True))
    assert list(going_on) == underway


def test_a_pod_that_can_not_start_is_a_fault_while_its_sync_still_waits(recorded: Read) -> None:
    fault = Cause("pod x is ImagePullBackOff", is_fault=True)
    waiting = Cause("pod y is ContainerCreating", is_fault=False)

    stuck = recorded("stuck")
    assert judge(stuck, (fault,), "prod", NOW)[0] == ("pod x is ImagePullBackOff",)
    assert judge(stuck, (waiting,), "prod", NOW)[0] == ()


@pytest.mark.parametrize(
    ("minutes", "commit", "person", "underway"),
    [
        (1, "other", [], ["git has 1-aaaaaaa (commit other); Argo CD has not seen it yet"]),
        (10, "other", ["Argo CD still looks at commit a701de10, and the branch has other"], []),
        (10, None, [], []),
    ],
)
def test_a_commit_that_argo_cd_does_not_see_is_said_and_after_minutes_a_person_is_asked_for(
    recorded: Read, minutes: int, commit: str | None, person: list[str], underway: list[str]
) -> None:
    app = recorded("rolled-back")
    tip = Tip("1-aaaaaaa", commit or app.revision, NOW - timedelta(minutes=minutes))

    asked, going_on = unseen(tip, app, NOW)

    assert [len(asked), *going_on] == [len(person), *underway]
    assert all(found.startswith(start) for found, start in zip(asked, person, strict=True))


def test_the_words_of_a_controller_that_does_not_look_any_more_are_old(recorded: Read) -> None:
    healthy = recorded("resumed")
    assert healthy.reconciled is not None

    fresh = judge(healthy, (), "prod", healthy.reconciled + timedelta(minutes=4))
    stale = judge(healthy, (), "prod", healthy.reconciled + timedelta(minutes=7))

    assert fresh == ((), ())
    [said] = stale[0]
    assert said.startswith("Argo CD has not looked for 7 min (since 2026-11-24 11:")
    assert "app.kubernetes.io/name=argocd-application-controller" in said


def test_the_command_that_helps_names_an_environment_with_a_hyphen(recorded: Read) -> None:
    app = recorded("rolled-back")._replace(name="coworking-team-a")

    assert judge(app, (), "team-a", NOW)[0][0].endswith(": python -m ci resume team-a")


def _ago(**time: int) -> str:
    return f"{datetime.now(UTC) - timedelta(**time):%Y-%m-%dT%H:%M:%SZ}"


def _status(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["prod", *arguments], catch_exceptions=False)


def test_a_system_that_is_well_is_called_well(database: Database) -> None:
    result = _status()

    assert result.output.startswith("prod: well\n")
    assert "postgres-prod    Synced, Healthy, 1/1 ready, auto-sync on" in result.output
    assert "!" not in result.output
    assert result.exit_code == 0


@pytest.mark.parametrize(("seconds", "is_fault"), [(20, False), (90, True)])
def test_a_database_that_is_pending_for_a_minute_needs_a_person(
    database: Database, seconds: int, is_fault: bool
) -> None:
    """Argo CD calls it Progressing for ever, or Healthy if it hasn't looked since."""
    database.ready, database.reason = 0, "Pending"
    database.pod = {
        "metadata": {"creationTimestamp": _ago(seconds=seconds)},
        "status": {"phase": "Pending"},
    }

    result = _status()

    mark = "!" if is_fault else "-"
    assert f"    {mark} 0 of 1 pods of StatefulSet/postgresql are ready, since" in result.output
    assert f"    {mark} pod postgresql-0 is Pending" in result.output
    assert result.exit_code == int(is_fault)


def test_what_is_not_in_the_cluster_any_more_is_missed_at_once(database: Database) -> None:
    """A namespace that was lost leaves Argo CD's own words as they were."""
    database.there = False

    result = _status()

    assert "Synced, Healthy" in result.output
    assert "! StatefulSet/postgresql is not in the cluster" in result.output
    assert result.exit_code == 1


def test_the_reason_of_a_crash_is_not_cut_off(database: Database) -> None:
    database.ready, database.reason = 0, "CrashLoopBackOff"
    database.health = "Progressing"
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    database.pod = {
        "metadata": {"creationTimestamp": _ago(minutes=5)},
        "status": {"containerStatuses": [{"lastState": ended}]},
    }
    database.logs["postgresql"] = [
        "LOG:  redo starts at 0/1",
        'FATAL:  could not write to file "pg_wal/xlogtemp.29": No space left on device',
        "LOG:  startup process (PID 29) exited with exit code 1",
        "LOG:  aborting startup due to startup process failure",
        "LOG:  database system is shut down",
    ]

    assert (
        "! pod postgresql-0 is CrashLoopBackOff, last ended by OOMKilled (exit status 137); its"
        ' last words: FATAL:  could not write to file "pg_wal/xlogtemp.29": No space left on device'
        " | LOG:  database system is shut down\n" in _status().output
    )


def test_of_several_containers_the_one_that_crashes_is_heard(database: Database) -> None:
    """Without its name Kubernetes hands out no log of a pod with several."""
    database.back_up()
    database.ready, database.reason = 0, "CrashLoopBackOff"
    server, _ = database.pod["status"]["containerStatuses"]
    server["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    server["lastState"] = {"terminated": {"reason": "Error", "exitCode": 1}}
    database.logs["postgresql"] = ["PANIC:  could not write"]

    assert "last words: PANIC:  could not write" in _status().output


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a", "b", "c", "d"], ["b", "c", "d"]),
        (["ERROR: x", "LOG: y"], ["ERROR: x", "LOG: y"]),
        (["ERROR: x", "PANIC: z", "LOG: y"], ["PANIC: z", "LOG: y"]),
        (["ERROR: try again", "1", "2", "the end"], ["ERROR: try again", "the end"]),
        (["Traceback (most recent call last):", "KeyError: 'x'", ""], ["KeyError: 'x'"]),
        (["x" * 500], ["x" * 300 + "…"]),
        ([], []),
    ],
)
def test_the_telling_lines_of_a_log_are_chosen(lines: list[str], expected: list[str]) -> None:
    assert telling(lines) == expected


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


@pytest.mark.thorough
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
    argo.fail = (403, b'{"message": "permission denied"}', "application/json")

    result = CliRunner().invoke(command, [])

    assert isinstance(result.exception, ArgoError)
    assert "this account may not do that" in str(result.exception)


@pytest.mark.parametrize("is_expired", [True, False])
def test_without_a_login_the_cluster_speaks_and_the_way_to_log_in_is_said(
    argo: FakeArgo, lost: KubernetesApi, monkeypatch: pytest.MonkeyPatch, is_expired: bool
) -> None:
    argo.fail = (401, b'{"message": "invalid session"}', "application/json")
    if not is_expired:
        monkeypatch.delenv("ARGOCD_URL")
        monkeypatch.setenv("ARGOCD_CONFIG_DIR", "/no/such/folder")
    waiting = pod("coworking-x", "a", ready="False")
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    last = {"terminated": {"reason": "OOMKilled"}}
    waiting["metadata"]["creationTimestamp"] = _ago(minutes=3)
    waiting["status"]["containerStatuses"] = [{"state": state, "lastState": last}]
    lost.items.append(waiting)

    result = CliRunner().invoke(command, [], catch_exceptions=False)

    assert result.output.startswith("prod: NEEDS A PERSON\n  pods       postgresql-0 Terminating")
    assert ("does not accept the token" if is_expired else "no Argo CD is named") in result.output
    assert "! node a (instance i-0a) is silent" in result.output
    assert "! pod coworking-x has not been ready since" in result.output
    assert ": CrashLoopBackOff, last ended by OOMKilled\n" in result.output
    assert "argocd login" in result.output
    assert result.exit_code == 1


@pytest.mark.thorough
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
