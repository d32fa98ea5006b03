"""What `status` says of prod's backups, as Argo CD alone or the cluster alone can know it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from ci.oncall.status import command
from tests.ci.kubernetes_api import KubernetesApi, node, pod

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.ci.argocd_database import Database
    from tests.ci.argocd_server import FakeArgo

FORBIDDEN = "[ProtocolError] HTTP request failed with 403 (Forbidden): AccessDenied"
FOR_IT = "Waiting for the repository."
DECISION = (
    "The claim is empty, and the repository holds backups: 20261122-031700F is the newest. Waiting"
    " for a commit: restore, or start over with another path in the repository."
)
RUNNING: dict[str, Any] = {"state": {"running": {}}}


def _ago(**time_: float) -> datetime:
    return datetime.now(UTC) - timedelta(**time_)


def _seconds(**time_: float) -> int:
    return int(_ago(**time_).timestamp())


def _label(**time_: float) -> str:
    return f"{_ago(**time_):%Y%m%d-%H%M%S}F"


def well(why: str = "", **words: object) -> str:
    """A line as keep-backups prints it; underscored names as they are."""
    first = _label(days=3)
    known = {
        "every": 3600,
        "server": "up",
        "archived_at": _seconds(seconds=20),
        "waiting": 0,
        "checksums": "on",
        "bad_pages": 0,
        "disk": 12,
        "free": 17000,
        "repository": "backups",
        "since": _seconds(days=3),
        "asked": _seconds(seconds=20),
        "newest": f"{first}_{_label(minutes=30)[:-1]}I",
        "oldest": first,
        "proven": first,
        "proven_at": _seconds(days=1),
    } | words
    text = " ".join(f"{name}={value}" for name, value in known.items())
    return f"State: {text}{f' why={why}' * bool(why)}"


def _status(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["prod", *arguments], catch_exceptions=False)


def test_the_three_ages_are_shown_and_given_to_a_program(database: Database) -> None:
    database.back_up(well())

    result = _status()

    assert result.output.startswith("prod: well\n")
    assert "  backups    log 20 seconds ago, backup 30 minutes ago (" in result.output
    assert "), proven 3 days ago (" in result.output
    assert result.exit_code == 0

    [prod] = json.loads(_status("--format", "json").output)
    known = prod["backups"]["known"]
    assert known["newest"].startswith(known["proven"])
    assert datetime.fromisoformat(known["archived_at"]) > _ago(minutes=1)


def test_the_newest_line_counts_though_a_backup_says_more_after_it(database: Database) -> None:
    database.back_up()
    old = (_ago(minutes=9), well(disk=99))
    database.logs["backups"] = [old, well(), "P00   INFO: backup command end: completed"]

    assert _status().output.startswith("prod: well\n")


@pytest.mark.parametrize(
    ("claimed", "shown"),
    [(True, "OFF: the data lies on one volume, and nowhere else"), (False, "none: the data of")],
)
def test_backups_that_are_off_are_shown_and_are_no_fault(
    database: Database, claimed: bool, shown: str
) -> None:
    if not claimed:
        database.spec["volumes"] = [{"name": "data", "emptyDir": {}}]

    result = _status()

    assert f"  backups    {shown}" in result.output
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("404 (Not Found): NoSuchBucket", "the bucket is not there"),
        ("403 (Forbidden): ExpiredToken", "the rights of the pod have expired"),
    ],
)
def test_a_wrong_bucket_and_expired_rights_are_named(
    database: Database, code: str, says: str
) -> None:
    why = f"[ProtocolError] HTTP request failed with {code}"
    database.back_up(well(why, repository="away", since=_seconds(minutes=20), waiting=4))

    result = _status()

    assert f"    ! the repository can't be asked for 20 minutes (since {_ago(minutes=20):%Y}" in (
        result.output
    )
    assert f"UTC): {says} (docs/backups.md#the-repository-cant-be-asked): [Protocol" in (
        result.output
    )
    assert result.exit_code == 1


def test_an_empty_claim_that_waits_asks_for_a_decision(database: Database) -> None:
    database.back_up(fill=RUNNING)
    database.ready, database.reason = 0, "Init:0/1"
    database.logs["fill-claim"] = [DECISION]

    result = _status()

    assert f"    ! PostgreSQL waits for a decision: {DECISION} python -m ci restore prod" in (
        result.output
    )
    assert "docs/backups.md#start-over" in result.output
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("fill", "line", "mark", "sentence"),
    [
        (
            RUNNING,
            f"The claim is empty, and the repository can't be asked: {FORBIDDEN}. {FOR_IT}",
            "!",
            "PostgreSQL waits: the pod has no right to the bucket (docs/backups.md#",
        ),
        (RUNNING, "Restoring to latest.", "-", "data-postgresql-0 is being filled: Restoring to"),
        (
            {
                "restartCount": 2,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 1, "message": "Backup X is\ndamaged."}},
            },
            "",
            "!",
            "data-postgresql-0 can't be filled: Backup X is damaged.",
        ),
        (RUNNING, "", "-", "the backups are not known: fill-claim has said nothing yet"),
    ],
)
def test_what_fills_the_claim_is_heard(
    database: Database, fill: dict[str, Any], line: str, mark: str, sentence: str
) -> None:
    database.back_up(fill=fill)
    database.logs["fill-claim"] = [line] if line else []

    result = _status()

    assert f"    {mark} {sentence}" in result.output
    assert result.exit_code == int(mark == "!")


def test_a_proof_that_failed_is_named_with_its_last_words(database: Database) -> None:
    why = "Backup X was restored with other rows. Counted then: tokens 9. Restored: tokens 8."
    database.back_up(well())
    database.proof = ("Error", _ago(minutes=5))
    database.logs["proof"] = ["P00   INFO: restore command end", why]

    result = _status()

    assert "    ! the proof postgresql-proof-29000000-x1y2z failed: P00 " in result.output
    assert why in result.output
    assert result.exit_code == 1


def test_of_several_proofs_the_newest_counts(database: Database) -> None:
    database.back_up(well())
    database.proof = ("Completed", _ago(minutes=9))
    database.next_proof = ("Error", _ago(minutes=5))
    assert "    ! the proof postgresql-proof-29010080-a9b8c failed" in _status().output

    database.proof, database.next_proof = database.next_proof, database.proof
    assert "    ! the proof postgresql-proof-29000000-x1y2z failed" in _status().output


@pytest.mark.parametrize("proof", [("Error", _ago(days=2)), ("Completed", _ago(minutes=1))])
def test_a_proof_that_a_newer_one_answered_or_that_ended_well_is_not(
    database: Database, proof: tuple[str, datetime]
) -> None:
    database.back_up(well())
    database.proof = proof

    assert _status().exit_code == 0


def test_a_volume_that_is_full_is_named_though_the_server_has_ended(database: Database) -> None:
    database.back_up(well(server="away", disk=60))
    database.logs["postgresql"] = ["x PANIC:  could not write: No space left on device"]

    assert "    ! the database's volume is full: could not write: No space" in _status().output


@pytest.mark.parametrize(
    ("line", "refusal", "sentence"),
    [
        ("", None, "the log of the container backups can't be read"),
        ("P00   INFO: x", None, "has no line about them: its image is older than this checkout"),
        ("", (403, "permission denied"), "this account may not do that (GET /api/v1/applications"),
    ],
)
def test_what_can_not_be_known_is_said_and_is_not_called_a_fault(
    database: Database, line: str, refusal: tuple[int, str] | None, sentence: str
) -> None:
    database.back_up(line)
    database.refusal = refusal

    result = _status()

    assert "  backups    not known\n    - the backups are not known: " in result.output
    assert sentence in result.output
    assert result.exit_code == 0


def test_a_log_that_does_not_come_is_not_waited_for(
    argo: FakeArgo, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ci.oncall.backup_look.WITHIN", 0.3)
    database.back_up(well())
    routes = database.routes

    def slow(app: Any, query: Any) -> Any:
        return routes(app, query) | {"GET /postgres-prod/logs": log}

    def log() -> bytes:
        time.sleep(1.5)
        return b""

    monkeypatch.setattr(database, "routes", slow)
    began = time.monotonic()

    result = _status()

    assert time.monotonic() - began < 1.2
    assert "  backups    not known" in result.output
    assert "does not answer" in result.output


@pytest.fixture
def cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Database
) -> Iterator[KubernetesApi]:
    """A cluster whose API answers, with prod's database and its logs."""
    folder = tmp_path / "kube"
    folder.mkdir()
    database.back_up()
    found = pod("postgresql-0", "a", owner="StatefulSet")
    found["spec"] |= database.spec
    found["status"] |= database.pod["status"]
    api = KubernetesApi(folder, [node("a"), found])
    now = f"{_ago(seconds=5):%Y-%m-%dT%H:%M:%S}.123456789Z"
    api.logs = {"postgresql-0/backups": f"{now} {well()}\n", "postgresql-0/postgresql": ""}
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig))
    monkeypatch.setenv("ARGOCD_URL", "http://127.0.0.1:9")
    yield api
    api.stop()


