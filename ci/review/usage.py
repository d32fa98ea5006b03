"""What a version costs a month and takes on the nodes, by the sums of `python -m ci capacity`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.errors import InputError
from ci.platform.capacity import cost, gather, load_cluster, load_prices, report
from ci.platform.capacity.amounts import total
from ci.platform.capacity.verdict import WORST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from ci.platform.capacity import CapacityReport, EksCluster, Prices
    from treecheck.model import Resource

ENVIRONMENTS = "overlays/"


@dataclass(frozen=True)
class Usage:
    """What the money and the room of a version are computed from."""

    resources: Mapping[str, list[Any]]
    cluster: EksCluster
    prices: Prices

    def month(self, prices: Prices) -> dict[str, float]:
        """Item of the bill -> dollars a month."""
        listed = [one for each in self.resources.values() for one in each]
        months: dict[str, float] = {}
        for line in cost.monthly(listed, self.cluster, prices):
            months[line.item] = months.get(line.item, 0.0) + line.month
        return months

    def room(self, prices: Prices) -> CapacityReport:
        """How full the nodes are."""
        return report(self.resources, self.cluster, prices)


def usage_of(root: Path, groups: Mapping[str, Iterable[Resource]]) -> Usage | None:
    """What a rendered version uses; None where it does not describe its nodes and prices."""
    if not all((root / name).is_file() for name in (gather.CLUSTER, gather.PRICES)):
        return None
    try:
        cluster, prices = load_cluster(root / gather.CLUSTER), load_prices(root / gather.PRICES)
        table = root / gather.ADDONS
        resources = gather.beside_the_overlays(table, cluster) if table.is_file() else {}
    except InputError:
        return None  # `python -m ci capacity` says what is wrong with the file
    for name, found in groups.items():
        if name.startswith(ENVIRONMENTS):
            environment = name.removeprefix(ENVIRONMENTS).partition("/")[0]
            resources.setdefault(environment, []).extend(each.body for each in found)
    return Usage(resources, cluster, prices)


def used(before: Usage | None, after: Usage | None) -> Iterator[str]:
    """A line about the money and one about the room, where a change makes a difference.

    Both versions are counted at the new one's prices.
    """
    if before is None or after is None:
        return
    try:
        yield from _money(before, after)
        yield from _room(before, after)
    except InputError:
        yield "**Money and room:** not known: a request or a number of replicas can't be read."


def _money(before: Usage, after: Usage) -> Iterator[str]:
    old, new = before.month(after.prices), after.month(after.prices)
    moved = {
        item: round(new.get(item, 0.0) - old.get(item, 0.0), 2)
        for item in sorted({*old, *new})
    }  # fmt: skip
    moved = {item: dollars for item, dollars in moved.items() if dollars}
    if moved:
        was, now = sum(old.values()), sum(new.values())
        listed = ", ".join(f"{item} {_more(dollars)}" for item, dollars in moved.items())
        yield (
            f"**Money:** {_more(now - was)} a month, ${now:.2f} instead of ${was:.2f}: {listed}."
        )


def _more(dollars: float) -> str:
    return f"${abs(dollars):.2f} {'more' if dollars >= 0 else 'less'}"


def _room(before: Usage, after: Usage) -> Iterator[str]:
    was, now = before.room(after.prices), after.room(after.prices)
    asked = [_asked(each) for each in (was, now)]
    if asked[0] == asked[1] and was.fits == now.fits:
        return
    (cpu, memory, pods), (new_cpu, new_memory, new_pods) = asked
    fits = "everything fits" if now.fits else "**not everything fits** (`python -m ci capacity`)"
    yield (
        f"**Room, while everything rolls out at its maximum:** {new_memory} MiB instead of {memory}"
        f", {new_cpu}m CPU instead of {cpu}m, {new_pods} pods instead of {pods}; {fits}."
    )


def _asked(found: CapacityReport) -> tuple[int, int, int]:
    """CPU, memory and pods that are asked for in the worst case, those that wait included."""
    (worst,) = (each for each in found.outcomes if each.situation.name == WORST)
    waiting = total(pod.amount for pod in worst.waiting)
    amount = total([waiting, *(fill.used for fill in worst.fills)])
    count = sum(fill.pods for fill in worst.fills) + len(worst.waiting)
    return amount.cpu, amount.memory, count
