"""The database's pod, asked by kubectl: Argo CD's API runs no command in a container."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ci.argocd.application import time_of
from ci.argocd.client import LogLine
from ci.errors import CiError, CommandError, InputError
from ci.run import execute
from ci.tree.overlays import SERVICE
from treecheck.kustomize import kubectl

if TYPE_CHECKING:
    from datetime import datetime

    from ci.argocd.client import LogPart

POD = "postgresql-0"
FILL, BACKUPS = "fill-claim", "backups"  # base/postgres/backups
PROOFS = "postgresql-proof"  # its pods' label
SECONDS = 60.0  # for one answer: pgBackRest reads a list in S3


class DatabaseState(NamedTuple):
    """What the API server knows about the pod.

    Attributes:
        owner: the uid of the StatefulSet that made it.
        claim: the claim that it uses; empty if it has a folder of its own.
        is_backed_up: whether it has the containers of base/postgres/backups.
        running: its containers that run.
        ready: whether it takes connections.
        filled: whether its init container has ended well.
        failures: how often its init container was started again.
        failure: what that said last.
    """

    owner: str
    claim: str
    is_backed_up: bool
    running: frozenset[str]
    ready: bool
    filled: bool
    failures: int
    failure: str

    @classmethod
    def parse(cls, found: dict[str, Any]) -> DatabaseState:
        """Read a Pod as the API server has it."""
        spec, status = found["spec"], found.get("status") or {}
        declared = (*spec["containers"], *(spec.get("initContainers") or ()))
        begun = status.get("initContainerStatuses") or []
        statuses = [*begun, *(status.get("containerStatuses") or [])]
        fill: dict[str, Any] = next((each for each in begun if each["name"] == FILL), {})
        ended = (fill.get("state") or {}).get("terminated")
        last = ended or (fill.get("lastState") or {}).get("terminated") or {}
        failed = bool(last) and last.get("exitCode") != 0
        claims = [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in spec.get("volumes") or []
            if volume["name"] == "data" and "persistentVolumeClaim" in volume
        ]
        conditions = status.get("conditions") or []
        return cls(
            "".join(each["uid"] for each in found["metadata"].get("ownerReferences") or []),
            "".join(claims),
            {FILL, BACKUPS} <= {each["name"] for each in declared},
            frozenset(each["name"] for each in statuses if "running" in (each.get("state") or {})),
            any(c["type"] == "Ready" and c["status"] == "True" for c in conditions),
            ended is not None and ended.get("exitCode") == 0,
            int(fill.get("restartCount", 0)) + (failed and ended is not None),
            " ".join(str(last.get("message", "")).split()) if failed else "",
        )


class DatabasePod:
    """The one pod of an environment's database, and what can be asked there."""

    def __init__(self, namespace: str, *, seconds: float = SECONDS) -> None:
        self.namespace = namespace
        self._seconds = seconds

    def read(self) -> DatabaseState | None:
        """The pod as it is now; None without one.

        Raises:
            CiError: kubectl leads to no cluster that answers.
        """
        found = self.found()
        return DatabaseState.parse(found) if found else None

    def found(self) -> dict[str, Any] | None:
        """The Pod as the API server has it; None without one.

        Raises:
            CiError: kubectl leads to no cluster that answers.
        """
        return self._get("pod", POD)

    def proofs(self) -> list[dict[str, Any]]:
        """The pods that prove backups (base/postgres/backups/proof.yaml)."""
        found = self._get("pods", f"--selector=app.kubernetes.io/name={PROOFS}") or {}
        return list(found.get("items") or [])

    def log(self, pod: str, part: LogPart) -> list[LogLine]:
        """The last lines of a container, oldest first; none before it runs."""
        words = ["logs", pod, "-c", part.container, f"--tail={part.lines}", "--timestamps"]
        try:
            text = self._run(*words)
        except CommandError:
            return []
        found = [line.partition(" ") for line in text.splitlines()]
        return [LogLine(at, said) for time, _, said in found if (at := _time(time)) and said]

    def claims(self) -> list[str]:
        """The names of all claims of the namespace."""
        found = self._get("persistentvolumeclaims") or {}
        return [each["metadata"]["name"] for each in found.get("items") or []]

    def ask(self, *command: str) -> str:
        """Run a command where pgBackRest and its settings are, and return what it prints.

        Raises:
            InputError: the database isn't backed up.
            CiError: no container runs in which it could run.
            CommandError: it failed.
        """
        state = self.read()
        if state is None:
            raise self._unasked("there is no such pod")
        if not state.is_backed_up:
            raise InputError(
                f"the database in {self.namespace} has no backups",
                hint="How to switch them on: docs/backups.md",
            )
        running = [each for each in (BACKUPS, FILL) if each in state.running]
        if not running and state.failure:
            raise CiError(
                f"pgBackRest can't be asked in {POD} of {self.namespace}: its claim can't be"
                f" filled: {state.failure}",
                hint="Revert the restore that can't be done, then call this again:\n"
                "git log --max-count=1 -- 'overlays/*/postgres/claim'",
            )
        if not running:
            raise self._unasked("none of its containers runs yet")
        return self._exec(POD, running[0], *command)

    def fill_lines(self) -> list[str]:
        """The last lines of the init container; none before it runs."""
        try:
            return self._run("logs", POD, "-c", FILL, "--tail=40").splitlines()
        except CommandError:
            return []

    def verify(self) -> tuple[int, str]:
        """Let the service compare its rollups with the tokens: its status, and what it said.

        The status is that of `coworking verify`; 1 is also kubectl's own.
        """
        try:
            said = self._exec(f"deployment/{SERVICE}", SERVICE, SERVICE, "verify")
        except CommandError as error:
            return error.status, error.output.strip()
        return 0, said.strip()

    def _unasked(self, why: str) -> CiError:
        return CiError(
            f"pgBackRest can't be asked in {POD} of {self.namespace}: {why}",
            hint=f"What it waits for:\nkubectl -n {self.namespace} describe pod {POD}",
        )

    def _exec(self, where: str, container: str, *command: str) -> str:
        return self._run("exec", where, "-c", container, "--", *command)

    def _get(self, *words: str) -> dict[str, Any] | None:
        try:
            text = self._run("get", *words, "--output=json")
        except CommandError as error:
            if "(NotFound)" in error.output:
                return None
            said = error.output.strip().splitlines()[-1:] or ["it says nothing"]
            raise CiError(
                f"kubectl can't ask the cluster: {said[0]}",
                hint="KUBECONFIG must lead to the cluster of this Argo CD:\nkubectl cluster-info",
            ) from error
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise CiError(
                "the server of KUBECONFIG does not answer as a Kubernetes API does",
                hint="Look at the cluster that it names:\nkubectl cluster-info",
            )
        return found

    def _run(self, *words: str) -> str:
        done = execute([kubectl(), "-n", self.namespace, *words], timeout=self._seconds)
        # pgBackRest repeats the bytes that it could not decrypt.
        out, err = (each.decode(errors="replace") for each in (done.stdout, done.stderr))
        if done.status != 0:
            raise CommandError(done.shown, done.status, f"{out}\n{err}".strip())
        return out


def _time(text: str) -> datetime | None:
    """The time before a line; None for a line of kubectl's own."""
    try:
        return time_of(text)
    except ValueError:
        return None
