"""Lost nodes and the pods that hang on them, as the Kubernetes API reports them.

Argo CD sees a pod without its node, and on one node it is lost together with it. So `status` also
asks the Kubernetes API, by `kubectl` and the kubeconfig of whoever runs it.

What happens when a node is lost (Kubernetes, "Nodes", "Taint-based evictions" and "Non-graceful
node shutdown handling"): after 50 s without a word its condition Ready is Unknown, it gets the
taint `unreachable:NoExecute`, and its pods are marked as not ready. After `tolerationSeconds` they
are deleted, which only their own kubelet could finish: they stay Terminating. A Deployment starts
others elsewhere meanwhile. A StatefulSet waits until its pod is gone, since two of the same name
must never write to one volume. It is gone when its Node object is, or when the node has the taint
`out-of-service`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ci.argocd.environment import SERVICE, when
from ci.errors import CiError
from ci.run import execute
from treecheck.kustomize import kubectl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Json = Mapping[str, Any]

PAGE = "docs/lost-node.md"
ARGO_CD = "argocd"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
# A node that joins, or restarts, isn't Ready for a while without being lost.
NOT_READY_FOR = timedelta(minutes=5)
# A rollout, or a pod that moves, takes less.
NOT_READY_POD = timedelta(minutes=1)
# What the kubelet needs beyond the grace period to report that a pod is gone.
SLACK = timedelta(seconds=30)
TIMEOUT = 5  # seconds for the Kubernetes API to answer


class NodeState(NamedTuple):
    """A node.

    Attributes:
        name: of the Node object.
        ready: the status of its condition Ready: True, False, or Unknown once it is silent.
        since: when that began.
        instance: the id of its EC2 instance; empty where there is none.
        out_of_service: whether it has that taint.
    """

    name: str
    ready: str
    since: datetime | None
    instance: str
    out_of_service: bool

    @classmethod
    def parse(cls, body: Json) -> NodeState:
        """Read a Node object."""
        conditions = body.get("status", {}).get("conditions") or ()
        ready: Json = next((one for one in conditions if one["type"] == "Ready"), {})
        taints = body.get("spec", {}).get("taints") or ()
        provider = str(body.get("spec", {}).get("providerID", ""))
        return cls(
            body["metadata"]["name"],
            str(ready.get("status", "Unknown")),
            _time(ready.get("lastTransitionTime")),
            # "aws:///us-east-1a/i-0a1b2c3d" (cloud-provider-aws, KubernetesInstanceID).
            provider.rpartition("/")[2] if provider.startswith("aws:") else "",
            any(taint["key"] == OUT_OF_SERVICE for taint in taints),
        )

    def lost(self, now: datetime) -> bool:
        """Whether it is silent, or has not been Ready for minutes."""
        if self.ready == "False" and self.since is not None:
            return now - self.since > NOT_READY_FOR
        return self.ready != "True"


class PodState(NamedTuple):
    """A pod.

    Attributes:
        name, namespace: of the Pod object.
        node: where it was put; empty while it waits for a place.
        owner: the kind that made it, such as StatefulSet.
        ready: whether it serves, as far as the cluster knows.
        gone_by: when it should be gone, its grace period included; None if nobody deleted it.
        grace: that period in seconds.
        waits_since: when it stopped to be ready, or was made; None when it is, or has ended.
        reason: why it waits, a word such as ImagePullBackOff, or what its last life ended with.
    """

    name: str
    namespace: str
    node: str
    owner: str
    ready: bool
    gone_by: datetime | None
    grace: int
    waits_since: datetime | None = None
    reason: str = ""

    @classmethod
    def parse(cls, body: Json) -> PodState:
        """Read a Pod object.

        `deletionTimestamp` is when the pod is to be gone: the moment of its deletion plus
        `deletionGracePeriodSeconds` (Kubernetes API, ObjectMeta).
        """
        metadata = body["metadata"]
        owners = metadata.get("ownerReferences") or ()
        conditions = body.get("status", {}).get("conditions") or ()
        return cls(
            metadata["name"],
            metadata["namespace"],
            str(body.get("spec", {}).get("nodeName", "")),
            next((one["kind"] for one in owners if one.get("controller")), ""),
            any(one["type"] == "Ready" and one["status"] == "True" for one in conditions),
            _time(metadata.get("deletionTimestamp")),
            int(metadata.get("deletionGracePeriodSeconds") or 0),
            _waits_since(body),
            _reason(body.get("status") or {}),
        )

    @property
    def environment(self) -> str:
        """Whose it is: the environment of its namespace, or empty."""
        prefix = f"{SERVICE}-"
        return self.namespace.removeprefix(prefix) if self.namespace.startswith(prefix) else ""

    @property
    def shown(self) -> str:
        """Its name, and Argo CD's namespace, where it is not of an environment."""
        return self.name if self.environment else f"{self.namespace}/{self.name}"


class ClusterState(NamedTuple):
    """What the Kubernetes API says: the nodes, and the pods of our namespaces; or why nothing."""

    nodes: tuple[NodeState, ...] = ()
    pods: tuple[PodState, ...] = ()
    error: str = ""

    @property
    def environments(self) -> list[str]:
        """The environments that have pods in it."""
        return sorted({pod.environment for pod in self.pods if pod.environment})


