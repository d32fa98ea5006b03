"""Unquoted values that YAML reads as something else than text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.validate.blame import written
from ci.validate.model import Problem, show_path
from ci.validate.registry import rule
from ci.validate.rules.schema.fields import is_unquoted, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.validate.environment import Environment
    from ci.validate.model import Resource


@rule(
    "unquoted-value",
    source="YAML 1.1 (bool, int and float types), as kubectl, kustomize and Argo CD read it.",
)
def unquoted_value(resource: Resource, _environment: Environment) -> Iterator[Problem]:
    """A number or boolean where text belongs, for want of quotes.

    YAML reads `on`, `yes` and `true` as booleans, `0644` as 420, `1e3` as 1000 and `1.10` as 1.1.
    Environment variables, annotations, labels and the data of a ConfigMap are text: the API server
    can't read the manifest, and where a tool turns the value into text, it is another one.
    """
    for error in resource.schema_errors:
        if error.keyword == "type" and is_unquoted(error):
            text = written(resource, error.path)
            read = shown(error.value)
            reading = f"{text} without quotes is {read}" if text else f"{read} is no text"
            yield Problem(
                f"{show_path(error.path)}: {reading}, and text belongs there: the API server can't "
                "read the manifest",
                fix=f'Put it in quotes: "{text or error.value}".',
                path=error.path,
            )
