"""How an environment's backups are: what `status` asks of the database's pod, and how it says it.

Everything is in logs, which Argo CD's API hands out; kubectl does so where Argo CD gives no answer.
The answers come within seconds or are said to be unknown.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ci.argocd.application import time_of
from ci.argocd.causes import reason_of, telling
from ci.argocd.client import ArgoError, LogPart
from ci.errors import CiError
from ci.oncall import backup_state, server_log
from ci.oncall.backup_state import PAGE, BackupState
from ci.oncall.database_pod import BACKUPS, FILL, POD, PROOFS, DatabasePod, DatabaseState
from ci.oncall.reports import Backups
from ci.tree.overlays import namespace

if TYPE_CHECKING:
    from datetime import datetime

    from ci.argocd.application import Application
    from ci.argocd.client import ArgoCD, LogLine
    from ci.oncall.reports import Verdict

WITHIN = 1.5  # seconds for one answer; two are waited for, one after the other
KUBECTL_WITHIN = 5.0  # seconds, as for the nodes
SERVER, PROOF = "postgresql", "proof"  # containers of base/postgres
_LINES = {FILL: 40, BACKUPS: 200, SERVER: 300, PROOF: 40}
# What fill-claim says last while it waits: for a commit, or for the repository.
ASKS_FOR_A_DECISION, WAITS = "Waiting for a commit", "Waiting for the repository"


class ProofPod(NamedTuple):
    """The newest pod that proved a backup, or tried to."""

    name: str
    made: datetime | None
    failed: bool


class Source(Protocol):
    """Where the answers come from."""

    def pod(self) -> dict[str, Any] | None:
        """The database's pod as the cluster has it; None without one."""

    def proof(self) -> ProofPod | None:
        """The newest pod of the proof; None without one."""

    def log(self, pod: str, part: LogPart) -> list[LogLine]:
        """The last lines of a container."""


class ArgoSource:
    """Argo CD's API."""

    def __init__(self, api: ArgoCD, app: Application) -> None:
        self._api, self._app = api, app

    def pod(self) -> dict[str, Any] | None:
        """As `Source`."""
        node = {"version": "v1", "kind": "Pod", "namespace": self._app.namespace, "name": POD}
        try:
            return self._api.resource(self._app.name, node)
        except ArgoError as error:
            if error.status in (400, 404):
                return None
            raise

    def proof(self) -> ProofPod | None:
        """As `Source`."""
        nodes = self._api.resource_tree(self._app.name).get("nodes") or []
        found = [n for n in nodes if n["kind"] == "Pod" and n["name"].startswith(f"{PROOFS}-")]
        if not found:
            return None
        newest = max(found, key=lambda node: str(node.get("createdAt", "")))
        reason = reason_of(newest)
        failed = reason.endswith(("Error", "OOMKilled", "Evicted"))
        return ProofPod(newest["name"], time_of(newest.get("createdAt")), failed)

    def log(self, pod: str, part: LogPart) -> list[LogLine]:
        """As `Source`."""
        where = {"namespace": self._app.namespace, "name": pod}
        return self._api.log(self._app.name, where, part, within=WITHIN)


class KubectlSource:
    """The cluster of whoever runs this, by kubectl."""

    def __init__(self, environment: str) -> None:
        self._pod = DatabasePod(namespace(environment), seconds=KUBECTL_WITHIN)

    def pod(self) -> dict[str, Any] | None:
        """As `Source`."""
        return self._pod.found()

    def proof(self) -> ProofPod | None:
        """As `Source`."""
        found = self._pod.proofs()
        if not found:
            return None
        newest = max(found, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
        metadata, phase = newest["metadata"], (newest.get("status") or {}).get("phase")
        made = time_of(metadata.get("creationTimestamp"))
        return ProofPod(metadata["name"], made, phase == "Failed")

    def log(self, pod: str, part: LogPart) -> list[LogLine]:
        """As `Source`."""
        return self._pod.log(pod, part)


def look(source: Source, environment: str, now: datetime) -> Backups:
    """Ask how the backups of an environment are.

    Never raises: what can't be known is an answer too.

    Args:
        source: what is asked.
        environment: the environment.
        now: the time.
    """
    try:
        return _look(source, environment, now)
    except CiError as error:
        return _unknown(" ".join(str(error).split()))


def _unknown(why: str, said: Verdict = ((), ())) -> Backups:
    sentence = f"the backups are not known: {why}"
    return Backups("not known", said[0], (*said[1], sentence), is_known=False)


def _look(source: Source, environment: str, now: datetime) -> Backups:
    found = source.pod()
    if found is None:
        return _unknown(f"there is no pod {POD}")
    if found["metadata"].get("deletionTimestamp"):  # its node may be lost, and no log comes
        return _unknown(f"pod {POD} is Terminating")
    pod = DatabaseState.parse(found)
    if not pod.claim:
        return Backups("none: the data of this environment is not kept")
    if not pod.is_backed_up:
        said = server_log.judge(source.log(POD, _last(SERVER)), now)
        return Backups(f"OFF: the data lies on one volume, and nowhere else ({PAGE})", *said)
    if not pod.filled:
        return _while_it_is_filled(source, pod, environment)
    return _of_what_is_backed_up(source, environment, now)


def _while_it_is_filled(source: Source, pod: DatabaseState, environment: str) -> Backups:
    """What fill-claim waits for, does, or failed at."""
    if pod.failures and pod.failure:
        return Backups("not known", (f"{pod.claim} can't be filled: {pod.failure}",))
    lines = source.log(POD, _last(FILL)) if FILL in pod.running else []
    if not lines:
        return _unknown(f"{FILL} has said nothing yet")
    last = lines[-1].text.strip()
    if ASKS_FOR_A_DECISION in last:
        ways = f"python -m ci restore {environment} --to latest, or {PAGE}#start-over"
        return Backups("not known", (f"PostgreSQL waits for a decision: {last} {ways}",))
    if WAITS in last:
        return Backups("not known", (f"PostgreSQL waits: {backup_state.meaning(last)}",))
    return Backups("not known", (), (f"{pod.claim} is being filled: {last}",))


def _of_what_is_backed_up(source: Source, environment: str, now: datetime) -> Backups:
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(source.log, POD, _last(name)) for name in (BACKUPS, SERVER)]
        newest = pool.submit(source.proof)
    kept, served = (each.result() for each in asked)
    proof = newest.result()
    states = [state for line in kept if (state := BackupState.parse(line))]
    state = states[-1] if states else None
    said = server_log.judge(served, now, state)
    if proof and proof.failed and not (state and _is_older(proof.made, state.proven_at)):
        why = " | ".join(telling([each.text for each in source.log(proof.name, _last(PROOF))]))
        said = (*said[0], f"the proof {proof.name} failed: {why or 'its log is gone'}"), said[1]
    if state is None:
        log = f"the log of the container {BACKUPS}"
        older = f"{log} has no line about them: its image is older than this checkout"
        return _unknown(older if kept else f"{log} can't be read", said)
    person, underway = backup_state.judge(state, environment, now)
    known = state._asdict()
    return Backups(state.line(now), (*person, *said[0]), (*underway, *said[1]), known)


def _is_older(made: datetime | None, proven: datetime | None) -> bool:
    return made is not None and proven is not None and made < proven


def _last(container: str) -> LogPart:
    return LogPart(container, _LINES[container])
