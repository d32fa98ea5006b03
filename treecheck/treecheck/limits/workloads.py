"""Limits of what makes pods: Deployments, StatefulSets, DaemonSets, Jobs, and of autoscaling."""

from __future__ import annotations

from treecheck.limits.words import (
    DNS_LABEL,
    DOMAIN_PATH,
    LABEL_KEY,
    NOT_EMPTY,
    NOT_NEGATIVE,
    POSITIVE,
    SOME,
    URL_PART,
    Limits,
    one_of,
)

_REPLICATED = {
    "minReadySeconds": NOT_NEGATIVE,
    "replicas": NOT_NEGATIVE,
    "revisionHistoryLimit": NOT_NEGATIVE,
}
_RETAINED = one_of("Retain", "Delete", "")
_TARGET = {"kind": URL_PART, "name": URL_PART}

LIMITS: Limits = {
    "apps.v1.DeploymentSpec": {**_REPLICATED, "progressDeadlineSeconds": NOT_NEGATIVE},
    "apps.v1.DeploymentStrategy": {"type": one_of("Recreate", "RollingUpdate", "")},
    "apps.v1.ReplicaSetSpec": {"minReadySeconds": NOT_NEGATIVE, "replicas": NOT_NEGATIVE},
    "apps.v1.StatefulSetSpec": {
        "minReadySeconds": NOT_NEGATIVE,
        "replicas": NOT_NEGATIVE,
        "podManagementPolicy": one_of("OrderedReady", "Parallel", ""),
    },
    "apps.v1.StatefulSetUpdateStrategy": {"type": one_of("RollingUpdate", "OnDelete", "")},
    "apps.v1.StatefulSetOrdinals": {"start": NOT_NEGATIVE},
    "apps.v1.RollingUpdateStatefulSetStrategy": {"partition": NOT_NEGATIVE},
    "apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy": {
        "whenDeleted": _RETAINED,
        "whenScaled": _RETAINED,
    },
    "apps.v1.DaemonSetSpec": {
        "minReadySeconds": NOT_NEGATIVE,
        "revisionHistoryLimit": NOT_NEGATIVE,
    },
    "apps.v1.DaemonSetUpdateStrategy": {"type": one_of("RollingUpdate", "OnDelete", "")},
    "batch.v1.JobSpec": {
        "activeDeadlineSeconds": NOT_NEGATIVE,
        "backoffLimit": NOT_NEGATIVE,
        "backoffLimitPerIndex": NOT_NEGATIVE,
        "completionMode": one_of("NonIndexed", "Indexed"),
        "completions": NOT_NEGATIVE,
        "managedBy": {**DOMAIN_PATH, "maxLength": 63},
        "maxFailedIndexes": {"minimum": 0, "maximum": 100_000},
        "parallelism": NOT_NEGATIVE,
        "podReplacementPolicy": one_of("Failed", "TerminatingOrFailed"),
        "ttlSecondsAfterFinished": NOT_NEGATIVE,
    },
    "batch.v1.CronJobSpec": {
        "concurrencyPolicy": one_of("Allow", "Forbid", "Replace", ""),
        "failedJobsHistoryLimit": NOT_NEGATIVE,
        "schedule": NOT_EMPTY,
        "startingDeadlineSeconds": NOT_NEGATIVE,
        "successfulJobsHistoryLimit": NOT_NEGATIVE,
        "timeZone": NOT_EMPTY,
    },
    "batch.v1.PodFailurePolicy": {"rules": {"maxItems": 20}},
    "batch.v1.PodFailurePolicyRule": {
        "action": one_of("Ignore", "Count", "FailIndex", "FailJob"),
        "onPodConditions": {"maxItems": 20},
    },
    "batch.v1.PodFailurePolicyOnExitCodesRequirement": {
        "operator": one_of("In", "NotIn"),
        "values": {"minItems": 1, "maxItems": 255, "uniqueItems": True},
    },
    "batch.v1.PodFailurePolicyOnPodConditionsPattern": {
        "status": one_of("True", "False", "Unknown", ""),
        "type": LABEL_KEY,
    },
    "batch.v1.SuccessPolicy": {"rules": {"minItems": 1, "maxItems": 20}},
    "autoscaling.v2.HorizontalPodAutoscalerSpec": {
        "maxReplicas": POSITIVE,
        "minReplicas": POSITIVE,
    },
    "autoscaling.v1.HorizontalPodAutoscalerSpec": {
        "maxReplicas": POSITIVE,
        "minReplicas": POSITIVE,
        "targetCPUUtilizationPercentage": POSITIVE,
    },
    "autoscaling.v2.CrossVersionObjectReference": _TARGET,
    "autoscaling.v1.CrossVersionObjectReference": _TARGET,
    "autoscaling.v2.MetricSpec": {
        "type": one_of("Resource", "ContainerResource", "Pods", "Object", "External"),
    },
    "autoscaling.v2.MetricTarget": {
        "averageUtilization": POSITIVE,
        "type": one_of("Utilization", "Value", "AverageValue"),
    },
    "autoscaling.v2.MetricIdentifier": {"name": URL_PART},
    "autoscaling.v2.ResourceMetricSource": {"name": NOT_EMPTY},
    "autoscaling.v2.ContainerResourceMetricSource": {"name": NOT_EMPTY, "container": DNS_LABEL},
    "autoscaling.v2.HPAScalingRules": {
        "policies": SOME,
        "selectPolicy": one_of("Max", "Min", "Disabled"),
        "stabilizationWindowSeconds": {"minimum": 0, "maximum": 3600},
    },
    "autoscaling.v2.HPAScalingPolicy": {
        "periodSeconds": {"minimum": 1, "maximum": 1800},
        "type": one_of("Pods", "Percent"),
        "value": POSITIVE,
    },
}
