"""The price table, `infra/prices.yaml`: instance types and what AWS charges, with sources."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from ci.errors import InputError
from ci.platform.capacity.nodes import Instance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Prices:
    """The table.

    Attributes:
        region: the region whose prices these are.
        instances: by name.
        rates: everything else, by section and key, in dollars, and `assumptions`.
        standard_support_ends: by Kubernetes version, the day from which the extended price holds.
        dates: when each source was last looked at.
    """

    region: str
    instances: Mapping[str, Instance]
    rates: Mapping[str, Mapping[str, float]]
    standard_support_ends: Mapping[str, datetime.date]
    dates: Mapping[str, datetime.date]

    def rate(self, section: str, key: str) -> float:
        """A rate, such as `rate("ebs", "gp3_gb_month")`.

        Raises:
            InputError: the table has none.
        """
        try:
            return float(self.rates[section][key])
        except KeyError as error:
            raise InputError(f"the price table has no {section}.{key}") from error

    def instance(self, name: str) -> Instance:
        """An instance type.

        Raises:
            InputError: the table has none of that name.
        """
        if name not in self.instances:
            raise InputError(
                f"no instance type {name!r} in the price table; it has {', '.join(self.instances)}",
                hint="Add its line to infra/prices.yaml, from AWS's pages that the file names.",
            )
        return self.instances[name]

    def month(self, hourly: float) -> float:
        """An hourly price as a monthly one."""
        return hourly * self.rate("general", "hours_per_month")

    def eks_hour(self, version: str, today: datetime.date) -> float:
        """What the control plane costs an hour; an unknown version is a newer one: standard."""
        ends = self.standard_support_ends.get(version, datetime.date.max)
        return self.rate("eks", "standard_hour" if today < ends else "extended_hour")


def load_prices(path: Path) -> Prices:
    """Read the table.

    Raises:
        InputError: it is missing, not YAML, or lacks a key.
    """
    try:
        table: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        sources = {name: source["date"] for name, source in table["sources"].items()}
        instances = {
            name: Instance(name=name, **numbers) for name, numbers in table["instances"].items()
        }
        eks = dict(table["eks"])
        ends = eks.pop("standard_support_ends")
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a price table: {error!r}") from error
    rates = {
        section: numbers
        for section, numbers in table.items()
        if isinstance(numbers, dict) and section not in ("sources", "instances", "eks")
    }
    rates |= {"eks": eks, "general": {"hours_per_month": table["hours_per_month"]}}
    return Prices(table["region"], instances, rates, ends, sources)
