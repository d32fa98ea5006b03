"""The verdict as text, as Markdown tables and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.platform.capacity.verdict import CapacityReport, Fill, Placement

COLUMNS = ("when", "node group", "nodes", "memory MiB", "CPU m", "pods", "on a node", "verdict")


def rows(report: CapacityReport) -> list[tuple[str, ...]]:
    """One row for each situation and node group, as COLUMNS says."""
    return [_row(outcome, fill) for outcome in report.outcomes for fill in outcome.fills]


def _row(outcome: Placement, fill: Fill) -> tuple[str, ...]:
    return (
        outcome.situation.name,
        fill.group,
        str(fill.nodes),
        f"{fill.used.memory} of {fill.room.memory} ({fill.memory_share:.0%})",
        f"{fill.used.cpu} of {fill.room.cpu} ({fill.cpu_share:.0%})",
        str(fill.pods),
        f"{fill.most} of {fill.covered}",
        verdict(outcome),
    )


def verdict(outcome: Placement) -> str:
    """`fits`, or what doesn't."""
    if outcome.waiting:
        return f"{len(outcome.waiting)} pods wait"
    if outcome.crowded:
        return "more pods than the reserve is for"
    return "fits"


def markdown(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    table = [columns, ["---"] * len(columns), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in table)


def text(report: CapacityReport) -> str:
    """The verdict for a terminal."""
    table = [COLUMNS, *rows(report)]
    widths = [max(len(row[column]) for row in table) for column in range(len(COLUMNS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    lines += ["", *(f"  {o.situation.name}: {o.situation.text}" for o in report.outcomes), ""]
    lines += [_described(report), _cheapest(report), ""]
    lines += [f"error: {finding}" for finding in report.findings] or ["Everything fits."]
    return "\n".join(lines)


def _described(report: CapacityReport) -> str:
    return (
        f"The described nodes and their volumes: ${report.month:.2f} a month on demand, at the"
        f" prices of {report.prices.region}."
    )


def _cheapest(report: CapacityReport) -> str:
    offer = report.cheapest
    if offer is None:
        return "No node group of up to ten nodes of one known type fits everything."
    return (
        f"The cheapest node group that fits: {offer.nodes} x {offer.instance_type},"
        f" ${offer.month:.2f} a month."
    )


def as_json(report: CapacityReport) -> dict[str, Any]:
    """The verdict as documented in docs/nodes.md."""
    offer = report.cheapest
    return {
        "fits": report.fits,
        "findings": list(report.findings),
        "month": round(report.month, 2),
        "cheapest": offer
        and {
            "instance": offer.instance_type,
            "nodes": offer.nodes,
            "month": round(offer.month, 2),
        },
        "situations": [_situation(outcome) for outcome in report.outcomes],
    }


def _situation(outcome: Placement) -> dict[str, Any]:
    return {
        "name": outcome.situation.name,
        "required": outcome.situation.required,
        "groups": [
            {
                "name": fill.group,
                "nodes": fill.nodes,
                "cpu": {"used": fill.used.cpu, "of": fill.room.cpu},
                "memory": {"used": fill.used.memory, "of": fill.room.memory},
                "pods": {"used": fill.pods, "of": fill.pod_room},
                "pods_on_a_node": {"most": fill.most, "reserve_for": fill.covered},
            }
            for fill in outcome.fills
        ],
        "waiting": [f"{pod.environment}/{pod.name}" for pod in outcome.waiting],
    }
