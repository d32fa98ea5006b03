"""What of a cluster the tree can't tell: charts, remote bases, operators, other repositories.

A rule that looks for something asks three questions of a namespace: is it there, is it not there,
or can't that be known? In the last case it has nothing to say (see `Problem.absent`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from treecheck.kinds import BUILT_IN_GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from treecheck.model import Resource

# Groups of custom kinds whose controllers make no pods, Services, Secrets or accounts but those
# that the rules know of (`kube/config.py`), or none at all.
QUIET_GROUPS = frozenset(
    {
        "argoproj.io", "bitnami.com", "cert-manager.io", "external-secrets.io", "kyverno.io",
        "monitoring.coreos.com", "networking.istio.io", "security.istio.io", "telemetry.istio.io",
        "traefik.io", "traefik.containo.us", "keda.sh", "policy.linkerd.io", "cilium.io",
        "crd.projectcalico.org", "projectcalico.org", "karpenter.sh", "karpenter.k8s.aws",
        "elbv2.k8s.aws", "constraints.gatekeeper.sh", "templates.gatekeeper.sh", "eksctl.io",
        "nodemanagement.io",
    }
)  # fmt: skip
# Files of well-known releases, as kustomizations name them, and the kinds that none of them has.
# Argo CD makes its project `default` itself when it starts.
INSTALL = re.compile(
    r"\bargoproj/argo-cd/(\S+/)?manifests/|\bargoproj/argo-cd//manifests/"
    r"|\bcert-manager/cert-manager/releases/\S+/cert-manager(\.crds)?\.yaml"
    r"|\bkubernetes-sigs/metrics-server/releases/\S+/(components|high-availability)\S*\.yaml"
    r"|\bbitnami-labs/sealed-secrets/releases/\S+/controller(-norbac)?\.yaml"
)
NOT_INSTALLED = {"AppProject", "IngressClass", "PriorityClass", "RuntimeClass", "StorageClass"}
# Kinds of these groups that do make pods and Services.
LOUD_KINDS = frozenset({"Prometheus", "Alertmanager", "ThanosRuler", "PrometheusAgent", "ArgoCD"})


@dataclass(frozen=True, slots=True)
class Unseen:
    """Something that brings resources, and that nobody looked at.

    Attributes:
        namespace: where its resources land, or None where they may land anywhere.
        why: what it is, as a clause: `folder one can't be built`.
        folder: the folder, where it is one that can't be built, or that gets more elsewhere.
    """

    namespace: str | None
    why: str
    folder: Path | None = None

    def may_bring(self, kind: str) -> bool:
        """Whether it may bring resources of a kind; "" for any."""
        return kind not in NOT_INSTALLED or not INSTALL.search(self.why)


def operated(resources: Iterable[Resource]) -> list[Unseen]:
    """The namespaces in which an operator may make more, by the custom resources there."""
    found: dict[str, Unseen] = {}
    for each in filter(_has_operator, resources):
        # Flux's HelmRelease installs into another namespace than its own.
        for place in (each.namespace, each.spec.get("targetNamespace")):
            if isinstance(place, str) and place:
                why = f"an operator makes what {each.kind} {each.name} asks for"
                found[place] = Unseen(place, why)
    return [*found.values(), *_argo(resources)]


def has_operators(resources: Iterable[Resource]) -> bool:
    """Whether an operator runs that the tree need not bring: it has roles of its own, too."""
    return any(map(_has_operator, resources))


def _argo(resources: Iterable[Resource]) -> list[Unseen]:
    """The namespaces where Argo CD itself runs, by the Applications there, unless it is here."""
    places: dict[str, None] = {}
    for each in resources:
        if (each.kind, each.name) == ("Deployment", "argocd-server"):
            return []
        if (each.group, each.kind) == ("argoproj.io", "Application") and each.maker is None:
            places.update({each.namespace: None} if "namespace" in each.metadata else {})
    # What upstream's own manifests never bring, this does not bring either.
    why = (
        "Argo CD itself, argoproj/argo-cd//manifests/, is installed in namespace {} by other means"
    )
    return [Unseen(place, why.format(place)) for place in places]


def _has_operator(resource: Resource) -> bool:
    group = resource.group
    if group in QUIET_GROUPS:
        return resource.kind in LOUD_KINDS
    return "." in group and group not in BUILT_IN_GROUPS and not group.endswith(".k8s.io")
