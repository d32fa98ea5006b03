"""What would go live besides the image: what runs, compared with what git asks for."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def difference(
    running: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]], image: str
) -> list[str]:
    """Compare what runs with what git asks for, without the service's own image.

    Args:
        running: the manifests at the commit that runs.
        wanted: the manifests at the branch's tip.
        image: the image without its tag; its tag is another matter.

    Returns:
        A unified diff, resource by resource; empty when nothing else differs.
    """
    before, after = (_texts(manifests, image) for manifests in (running, wanted))
    lines: list[str] = []
    for name in sorted(before.keys() | after.keys()):
        lines += difflib.unified_diff(
            before.get(name, []), after.get(name, []), f"runs/{name}", f"git/{name}", "", "", 2, ""
        )
    return lines


def _texts(manifests: Iterable[Mapping[str, Any]], image: str) -> dict[str, list[str]]:
    return {
        f"{manifest['kind']}/{manifest['metadata']['name']}": yaml.safe_dump(
            _without_tag(manifest, image)
        ).splitlines()
        for manifest in manifests
        if manifest["kind"] != "Secret"  # never shown; AppProjects refuse it anyway
    }


def _without_tag(value: Any, image: str) -> Any:
    if isinstance(value, dict):
        return {
            key: image
            if key == "image" and isinstance(item, str) and item.startswith(f"{image}:")
            else _without_tag(item, image)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_without_tag(item, image) for item in value]
    return value
