"""Rancher Fleet, which lays a kustomization over the manifests of a Helm chart.

Source: https://fleet.rancher.io/ref-fleet-yaml
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from treecheck.errors import InputError
from treecheck.files import load_text
from treecheck.model import as_list, as_mapping, as_text
from treecheck.reading import read_documents

if TYPE_CHECKING:
    from pathlib import Path

    from treecheck.model import Manifest

LEVELS = 4  # folders above an overlay, such as overlays/prod, in which its fleet.yaml may lie


class Overlaid(NamedTuple):
    """A chart whose manifests a kustomization changes, and the fleet.yaml that says so."""

    file: Path
    chart: str
    namespace: str


def overlaid_chart(folder: Path) -> Overlaid | None:
    """The chart over which Fleet lays a folder's kustomization, or None.

    It is the chart of the nearest fleet.yaml, where that names the folder as `kustomize.dir`.
    """
    for above in (folder, *folder.parents[:LEVELS]):
        file = above / "fleet.yaml"
        if not file.is_file():
            continue
        body = _read(file)
        targets = [as_mapping(each) for each in as_list(body.get("targetCustomizations"))]
        folders = {above / _folder(each) for each in (body, *targets)}
        charts = [_chart(each) for each in (body, *targets)]
        charts += [above.name] if (above / "Chart.yaml").is_file() else []
        chart = next(filter(None, charts), "")
        if not chart or folder.resolve() not in {each.resolve() for each in folders}:
            return None
        place = body.get("namespace") or body.get("defaultNamespace")
        return Overlaid(file.resolve(), chart, as_text(place))
    return None


def _folder(options: Manifest) -> str:
    return as_text(as_mapping(options.get("kustomize")).get("dir"))


def _chart(options: Manifest) -> str:
    helm = as_mapping(options.get("helm"))
    return as_text(helm.get("chart")) or as_text(helm.get("repo"))


def _read(file: Path) -> Manifest:
    try:
        documents = read_documents(load_text(file), str(file))
    except InputError:
        return {}
    return as_mapping(documents[0].value) if documents else {}
