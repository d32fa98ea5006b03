"""Roles and bindings, quotas, limit ranges, priority classes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from treecheck.kube.names import fits
from treecheck.kube.pages import validation
from treecheck.limits.words import LABEL_KEY, SUBDOMAIN
from treecheck.model import Problem, as_list, as_mapping, as_text, at
from treecheck.quantities import quantity
from treecheck.registry import rule
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

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
def role_binding(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A binding whose role or subject can't be one.

    A ClusterRoleBinding binds a ClusterRole, and says of which namespace a ServiceAccount is. A
    ServiceAccount has no API group; that of a User or Group is rbac.authorization.k8s.io. Where a
    base has the ServiceAccount too, kustomize adds the namespace of whoever builds on it.
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
        if account and _is_homeless(resource, subject, cluster):
            yield Problem(
                "a ServiceAccount as subject needs its namespace",
                fix="Add the namespace.",
                path=(*path, "namespace"),
            )
        if account and not fits(as_text(subject.get("name")), SUBDOMAIN) and subject.get("name"):
            yield Problem(
                f"{shown(subject['name'])} is not a name of a ServiceAccount",
                fix="Write lower-case letters, digits, hyphens and dots.",
                path=(*path, "name"),
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


def _is_homeless(binding: Resource, account: Manifest, cluster: Cluster) -> bool:
    """Whether a ClusterRoleBinding's subject has no namespace, and gets none from kustomize.

    `namespace:` of a kustomization around the folder reaches the subject where the folder has the
    ServiceAccount too. An Application's namespace does not: the API server gets it as it is.
    https://github.com/kubernetes-sigs/kustomize/blob/master/api/filters/namespace/namespace.go
    """
    part = binding.part
    if binding.kind != "ClusterRoleBinding" or account.get("namespace"):
        return False
    return not (part.folder is not None and not part.namespace) or not any(
        each.part == part and each.name == account.get("name") and "namespace" not in each.metadata
        for each in cluster.of_kind("ServiceAccount")
    )


@rule(
    "quota-amount",
    source="https://kubernetes.io/docs/concepts/policy/resource-quotas/",
    kinds=("ResourceQuota",),
)
def quota_amount(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A quota of a negative amount, of a part of a thing, or of something that does not exist.

    Pods, Services and everything under `count/` are counted in whole numbers. With a scope a quota
    counts pods, CPU and memory alone; with BestEffort, pods.
    """
    yield from _scopes(resource)
    for name, value in as_mapping(resource.spec.get("hard")).items():
        amount = quantity(value)
        counted = name in _COUNTED or ("/" in name and not name.startswith("requests."))
        known = name in _COUNTED | _MEASURED - {"storage"} or name.startswith(_PREFIXES)
        if not known and not ("/" in name and fits(name, LABEL_KEY)):
            text = f"there is nothing called {shown(name)} to have a quota of"
        elif amount is not None and amount < 0:
            text = f"the quota of {name} is negative"
        elif amount is not None and counted and amount != int(amount):
            text = f"the quota of {name} is not a whole number"
        else:
            continue
        yield Problem(text, fix="Correct the quota.", path=("spec", "hard", name))


def _scopes(resource: Resource) -> Iterator[Problem]:
    """Of the scopes of a quota: that they fit each other, and what it counts."""
    selected = as_list(at(resource.spec, "scopeSelector", "matchExpressions"))
    for index, each in enumerate(selected):
        operator, values = each.get("operator"), as_list(each.get("values"))
        if each.get("scopeName") != "PriorityClass" and operator != "Exists":
            text = f"the scope {shown(each.get('scopeName'))} takes the operator Exists"
        elif (operator in {"In", "NotIn"}) != bool(values):
            text = "In and NotIn take values, Exists and DoesNotExist take none"
        else:
            continue
        path = ("spec", "scopeSelector", "matchExpressions", index)
        yield Problem(text, fix="Correct the scope.", path=path)
    yield from _uncounted(resource, as_list(resource.spec.get("scopes")), ("spec", "scopes"))
    names = [each.get("scopeName") for each in selected]
    yield from _uncounted(resource, names, ("spec", "scopeSelector", "matchExpressions"))


