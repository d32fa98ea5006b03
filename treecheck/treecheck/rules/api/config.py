"""ConfigMaps and Secrets: sizes, keys that a type demands."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING

from treecheck.kube.pages import validation
from treecheck.model import Problem, as_mapping, as_text
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

_SOURCE = validation("core")
LARGEST = 1024 * 1024

# The type of a Secret -> the keys that it must have.
SECRET_KEYS: dict[str, tuple[str, ...]] = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


@rule("config-size", source=_SOURCE, kinds=("ConfigMap", "Secret"))
def config_size(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A ConfigMap or Secret of more than 1 MiB.

    Larger files belong into an image, a volume or an object store.
    """
    size = 0
    for field in ("data", "stringData"):
        for value in as_mapping(resource.body.get(field)).values():
            encoded = resource.kind == "Secret" and field == "data"
            size += len(as_text(value)) * 3 // 4 if encoded else len(as_text(value).encode())
    for value in as_mapping(resource.body.get("binaryData")).values():
        size += len(as_text(value)) * 3 // 4
    if size > LARGEST:
        yield Problem(
            f"it has {size:,} bytes, and can have {LARGEST:,}",
            fix="Move what is large out of it.",
            path=("data",),
        )


@rule("config-key-twice", source=_SOURCE, kinds=("ConfigMap",))
def config_key_twice(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A key that is both in `data` and in `binaryData` of a ConfigMap.

    A pod could get only one of the two.
    """
    binary = as_mapping(resource.body.get("binaryData"))
    for key in as_mapping(resource.body.get("data")):
        if key in binary:
            yield Problem(
                f"the key {key} is in data and in binaryData",
                fix="Keep one of the two.",
                path=("binaryData", key),
            )


@rule(
    "secret-type",
    source="https://kubernetes.io/docs/concepts/configuration/secret/#secret-types",
    kinds=("Secret",),
)
def secret_type(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A Secret without the keys that its type demands, or with another content.

    kubernetes.io/tls has tls.crt and tls.key, kubernetes.io/dockerconfigjson one key with JSON, and
    so on.
    """
    kind = as_text(resource.body.get("type"))
    data = as_mapping(resource.body.get("data"))
    text = as_mapping(resource.body.get("stringData"))
    for key in SECRET_KEYS.get(kind, ()):
        if key not in data and key not in text:
            yield Problem(
                f"a Secret of type {kind} needs the key {key}",
                fix=f"Add {key}, or leave the type out.",
                path=("type",),
            )
        elif key == "ssh-privatekey" and not (text.get(key) or data.get(key)):
            yield Problem(f"{key} is empty", fix="Write the private key.", path=("data", key))
        elif key.startswith(".docker") and not _is_object(text.get(key), data.get(key)):
            yield Problem(
                f"{key} is not a JSON object",
                fix="Write what docker login stored.",
                path=("data", key),
            )
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & {*data, *text}:
        yield Problem(
            f"a Secret of type {kind} needs a username or a password",
            fix="Add one, or leave the type out.",
            path=("type",),
        )
    if kind == "kubernetes.io/service-account-token":
        key = "kubernetes.io/service-account.name"
        if not resource.annotations.get(key):
            yield Problem(
                f"a Secret of type {kind} needs the annotation {key}",
                fix="Name the ServiceAccount in it.",
                path=("metadata", "annotations"),
            )


def _is_object(plain: object, encoded: object) -> bool:
    try:
        code = "".join(str(encoded).split())  # in lines, as kustomize writes a long value
        text = plain if isinstance(plain, str) else base64.b64decode(code, validate=True)
        return isinstance(json.loads(text), dict)
    except (ValueError, binascii.Error):
        return False
