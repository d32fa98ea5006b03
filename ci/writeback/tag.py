"""Tags and registries: which of them a pipeline's write-back accepts.

>>> PipelineTag.parse("57-1f2e3d4c")
PipelineTag(build=57, commit='1f2e3d4c')
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ci.errors import InputError

# https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pulling-manifests
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
# CodeBuild counts builds from 1; git never abbreviates below 4 digits, and we never below 7.
BUILD = re.compile(r"[1-9][0-9]{0,9}")
_PIPELINE_TAG = re.compile(rf"({BUILD.pattern})-([0-9a-f]{{7,40}})")
_REGISTRY = re.compile(
    r"(?P<account>[0-9]{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z]{2}(?:-[a-z]+)+-[0-9]+)"
    r"\.amazonaws\.com(?:\.cn)?"
    # A repository's name: the pattern of `repositoryName` in the Amazon ECR API reference.
    r"/(?P<repository>(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*)"
)


class PipelineTag(NamedTuple):
    """`<build>-<commit>`: a build's number, and the first digits of the commit it was made of."""

    build: int
    commit: str

    @classmethod
    def match(cls, text: str) -> PipelineTag | None:
        """Read a tag, or None when it has another form, as a hotfix's tag may."""
        found = _PIPELINE_TAG.fullmatch(text)
        return cls(int(found[1]), found[2]) if found else None

    @classmethod
    def parse(cls, text: str) -> PipelineTag:
        """Read a tag, or raise an InputError that names it."""
        tag = cls.match(text)
        if tag is None:
            raise InputError(
                f"tag {text!r} is not of the form <build>-<commit>",
                hint="A pipeline's tag is a build number and the first 8 digits of its commit, such"
                " as 57-1f2e3d4c. Another tag is deployed by `python -m ci hotfix`.",
            )
        return tag


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


def check_tag(text: str) -> str:
    """Return a tag of any form that a registry accepts, or raise an InputError."""
    if not TAG.fullmatch(text):
        raise InputError(
            f"{text!r} is not a tag that a registry accepts",
            hint="A tag has up to 128 letters, digits, '.', '_' and '-', and starts with neither"
            " '.' nor '-', such as manual-v1.0.0.",
        )
    return text
