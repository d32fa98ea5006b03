"""The address of an ECR repository, in parts."""

from __future__ import annotations

import re
from typing import NamedTuple

from ci.errors import InputError

_REGISTRY = re.compile(
    r"(?P<account>[0-9]{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z]{2}(?:-[a-z]+)+-[0-9]+)"
    r"\.amazonaws\.com(?:\.cn)?"
    # A repository's name: the pattern of `repositoryName` in the Amazon ECR API reference.
    r"/(?P<repository>(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*)"
)


class EcrRepository(NamedTuple):
    """An ECR repository's address, `<account>.dkr.ecr.<region>.amazonaws.com/<name>`, in parts."""

    address: str
    account: str
    region: str
    name: str

    @classmethod
    def parse(cls, text: str) -> EcrRepository:
        """Read an address, or raise an InputError that names it."""
        found = _REGISTRY.fullmatch(text)
        if found is None:
            raise InputError(
                f"registry {text!r} is not the address of an ECR repository",
                hint="It looks like 123456789012.dkr.ecr.us-east-1.amazonaws.com/coworking, with no"
                " tag and no https://.",
            )
        return cls(text, found["account"], found["region"], found["repository"])

    def expect(self, *, account: str | None, region: str | None) -> None:
        """Raise an InputError unless it lies in that account and region; None asks nothing."""
        for what, wanted, got in (
            ("account", account, self.account),
            ("region", region, self.region),
        ):
            if wanted is not None and wanted != got:
                raise InputError(
                    f"registry {self.address!r} is in {what} {got}, not in {wanted}",
                    hint=f"Give the registry of {what} {wanted}, or correct the {what}.",
                )
