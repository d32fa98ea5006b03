"""The Application postgres-prod as Argo CD's API reports it, for the server beside this file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
Line = str | tuple[datetime, str]  # printed now, or at that time

_CLAIM = {"name": "data", "persistentVolumeClaim": {"claimName": "data-postgresql-0"}}
_PROOF = "postgresql-proof-29000000-x1y2z"
_NEXT_PROOF = "postgresql-proof-29010080-a9b8c"


class Database:
    """postgres-prod: its StatefulSet, its pod, the pod's logs, and the proof's pod.

    Attributes:
        health: Argo CD's word for it, as old as its controller's last look.
        there: whether the cluster has the StatefulSet.
        spec: what the pod is made of; without backups at first.
        pod: the rest of the pod, as the cluster has it.
        reason: what Argo CD shows for the pod.
        logs: what each container printed, oldest first.
        proof: what Argo CD shows for the proof's pod, and when it was made; None without one.
        next_proof: likewise of the pod that came after it.
        refusal: the status and words by which Argo CD refuses to hand out a log; None if it does.
    """

    def __init__(self) -> None:
        self.health = "Healthy"
        self.there = True
        self.ready = 1
        self.spec: Json = {"containers": [{"name": "postgresql"}], "volumes": [_CLAIM]}
        self.pod: Json = {"metadata": {}, "status": {}}
        self.reason = "Running"
        self.logs: dict[str, list[Line]] = {"postgresql": []}
        self.proof: tuple[str, datetime] | None = None
        self.next_proof: tuple[str, datetime] | None = None
        self.refusal: tuple[int, str] | None = None

    def back_up(self, state: str = "", *, fill: Json | None = None) -> None:
        """Give the pod the containers of base/postgres/backups.

        Args:
            state: what `keep-backups` has printed last, if it runs.
            fill: the state of the init container, if it hasn't ended well.
        """
        self.spec = {
            "initContainers": [{"name": "fill-claim"}],
            "containers": [{"name": "postgresql"}, {"name": "backups"}],
            "volumes": [_CLAIM],
        }
        running: Json = {} if fill else {"running": {}}
        ended = {"terminated": {"exitCode": 0, "reason": "Completed"}}
        self.pod["status"] |= {
            "initContainerStatuses": [{"name": "fill-claim", "restartCount": 0, "state": ended}],
            "containerStatuses": [
                {"name": name, "restartCount": 0, "state": running}
                for name in ("postgresql", "backups")
            ],
        }
        if fill:
            self.pod["status"]["initContainerStatuses"][0] |= fill
        self.logs |= {"fill-claim": [], "proof": []}
        self.logs["backups"] = [state] if state else []

    def routes(self, app: Json, query: dict[str, list[str]]) -> Json:
        """The answers about it."""
        path = "GET /postgres-prod"
        return {
            path: lambda: app,
            f"{path}/resource": lambda: self._resource(query["kind"][0]),
            f"{path}/resource-tree": lambda: {"nodes": self._nodes()},
            f"{path}/events": lambda: {"items": []},
            f"{path}/logs": lambda: self.refusal or self._log(query),
        }

    def _resource(self, kind: str) -> Any:
        if not self.there:
            return 404, f"{kind} not found as part of application postgres-prod"
        status = {"replicas": 1, "readyReplicas": self.ready}
        found = {"metadata": {}, "spec": {"replicas": 1}, "status": status}
        return {"manifest": json.dumps({"spec": self.spec} | self.pod if kind == "Pod" else found)}

    def _log(self, query: dict[str, list[str]]) -> bytes:
        """A stream of JSON; what the kubelet refuses is an entry without a time, as Argo CD does.

        argo-cd 3.4, server/application: PodLogs; the words are Kubernetes' (registry/core/pod).
        """
        [pod], container = query["podName"], query.get("container", [""])[0]
        declared = [{"name": "proof"}] if pod in {_PROOF, _NEXT_PROOF} else self.spec["containers"]
        names = [each["name"] for each in declared]
        if not container and len(names) > 1:
            said = f"a container name must be specified for pod {pod}, choose one of: {names}"
            return _entries([(None, said)])
        container = container or names[0]
        inits = [each["name"] for each in self.spec.get("initContainers") or []]
        if container not in [*names, *inits]:
            return _entries([(None, f"container {container} is not valid for pod {pod}")])
        if query["previous"] == ["true"] and not self._has_ended(container):
            said = f'previous terminated container "{container}" in pod "{pod}" not found'
            return _entries([(None, said)])
        lines = self.logs[container][-int(query["tailLines"][0]) :]
        now = datetime.now(UTC)
        return _entries([(now, line) if isinstance(line, str) else line for line in lines])

    def _has_ended(self, container: str) -> bool:
        status = self.pod["status"]
        listed = [
            *(status.get("initContainerStatuses") or []),
            *(status.get("containerStatuses") or []),
        ]
        return any(
            "terminated" in (each.get("lastState") or {})
            for each in listed
            if each.get("name") in (None, container)
        )

    def _nodes(self) -> list[Json]:
        if not self.there:
            return []
        base = {"version": "v1", "namespace": "coworking-prod"}
        nodes: list[Json] = [
            base | {"kind": "StatefulSet", "group": "apps", "name": "postgresql", "uid": "s"},
            base
            | {"kind": "Pod", "name": "postgresql-0", "uid": "p"}
            | {"parentRefs": [{"uid": "s"}], "info": _info(self.reason, f"{self.ready}/1")},
        ]
        for name, proof in ((_PROOF, self.proof), (_NEXT_PROOF, self.next_proof)):
            if proof is None:
                continue
            reason, made = proof
            nodes.append(
                base
                | {"kind": "Pod", "name": name, "uid": name, "parentRefs": [{"uid": "j"}]}
                | {"createdAt": f"{made:%Y-%m-%dT%H:%M:%SZ}", "info": _info(reason, "0/1")}
            )
        return nodes


def _info(reason: str, containers: str) -> list[Json]:
    return [
        {"name": "Status Reason", "value": reason},
        {"name": "Containers", "value": containers},
    ]


def _entries(lines: list[tuple[datetime | None, str]]) -> bytes:
    entries = [
        {"content": text, "timeStamp": at and f"{at:%Y-%m-%dT%H:%M:%SZ}"} for at, text in lines
    ]
    return b"\n".join(json.dumps({"result": entry}).encode() for entry in entries)
