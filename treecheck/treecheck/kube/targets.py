"""Which resources a target of kustomize (of a patch or a replacement) means.

Source: https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/patches/.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.model import as_text

if TYPE_CHECKING:
    from treecheck.model import Manifest, Resource

PLAIN_SELECTOR = re.compile(r"[^=!(),\s]+==?[^=!(),\s]*(,\s*[^=!(),\s]+==?[^=!(),\s]*)*")


def is_meant(select: Manifest, resource: Resource, affixes: tuple[str, str]) -> bool:
    """Whether a selector may mean a resource, whose name may have got a prefix or suffix since."""
    version = resource.api_version.rpartition("/")[2]
    exact = {"kind": resource.kind, "group": resource.group, "version": version}
    for field, value in exact.items():
        pattern = as_text(select.get(field))
        if pattern and not matches_name(rf"(?:{pattern})\Z", value):
            return False
    name = as_text(select.get("name")).removeprefix("^").removesuffix("$")
    before, after = affixes
    if name and not matches_name(rf"{before}(?:{name}){after}\Z", resource.name):
        return False
    pairs = (("labelSelector", resource.labels), ("annotationSelector", resource.annotations))
    for field, values in pairs:
        text = as_text(select.get(field))
        if PLAIN_SELECTOR.fullmatch(text):
            wanted = dict(re.split(r"==?", part.strip(), maxsplit=1) for part in text.split(","))
            if any(values.get(key) != value for key, value in wanted.items()):
                return False
    return True


def matches_name(pattern: str, value: str) -> bool:
    """Whether a pattern of a target matches from the beginning of a name."""
    try:
        return re.match(pattern, value, re.DOTALL) is not None
    except re.error:
        return True  # kustomize's regular expressions differ in details
