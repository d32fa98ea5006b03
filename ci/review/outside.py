"""What a tree builds on and nobody renders here: remote bases and Helm charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.files import kustomization_file, yaml_files
from treecheck.model import as_list, as_mapping, as_text
from treecheck.rendering import read_kustomization

if TYPE_CHECKING:
    from pathlib import Path


def outside(root: Path, ignore: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Folder, relative to `root` -> what its kustomization takes from outside, in its order."""
    found: dict[str, list[str]] = {}
    for file in yaml_files(root, ignore):
        if file != kustomization_file(file.parent):
            continue
        kustomization = read_kustomization(file.parent)
        if kustomization is None:
            continue
        charts = [
            f"chart {as_text(entry.get('name'))} {as_text(entry.get('version'))}".strip()
            for entry in map(as_mapping, as_list(kustomization.body.get("helmCharts")))
        ]
        if kustomization.remote or charts:
            found[file.parent.relative_to(root).as_posix()] = [*kustomization.remote, *charts]
    return found


def moved(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str]]:
    """Folder -> a sentence for each thing from outside that comes, goes or changes."""
    said: dict[str, list[str]] = {}
    for folder in sorted({*before, *after}):
        gone = [each for each in before.get(folder, []) if each not in after.get(folder, [])]
        come = [each for each in after.get(folder, []) if each not in before.get(folder, [])]
        pairs = zip(gone, come, strict=False)
        sentences = [f"{a} becomes {b}: what that changes is not known here" for a, b in pairs]
        least = min(len(gone), len(come))
        sentences += [f"{each} is gone, and what it brought goes with it" for each in gone[least:]]
        sentences += [f"{each} is new: what it brings is not known here" for each in come[least:]]
        if sentences:
            said[folder] = sentences
    return said
