"""A cluster whose database is restored as slowly as a real one: Argo CD's side, and kubectl's.

Argo CD looks at git only when it is asked to refresh; the StatefulSet's controller ends the old pod
first; the new one fills its claim, then starts. The pod goes one step on at each look at it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ci.run import Done

if TYPE_CHECKING:
    from tests.ci.argocd_server import Git

FILE = "overlays/prod/postgres/claim/kustomization.yaml"
RECORDED = Path(__file__).parent / "recorded"
HISTORY = "1\t0/3001B68\tbefore 2026-11-29 08:56:46.761557+00\n\n"
STAGES = ("serving", "ending", "absent", "filling", "filled", "ready")
NOT_FOUND = 'Error from server (NotFound): pods "postgresql-0" not found\n'
GONE = 'error: unable to upgrade connection: container not found ("backups")\n'


class RestoreCluster:
    """postgres-prod, its pod and its repository.

    Attributes:
        health: what Argo CD calls postgres-prod.
        claim: the claim that the StatefulSet names.
        pod_claim: the claim that the pod uses.
        stage: where the pod is.
        files: the repository's `.history` files.
        info: what `pgbackrest info` prints.
        timeline: the server's; None while it doesn't answer.
        rows: the rows that each table has of late; a table without them was dropped.
        refusal: what fill-claim says as it fails; empty where it doesn't.
        verified: the answers of `coworking verify`, the last of them for ever.
        calls: what was asked by kubectl.
        interrupt: at which call of kubectl the person presses Ctrl-C; 0 for never.
    """

    def __init__(self, git: Git) -> None:
        self.health = "Healthy"
        self.git = git
        self.uid = "s"
        self.auto_sync = True
        self.claim = self.pod_claim = self._in_git()
        self.claims = [self.claim]
        self.stage = "ready"
        self.has_backups = True
        self.info = (RECORDED / "pgbackrest-reverted.json").read_text(encoding="utf-8")
        self.files = {"00000002.history": HISTORY}
        self.timeline: int | None = 1
        self.rows = {"tokens": 151, "users": 2}
        self.log = ["The claim holds this database's data; nothing to do."]
        self.refusal, self.restarts = "", 0
        self.verified = [(3, "the database is away"), (0, "The rollups equal the tokens.")]
        self.sync_failure = ""
        self.synced: list[str] = []
        self.calls: list[str] = []
        self.interrupt = 0
        self._seen = git.tip()

    def _in_git(self) -> str:
        found = yaml.safe_load(self.git.read(FILE))
        return str(yaml.safe_load(found["patches"][0]["patch"])[0]["value"])

    def restore_to(self) -> str:
        """What git names now."""
        literals = yaml.safe_load(self.git.read(FILE))["configMapGenerator"][0]["literals"]
        return str(literals[0]).partition("=")[2]

    # --- what Argo CD's API answers --------------------------------------------------------------

    def routes(self, app: dict[str, Any], query: dict[str, list[str]]) -> dict[str, Any]:
        """The answers about it."""
        return {
            "GET /postgres-prod": lambda: self._application(app, refresh="refresh" in query),
            "GET /postgres-prod/resource": self._stateful_set,
            "POST /coworking-prod/sync": lambda: self.synced.append("coworking-prod") or {},
        }

    def _application(self, app: dict[str, Any], *, refresh: bool) -> dict[str, Any]:
        if refresh and self._seen != self.git.tip():
            self._seen = self.git.tip()
        elif self.auto_sync and not self.sync_failure and self.claim != self._named():
            self.claim, self.stage = self._named(), "serving"
            self.claims.append(self.claim)
        if not self.auto_sync:
            app["spec"]["syncPolicy"]["automated"]["enabled"] = False
        app["status"]["sync"] = {"status": "Synced", "revision": self._seen}
        phase = "Failed" if self.sync_failure else "Succeeded"
        app["status"]["operationState"] |= {
            "phase": phase,
            "message": self.sync_failure,
            "syncResult": {"revision": self._seen},
        }
        app["status"]["health"] = {"status": "Healthy" if self.stage == "ready" else "Progressing"}
        return app

    def _named(self) -> str:
        found = yaml.safe_load(self.git.read(FILE, self._seen))
        return str(yaml.safe_load(found["patches"][0]["patch"])[0]["value"])

    def _stateful_set(self) -> dict[str, Any]:
        volume = {"name": "data", "persistentVolumeClaim": {"claimName": self.claim}}
        found = {
            "metadata": {"uid": "s"},
            "spec": {"replicas": 1, "template": {"spec": {"volumes": [volume]}}},
        }
        return {"manifest": json.dumps(found)}

    # --- what kubectl answers --------------------------------------------------------------------

    def kubectl(self, command: list[Any], **_: Any) -> Done:
        """Answer a call of kubectl."""
        _, flag, namespace, *words = map(str, command)
        assert (flag, namespace) == ("-n", "coworking-prod")
        self.calls.append(" ".join(words))
        if len(self.calls) == self.interrupt:
            raise KeyboardInterrupt
        status, out, err = self._answer(words)
        return Done("kubectl " + " ".join(words), status, out.encode(), err.encode())

    def _answer(self, words: list[str]) -> tuple[int, str, str]:
        match words:
            case ["get", "pod", "postgresql-0", "--output=json"]:
                return self._pod()
            case ["get", "persistentvolumeclaims", "--output=json"]:
                items = [{"metadata": {"name": name}} for name in self.claims]
                return 0, json.dumps({"items": items}), ""
            case ["logs", "postgresql-0", "-c", "fill-claim", "--tail=40"]:
                return 0, "\n".join(self.log), ""
            case ["exec", "deployment/coworking", "-c", "coworking", "--", "coworking", "verify"]:
                status, said = self.verified[0]
                self.verified = self.verified[1:] or self.verified
                return status, said, f"command terminated with exit code {status}" * bool(status)
            case ["exec", "postgresql-0", "-c", container, "--", *rest]:
                if container not in self._running():
                    return 1, "", GONE
                return self._exec(rest)
        raise AssertionError(f"kubectl can't be asked {words}")

    def _exec(self, words: list[str]) -> tuple[int, str, str]:
        if words[0] == "psql":
            return self._select(words[-1])
        if words[-1] == "info":
            return 0, self.info, ""
        if words[-2] == "repo-ls":
            return 0, "\n".join(self.files) + "\n", ""
        assert words[-2] == "repo-get"
        return 0, self.files[words[-1].rpartition("/")[2]], ""

    def _select(self, words: str) -> tuple[int, str, str]:
        ended = "command terminated with exit code"
        if self.timeline is None:
            return 2, "", f"psql: error: connection to server failed\n{ended} 2"
        if words == "SELECT pg_current_xact_id()":
            return 0, "871\n", ""
        table = words.split(" FROM ")[1].split(maxsplit=1)[0]
        if table.startswith("pg_control"):
            return 0, f"{self.timeline}\n", ""
        if table not in self.rows:
            return 1, "", f'ERROR:  relation "{table}" does not exist\n{ended} 1'
        return 0, f"{self.rows[table]}\n", ""

    def _running(self) -> set[str]:
        if self.stage == "filling":
            return set() if self.refusal else {"fill-claim"}
        return {"postgresql", "backups"} if self.stage in ("serving", "ending", "ready") else set()

    def _pod(self) -> tuple[int, str, str]:
        if self.stage != "ready":
            self._go_on()
        if self.stage == "absent":
            return 1, "", NOT_FOUND
        return 0, json.dumps(self._described()), ""

    def _go_on(self) -> None:
        if self.stage == "filling" and self.refusal:
            self.restarts += 1
            return
        if self.stage == "filling" and self.log[-1].endswith("another path in the repository."):
            return  # it waits for a decision
        self.stage = STAGES[STAGES.index(self.stage) + 1]
        if self.stage == "filling":
            self.pod_claim, self.restarts = self.claim, 0
            self.log = [f"Restoring to {self.restore_to()}."]
        if self.stage == "filled":
            self.log.append(f"Restored to {self.restore_to()} in 6 s.")

    def _described(self) -> dict[str, Any]:
        running = self._running()
        fill: dict[str, Any] = {"name": "fill-claim", "restartCount": self.restarts, "state": {}}
        if "fill-claim" in running:
            fill["state"] = {"running": {}}
        elif self.refusal and self.stage == "filling":
            fill["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
            if self.restarts:
                fill["lastState"] = {"terminated": {"exitCode": 1, "message": self.refusal}}
        elif self.stage != "filling":
            fill["state"] = {"terminated": {"exitCode": 0}}
        names = ("postgresql", "backups") if self.has_backups else ("postgresql",)
        inits = [{"name": "fill-claim"}] if self.has_backups else []
        ready = "True" if self.stage in ("serving", "ready") else "False"
        claim = {"name": "data", "persistentVolumeClaim": {"claimName": self.pod_claim}}
        return {
            "metadata": {"ownerReferences": [{"kind": "StatefulSet", "uid": self.uid}]},
            "spec": {
                "containers": [{"name": name} for name in names],
                "initContainers": inits,
                "volumes": [claim],
            },
            "status": {
                "initContainerStatuses": [fill],
                "containerStatuses": [
                    {"name": name, "state": {"running": {}} if name in running else {}}
                    for name in names
                ],
                "conditions": [{"type": "Ready", "status": ready}],
            },
        }
