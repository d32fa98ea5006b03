"""Limits of access rights, quotas, disruption budgets, priorities and webhooks."""

from __future__ import annotations

from treecheck.limits.words import (
    LABEL_KEY,
    NOT_EMPTY,
    SOME,
    URL_PART,
    Limits,
    each,
    one_of,
)

_RBAC = "rbac.authorization.k8s.io"
_SCOPE = one_of(
    *("BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating"),
    *("PriorityClass", "Terminating"),
)
_WEBHOOK = {
    "admissionReviewVersions": SOME,
    "failurePolicy": one_of("Ignore", "Fail"),
    "matchPolicy": one_of("Exact", "Equivalent"),
    "name": {"pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?){2,}$"},
    "sideEffects": one_of("None", "NoneOnDryRun"),
    "timeoutSeconds": {"minimum": 1, "maximum": 30},
}

LIMITS: Limits = {
    "rbac.v1.RoleRef": {
        "apiGroup": one_of(_RBAC, ""),
        "kind": one_of("Role", "ClusterRole"),
        "name": URL_PART,
    },
    "rbac.v1.Subject": {
        "kind": one_of("ServiceAccount", "User", "Group"),
        "name": NOT_EMPTY,
    },
    "rbac.v1.AggregationRule": {"clusterRoleSelectors": SOME},
    "rbac.v1.PolicyRule": {"verbs": SOME},
    "policy.v1.PodDisruptionBudgetSpec": {
        "unhealthyPodEvictionPolicy": one_of("IfHealthyBudget", "AlwaysAllow"),
    },
    "core.v1.ResourceQuotaSpec": {"scopes": each(_SCOPE)},
    "core.v1.ScopedResourceSelectorRequirement": {
        "operator": one_of("In", "NotIn", "Exists", "DoesNotExist"),
        "scopeName": _SCOPE,
    },
    "core.v1.LimitRangeItem": {"type": NOT_EMPTY},
    "core.v1.NamespaceSpec": {"finalizers": each(LABEL_KEY)},
    "scheduling.v1.PriorityClass": {
        "preemptionPolicy": one_of("PreemptLowerPriority", "Never"),
    },
    "admissionregistration.v1.ValidatingWebhook": _WEBHOOK,
    "admissionregistration.v1.MutatingWebhook": {
        **_WEBHOOK,
        "reinvocationPolicy": one_of("Never", "IfNeeded"),
    },
    "coordination.v1.LeaseSpec": {
        "leaseDurationSeconds": {"minimum": 1},
        "leaseTransitions": {"minimum": 0},
    },
}
