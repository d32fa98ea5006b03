"""Limits of claims, volumes and StorageClasses, and of ConfigMaps and Secrets."""

from __future__ import annotations

from treecheck.limits.words import (
    ABSOLUTE_PATH,
    CONFIG_KEY,
    LABEL_KEY,
    NOT_EMPTY,
    SOME,
    SUBDOMAIN,
    Limits,
    each,
    one_of,
    or_empty,
)

_MODES = each(
    one_of("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"), minItems=1
)
_KEYS = {"propertyNames": CONFIG_KEY}

LIMITS: Limits = {
    "core.v1.PersistentVolumeClaimSpec": {
        "accessModes": _MODES,
        "storageClassName": or_empty(SUBDOMAIN),
        "volumeMode": one_of("Block", "Filesystem"),
    },
    "core.v1.VolumeResourceRequirements": {
        "requests": {"required": ["storage"]},
    },
    "core.v1.PersistentVolumeSpec": {
        "accessModes": _MODES,
        "capacity": {"required": ["storage"]},
        "persistentVolumeReclaimPolicy": one_of("Retain", "Delete", "Recycle", ""),
        "storageClassName": or_empty(SUBDOMAIN),
        "volumeMode": one_of("Block", "Filesystem"),
    },
    "core.v1.CSIPersistentVolumeSource": {"driver": NOT_EMPTY, "volumeHandle": NOT_EMPTY},
    "core.v1.LocalVolumeSource": {"path": {**ABSOLUTE_PATH, **NOT_EMPTY}},
    "storage.v1.StorageClass": {
        "provisioner": {**NOT_EMPTY},
        "reclaimPolicy": one_of("Retain", "Delete", ""),
        "volumeBindingMode": one_of("Immediate", "WaitForFirstConsumer"),
        "parameters": {"maxProperties": 512, "propertyNames": NOT_EMPTY},
    },
    "core.v1.TopologySelectorLabelRequirement": {"values": SOME, "key": LABEL_KEY},
    "core.v1.ConfigMap": {"data": _KEYS, "binaryData": _KEYS},
    "core.v1.Secret": {"data": _KEYS, "stringData": _KEYS},
}
