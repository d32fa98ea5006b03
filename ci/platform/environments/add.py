"""`environment add`: everything that an environment has in the tree, like one that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from ci.errors import CiError, InputError
from ci.platform.capacity import gather
from ci.platform.capacity.eksctl import load_cluster
from ci.platform.capacity.prices import load_prices
from ci.platform.capacity.verdict import MOST_NODES, report
from ci.platform.configure import write_computed
from ci.platform.edits import Edits, tracked
from ci.platform.environments import shared, texts
from ci.platform.environments.size import grown, size
from ci.tree import carried, formats, overlays, rotation, seal, sealed_file, settings, snapshots
from ci.tree.sealed_file import OF_PASSWORD, Contents, Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci.platform.capacity.eksctl import EksCluster

SEALED = "postgres/sealedsecret.yaml"
ROTATION = "postgres/rotation/kustomization.yaml"
ROTATION_JOB = "base/postgres/rotation/change-password.yaml"
BACKUPS = ("postgres/backups/", "postgres/claim/")  # the last environment's alone


class Added(NamedTuple):
    """What was written.

    Attributes:
        edits: the files.
        order: the order of promotion from now on.
        throw_away: whether the password is sealed for the key that the tree came with, which no
            cluster has.
        nodes: how many nodes the cluster is to have, where it had fewer; else None.
        shortages: what still doesn't fit, a sentence each.
    """

    edits: Edits
    order: tuple[str, ...]
    throw_away: bool
    nodes: int | None
    shortages: tuple[str, ...]


def add(root: Path, name: str, like: str, before: str | None) -> Added:
    """Write an environment like another one, before one in the order of promotion.

    Raises:
        InputError: the name, `like` or `before` is not valid.
        CiError: what was written can't be sealed or rendered; every file is as it was.
    """
    order = new_order(root, name, like, before)
    edits = Edits(root)
    try:
        wanted = shared.reorder(edits, order)
        for target, text in copies(root, name, like, wanted):
            edits.write(target, text)
        shared.add(edits, name, like)
        throw_away = _seal(edits, name)
        nodes, shortages = _grow(edits, name)
        path = snapshots.snapshot_path(name, root).relative_to(root).as_posix()
        edits.write(path, snapshots.snapshot(name, root).encode())
    except CiError:
        edits.restore()
        raise
    write_computed(edits)
    return Added(edits, order, throw_away, nodes, shortages)


def new_order(root: Path, name: str, like: str, before: str | None) -> tuple[str, ...]:
    """The order of promotion with one environment more.

    Raises:
        InputError: the name is not valid or is there, or there is no such place for it.
    """
    overlays.overlay(like, root)
    order = overlays.promotion_order(root)
    if formats.environment(name):
        raise InputError(
            f"{name!r} is not a valid name of an environment: it takes up to 52 lower-case letters,"
            " digits and dashes between them, and begins with a letter",
            hint="For example staging, or pre-prod.",
        )
    if name in order or (root / "overlays" / name).exists():
        raise InputError(f"the environment {name} is there already")
    before = before or order[-1]
    if before not in order:
        raise overlays.unknown_environment(before, order)
    at = order.index(before)
    if at == 0:
        raise InputError(
            f"nothing can come before {before}: the pipeline deploys to the first environment",
            hint=f"Leave --before out, or name another one: {' or '.join(order[1:])}",
        )
    return *order[:at], name, *order[at:]


def copies(root: Path, name: str, like: str, wanted: settings.Settings) -> list[tuple[str, bytes]]:
    """The files of its own, each with its content, made from those of the other one.

    It has the other's version, so that it serves at once. It has none of its secrets.
    """
    backed_up = like == wanted.environments[-1]
    sources = {
        f"{shared.PROJECTS}/{shared.project(like)}": f"{shared.PROJECTS}/{shared.project(name)}"
    }
    pairs = zip(shared.applications(like), shared.applications(name), strict=True)
    sources |= {f"{shared.APPS}/{old}": f"{shared.APPS}/{new}" for old, new in pairs}
    folder = f"overlays/{like}/"
    for source in tracked(root, folder):
        inside = source.removeprefix(folder)
        if inside != SEALED and not (backed_up and inside.startswith(BACKUPS)):
            sources[source] = f"overlays/{name}/{inside}"
    found = []
    for source, target in sources.items():
        content = (root / source).read_bytes()
        if source == folder + ROTATION:
            content = rotation.AT_REST.encode()  # also while the other's password is rotated
        elif source.endswith(".yaml"):
            text = texts.renamed(content.decode(), like, name)
            if backed_up:
                text = texts.without_backups(text)
            content = carried.carry(text, wanted).encode()
        found.append((target, content))
    return found


def _seal(edits: Edits, name: str) -> bool:
    """Seal a fresh password with the certificate that came along; whether that is a throw-away."""
    place = Place.of(name, edits.root)
    seal.compare_with_cluster(name, edits.root)
    sealed = place.seal(seal.new_password())
    contents = Contents({overlays.PASSWORD_KEY: sealed}, place.note(OF_PASSWORD))
    path = place.path.relative_to(edits.root).as_posix()
    edits.write(path, place.text(contents).encode())
    sealed_file.read(place.path)  # it can be read back
    return place.certificate.throw_away


def _grow(edits: Edits, name: str) -> tuple[int | None, tuple[str, ...]]:
    """Give the first node group as many nodes as everything needs now.

    Returns:
        How many, where it had fewer; and what doesn't fit, with any number.
    """
    path = edits.root / gather.CLUSTER
    prices = load_prices(edits.root / gather.PRICES)
    text = path.read_text(encoding="utf-8")
    moments = list(_moments(edits.root, load_cluster(path)))

    def lacks() -> tuple[str, ...]:
        verdicts = (report(moment, load_cluster(path), prices) for moment in moments)
        return next((verdict.findings for verdict in verdicts if not verdict.fits), ())

    before, now = lacks(), size(text)
    if not before or now is None:
        return None, before
    for nodes in range(now.desired + 1, MOST_NODES + 1):
        edits.write(gather.CLUSTER, grown(text, nodes, name).encode())
        if not lacks():
            return nodes, ()
    edits.write(gather.CLUSTER, text.encode())
    return None, before


def _moments(root: Path, cluster: EksCluster) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """What has to fit: everything, and everything while one environment's password is rotated.

    A rotation brings a Job more, and `validate` must not block its commits.
    """
    found = gather.gather(root, cluster)
    yield found
    job: Any = yaml.safe_load((root / ROTATION_JOB).read_text(encoding="utf-8"))
    for environment in overlays.environments(root):
        yield {**found, environment: [*found[environment], job]}
