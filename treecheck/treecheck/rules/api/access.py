"""Roles and bindings, quotas, limit ranges, priority classes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from treecheck.kube.names import fits
from treecheck.kube.pages import validation
from treecheck.limits.words import LABEL_KEY
from treecheck.model import Problem, as_list, as_mapping, as_text
from treecheck.quantities import quantity
from treecheck.registry import rule
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

_RBAC = "https://kubernetes.io/docs/reference/access-authn-authz/rbac/"
_GROUP = "rbac.authorization.k8s.io"
_USER_PRIORITY = 1_000_000_000


@rule("role-rule", source=_RBAC, kinds=("Role", "ClusterRole"))
def role_rule(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A rule of a Role that gives access to nothing, or to two kinds of things.

    A rule names API groups and resources, or URLs; URLs only in a ClusterRole.
    """
    for index, each in enumerate(as_list(resource.body.get("rules"))):
        path = ("rules", index)
        urls = as_list(each.get("nonResourceURLs"))
        resources, groups = as_list(each.get("resources")), as_list(each.get("apiGroups"))
        if urls and resource.kind == "Role":
            text, field = "a Role can't give access to URLs", "nonResourceURLs"
        elif urls and (resources or groups or each.get("resourceNames")):
            text, field = "a rule gives access to URLs or to resources, not both", "nonResourceURLs"
        elif not urls and not groups:
            text, field = "the rule names no API group", "apiGroups"
        elif not urls and not resources:
            text, field = "the rule names no resources", "resources"
        else:
            continue
        yield Problem(text, fix='Correct the rule (the core API group is "").', path=(*path, field))


