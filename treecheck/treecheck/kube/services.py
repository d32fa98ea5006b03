"""Which pods a Service leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.cluster import matches
from treecheck.model import as_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from treecheck.cluster import Cluster
    from treecheck.model import PodTemplate, Resource

# What says of one of several equal pods which part it has: the pods that an election chose have it.
_PARTS = frozenset(
    {"active", "follower", "leader", "master", "primary", "read-only", "read-write"}
    | {"replica", "secondary", "slave", "standby"}
)


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


def elected(selector: Mapping[str, Any], pods: list[PodTemplate]) -> str:
    """Why pods may get a label of a selector when they run, as a sentence; "" if no label is such.

    Programs that elect one of their pods give it a label, such as MinIO's operator=leader or
    Patroni's role=master: the pods have the others, and none has that key.
    """
    plain = as_mapping(selector.get("matchLabels", selector))
    for key, value in plain.items():
        part = str(value).casefold()
        named = part == "true" and not _PARTS.isdisjoint(key.rpartition("/")[2].split("-"))
        if part not in _PARTS and not named:
            continue
        others = {each: wanted for each, wanted in plain.items() if each != key}
        found = [pod for pod in pods if matches(others, pod.labels)]
        if found and not any(key in pod.labels for pod in found):
            return (
                f"the label {key}={value} is one that programs give the pod that they elect, so "
                "which pods have it can't be known"
            )
    return ""
