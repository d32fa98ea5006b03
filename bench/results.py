"""What a measurement leaves behind: a table for people, a JSON file, and whether promises held."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

FOLDER = Path(".local/bench")


@dataclass
class Results:
    """The figures of one run, by name, and the promises that were compared with them."""

    name: str
    figures: dict[str, Any] = field(default_factory=dict)
    promises: list[dict[str, Any]] = field(default_factory=list)

    def promise(self, sentence: str, value: float, relation: str, limit: float) -> None:
        """Record whether `value` is as promised; `relation` is ">=" or "<="."""
        holds = value >= limit if relation == ">=" else value <= limit
        self.promises.append(
            {"promise": sentence, "value": value, "relation": relation, "limit": limit}
            | {"holds": holds}
        )

    def finish(self) -> bool:
        """Print the promises, write the JSON file, and return whether all of them held."""
        click.echo()
        for each in self.promises:
            verdict = "holds " if each["holds"] else "BROKEN"
            click.echo(
                f"  {verdict}  {each['promise']}: {each['value']:,.3g} "
                f"({each['relation']} {each['limit']:,g})"
            )
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"{self.name}.json"
        content = {
            "machine": machine(),
            "commit": commit(),
            "figures": self.figures,
            "promises": self.promises,
        }
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        click.echo(f"\n  Written to {path}.")
        return all(each["holds"] for each in self.promises)


def machine() -> dict[str, Any]:
    """What was measured on, as far as the standard library knows."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
    }


def commit() -> str:
    """The commit of this tree, with a mark when files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
