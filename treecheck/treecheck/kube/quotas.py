"""What the pods of a namespace ask for, with what its LimitRanges give them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from treecheck.model import as_mapping, each
from treecheck.quantities import quantity

if TYPE_CHECKING:
    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, PodTemplate, Resource

    # "limits" or "requests" -> resource -> amount.
    Given = dict[str, dict[str, Any]]

# A quota's name -> the field of a container's resources, and the resource.
COUNTED = {
    "cpu": ("requests", "cpu"),
    "memory": ("requests", "memory"),
    "requests.cpu": ("requests", "cpu"),
    "requests.memory": ("requests", "memory"),
    "limits.cpu": ("limits", "cpu"),
    "limits.memory": ("limits", "memory"),
}


def total(pod: PodTemplate, field: str, what: str, defaults: Given) -> Decimal:
    """What a pod's containers ask for together, with what LimitRanges give them.

    Of the init containers only those that go on running count; the others end before.
    """
    found = Decimal(0)
    for path, container in pod.containers():
        if path[-2] == "containers" or container.get("restartPolicy") == "Always":
            found += quantity(asked(container, field, what, defaults) or 0) or Decimal(0)
    return found


def asked(container: Manifest, field: str, what: str, defaults: Given) -> Any:
    """What a container asks for, or None; a limit of its own alone counts as the request."""
    resources = as_mapping(container.get("resources"))
    own = as_mapping(resources.get(field)).get(what)
    if own is None and field == "requests":
        own = as_mapping(resources.get("limits")).get(what)
    return own if own is not None else defaults[field].get(what)


def given(cluster: Cluster, namespace: str) -> Given:
    """What the LimitRanges of a namespace give a container that says nothing.

    A maximum stands for a default limit, and that, else a minimum, for a request.
    Source: https://kubernetes.io/docs/concepts/policy/limit-range/, and SetDefaults_LimitRangeItem
    of the API server.
    """
    found: Given = {"limits": {}, "requests": {}}
    for limits in cluster.of_kind("LimitRange", namespace=namespace):
        for _, item in each(limits, "spec", "limits"):
            if item.get("type") != "Container":
                continue
            keys = ("max", "default", "min", "defaultRequest")
            most, default, least, request = (as_mapping(item.get(key)) for key in keys)
            found["limits"] |= {**most, **default}
            found["requests"] |= {**least, **most, **default, **request}
    return found


def amount_shown(amount: Decimal, what: str) -> str:
    """An amount as manifests write it: memory and storage by Mi, cpu by m, a count as it is."""
    if what in {"memory", "storage"}:
        whole = amount / 2**30
        return f"{whole:.0f}Gi" if whole == int(whole) and whole else f"{amount / 2**20:.0f}Mi"
    return f"{amount * 1000:.0f}m" if what == "cpu" else f"{amount:.0f}"


def is_scoped(quota: Resource) -> bool:
    """Whether a quota counts some pods only."""
    return "scopes" in quota.spec or "scopeSelector" in quota.spec
