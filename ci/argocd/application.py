"""What Argo CD's answer about an Application means, without the hundred fields that don't matter.

app = Application.parse(api.application("coworking-prod"))
app.auto_sync, app.sync, app.health, app.entries[-1].revision
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ci.tree.images import SERVICE_IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ci.tree.images import SourceImage

# Phases of an operation (argo-cd, gitops-engine/pkg/sync/common, OperationPhase).
BUSY = ("Running", "Terminating")
FAILED = ("Failed", "Error")


class Entry(NamedTuple):
    """A line of the history: one sync that succeeded.

    Attributes:
        id: the number that a rollback takes.
        revision: the git commit that was synced.
        at: when it was done.
        by: who asked for it: an account's name, or `auto-sync`.
        began: when the sync began.
    """

    id: int
    revision: str
    at: datetime | None
    by: str
    began: datetime | None = None


class Operation(NamedTuple):
    """The newest sync: `phase` is Running, Terminating, Succeeded, Failed or Error."""

    phase: str
    message: str
    revision: str
    at: datetime | None
    failures: tuple[str, ...]
    retries: int


class ResourceStatus(NamedTuple):
    """A resource of the Application: what git says against what the cluster has."""

    kind: str
    name: str
    differs: bool
    left_over: bool
    is_hook: bool
    health: str
    message: str


class Application(NamedTuple):
    """An Application as Argo CD sees it now.

    Attributes:
        name: its name.
        namespace: where its resources live.
        url: its git repository.
        branch: the branch that it follows.
        path: its folder there.
        auto_sync: whether Argo CD syncs it by itself.
        sync: Synced, OutOfSync or Unknown.
        revision: the git commit that it was last compared with.
        health: Healthy, Progressing, Degraded, Suspended, Missing or Unknown.
        health_since: since when it has been so; None where Argo CD doesn't say.
        entries: the history, oldest first.
        operation: the newest sync, or None.
        resources: its resources.
        problems: what Argo CD itself reports as wrong, such as a render that fails.
        queued: a sync is asked for and not begun.
        reconciled: when Argo CD's controller last compared it with git.
    """

    name: str
    namespace: str
    url: str
    branch: str
    path: str
    auto_sync: bool
    sync: str
    revision: str
    health: str
    health_since: datetime | None
    entries: tuple[Entry, ...]
    operation: Operation | None
    resources: tuple[ResourceStatus, ...]
    problems: tuple[str, ...]
    queued: bool
    reconciled: datetime | None

    @classmethod
    def parse(cls, answer: Mapping[str, Any]) -> Application:
        """Read the API's answer; what is absent reads as empty, as Argo CD leaves fields out."""
        spec, status = answer["spec"], answer.get("status") or {}
        source = spec.get("source") or {}
        sync = status.get("sync") or {}
        health = status.get("health") or {}
        return cls(
            name=answer["metadata"]["name"],
            namespace=(spec.get("destination") or {}).get("namespace", ""),
            url=source.get("repoURL", ""),
            branch=source.get("targetRevision", "") or "HEAD",
            path=source.get("path", ""),
            auto_sync=_auto_sync(spec),
            sync=sync.get("status", "Unknown"),
            revision=sync.get("revision", ""),
            health=health.get("status", "Unknown"),
            health_since=time_of(health.get("lastTransitionTime")),
            entries=tuple(_entry(line) for line in status.get("history") or []),
            operation=_operation(status.get("operationState")),
            resources=tuple(_resource(item) for item in status.get("resources") or []),
            problems=tuple(
                " ".join(condition["message"].split())
                for condition in status.get("conditions") or []
                if condition.get("type", "").endswith("Error")
            ),
            queued="operation" in answer,
            reconciled=time_of(status.get("reconciledAt")),
        )

    @property
    def busy(self) -> bool:
        """Whether a sync is running, or asked for; a rollback is refused meanwhile."""
        return self.queued or (self.operation is not None and self.operation.phase in BUSY)

    @property
    def differing(self) -> tuple[ResourceStatus, ...]:
        """The resources that a sync would create or change.

        What a rollback leaves behind (a rollback prunes nothing) also makes an Application
        OutOfSync; taking it away changes nothing that runs, so it isn't counted.
        """
        return tuple(r for r in self.resources if r.differs and not r.left_over and not r.is_hook)


def _auto_sync(spec: Mapping[str, Any]) -> bool:
    automated = (spec.get("syncPolicy") or {}).get("automated")
    # Absent means on: since 3.3 the web page turns it off by `enabled: false`.
    return automated is not None and automated.get("enabled") is not False


def _entry(line: Mapping[str, Any]) -> Entry:
    by = line.get("initiatedBy") or {}
    return Entry(
        int(line["id"]),
        line.get("revision", ""),
        time_of(line.get("deployedAt")),
        by.get("username") or ("auto-sync" if by.get("automated") else ""),
        time_of(line.get("deployStartedAt")),
    )


def _operation(state: Mapping[str, Any] | None) -> Operation | None:
    if not state:
        return None
    result = state.get("syncResult") or {}
    asked = ((state.get("operation") or {}).get("sync") or {}).get("revision", "")
    return Operation(
        state.get("phase", ""),
        " ".join(state.get("message", "").split()),
        result.get("revision") or asked,
        time_of(state.get("finishedAt") or state.get("startedAt")),
        tuple(
            _failure(r)
            for r in result.get("resources") or []
            if r.get("status") == "SyncFailed" or r.get("hookPhase") in FAILED
        ),
        int(state.get("retryCount", 0)),
    )


def _failure(result: Mapping[str, Any]) -> str:
    """Say what failed, and with which image: a Job that met its deadline has no pod left to ask."""
    images = ", ".join(tag_of(image) for image in result.get("images") or [])
    said = " ".join(result.get("message", "").split())
    return f"{result.get('kind')}/{result.get('name')}{f' of {images}' * bool(images)}: {said}"


def _resource(item: Mapping[str, Any]) -> ResourceStatus:
    health = item.get("health") or {}
    return ResourceStatus(
        item.get("kind", ""),
        item.get("name", ""),
        item.get("status") == "OutOfSync",
        bool(item.get("requiresPruning")),
        bool(item.get("hook")),
        health.get("status", ""),
        " ".join(health.get("message", "").split()),
    )


def time_of(text: str | None) -> datetime | None:
    """Read a time as Kubernetes writes it (RFC 3339, UTC)."""
    if not text:
        return None
    return datetime.fromisoformat(text).astimezone(UTC)


def image_of(manifests: Iterable[Mapping[str, Any]], image: SourceImage = SERVICE_IMAGE) -> str:
    """Return what the container of an image's workload runs among manifests; empty without one."""
    for manifest in manifests:
        if manifest.get("kind") == image.kind and manifest["metadata"]["name"] == image.workload:
            for container in manifest["spec"]["template"]["spec"]["containers"]:
                if container["name"] == image.workload:
                    return str(container["image"])
    return ""


def tag_of(image: str) -> str:
    """Return an image's tag: what comes after the last colon of its last part.

    >>> tag_of("123456789012.dkr.ecr.us-east-1.amazonaws.com/coworking:57-1f2e3d4c")
    '57-1f2e3d4c'
    """
    return image.rsplit("/", 1)[-1].partition("@")[0].partition(":")[2]