def look(environ: Mapping[str, str]) -> ClusterState:
    """Ask the cluster that the kubeconfig names.

    Never raises: a cluster that can't be asked is an answer too, since `status` can do without.

    Args:
        environ: the process's environment, with KUBECONFIG or HOME.
    """
    if not _kubeconfigs(environ):
        return ClusterState(error="there is no kubeconfig")
    words = ["get", "nodes,pods", "--all-namespaces", f"--request-timeout={TIMEOUT}s"]
    try:
        done = execute(
            [kubectl(), *words, "--output=json"], env=dict(environ), timeout=3.0 * TIMEOUT
        )
        if done.status != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            return ClusterState(error=said[-1] if said else f"kubectl ended with {done.status}")
        return parse(json.loads(done.stdout)["items"])
    except (CiError, ValueError, KeyError, TypeError) as error:
        return ClusterState(error=str(error) or type(error).__name__)


def _kubeconfigs(environ: Mapping[str, str]) -> list[Path]:
    """The files that kubectl would read and that are there."""
    named = environ.get("KUBECONFIG", "")
    paths = [Path(part) for part in named.split(":") if part]
    if not paths and environ.get("HOME"):
        paths = [Path(environ["HOME"]) / ".kube" / "config"]
    return [path for path in paths if path.is_file()]


def parse(items: Iterable[Json]) -> ClusterState:
    """Read a list of nodes and pods; pods of namespaces that aren't ours are left out."""
    bodies = list(items)
    nodes = tuple(NodeState.parse(body) for body in bodies if body["kind"] == "Node")
    pods = tuple(PodState.parse(body) for body in bodies if body["kind"] == "Pod")
    return ClusterState(nodes, tuple(p for p in pods if p.environment or p.namespace == ARGO_CD))


def needs_person(cluster: ClusterState, environment: str, now: datetime) -> tuple[str, ...]:
    """What somebody must do about an environment's pods and the nodes that they are on.

    A kubeconfig of another cluster has no pods of the environment, and so nothing to say.
    """
    mine = [pod for pod in cluster.pods if pod.environment == environment]
    if not mine:
        return ()
    watched = mine + [pod for pod in cluster.pods if pod.namespace == ARGO_CD]
    sentences = []
    for node in cluster.nodes:
        here = [pod for pod in watched if pod.node == node.name]
        if here and node.lost(now):
            sentences += _lost(node, here)
        elif node.ready == "True" and node.out_of_service:
            sentences.append(
                f"node {node.name} is Ready again and gets no pods, as it is still marked"
                f" out-of-service: kubectl taint nodes {node.name} {OUT_OF_SERVICE}-"
            )
    # A pod whose Node object is gone is removed by Kubernetes within a minute.
    well = {node.name for node in cluster.nodes if not node.lost(now)}
    sentences += [_overdue(pod) for pod in watched if pod.node in well and _is_overdue(pod, now)]
    return tuple(sentences)


def _lost(node: NodeState, pods: Sequence[PodState]) -> list[str]:
    """What to say about a lost node with these pods on it, an environment's and Argo CD's."""
    instance = f" (instance {node.instance})" if node.instance else ""
    since = f" since {when(node.since)}" if node.since else ""
    state = "is silent" if node.ready == "Unknown" else "is not Ready"
    names = ", ".join(pod.shown for pod in pods)
    said = [f"node {node.name}{instance} {state}{since}, with {names} on it: {PAGE}"]
    stuck = [pod for pod in pods if pod.owner == "StatefulSet" and pod.gone_by is not None]
    return said + [_waits(pod, node) for pod in stuck]


def _waits(pod: PodState, node: NodeState) -> str:
    if node.out_of_service:
        return (
            f"pod {pod.shown} is Terminating on the lost node, which is marked out-of-service:"
            " Kubernetes removes it now, and a volume follows within minutes"
        )
    return (
        f"pod {pod.shown} is Terminating on the lost node, and no other starts until Node"
        f" {node.name} is gone or marked out-of-service. First make sure that its machine is"
        f" stopped: {PAGE}"
    )


def _is_overdue(pod: PodState, now: datetime) -> bool:
    return pod.gone_by is not None and now > pod.gone_by + SLACK


def _overdue(pod: PodState) -> str:
    return (
        f"pod {pod.shown} should have been gone at {when(pod.gone_by)}, after its {pod.grace} s,"
        f" and is still Terminating: kubectl -n {pod.namespace} describe pod {pod.name}"
    )


def _waits_since(body: Json) -> datetime | None:
    status: Json = body.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return None
    ready: Json = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
    if ready.get("status") == "True":
        return None
    return _time(ready.get("lastTransitionTime") or body["metadata"].get("creationTimestamp"))


def _reason(status: Json) -> str:
    """The first of: why a container waits, how its last life ended, why it has no node."""
    for container in status.get("containerStatuses") or ():
        words = [
            ((container.get("state") or {}).get("waiting") or {}).get("reason", ""),
            ((container.get("lastState") or {}).get("terminated") or {}).get("reason", ""),
        ]
        if any(words):
            return ", last ended by ".join(word for word in words if word)
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return " ".join(str(condition.get("message", "")).split())
    return ""


def not_ready(cluster: ClusterState, environment: str, now: datetime) -> tuple[str, ...]:
    """The pods of an environment that have not been ready for a minute, a sentence each."""
    return tuple(
        f"pod {pod.name} has not been ready since {when(pod.waits_since)}"
        + (f": {pod.reason}" if pod.reason else "")
        for pod in cluster.pods
        if pod.environment == environment
        and pod.gone_by is None
        and pod.waits_since is not None
        and now - pod.waits_since >= NOT_READY_POD
    )


def serving(cluster: ClusterState, environment: str) -> str:
    """How many of an environment's pods serve, as far as the Kubernetes API knows."""
    mine = [pod for pod in cluster.pods if pod.environment == environment]
    parts = []
    for pod in mine:
        state = "ready" if pod.ready else "not ready"
        state = "Terminating" if pod.gone_by is not None else state
        parts.append(f"{pod.name} {state}")
    return ", ".join(parts) or "no pods"


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
