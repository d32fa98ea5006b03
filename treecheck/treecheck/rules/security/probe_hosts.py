"""Hosts of probes and lifecycle handlers, which Pod Security forbids from Kubernetes 1.34 on."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from treecheck.kube.pod_security import enforced_level
from treecheck.model import Problem, Severity, at
from treecheck.registry import Family, rule
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

_SINCE = (1, 34)
_ASKERS = (
    ("livenessProbe",),
    ("readinessProbe",),
    ("startupProbe",),
    ("lifecycle", "postStart"),
    ("lifecycle", "preStop"),
)


@rule(
    "probe-host",
    family=Family.POLICY,
    insisted=True,
    severity=Severity.WARNING,
    source="https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline",
    unless=("probe-host-local",),
)
def probe_host(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A probe or lifecycle handler that asks another host than its pod.

    It makes the kubelet send requests to addresses that only the node may reach. Pod Security
    "baseline" allows no such host since Kubernetes 1.34; with an older release the rule is silent.
    """
    if resource.pod is None or cluster.version < _SINCE:
        return
    level = enforced_level(cluster, resource.namespace)
    refused = f'namespace {resource.namespace} enforces "{level}", so Pod Security refuses the pod'
    own = resource.pod.containers("containers", "initContainers", "ephemeralContainers")
    for (path, container), asker in product(own, _ASKERS):
        for handler in ("httpGet", "tcpSocket"):
            host = at(container, *asker, handler, "host")
            if host:
                yield Problem(
                    f"the {asker[-1]} of container {container.get('name')} asks {shown(host)}; "
                    + (refused if level else 'Pod Security "baseline" does not allow it'),
                    fix="Leave host out: the pod is asked then.",
                    path=(*path, *asker, handler, "host"),
                    severity=Severity.ERROR if level else None,
                )
