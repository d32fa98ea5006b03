"""What kustomize makes of a folder, kept for as long as all that it reads stays as it is.

A verb that changes the tree renders every environment before and after it, in a process each.
"""

from __future__ import annotations

import functools
import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from treecheck import kustomize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Render = Callable[..., str]

# The folders of the tree that an environment's or Argo CD's is made of, beside its own.
READS = {"overlays": ("base", "overlays/{name}"), "argocd": ("argocd",)}


@contextmanager
def kept() -> Iterator[None]:
    """Render what has been rendered before from memory, while the block lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kustomize, "render", functools.partial(_render, kustomize.render, {}))
        yield


def _render(render: Render, known: dict[tuple[str, ...], str], folder: Path, **options: Any) -> str:
    parts = _in_the_tree(folder)
    if options or not parts:
        return render(folder, **options)
    name = "/".join(parts)
    root = folder.parents[len(parts) - 1]
    reads = [root / each.format(name=parts[1]) for each in READS[parts[0]]]
    key = (name, *map(_digest, reads))
    if key not in known:
        known[key] = render(folder)
    return known[key]


def _in_the_tree(folder: Path) -> tuple[str, ...]:
    """The way to a folder from the root of a tree like this one; empty if it is of none."""
    for root in folder.parents:
        if (root / "settings.yaml").is_file():
            parts = folder.relative_to(root).parts
            return parts if parts[0] in READS and len(parts) > 1 else ()
    return ()


def _digest(folder: Path) -> str:
    """A sum over the names and the contents of all files."""
    found = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = file.read_bytes()
        found.update(f"{file.relative_to(folder)}\0{len(data)}\0".encode() + data)
    return found.hexdigest()
