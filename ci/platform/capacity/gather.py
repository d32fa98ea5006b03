"""Collects what runs on the cluster, from this repository's own folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from ci.errors import InputError
from ci.platform.capacity.addons import load_addons
from ci.tree import overlays
from treecheck import kustomize

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci.platform.capacity.eksctl import EksCluster

CLUSTER = "infra/eksctl/cluster.yaml"
PRICES = "infra/prices.yaml"
ADDONS = "infra/addons.yaml"

_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")


def gather(root: Path, cluster: EksCluster) -> dict[str, list[dict[str, Any]]]:
    """Everything that runs on the cluster, by whose it is: add-ons, Argo CD, each environment.

    Raises:
        InputError: an overlay can't be rendered, or a file can't be read.
    """
    found = beside_the_overlays(root / ADDONS, cluster)
    for environment in overlays.environments(root):
        found[environment] = kustomize.render_objects(overlays.overlay(environment, root))
    return found


def beside_the_overlays(table: Path, cluster: EksCluster) -> dict[str, list[dict[str, Any]]]:
    """Add-ons and what is installed from upstream, by name, as `infra/addons.yaml` lists them.

    Raises:
        InputError: a file can't be read, or an add-on is not known.
    """
    found = {"add-ons": load_addons(table, cluster)}
    listed: Any = yaml.load(table.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    for name, folder in (listed.get("upstream") or {}).items():
        found[name] = list(patched_workloads(table.parent / folder))
    return found


def patched_workloads(folder: Path) -> Iterator[dict[str, Any]]:
    """The workloads of an install that comes from upstream, by the patches that trim it.

    It can't be rendered without the internet. But each of its workloads that we keep has a patch
    file here that sets its requests, which is all that counts; each has one replica.

    Raises:
        InputError: a file is missing or not YAML.
    """
    try:
        kustomization: Any = yaml.load(
            (folder / "kustomization.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader
        )
        paths = [patch["path"] for patch in kustomization["patches"] if "path" in patch]
        for path in paths:
            patch: Any = yaml.load(
                (folder / path).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader
            )
            if patch["kind"] in _WORKLOADS:
                # Upgraded by hand, not while the environments roll out.
                yield patch | {"spec": patch["spec"] | {"strategy": {"type": "Recreate"}}}
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(f"{folder} has no patches that say what it requests: {error!r}") from error
