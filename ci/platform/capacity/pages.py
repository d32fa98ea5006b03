"""The figures that pages carry: computed, and written between two markers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ci.errors import InputError
from ci.platform.capacity import cost, output
from ci.platform.capacity.amounts import total
from ci.platform.capacity.demand import Occasion
from ci.platform.capacity.verdict import report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ci.platform.capacity.eksctl import EksCluster
    from ci.platform.capacity.prices import Prices
    from ci.platform.capacity.verdict import CapacityReport


class Survey(NamedTuple):
    """What the pages are computed from."""

    resources: Mapping[str, list[dict[str, Any]]]
    cluster: EksCluster
    prices: Prices
    verdict: CapacityReport


def survey(
    resources: Mapping[str, list[dict[str, Any]]], cluster: EksCluster, prices: Prices
) -> Survey:
    """Compute the verdict once for every block."""
    return Survey(resources, cluster, prices, report(resources, cluster, prices))


def fullness(tree: Survey) -> str:
    """How full the nodes are."""
    return output.markdown(output.COLUMNS, output.rows(tree.verdict))


def requests(tree: Survey) -> str:
    """Who requests what."""
    lines = []
    for name in tree.resources:
        pods = [pod for pod in tree.verdict.pods if pod.environment == name]
        for occasion in Occasion:
            amount = total(pod.amount for pod in pods if pod.occasion is occasion)
            count = sum(pod.occasion is occasion for pod in pods)
            if count:
                lines.append(
                    (name, occasion.value, str(count), f"{amount.cpu}m", f"{amount.memory}")
                )
    return output.markdown(("who", "when", "pods", "CPU", "memory MiB"), lines)


def alternatives(tree: Survey) -> str:
    """Every type of the price table: how many nodes it takes, and what they cost."""
    lines = [
        (offer.instance_type, str(offer.nodes), f"${offer.month:.2f}")
        for offer in tree.verdict.offers
    ]
    return output.markdown(("type", "nodes that it takes", "a month, volumes included"), lines)


def bill(tree: Survey) -> str:
    """The bill of a month, with its sum, and what it would be on a version in standard support."""
    listed = [one for name in tree.resources for one in tree.resources[name]]
    lines = cost.monthly(listed, tree.cluster, tree.prices)
    table = [(line.group, line.item, line.sum, f"${line.month:.2f}") for line in lines]
    everything = sum(line.month for line in lines)
    table.append(("**all**", "", "", f"**${everything:.2f}**"))
    rate = tree.prices.rate
    less = tree.prices.month(rate("eks", "extended_hour") - rate("eks", "standard_hour"))
    if lines[0].item.endswith("extended support"):
        table.append(
            ("", "the same with a version in standard support", "", f"**${everything - less:.2f}**")
        )
    return output.markdown(("what", "item", "how", "a month"), table)


def version(tree: Survey) -> str:
    """When the version's support ends, what that costs, and when AWS upgrades the cluster."""
    cluster, prices = tree.cluster, tree.prices
    extra = prices.month(prices.rate("eks", "extended_hour") - prices.rate("eks", "standard_hour"))
    ends = prices.standard_support_ends.get(cluster.version)
    if ends is None:
        return f"The cluster is Kubernetes {cluster.version}, which infra/prices.yaml doesn't know."
    forced = ends.replace(year=ends.year + 1)  # twelve months of extended support
    left = ends <= prices.dates["eks_versions"]
    support = f"{'left' if left else 'leaves'} EKS standard support on {ends}"
    costs = f"{'' if left else 'from then on '}its control plane costs ${extra:.0f} a month more"
    return (
        f"The cluster is Kubernetes {cluster.version}. It {support}:\n{costs}"
        f" than a version in standard support.\nOn {forced} AWS upgrades it by force."
    )


# The blocks, by page and name.
BLOCKS: dict[str, dict[str, Callable[[Survey], str]]] = {
    "README.md": {"version": version},
    "docs/nodes.md": {
        "fullness": fullness,
        "requests": requests,
        "alternatives": alternatives,
    },
    "docs/cost.md": {"bill": bill},
}


def fill(page: str, blocks: Mapping[str, str]) -> str:
    """A page's text with each block between its markers replaced.

    Raises:
        InputError: the page has no such markers.
    """
    for name, content in blocks.items():
        begin, end = f"<!-- capacity: {name} -->", f"<!-- end: {name} -->"
        before, found, rest = page.partition(begin)
        _, found_too, after = rest.partition(end)
        if not (found and found_too):
            raise InputError(f"a page lacks the markers {begin} and {end}")
        page = f"{before}{begin}\n{content}\n{end}{after}"
    return page


def renewed(root: Path, tree: Survey) -> dict[Path, str]:
    """The text that each page should have."""
    return {
        root / page: fill(
            (root / page).read_text(encoding="utf-8"),
            {name: block(tree) for name, block in blocks.items()},
        )
        for page, blocks in BLOCKS.items()
    }
