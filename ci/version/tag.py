"""Tags: which of them a pipeline's write-back accepts.

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
PLACEHOLDER = "0-"  # the tree comes with build 0, which never was
_PIPELINE_TAG = re.compile(rf"({BUILD.pattern})-([0-9a-f]{{7,40}})")


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


def check_tag(text: str) -> str:
    """Return a tag of any form that a registry accepts, or raise an InputError."""
    if not TAG.fullmatch(text):
        raise InputError(
            f"{text!r} is not a tag that a registry accepts",
            hint="A tag has up to 128 letters, digits, '.', '_' and '-', and starts with neither"
            " '.' nor '-', such as manual-v1.0.0.",
        )
    return text