def _uncounted(resource: Resource, scopes: list[Any], path: FieldPath) -> Iterator[Problem]:
    hard = as_mapping(resource.spec.get("hard"))
    for index, scope in enumerate(scopes):
        kept = {"pods"} if scope == "BestEffort" else {"pods"} | _SCOPED
        odd = [each for each in hard if each in _STANDARD - kept]
        if odd:
            text = f"the scope {scope} does not count {odd[0]}"
        elif f"Not{scope}" in scopes:
            text = f"{scope} excludes Not{scope}"
        else:
            continue
        yield Problem(text, fix="Make another quota of it.", path=(*path, index))


_COUNTED = frozenset(
    {"configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas"}
    | {"secrets", "services", "services.loadbalancers", "services.nodeports"}
)
_MEASURED = frozenset(
    {"cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "limits.cpu"}
    | {"limits.memory", "requests.storage", "requests.ephemeral-storage"}
    | {"limits.ephemeral-storage", "storage"}
)
_SCOPED = frozenset(
    {"cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"}
)
_STANDARD = _COUNTED | _MEASURED - {"storage"}
_PREFIXES = ("hugepages-", "requests.hugepages-")


@rule(
    "limit-range",
    source="https://kubernetes.io/docs/concepts/policy/limit-range/",
    kinds=("LimitRange",),
)
def limit_range(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A LimitRange whose bounds exclude each other.

    min ≤ defaultRequest ≤ default ≤ max, and a ratio of at least 1 and at most max / min. A range
    for Pods has no defaults, one for claims a min or max of storage.
    """
    order = ("min", "defaultRequest", "default", "max")
    for index, item in enumerate(as_list(resource.spec.get("limits"))):
        path = ("spec", "limits", index)
        bounds = {field: as_mapping(item.get(field)) for field in order}
        kind = as_text(item.get("type"))
        known = kind in {"Pod", "Container", "PersistentVolumeClaim"}
        if kind and not known and not ("/" in kind and fits(kind, LABEL_KEY)):
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
        if kind == "PersistentVolumeClaim" and "storage" not in {*bounds["min"], *bounds["max"]}:
            yield Problem(
                "a range for claims needs a min or max of storage",
                fix="Add min.storage or max.storage.",
                path=path,
            )
        yield from _bounds(item, bounds, path)


def _bounds(item: Manifest, bounds: dict[str, Manifest], path: FieldPath) -> Iterator[Problem]:
    """Of each resource: that it is one, and that its bounds grow in the order given."""
    ratio = as_mapping(item.get("maxLimitRequestRatio"))
    for name in sorted({name for each in (*bounds.values(), ratio) for name in each}):
        if not _has_range(name, as_text(item.get("type"))):
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
        reason = _bad_ratio(quantity(ratio.get(name)), dict(known))
        if reason:
            yield Problem(
                f"maxLimitRequestRatio of {name} {reason}",
                fix="Correct the ratio.",
                path=(*path, "maxLimitRequestRatio", name),
            )


def _has_range(name: str, kind: str) -> bool:
    """Whether a LimitRange of a kind may bound a resource."""
    if "/" in name:
        return fits(name, LABEL_KEY)
    if kind in {"Pod", "Container"}:
        return name in {"cpu", "memory", "ephemeral-storage"} or name.startswith("hugepages-")
    return name in _COUNTED | _MEASURED or name.startswith(_PREFIXES)


def _bad_ratio(ratio: Decimal | None, bounds: dict[str, Decimal]) -> str:
    """Why a range can't have a ratio of limit to request; "" if it can."""
    if ratio is None:
        return ""
    low, high = bounds.get("min"), bounds.get("max")
    if ratio < 1:
        return "is less than 1"
    return "is more than max / min" if low and high is not None and ratio > high / low else ""


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
    """A StorageClass whose provisioner can't be one, or with a topology that names no place.

    A provisioner is a qualified name, such as ebs.csi.aws.com. Each of `allowedTopologies` has
    labels, and no two have the same.
    """
    name = as_text(resource.body.get("provisioner"))
    if name and not fits(name.lower(), LABEL_KEY):
        yield Problem(
            f"{shown(name)} is not a name of a provisioner",
            fix="Write one such as ebs.csi.aws.com.",
            path=("provisioner",),
        )
    seen: list[dict[str, set[str]]] = [{}]
    for index, term in enumerate(as_list(resource.body.get("allowedTopologies"))):
        labels = {
            as_text(each.get("key")): set(map(as_text, as_list(each.get("values"))))
            for each in as_list(term.get("matchLabelExpressions"))
        }
        if labels in seen:
            yield Problem(
                f"allowedTopologies[{index}] names no place, or the same as another",
                fix="Remove it.",
                path=("allowedTopologies", index),
            )
        seen.append(labels)
