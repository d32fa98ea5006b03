"""An environment's sealed secret as the cluster has it, and what the last sync of it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ci.argocd.application import FAILED, Application
from ci.argocd.client import ArgoError
from ci.argocd.environment import application_name
from ci.tree.overlays import SECRET

if TYPE_CHECKING:
    from ci.argocd.client import ArgoCD, Json

JOB = "coworking-change-password"
_NODE = {"group": "bitnami.com", "version": "v1alpha1", "kind": "SealedSecret", "name": SECRET}


class SyncOutcome(NamedTuple):
    """How the newest sync ended: at which commit, and what became of the Job.

    Attributes:
        revision: the commit.
        job: the Job's phase; empty when this sync ran none.
        failed: whether the sync failed.
        failure: why.
    """

    revision: str
    job: str
    failed: bool
    failure: str


def outcome_of(answer: Json) -> tuple[Application, SyncOutcome | None]:
    """An Application, and the outcome of its newest sync; None before the first."""
    app = Application.parse(answer)
    if app.operation is None:
        return app, None
    state = answer["status"]["operationState"]
    done = (state.get("syncResult") or {}).get("resources") or []
    phases = [each.get("hookPhase", "") for each in done if _is_job(each)]
    failure = "; ".join(app.operation.failures) or app.operation.message
    failed = app.operation.phase in FAILED
    return app, SyncOutcome(app.operation.revision, "".join(phases[-1:]), failed, failure)


def _is_job(resource: Json) -> bool:
    return resource.get("kind") == "Job" and resource.get("name") == JOB


class SealedLive:
    """The part of an environment that has its secret: the Application of its database."""

    def __init__(self, api: ArgoCD, environment: str) -> None:
        self._api = api
        self._name = application_name(environment, "postgres")

    def read(self, *, refresh: bool = False) -> Json:
        """The Application, as Argo CD answers; `refresh` lets it look at git."""
        return self._api.application(self._name, refresh=refresh)

    def sync(self) -> None:
        """Ask Argo CD to sync it once more."""
        self._api.sync(self._name)

    def entries(self) -> dict[str, str]:
        """What is sealed in the cluster's SealedSecret, by name; empty without one."""
        return dict((self._resource().get("spec") or {}).get("encryptedData") or {})

    def has_unsealed(self, entry: str, value: str) -> bool:
        """Whether the controller has unsealed the SealedSecret, and that has this sealed value.

        Raises:
            ArgoError: it can't be unsealed, or Argo CD gave no answer.
        """
        found = self._resource()
        if ((found.get("spec") or {}).get("encryptedData") or {}).get(entry) != value:
            return False
        status = found.get("status") or {}
        if status.get("observedGeneration", 0) != found["metadata"].get("generation"):
            return False
        synced = [c for c in status.get("conditions") or [] if c.get("type") == "Synced"]
        return bool(synced) and synced[-1].get("status") == "True"

    def steps(self, entry: str, value: str) -> list[str]:
        """What has been reached with this sealed value, a line each."""
        unsealed = ["the cluster has unsealed it"] if self.has_unsealed(entry, value) else []
        return unsealed + self.job_says()

    def job_says(self) -> list[str]:
        """The lines that the Job's newest pod has printed; none before it runs."""
        nodes = self._api.resource_tree(self._name).get("nodes") or []
        pods = [
            node for node in nodes if node["kind"] == "Pod" and node["name"].startswith(f"{JOB}-")
        ]
        pods.sort(key=lambda node: str(node.get("createdAt", "")))
        return self._api.last_log_lines(self._name, pods[-1]) if pods else []

    def _resource(self) -> dict[str, Any]:
        answer = self._api.application(self._name)
        namespace = Application.parse(answer).namespace
        try:
            return self._api.resource(self._name, {**_NODE, "namespace": namespace})
        except ArgoError as error:
            if error.status in (400, 404):
                return {}
            raise