@rule("role-binding", source=_RBAC, kinds=("RoleBinding", "ClusterRoleBinding"))
def role_binding(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A binding whose role or subject can't be one.

    A ClusterRoleBinding binds a ClusterRole, and says of which namespace a ServiceAccount is. A
    ServiceAccount has no API group; that of a User or Group is rbac.authorization.k8s.io.
    """
    role = as_mapping(resource.body.get("roleRef"))
    if resource.kind == "ClusterRoleBinding" and role.get("kind") == "Role":
        yield Problem(
            "a ClusterRoleBinding can't bind a Role",
            fix="Name a ClusterRole, or make it a RoleBinding.",
            path=("roleRef", "kind"),
        )
    for index, subject in enumerate(as_list(resource.body.get("subjects"))):
        path = ("subjects", index)
        kind, group = subject.get("kind"), as_text(subject.get("apiGroup"))
        account = kind == "ServiceAccount"
        homeless = account and not subject.get("namespace")
        if homeless and resource.kind == "ClusterRoleBinding":
            yield Problem(
                "a ServiceAccount as subject needs its namespace",
                fix="Add the namespace.",
                path=(*path, "namespace"),
            )
        if (
            group
            and kind in {"ServiceAccount", "User", "Group"}
            and group != ("" if account else _GROUP)
        ):
            yield Problem(
                f"the API group of a {kind} can't be {shown(group)}",
                fix="Remove apiGroup.",
                path=(*path, "apiGroup"),
            )


@rule(
    "quota-amount",
    source="https://kubernetes.io/docs/concepts/policy/resource-quotas/",
    kinds=("ResourceQuota",),
)
def quota_amount(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A quota of a negative amount, of a part of a thing, or of something that does not exist.

    Pods, Services and everything under `count/` are counted in whole numbers.
    """
    for name, value in as_mapping(resource.spec.get("hard")).items():
        amount = quantity(value)
        counted = name.startswith("count/") or name in _COUNTED
        if "/" not in name and name not in _COUNTED | _MEASURED and not name.startswith(_PREFIXES):
            text = f"there is nothing called {shown(name)} to have a quota of"
        elif amount is not None and amount < 0:
            text = f"the quota of {name} is negative"
        elif amount is not None and counted and amount != int(amount):
            text = f"the quota of {name} is not a whole number"
        else:
            continue
        yield Problem(text, fix="Correct the quota.", path=("spec", "hard", name))


_COUNTED = frozenset(
    {"configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas"}
    | {"secrets", "services", "services.loadbalancers", "services.nodeports"}
)
_MEASURED = frozenset(
    {"cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "limits.cpu"}
    | {"limits.memory", "requests.storage", "requests.ephemeral-storage"}
    | {"limits.ephemeral-storage", "storage"}
)
_PREFIXES = ("hugepages-", "requests.hugepages-")


@rule(
    "limit-range",
    source="https://kubernetes.io/docs/concepts/policy/limit-range/",
    kinds=("LimitRange",),
)
def limit_range(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A LimitRange whose bounds exclude each other.

    min ≤ defaultRequest ≤ default ≤ max. A range for Pods has no defaults.
    """
    order = ("min", "defaultRequest", "default", "max")
    for index, item in enumerate(as_list(resource.spec.get("limits"))):
        path = ("spec", "limits", index)
        bounds = {field: as_mapping(item.get(field)) for field in order}
        kind = as_text(item.get("type"))
        if kind and kind not in {"Pod", "Container", "PersistentVolumeClaim"} and "/" not in kind:
            yield Problem(
                f"{shown(kind)} is nothing that has a range",
                fix="Write Container, Pod or PersistentVolumeClaim.",
                path=(*path, "type"),
            )
        for field in ("default", "defaultRequest"):
            if kind == "Pod" and bounds[field]:
                yield Problem(
                    "a range for Pods can't have defaults",
                    fix="Remove them, or make it a range for Containers.",
                    path=(*path, field),
                )
        yield from _bounds(item, bounds, path)


def _bounds(item: Manifest, bounds: dict[str, Manifest], path: FieldPath) -> Iterator[Problem]:
    """Of each resource: that it is one, and that its bounds grow in the order given."""
    ratio = as_mapping(item.get("maxLimitRequestRatio"))
    for name in sorted({name for each in (*bounds.values(), ratio) for name in each}):
        if "/" not in name and name not in _MEASURED and not name.startswith(_PREFIXES):
            known_in = [field for field in bounds if name in bounds[field]]
            field = known_in[0] if known_in else "maxLimitRequestRatio"
            yield Problem(
                f"no resource is called {shown(name)}",
                fix="Write cpu, memory or ephemeral-storage.",
                path=(*path, field, name),
            )
            continue
        present = [(f, quantity(bounds[f][name])) for f in bounds if name in bounds[f]]
        known = [(f, number) for f, number in present if number is not None]
        for (one, low), (other, high) in itertools.pairwise(known):
            if low > high:
                yield Problem(
                    f"{one} of {name} is larger than {other}",
                    fix="Let min, defaultRequest, default and max grow in this order.",
                    path=(*path, one, name),
                )


@rule(
    "priority-class",
    source="https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/",
    kinds=("PriorityClass",),
)
def priority_class(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A PriorityClass above one billion, or with a name that is kept for the system.

    Names with `system-` at the start and values above 1,000,000,000 belong to Kubernetes itself.
    """
    value = resource.body.get("value", 0)
    if value > _USER_PRIORITY and not resource.name.startswith("system-"):
        yield Problem(
            f"the value {value:,} is kept for the system",
            fix="Write at most 1000000000.",
            path=("value",),
        )
    if resource.name.startswith("system-") and resource.name not in {
        "system-cluster-critical",
        "system-node-critical",
    }:
        yield Problem(
            "names that start with system- are kept for the system",
            fix="Choose another name.",
            path=("metadata", "name"),
        )


@rule("storage-class", source=validation("storage"), kinds=("StorageClass",))
def storage_class(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A StorageClass whose provisioner can't be one.

    A provisioner is a qualified name, such as ebs.csi.aws.com.
    """
    name = as_text(resource.body.get("provisioner"))
    if name and not fits(name.lower(), LABEL_KEY):
        yield Problem(
            f"{shown(name)} is not a name of a provisioner",
            fix="Write one such as ebs.csi.aws.com.",
            path=("provisioner",),
        )