@pytest.mark.thorough
def test_the_cluster_speaks_of_the_backups_where_argo_cd_does_not_answer(
    cluster: KubernetesApi,
) -> None:
    result = _status()

    assert "  backups    log 20 seconds ago, backup 30 minutes ago (" in result.output


def test_the_cluster_is_asked_where_argo_cd_hands_out_no_log(
    cluster: KubernetesApi,
    argo: FakeArgo,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ARGOCD_URL", argo.url)
    database.refusal = (403, "permission denied")

    result = _status()

    assert result.output.startswith("prod: well\n")
    assert "  backups    log 20 seconds ago, backup 30 minutes ago (" in result.output


@pytest.mark.thorough
def test_a_pod_that_is_terminating_is_not_asked(cluster: KubernetesApi) -> None:
    """Its node may be lost, and then no log comes."""
    cluster.items[1]["metadata"]["deletionTimestamp"] = f"{_ago(minutes=5):%Y-%m-%dT%H:%M:%SZ}"
    cluster.logs = {}

    assert "the backups are not known: pod postgresql-0 is Terminating" in _status().output


@pytest.mark.thorough
def test_a_failed_proof_is_known_without_argo_cd_too(cluster: KubernetesApi) -> None:
    labels = {"app.kubernetes.io/name": "postgresql-proof"}
    times = {"creationTimestamp": f"{_ago(minutes=5):%Y-%m-%dT%H:%M:%SZ}"}
    failed = pod("postgresql-proof-1-x", "a", owner="Job", labels=labels, **times)
    failed["status"]["phase"] = "Failed"
    failed["spec"]["containers"] = [{"name": "proof"}]
    cluster.items.append(failed)
    said = "Backup X can't be restored, for the reason above."
    cluster.logs["postgresql-proof-1-x/proof"] = f"{times['creationTimestamp']} {said}\n"

    assert f"    ! the proof postgresql-proof-1-x failed: {said}" in _status().output
