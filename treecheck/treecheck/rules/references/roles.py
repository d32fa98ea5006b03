"""What Roles grant: resources, groups and verbs that the API has."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from treecheck.kinds import BUILT_IN_GROUPS
from treecheck.model import Problem, as_list, as_text, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

RBAC = "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources"

# Kubernetes' own groups and the resources that their APIs serve (`kubectl api-resources`).
API_RESOURCES: dict[str, frozenset[str]] = {
    group: frozenset(names.split())
    for group, names in {
        "": "bindings componentstatuses configmaps endpoints events limitranges namespaces nodes "
        "persistentvolumeclaims persistentvolumes pods podtemplates replicationcontrollers "
        "resourcequotas secrets serviceaccounts services",
        "apps": "controllerrevisions daemonsets deployments replicasets statefulsets",
        "autoscaling": "horizontalpodautoscalers",
        "batch": "cronjobs jobs",
        "coordination.k8s.io": "leases leasecandidates",
        "discovery.k8s.io": "endpointslices",
        "networking.k8s.io": "ingresses ingressclasses networkpolicies ipaddresses servicecidrs",
        "policy": "poddisruptionbudgets podsecuritypolicies",
        "rbac.authorization.k8s.io": "clusterrolebindings clusterroles rolebindings roles",
        "scheduling.k8s.io": "priorityclasses",
    }.items()
}
VERBS = {
    "*", "approve", "attest", "bind", "create", "delete", "deletecollection", "escalate", "get",
    "impersonate", "list", "patch", "proxy", "sign", "update", "use", "watch",
}  # fmt: skip


# Of the core group for RBAC alone, with the verb impersonate.
# Source: https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/
_IMPERSONATED = {"groups", "serviceaccounts", "users"}


@rule("role-resource-unknown", kinds=("Role", "ClusterRole"), source=RBAC)
def role_resource_unknown(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Role over a resource, group or verb that the API does not have.

    RBAC takes any words. Deployments in the core group, `configmap` without its s, or the verb
    `read` grant nothing, and whoever needs the right is forbidden. Groups of custom kinds are left
    alone.
    """
    for place, item in each(resource, "rules"):
        groups = [as_text(group) for group in as_list(item.get("apiGroups"))]
        kinds = [as_text(name).partition("/")[0] for name in as_list(item.get("resources"))]
        if "impersonate" in as_list(item.get("verbs")):
            kinds = [name for name in kinds if name not in _IMPERSONATED]
        wrong, fix = _wrong_rule(groups, kinds)
        known_groups = groups and all(group in API_RESOURCES for group in groups)
        for verb in as_list(item.get("verbs")) if known_groups else ():
            if verb not in VERBS:
                wrong, fix = f"has the verb {verb}", "Use get, list, watch, create, update, patch…"
        if wrong:
            yield Problem(
                f"it {wrong}, which the API does not have: that entry grants nothing",
                fix=f"{fix}.",
                path=place,
            )


def _wrong_rule(groups: list[str], kinds: list[str]) -> tuple[str, str]:
    """(what is wrong, how to fix it) of a rule's groups and resources; two empty texts if not."""
    for group in groups:
        if group == "v1" or "/" in group:
            return f"names the API group {group}", 'Write the group alone, "" for the core one'
        if "." not in group and group not in {*API_RESOURCES, *BUILT_IN_GROUPS, "*"}:
            # A definition's group has a dot: https://kubernetes.io/docs/reference/using-api/#api-groups
            whole = f"{group}.k8s.io"
            near = [whole] if whole in BUILT_IN_GROUPS else []
            near = near or difflib.get_close_matches(group, BUILT_IN_GROUPS, n=1)
            return f"names the API group {group}", f"Write {near[0] if near else 'one that exists'}"
    if not groups or not all(group in API_RESOURCES for group in groups):
        return "", ""
    here = frozenset[str]().union(*(API_RESOURCES[group] for group in groups))
    for kind in kinds:
        if kind in here or kind == "*":
            continue
        homes = [group for group, names in API_RESOURCES.items() if kind in names]
        near = difflib.get_close_matches(kind, sorted(here), n=1, cutoff=0.7)
        hint = f"{kind} is of group {homes[0] or 'core'}" if homes else ""
        hint = hint or f"Write {near[0] if near else 'the plural name of a kind of that group'}"
        return f"names {kind} in API group {' or '.join(group or 'core' for group in groups)}", hint
    return "", ""
