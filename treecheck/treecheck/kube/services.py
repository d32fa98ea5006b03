"""Which pods a Service leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.model import as_mapping

if TYPE_CHECKING:
    from treecheck.cluster import Cluster
    from treecheck.model import PodTemplate, Resource


def selected_pods(service: Resource, cluster: Cluster) -> list[PodTemplate]:
    """The pods behind a Service; an empty selector selects none (its endpoints are hand-made)."""
    selector = as_mapping(service.spec.get("selector"))
    if not selector or service.spec.get("type") == "ExternalName":
        return []
    return cluster.pods_matching(service.namespace, selector)


def nearest(selector: dict[str, str], pods: list[PodTemplate]) -> str:
    """A hint at the pods that share most labels with a selector, or an empty text."""
    shared = [(len(selector.items() & pod.labels.items()), pod) for pod in pods]
    most, pod = max(shared, key=lambda pair: pair[0], default=(0, None))
    if pod is None or most == 0:
        return ""
    labels = ", ".join(f"{key}={value}" for key, value in pod.labels.items())
    return f"; {pod.owner.title} has {labels}"
