"""`environment remove`: everything of an environment leaves the tree, and what stays outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.errors import CiError, InputError
from ci.platform.capacity import gather
from ci.platform.configure import write_computed
from ci.platform.edits import Edits, tracked
from ci.platform.environments import shared
from ci.platform.environments.size import shrunk
from ci.tree import overlays, snapshots

if TYPE_CHECKING:
    from pathlib import Path


def remove(root: Path, name: str) -> Edits:
    """Remove an environment's files, and its name from the others.

    Raises:
        InputError: there is no such environment, or it is the first or the last.
        CiError: what is left can't be rendered; every file is as it was.
    """
    order = overlays.promotion_order(root)
    if name not in order:
        raise overlays.unknown_environment(name, order)
    if name in (order[0], order[-1]):
        why = "the pipeline deploys to it" if name == order[0] else "promotions end there"
        between = order[1:-1]
        raise InputError(
            f"{name} can't be removed: {why}",
            hint=f"What can be: {' or '.join(between)}" if between else "",
        )
    edits = Edits(root)
    try:
        for file in tracked(root, f"overlays/{name}"):
            edits.write(file, None)
        shared.remove(edits, name)
        shared.reorder(edits, tuple(each for each in order if each != name))
        edits.write(snapshots.snapshot_path(name, root).relative_to(root).as_posix(), None)
        smaller = shrunk(shared.read(edits, gather.CLUSTER), name)
        edits.write(gather.CLUSTER, smaller.encode())
    except CiError:
        edits.restore()
        raise
    write_computed(edits)
    return edits
