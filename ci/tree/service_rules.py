"""The service's settings, as a rule of the checker: each value is one that the service takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.tree.settings import SERVICE
from treecheck.kube.images import repository
from treecheck.kube.variables import variables_of
from treecheck.model import as_text
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Problem, Resource


@rule(
    "setting-refused",
    layer="references",
    source="https://github.com/pydantic/pydantic-settings",
    unless=("port-variable-malformed", "host-port-mismatch", "unquoted-value"),
)
def setting_refused(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A setting whose value the service refuses: `LOG_LEVEL=debug`, which is DEBUG.

    It ends at its start and says so, with every other thing that is wrong. Values are asked for as
    the service itself does; what a file holds, and what one setting means for another, it alone
    can say.
    """
    if resource.pod is None:
        return
    for path, container in resource.pod.containers():
        if repository(as_text(container.get("image"))).rpartition("/")[2] != SERVICE:
            continue
        from coworking.config import SETTINGS, fault  # noqa: PLC0415 - the service's own rule

        named = variables_of(cluster, resource.pod, path, container).named
        for name, variable in named.items():
            value = variable.value
            if name not in SETTINGS or value is None or "$(" in value:
                continue
            if wrong := fault(name, value):
                said = wrong.partition("; for example")[0]
                yield variable.problem(
                    name,
                    f"the service refuses {said}: it ends at its start",
                    fix=f"Write one such as {SETTINGS[name].example} (docs/service.md).",
                )
