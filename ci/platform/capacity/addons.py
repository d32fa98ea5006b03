"""What runs beside the overlays: add-ons and Argo CD, as resources like any rendered ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from ci.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ci.platform.capacity.eksctl import EksCluster


def load_addons(path: Path, cluster: EksCluster) -> list[dict[str, Any]]:
    """The workloads of a cluster's add-ons, with the requests that its file sets or the defaults.

    Args:
        path: `infra/addons.yaml`, which says what each add-on runs.
        cluster: which add-ons there are, with their configuration values.

    Raises:
        InputError: the table is missing or malformed, or doesn't know one of the add-ons.
    """
    try:
        known: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["addons"]
        missing = [name for name in cluster.addons if name not in known]
        if missing:
            raise InputError(
                f"{path} doesn't say what the add-on {missing[0]} runs",
                hint="Add its workloads and their requests there.",
            )
        return [
            resource
            for name, values in cluster.addons.items()
            for resource in _workloads(known[name], values)
        ]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a table of add-ons: {error!r}") from error


def _workloads(addon: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for workload in addon["workloads"]:
        containers = [
            {
                "name": container["name"],
                "resources": _at(values, container["values"], {"requests": container["default"]}),
            }
            for container in workload["containers"]
        ]
        spec: dict[str, Any] = {"template": {"spec": {"containers": containers}}}
        if workload["kind"] == "Deployment":
            replicas = workload["replicas"]
            spec["replicas"] = _at(values, replicas["values"], replicas["default"])
            # Add-ons are updated by hand, not while the environments roll out.
            spec["strategy"] = {"type": "Recreate"}
        yield {"kind": workload["kind"], "metadata": {"name": workload["name"]}, "spec": spec}


def _at(values: Mapping[str, Any], path: str, default: Any) -> Any:
    """The value at a dotted path, or the default."""
    found: Any = values
    for key in path.split("."):
        if key not in found:
            return default
        found = found[key]
    return found
