"""What the cluster has of a sealed secret, by the answers of Argo CD, and what `rotate` refuses."""

from __future__ import annotations

from typing import Any, cast

import pytest
from click.testing import CliRunner

from ci.argocd.client import ArgoCD, ArgoError
from ci.errors import InputError
from ci.oncall import rotate
from ci.oncall.sealed_live import JOB, SealedLive, outcome_of

SYNCED = {"type": "Synced", "status": "True"}
REFUSED = {"type": "Synced", "status": "False", "message": "no key could decrypt secret"}


class Answers:
    """Argo CD's client, for one Application."""

    def __init__(self, resource: dict[str, Any] | int, nodes: list[dict[str, Any]]) -> None:
        self._resource, self._nodes = resource, nodes

    def application(self, name: str, **_: bool) -> dict[str, Any]:
        return {
            "metadata": {"name": name},
            "spec": {"destination": {"namespace": "coworking-prod"}},
        }

    def resource(self, _name: str, node: dict[str, str]) -> dict[str, Any]:
        assert (node["kind"], node["namespace"]) == ("SealedSecret", "coworking-prod")
        if isinstance(self._resource, int):
            raise ArgoError("Argo CD refuses", status=self._resource)
        return self._resource

    def resource_tree(self, _name: str) -> dict[str, Any]:
        return {"nodes": self._nodes or None}

    def last_log_lines(self, _name: str, pod: dict[str, Any]) -> list[str]:
        return [f"said by {pod['name']}"]


def live(resource: dict[str, Any] | int, nodes: list[dict[str, Any]] | None = None) -> SealedLive:
    return SealedLive(cast("ArgoCD", Answers(resource, nodes or [])), "prod")


def sealed(
    value: str, *conditions: dict[str, str], generation: int = 2, observed: int | None = 2
) -> dict[str, Any]:
    status: dict[str, Any] = {"conditions": list(conditions)}
    if observed is not None:
        status["observedGeneration"] = observed
    return {
        "metadata": {"generation": generation},
        "spec": {"encryptedData": {"password": value}},
        "status": status,
    }


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        pytest.param(sealed("new", SYNCED), True, id="unsealed"),
        pytest.param(sealed("old", SYNCED), False, id="another value"),
        pytest.param(sealed("new", SYNCED, generation=3), False, id="not looked at again"),
        pytest.param(sealed("new", SYNCED, observed=None), False, id="never looked at"),
        pytest.param(sealed("new", REFUSED), False, id="can't be unsealed"),
        pytest.param(sealed("new", SYNCED, REFUSED), False, id="can't be any more"),
        pytest.param(sealed("new", REFUSED, SYNCED), True, id="can again"),
        pytest.param(sealed("new", {"type": "Other", "status": "True"}), False, id="unsaid"),
        pytest.param(sealed("new"), False, id="no condition yet"),
        pytest.param(404, False, id="no such resource"),
        pytest.param(400, False, id="not of this application"),
    ],
)
def test_a_password_is_known_once_the_controller_has_unsealed_it(
    resource: dict[str, Any] | int, *, expected: bool
) -> None:
    there = live(resource)
    assert there.has_unsealed("password", "new") is expected
    assert there.steps("password", "new") == ["the cluster has unsealed it"] * expected


def test_without_a_sealed_secret_nothing_is_sealed_there() -> None:
    assert live(404).entries() == {}
    assert live(sealed("new")).entries() == {"password": "new"}


def test_an_answer_that_is_refused_is_not_taken_for_an_absent_secret() -> None:
    with pytest.raises(ArgoError):
        live(403).entries()


def test_the_newest_pod_of_the_job_speaks_and_no_other() -> None:
    nodes: list[dict[str, Any]] = [
        {"kind": "Pod", "name": f"{JOB}-new", "createdAt": "2026-05-01T10:00:02Z"},
        {"kind": "Pod", "name": f"{JOB}-old", "createdAt": "2026-05-01T10:00:01Z"},
        {"kind": "Pod", "name": "postgres-0", "createdAt": "2026-05-01T10:00:03Z"},
        {"kind": "Job", "name": f"{JOB}-x", "createdAt": "2026-05-01T10:00:04Z"},
    ]
    assert live(404, nodes).job_says() == [f"said by {JOB}-new"]
    assert live(404, nodes[2:]).job_says() == []
    assert live(404).job_says() == []


def answer(phase: str, *resources: dict[str, str], message: str = "") -> dict[str, Any]:
    state = {"phase": phase, "message": message}
    result = {"revision": "abc", "resources": list(resources)}
    return {
        "metadata": {"name": "postgres-prod"},
        "spec": {},
        "status": {"operationState": {**state, "syncResult": result}},
    }


def job(phase: str, **more: str) -> dict[str, str]:
    return {"kind": "Job", "name": JOB, "hookPhase": phase} | more


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(answer("Succeeded", job("Succeeded")), ("Succeeded", False, ""), id="done"),
        pytest.param(answer("Succeeded"), ("", False, ""), id="no job ran"),
        pytest.param(
            answer("Succeeded", {"kind": "Job", "name": "backup", "hookPhase": "Succeeded"}),
            ("", False, ""),
            id="another job",
        ),
        pytest.param(
            answer("Succeeded", {"kind": "Pod", "name": JOB, "hookPhase": "Succeeded"}),
            ("", False, ""),
            id="no job",
        ),
        pytest.param(
            answer("Failed", job("Failed", message="late"), message="one sync failed"),
            ("Failed", True, f"Job/{JOB}: late"),
            id="the job failed",
        ),
        pytest.param(
            answer("Error", message="no such path"),
            ("", True, "no such path"),
            id="the sync failed",
        ),
        pytest.param(
            answer("Failed", job("Failed"), job("Succeeded")),
            ("Succeeded", True, f"Job/{JOB}: "),
            id="the last attempt counts",
        ),
    ],
)
def test_the_outcome_of_a_sync_is_what_became_of_the_job(
    given: dict[str, Any], expected: tuple[str, bool, str]
) -> None:
    app, outcome = outcome_of(given)
    assert app.name == "postgres-prod"
    assert outcome is not None
    assert outcome == ("abc", *expected)


def test_before_the_first_sync_there_is_no_outcome() -> None:
    given = {"metadata": {"name": "postgres-prod"}, "spec": {}}
    assert outcome_of(given)[1] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prod"], "name the secret of prod to rotate"),
        (["nowhere", "password"], "nowhere"),
        (["sealing-key", "password"], "sealing-key"),
        (["prod", "password", "--branch", "a..b"], "a..b"),
    ],
)
def test_rotate_refuses_what_it_does_not_know_before_it_asks_anybody(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(rotate, "connect", asked.append)
    with pytest.raises(InputError, match=said):
        CliRunner().invoke(rotate.command, words, catch_exceptions=False, standalone_mode=False)
    assert not asked
