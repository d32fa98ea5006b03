"""Annotations by which a workload declares what its program needs and serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.model import as_text

if TYPE_CHECKING:
    from treecheck.model import PodTemplate

VARIABLES = "declare.validate/environment"
ROUTES = "declare.validate/routes"
DATA = "declare.validate/data"
MEMORY = "declare.validate/memory"
COMMANDS = "declare.validate/commands"


def declared(pod: PodTemplate, annotation: str) -> list[str]:
    """The words of an annotation on the pod or on the workload that makes it."""
    text = pod.annotations.get(annotation) or pod.owner.annotations.get(annotation)
    return as_text(text).split()
