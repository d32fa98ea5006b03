"""Labels that a kustomization writes into selectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.cluster import matches
from treecheck.files import line_of
from treecheck.kube.network import DIRECTIONS
from treecheck.model import Problem, as_list, as_mapping, as_text, each
from treecheck.registry import Scope, rule
from treecheck.rendering import built_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, Resource
    from treecheck.rendering import Kustomization

LABELS = "https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/labels/"
FIXED = {"Deployment", "DaemonSet", "ReplicaSet", "StatefulSet"}


@rule("labels-in-peers", scope=Scope.CLUSTER, source=LABELS)
def labels_in_peers(cluster: Cluster) -> Iterator[Problem]:
    """Labels of a kustomization in the selectors of a NetworkPolicy's peers.

    `includeSelectors: true`, and `commonLabels`, write the labels into every selector that they
    find: also into those that mean pods of others, such as the database or the cluster's DNS, which
    don't have them. The rule opens nothing then. The selector of a workload gets them too, and it
    can't change once the workload is there.
    """
    for kustomization, resources in built_by(cluster.resources):
        pairs, word = _into_selectors(kustomization)
        for policy in resources if pairs else ():
            lost = _lost(policy, pairs, cluster) if policy.kind == "NetworkPolicy" else ""
            if lost:
                fixed = [one.title for one in resources if one.kind in FIXED]
                also = (
                    f"; the selector of {fixed[0]} gets them too, and can't change" if fixed else ""
                )
                yield Problem(
                    f"{word} writes {', '.join(pairs)} into the peers of {policy.title}, and the "
                    f"pods with {lost}, which one of them means, don't have these labels: it lets "
                    f"nothing through{also}",
                    fix="Use `labels` without includeSelectors.",
                    resource=policy,
                    file=kustomization.file,
                    line=line_of(kustomization.file, word),
                    cause=str(kustomization.file),
                )


def _into_selectors(kustomization: Kustomization) -> tuple[Manifest, str]:
    """(the labels that a kustomization writes into selectors, the word that says so)."""
    common = as_mapping(kustomization.body.get("commonLabels"))
    if common:
        return common, "commonLabels"
    found: Manifest = {}
    for entry in map(as_mapping, as_list(kustomization.body.get("labels"))):
        if entry.get("includeSelectors") is True:
            found |= as_mapping(entry.get("pairs"))
    return found, "includeSelectors"


def _lost(policy: Resource, pairs: Manifest, cluster: Cluster) -> str:
    """What a peer selects without the labels, if it selects nothing with them; or ""."""
    for rules, peers in DIRECTIONS.values():
        for _, entry in each(policy, "spec", rules):
            for _, peer in each(entry, peers):
                wanted = as_mapping(as_mapping(peer.get("podSelector")).get("matchLabels"))
                own = {key: value for key, value in wanted.items() if key not in pairs}
                changed = {key for key in pairs if wanted.get(key) == pairs[key]}
                labels = [pod.labels for pod in cluster.pods(_place(peer, policy))]
                if "namespaceSelector" in peer:
                    labels.append(cluster.facts.dns_labels)
                known = changed and own and any(matches(own, one) for one in labels)
                if known and not any(matches(wanted, one) for one in labels):
                    return ", ".join(f"{key}={value}" for key, value in own.items())
    return ""


def _place(peer: Manifest, policy: Resource) -> str | None:
    """The namespace of a peer's pods; None for all, where it is not chosen by its name."""
    if "namespaceSelector" not in peer:
        return policy.namespace
    chosen = as_mapping(as_mapping(peer["namespaceSelector"]).get("matchLabels"))
    return as_text(chosen.get("kubernetes.io/metadata.name")) or None
