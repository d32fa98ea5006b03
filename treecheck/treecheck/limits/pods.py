"""Limits of pods and what is in them."""

from __future__ import annotations

from treecheck.limits.words import (
    ABSOLUTE_PATH,
    CONFIG_KEY,
    DNS_LABEL,
    ENV_NAME,
    FILE_MODE,
    FILE_PATH,
    LABEL_KEY,
    LABEL_VALUE,
    LOCAL_PATH,
    NOT_EMPTY,
    NOT_NEGATIVE,
    PATH_WITHOUT_DOTS,
    PORT,
    PORT_NAME,
    POSITIVE,
    PROTOCOL,
    SOME,
    SUBDOMAIN,
    USER_ID,
    Limits,
    each,
    one_of,
    or_empty,
)

_CONTAINER = {
    "name": DNS_LABEL,
    "image": NOT_EMPTY,
    "imagePullPolicy": one_of("Always", "IfNotPresent", "Never", ""),
    "terminationMessagePolicy": one_of("File", "FallbackToLogsOnError", ""),
    "restartPolicy": one_of("Always"),
}
_MODES = {"defaultMode": FILE_MODE}
# The API server takes a hyphen at the end here, as if it were a prefix.
_NAMED = {"name": {**SUBDOMAIN, "pattern": str(SUBDOMAIN["pattern"]).replace("$", "-?$")}}
_KEYED = {"name": SUBDOMAIN, "key": CONFIG_KEY}
_PROFILE = {"type": one_of("Localhost", "RuntimeDefault", "Unconfined")}
# A domain and a backslash before it, or not; the name is not of dots and blanks alone.
_WINDOWS_USER = {
    "pattern": r'^([^\\/:*?"<>|.][^\\/:*?"<>|]{0,254}\\)?'
    r'(?![. ]+$)[^"/\\:;|=,+*?<>@\[\]]{1,104}$'
}
_SELECTION = one_of("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")

