"""Pod Security: its labels on namespaces, and what it looks at in a pod."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.kube.applications import IN_CLUSTER, cluster_of, makers, sync_policy
from treecheck.model import as_mapping, as_text
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, PodTemplate, Resource

_SECURITY_LEVELS = ("privileged", "baseline", "restricted")
MODES = ("enforce", "audit", "warn")
_ENFORCE = "pod-security.kubernetes.io/enforce"


def level_faults(labels: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """(label, what is wrong, how to fix it) of a namespace's levels and releases."""
    for mode in MODES:
        key = f"pod-security.kubernetes.io/{mode}"
        level = labels.get(key, "restricted")
        if level not in _SECURITY_LEVELS:
            near = f"one of {', '.join(_SECURITY_LEVELS)}"
            yield key, f"{shown(level)} is not a Pod Security level", f"Write {near}."
        version = labels.get(f"{key}-version", "latest")
        if version != "latest" and not re.fullmatch(r"v1\.(0|[1-9]\d*)", version):
            wrong = f"{shown(version)} is not a release of Pod Security"
            yield f"{key}-version", wrong, "Write latest, or a release such as v1.30."


def unknown_modes(labels: Iterable[str]) -> Iterator[str]:
    """The labels of Pod Security whose mode does not exist."""
    for key in labels:
        domain, _, mode = key.partition("/")
        if domain == "pod-security.kubernetes.io" and mode.removesuffix("-version") not in MODES:
            yield key


def enforced_level(cluster: Cluster, namespace: str) -> str:
    """The level that the tree enforces in a namespace: baseline or restricted, or "" for none.

    A Namespace's own labels count before those that an Application gives to the namespace which it
    makes, as in Argo CD. The labels of a namespace that the tree does not make are not known.
    """
    known = cluster.get("Namespace", "", namespace)
    if known is not None and _ENFORCE in known.labels:
        levels = {as_text(known.labels[_ENFORCE])}
    else:
        levels = {_managed_level(each) for each in _makers(cluster, namespace)}
    return next((each for each in ("restricted", "baseline") if each in levels), "")


def _makers(cluster: Cluster, namespace: str) -> Iterator[Resource]:
    """The Applications that make a namespace on this cluster."""
    return (each for each in makers(cluster, namespace) if cluster_of(each) == IN_CLUSTER)


def _managed_level(application: Resource) -> str:
    managed = as_mapping(sync_policy(application).get("managedNamespaceMetadata"))
    return as_text(as_mapping(managed.get("labels")).get(_ENFORCE))


def on_windows(pod: PodTemplate) -> bool:
    """Whether a pod says that it runs on Windows, where some controls don't exist."""
    return as_mapping(pod.spec.get("os")).get("name") == "windows"


def context_of(pod: PodTemplate) -> Manifest:
    """The pod's own securityContext."""
    return as_mapping(pod.spec.get("securityContext"))
