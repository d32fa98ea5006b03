"""Which resources a change adds, removes or alters, with generated names' hashes folded away."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from ci.review.redact import redacted

if TYPE_CHECKING:
    from collections.abc import Collection

    from ci.review.trees import RenderedTree
    from treecheck.model import Manifest, Resource

# What kustomize appends to the name of a generated ConfigMap or Secret: a hash without vowels.
HASHED = re.compile(r"-[0-9bcdfghkmt246789]{10}$")
CONTEXT = 3  # unchanged lines around a change
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class ResourceChange:
    """What happens to one resource.

    Attributes:
        title: `Kind namespace/name`, without a generated hash.
        before, after: the manifests, or None where there is none on that side.
        resource: the new one, or the old one if it is removed.
    """

    title: str
    before: Manifest | None
    after: Manifest | None
    resource: Resource

    @property
    def verb(self) -> str:
        """added, removed or changed."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"

    def lines(self) -> list[str]:
        """A unified diff of both manifests without their secrets, and without the file header."""
        old, new = (_text(side) for side in (self.before, self.after))
        return list(difflib.unified_diff(old, new, lineterm="", n=CONTEXT))[2:]


def compare(
    base: RenderedTree, head: RenderedTree, unknown: Collection[Resource] = ()
) -> dict[str, list[ResourceChange]]:
    """Heading -> its changes, sorted by title; a heading without changes has an empty list.

    A resource that moves to another heading is compared with what it was under the old one. What
    one version can't render is not compared, nor what is gone and of which nothing is known.
    """
    names = _generated_names(base, head)
    old, new = _sides(base, names), _sides(head, names)
    hidden = {id(each) for each in unknown}
    old = {
        key: side
        for key, side in old.items()
        if key in new or not (id(side[1]) in hidden or head.lacks(side[1], base))
    }
    new = {k: side for k, side in new.items() if k in old or not base.lacks(side[1], head)}
    changes: dict[str, list[ResourceChange]] = {
        group: [] for group in sorted({*base.groups, *head.groups})
    }
    for key in {*old, *new}:
        before, after = old.get(key), new.get(key)
        bodies = [_folded(side[1].body, names) if side else None for side in (before, after)]
        group, resource = after or before or ("", None)
        if bodies[0] != bodies[1] and resource is not None:
            title = f"{key[1]} {key[2]}/{key[3]}".replace(" /", " ")
            changes[group].append(ResourceChange(title, bodies[0], bodies[1], resource))
    for each in changes.values():
        each.sort(key=lambda change: change.title)
    return changes


def _generated_names(*trees: RenderedTree) -> dict[str, str]:
    """The hashed name of each generated resource -> its name without the hash."""
    return {
        resource.name: HASHED.sub("", resource.name)
        for tree in trees
        for resources in tree.groups.values()
        for resource in resources
        if resource.origin.generated
    }


def _sides(tree: RenderedTree, names: dict[str, str]) -> dict[Key, tuple[str, Resource]]:
    return {
        _key(resource, names): (group, resource)
        for group, resources in tree.groups.items()
        for resource in resources
    }


def _key(resource: Resource, names: dict[str, str]) -> Key:
    name = names.get(resource.name, resource.name)
    return (resource.group, resource.kind, resource.namespace, name)


def _folded(value: Any, names: dict[str, str]) -> Any:
    """A manifest in which every hashed name is the plain one: else each setting is two changes."""
    if isinstance(value, dict):
        return {key: _folded(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_folded(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def _text(manifest: Manifest | None) -> list[str]:
    if manifest is None:
        return []
    text: str = yaml.dump(
        redacted(manifest), Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True
    )
    return text.splitlines()


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as lines, so that a diff shows the one that changed."""


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _write_text)
