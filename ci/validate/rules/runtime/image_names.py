"""Names of images that no container runtime can read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ci.validate.model import Problem, as_text
from ci.validate.registry import rule
from ci.validate.rules.schema.fields import shown
from ci.validate.typed import of_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.validate.environment import Environment
    from ci.validate.model import Resource

_HOST = (
    r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)*"
)
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:{_HOST}(?::[0-9]+)?/)?{_PART}(?:/{_PART})*"
    r"(?::[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(?:@[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,})?\Z"
)


@rule(
    "image-name-invalid",
    source="https://github.com/distribution/reference: the grammar of a reference to an image.",
)
def image_name_invalid(resource: Resource, environment: Environment) -> Iterator[Problem]:
    """An image whose name can't be one.

    The API server takes any text; the kubelet then reports InvalidImageName and the container never
    starts. A name is in lower case, a tag has at most 128 letters, digits, `-`, `_` and `.`.
    """
    for path, container in of_type(resource, environment, "core.v1.Container"):
        image = as_text(container.get("image"))
        if image and not _REFERENCE.match(image):
            yield Problem(
                f"{shown(image)} is no name of an image: the container will never start",
                fix="Write one such as registry.example.com/team/app:1.4.2, in lower case.",
                path=(*path, "image"),
            )
