"""What stands between git and the version that was rolled back to: which commits, which changes.

Pure decisions; `ci.oncall.resume` acts on them.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ci.version.order import Version


class Undo(NamedTuple):
    """The deploying commits since the version that runs, newest first.

    Attributes:
        unwanted: those that were rolled back from.
        newer: those that came after, which Argo CD has never deployed.
    """

    unwanted: tuple[Version, ...]
    newer: tuple[Version, ...]


def deployments_since(
    versions: Iterable[Version], running: str, was_deployed: Callable[[str], bool]
) -> Undo:
    """Sort the versions since the running one's commit.

    Args:
        versions: the tag's versions since then, newest first.
        running: the tag that runs.
        was_deployed: whether a commit is part of something in Argo CD's history. Nothing is, when
            the sync of the unwanted version never succeeded; then the oldest is the unwanted one.
    """
    since = tuple(version for version in versions if version.tag)
    if not since or since[0].tag == running:  # taken back already, by a merge or by hand
        return Undo((), ())
    unwanted = tuple(v for v in since if was_deployed(v.commit)) or since[-1:]
    newer = since[: since.index(unwanted[0])]
    return Undo(unwanted, newer)


def difference(
    running: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]], image: str
) -> list[str]:
    """Compare what runs with what git asks for, but for the service's own image.

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
