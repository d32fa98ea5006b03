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
    root, reads = _read_for(folder)
    if options or root is None:
        return render(folder, **options)
    key = (str(folder.relative_to(root)), *map(_digest, reads))
    if key not in known:
        known[key] = render(folder)
    return known[key]


def _read_for(folder: Path) -> tuple[Path | None, list[Path]]:
    """The root of the tree that a folder is in, and what is read for it; None if it is in none."""
    for root in folder.parents:
        if (root / "settings.yaml").is_file():
            top, *names = folder.relative_to(root).parts
            if top not in READS or not names:
                return None, []
            return root, [root / each.format(name=names[0]) for each in READS[top]]
    if "overlays" in folder.parts:  # a small tree of a test's own, which is read as a whole
        root = folder.parents[len(folder.parts) - folder.parts.index("overlays") - 1]
        return root, [root]
    return None, []


def _digest(folder: Path) -> str:
    """A sum over the names and the contents of all files."""
    found = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = file.read_bytes()
        found.update(f"{file.relative_to(folder)}\0{len(data)}\0".encode() + data)
    return found.hexdigest()
