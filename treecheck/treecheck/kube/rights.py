"""What RBAC of the tree allows a service account.

Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.model import as_list, as_mapping, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, Resource

EVERY_ACCOUNT = {"system:serviceaccounts", "system:authenticated"}


def rules_of(cluster: Cluster, namespace: str, account: str) -> list[Manifest] | None:
    """The rules that hold for an account in its own namespace; None where one is not known.

    A role that the tree does not have, such as the built-in `view`, and one that is put together
    from others are not known.
    """
    found: list[Manifest] = []
    for binding in _bindings(cluster, namespace, account):
        ref = as_mapping(binding.body.get("roleRef"))
        kind = as_text(ref.get("kind"))
        place = binding.namespace if kind == "Role" else ""
        role = cluster.get(kind, place, as_text(ref.get("name")))
        if role is None or "aggregationRule" in role.body:
            return None
        found += map(as_mapping, as_list(role.body.get("rules")))
    return found


def _bindings(cluster: Cluster, namespace: str, account: str) -> Iterator[Resource]:
    """The bindings of an account that hold in its own namespace."""
    groups = EVERY_ACCOUNT | {f"system:serviceaccounts:{namespace}"}
    everywhere = cluster.of_kind("ClusterRoleBinding")
    for binding in (*everywhere, *cluster.of_kind("RoleBinding", namespace=namespace)):
        for subject in map(as_mapping, as_list(binding.body.get("subjects"))):
            kind, name = as_text(subject.get("kind")), as_text(subject.get("name"))
            own = (subject.get("namespace"), name) == (namespace, account)
            user = name == f"system:serviceaccount:{namespace}:{account}"
            if (
                (kind == "ServiceAccount" and own)
                or (kind == "User" and user)
                or (kind == "Group" and name in groups)
            ):
                yield binding
                break


def allows(rules: list[Manifest], verb: str, resource: str) -> bool:
    """Whether a rule allows a verb on a resource of any group; names count as allowed."""
    return any(
        {verb, "*"} & set(map(as_text, as_list(rule.get("verbs"))))
        and {resource, "*"} & set(map(as_text, as_list(rule.get("resources"))))
        for rule in rules
    )
