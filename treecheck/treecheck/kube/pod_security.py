"""Pod Security: its labels on namespaces, and what it looks at in a pod."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.model import as_mapping
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from treecheck.model import Manifest, PodTemplate

_SECURITY_LEVELS = ("privileged", "baseline", "restricted")
MODES = ("enforce", "audit", "warn")


def level_faults(labels: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """(label, what is wrong, how to fix it) of a namespace's levels and releases."""
    for mode in MODES:
        key = f"pod-security.kubernetes.io/{mode}"
        level = labels.get(key, "restricted")
        if level not in _SECURITY_LEVELS:
            near = f"one of {', '.join(_SECURITY_LEVELS)}"
            yield key, f"{shown(level)} is no Pod Security level", f"Write {near}."
        version = labels.get(f"{key}-version", "latest")
        if version != "latest" and not re.fullmatch(r"v1\.(0|[1-9]\d*)", version):
            wrong = f"{shown(version)} is not a release of Pod Security"
            yield f"{key}-version", wrong, "Write latest, or a release such as v1.30."


def unknown_modes(labels: Iterable[str]) -> Iterator[str]:
    """The labels of Pod Security whose mode does not exist."""
    for key in labels:
        domain, _, mode = key.partition("/")
        if domain == "pod-security.kubernetes.io" and mode.removesuffix("-version") not in MODES:
            yield key


def on_windows(pod: PodTemplate) -> bool:
    """Whether a pod says that it runs on Windows, where some controls don't exist."""
    return as_mapping(pod.spec.get("os")).get("name") == "windows"


def context_of(pod: PodTemplate) -> Manifest:
    """The pod's own securityContext."""
    return as_mapping(pod.spec.get("securityContext"))
