"""What the API server demands of single fields beyond its published schema, as data.

A type of Kubernetes' OpenAPI document (its last three words, `core.v1.Container`) -> a field ->
keywords of JSON Schema. `schemas` writes them into the type, wherever it is used. Where they come
from: the validation of each type in Kubernetes (pkg/apis/*/validation), its API reference, and the
answers of a real API server (`make agree`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.limits import cluster, network, pods, storage, workloads

if TYPE_CHECKING:
    from treecheck.limits.words import Limits

LIMITS: Limits = {
    **pods.LIMITS,
    **workloads.LIMITS,
    **network.LIMITS,
    **storage.LIMITS,
    **cluster.LIMITS,
}

# Fields that must be there although the schema does not say so.
REQUIRED: dict[str, tuple[str, ...]] = {
    "rbac.v1.AggregationRule": ("clusterRoleSelectors",),
    "apps.v1.DaemonSet": ("spec",),
    "apps.v1.Deployment": ("spec",),
    "apps.v1.StatefulSet": ("spec",),
    "autoscaling.v2.HorizontalPodAutoscaler": ("spec",),
    "batch.v1.CronJob": ("spec",),
    "batch.v1.Job": ("spec",),
    "batch.v1.JobTemplateSpec": ("spec",),
    "core.v1.ConfigMapEnvSource": ("name",),
    "core.v1.Container": ("image",),
    "core.v1.ExecAction": ("command",),
    "core.v1.PodTemplateSpec": ("spec",),
    "core.v1.ConfigMapKeySelector": ("name",),
    "core.v1.ConfigMapProjection": ("name",),
    "core.v1.ConfigMapVolumeSource": ("name",),
    "core.v1.PersistentVolumeClaim": ("spec",),
    "core.v1.PersistentVolumeClaimSpec": ("accessModes", "resources"),
    "core.v1.PersistentVolumeSpec": ("accessModes", "capacity"),
    "core.v1.Pod": ("spec",),
    "core.v1.SecretEnvSource": ("name",),
    "core.v1.SecretKeySelector": ("name",),
    "core.v1.SecretProjection": ("name",),
    "core.v1.SecretVolumeSource": ("secretName",),
    "core.v1.VolumeResourceRequirements": ("requests",),
    "networking.v1.Ingress": ("spec",),
    "networking.v1.IngressClass": ("spec",),
    "networking.v1.IngressServiceBackend": ("name", "port"),
    "networking.v1.IngressClassSpec": ("controller",),
}

# Fields that may be missing although the schema requires them: the API server reads a missing one
# as its type's zero value and takes it.
OPTIONAL: dict[str, tuple[str, ...]] = {
    "batch.v1.PodFailurePolicy": ("rules",),
    "batch.v1.PodFailurePolicyOnPodConditionsPattern": ("status",),
    "core.v1.LimitRangeSpec": ("limits",),
    "apps.v1.StatefulSetSpec": ("serviceName",),
    "core.v1.HTTPHeader": ("value",),
    "discovery.v1.EndpointSlice": ("endpoints",),
    "networking.v1.NetworkPolicySpec": ("podSelector",),
    "rbac.v1.RoleRef": ("apiGroup",),
    "scheduling.v1.PriorityClass": ("value",),
}

__all__ = ["LIMITS", "OPTIONAL", "REQUIRED"]
