"""What Terraform makes outside of the manifests, by its own files and by what pages say of it.

>>> _MANAGED.findall("Terraform-managed ConfigMaps and Secrets.")
['Terraform-managed ConfigMaps and Secrets']
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SUFFIXES = frozenset({".tf", ".tofu"})
# `resource "helm_release" "web" { … }`, a block that is not a comment
_BLOCK = re.compile(
    r"^resource +\"(helm_release|kubernetes_namespace)(?:_v1)?\" +\"(\w[\w-]*)\" *\{(.*?)^\}",
    re.MULTILINE | re.DOTALL,
)
_PLACED = re.compile(
    r"^\s*namespace\s*=\s*(?:\"([a-z0-9-]+)\"|kubernetes_namespace(?:_v1)?\.([\w-]+)\.)",
    re.MULTILINE,
)
_CALLED = re.compile(r"^\s*name\s*=\s*\"([a-z0-9-]+)\"", re.MULTILINE)
# `Terraform-managed ConfigMaps and Secrets`, `Secrets are created by Terraform`, in a page
_MANAGED = re.compile(
    r"\bterraform[- ](?:managed|created|provisioned)\b[^.\n]{0,60}"
    r"|[^.\n]{0,60}\b(?:managed|created|provisioned) (?:by|in|via|with) (?:terraform|opentofu)\b",
    re.IGNORECASE,
)
# `kubernetes_config_map_v1" "web" {` and the first name in its metadata
_RESOURCE = re.compile(
    r"^resource +\"kubernetes_(secret|config_map|service_account)(?:_v1)?(?:_data)?\" +\"[\w-]+\""
    r".*?^\s*name\s*=\s*\"([a-z0-9.-]+)\"",
    re.MULTILINE | re.DOTALL,
)
# `iam_service_account = "web"`, and `namespace_service_accounts = ["shop:web"]` of a module for EKS
_ARGUMENT = re.compile(
    r"^\s*\w*(secret|config_?map|service_account)(?:_?names?|s)?\s*=\s*"
    r"\[?\s*\"(?:[a-z0-9-]+:)?([a-z0-9][a-z0-9.-]*)\"",
    re.MULTILINE,
)
# A manifest of a `kubectl_manifest`, by its lines `kind: ConfigMap` and, below, `name: web`
_MANIFEST = re.compile(
    r"^\s*kind:\s*(Secret|ConfigMap|ServiceAccount)\s*$(?:\n(?!\s*(?:---|kind:|\w+\s*$)).*)*?"
    r"\n\s*name:\s*[\"']?([a-z0-9][a-z0-9.-]*)",
    re.MULTILINE,
)
_TOOL = re.compile(r"terraform|opentofu", re.IGNORECASE)
_OBJECT = re.compile(r"\b(secret|configmap|serviceaccount)s?\b", re.IGNORECASE)


def provisioned(texts: Iterable[tuple[Path, str]]) -> dict[str, Path]:
    """Namespace -> the file of Terraform that makes it, or installs a Helm chart there."""
    tried = ((path, text) for path, text in texts if path.suffix in SUFFIXES)
    blocks = [(path, block) for path, text in tried for block in _BLOCK.findall(text)]
    made = {
        name: (called[1], path)
        for path, (kind, name, body) in blocks
        if kind == "kubernetes_namespace" and (called := _CALLED.search(body))
    }
    found = dict(made.values())
    for path, (kind, _, body) in blocks:
        placed = _PLACED.search(body) if kind == "helm_release" else None
        place = placed and (placed[1] or made.get(placed[2], ("", path))[0])
        if place:
            found.setdefault(place, path)
    return found


def managed(page: str) -> Iterator[str]:
    """The kinds, in lower case, of which a page says that Terraform makes them."""
    if _TOOL.search(page) is None:
        return  # most pages: the pattern is tried at each of their characters
    for line in filter(_TOOL.search, page.splitlines()):
        for sentence in _MANAGED.findall(line):
            yield from map(str.lower, _OBJECT.findall(sentence))


def objects(text: str) -> Iterator[tuple[str, str]]:
    """(kind, in lower case, and name) of what a file of Terraform makes, or names in an argument.

    A module that is given the name of a service account makes it, or grants it a role; either way
    its owner knows it.
    """
    for pattern in (_RESOURCE, _ARGUMENT, _MANIFEST):
        for kind, name in pattern.findall(text):
            yield kind.replace("_", "").lower(), name