LIMITS: Limits = {
    "core.v1.PodSpec": {
        "activeDeadlineSeconds": {"minimum": 1, "maximum": 2**31 - 1},
        "containers": SOME,
        "ephemeralContainers": {"maxItems": 0},
        "dnsPolicy": one_of("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None", ""),
        "hostname": or_empty(DNS_LABEL),
        "nodeName": or_empty(SUBDOMAIN),
        "preemptionPolicy": one_of("PreemptLowerPriority", "Never"),
        "priorityClassName": or_empty(SUBDOMAIN),
        "restartPolicy": one_of("Always", "OnFailure", "Never", ""),
        "runtimeClassName": SUBDOMAIN,
        "serviceAccountName": or_empty(SUBDOMAIN),
        "subdomain": or_empty(DNS_LABEL),
    },
    "core.v1.Container": _CONTAINER,
    "core.v1.EphemeralContainer": _CONTAINER,
    "core.v1.ContainerPort": {
        "containerPort": PORT,
        "hostPort": {"minimum": 0, "maximum": 65535},
        "name": or_empty(PORT_NAME),
        "protocol": PROTOCOL,
    },
    "core.v1.EnvVar": {"name": ENV_NAME},
    "core.v1.EnvFromSource": {"prefix": {"pattern": "^[ -<>-~]*$"}},
    "core.v1.ConfigMapKeySelector": _KEYED,
    "core.v1.SecretKeySelector": _KEYED,
    "core.v1.ConfigMapEnvSource": _NAMED,
    "core.v1.SecretEnvSource": _NAMED,
    "core.v1.ConfigMapVolumeSource": {**_MODES, "name": NOT_EMPTY},
    "core.v1.SecretVolumeSource": {**_MODES, "secretName": NOT_EMPTY},
    "core.v1.DownwardAPIVolumeSource": _MODES,
    "core.v1.ProjectedVolumeSource": _MODES,
    "core.v1.ConfigMapProjection": {"name": NOT_EMPTY},
    "core.v1.SecretProjection": {"name": NOT_EMPTY},
    "core.v1.KeyToPath": {"key": NOT_EMPTY, "path": FILE_PATH, "mode": FILE_MODE},
    "core.v1.DownwardAPIVolumeFile": {"path": FILE_PATH, "mode": FILE_MODE},
    "core.v1.ServiceAccountTokenProjection": {
        "expirationSeconds": {"minimum": 600, "maximum": 2**32},
        "path": FILE_PATH,
    },
    "core.v1.Volume": {"name": DNS_LABEL},
    "core.v1.VolumeMount": {
        "mountPath": NOT_EMPTY,
        "mountPropagation": one_of("None", "HostToContainer", "Bidirectional"),
        "name": NOT_EMPTY,
        "recursiveReadOnly": one_of("Disabled", "IfPossible", "Enabled"),
        "subPath": LOCAL_PATH,
        "subPathExpr": LOCAL_PATH,
    },
    "core.v1.VolumeDevice": {"name": NOT_EMPTY, "devicePath": {**PATH_WITHOUT_DOTS, **NOT_EMPTY}},
    "core.v1.HostPathVolumeSource": {
        "path": {**PATH_WITHOUT_DOTS, **NOT_EMPTY},
        "type": one_of(
            *("", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket"),
            *("CharDevice", "BlockDevice"),
        ),
    },
    "core.v1.EmptyDirVolumeSource": {},
    "core.v1.NFSVolumeSource": {"server": NOT_EMPTY, "path": {**ABSOLUTE_PATH, **NOT_EMPTY}},
    "core.v1.PersistentVolumeClaimVolumeSource": {"claimName": NOT_EMPTY},
    "core.v1.CSIVolumeSource": {"driver": NOT_EMPTY},
    "core.v1.Probe": {
        "failureThreshold": NOT_NEGATIVE,
        "initialDelaySeconds": NOT_NEGATIVE,
        "periodSeconds": NOT_NEGATIVE,
        "successThreshold": NOT_NEGATIVE,
        "terminationGracePeriodSeconds": POSITIVE,
        "timeoutSeconds": NOT_NEGATIVE,
    },
    "core.v1.ExecAction": {"command": SOME},
    "core.v1.GRPCAction": {"port": PORT},
    "core.v1.HTTPGetAction": {"scheme": one_of("HTTP", "HTTPS", "")},
    "core.v1.HTTPHeader": {"name": {"pattern": "^[-A-Za-z0-9]+$"}},
    "core.v1.SleepAction": {"seconds": POSITIVE},
    "core.v1.SecurityContext": {
        "runAsGroup": USER_ID,
        "runAsUser": USER_ID,
    },
    "core.v1.PodSecurityContext": {
        "fsGroup": USER_ID,
        "fsGroupChangePolicy": one_of("OnRootMismatch", "Always"),
        "runAsGroup": USER_ID,
        "runAsUser": USER_ID,
        "supplementalGroups": {"items": {"type": "integer", **USER_ID}},
    },
    "core.v1.SeccompProfile": {**_PROFILE, "localhostProfile": LOCAL_PATH},
    "core.v1.AppArmorProfile": {
        **_PROFILE,
        "localhostProfile": {"pattern": r"^\S(.*\S)?$", "maxLength": 4095},
    },
    "core.v1.WindowsSecurityContextOptions": {
        "gmsaCredentialSpec": NOT_EMPTY,
        "gmsaCredentialSpecName": SUBDOMAIN,
        "runAsUserName": _WINDOWS_USER,
    },
    "core.v1.Sysctl": {
        "name": {
            "pattern": r"^[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*$",
            "maxLength": 253,
        }
    },
    "core.v1.Toleration": {
        "effect": one_of("NoSchedule", "PreferNoSchedule", "NoExecute", ""),
        "key": or_empty(LABEL_KEY),
        "operator": one_of("Exists", "Equal", ""),
        "value": LABEL_VALUE,
    },
    "core.v1.TopologySpreadConstraint": {
        "matchLabelKeys": each(LABEL_KEY),
        "maxSkew": POSITIVE,
        "minDomains": POSITIVE,
        "nodeAffinityPolicy": one_of("Ignore", "Honor"),
        "nodeTaintsPolicy": one_of("Ignore", "Honor"),
        "topologyKey": NOT_EMPTY,
        "whenUnsatisfiable": one_of("DoNotSchedule", "ScheduleAnyway"),
    },
    "core.v1.PodAffinityTerm": {
        "topologyKey": {**LABEL_KEY, **NOT_EMPTY},
        "matchLabelKeys": each(LABEL_KEY),
        "mismatchLabelKeys": each(LABEL_KEY),
        "namespaces": each(DNS_LABEL),
    },
    "core.v1.WeightedPodAffinityTerm": {"weight": {"minimum": 1, "maximum": 100}},
    "core.v1.PreferredSchedulingTerm": {"weight": {"minimum": 1, "maximum": 100}},
    "core.v1.NodeSelector": {"nodeSelectorTerms": SOME},
    "core.v1.NodeSelectorRequirement": {"key": NOT_EMPTY, "operator": _SELECTION},
    "core.v1.PodDNSConfig": {
        "nameservers": {"maxItems": 3},
        "searches": {"maxItems": 32},
    },
    "core.v1.PodDNSConfigOption": {"name": NOT_EMPTY},
    "core.v1.PodOS": {"name": one_of("linux", "windows")},
    "core.v1.PodReadinessGate": {"conditionType": LABEL_KEY},
    "core.v1.PodSchedulingGate": {"name": LABEL_KEY},
    "core.v1.HostAlias": {"hostnames": each(SUBDOMAIN)},
    "core.v1.ObjectFieldSelector": {"apiVersion": one_of("v1", ""), "fieldPath": NOT_EMPTY},
    "core.v1.ResourceFieldSelector": {"resource": NOT_EMPTY},
    "meta.v1.LabelSelectorRequirement": {
        "key": LABEL_KEY,
        "operator": one_of("In", "NotIn", "Exists", "DoesNotExist"),
        "values": each(LABEL_VALUE),
    },
}
