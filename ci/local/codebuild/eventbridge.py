"""Which build another one's end starts, by the rules of the pipeline's template.

A pattern lists, for each field, the values that match; a field that it doesn't name doesn't
matter. A target's input transformer takes values out of the event by path and puts them, as JSON,
into a template; CodeBuild takes the result for the parameters of StartBuild.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from ci.errors import InputError
from ci.tree.overlays import PIPELINE_TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_-]+)>")


class Start(NamedTuple):
    """A build to start: the project's name, its buildspec, and the parameters of StartBuild."""

    project: str
    buildspec: str
    parameters: dict[str, Any]

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that it is started with."""
        overrides = self.parameters.get("environmentVariablesOverride", [])
        return {one["name"]: one["value"] for one in overrides}


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms: `!Ref x` as {"Ref": x}, `!Sub x` as {"Fn::Sub": x}."""


def _short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        raise InputError(f"{PIPELINE_TEMPLATE}: !{suffix} with a mapping is not known here")
    return {"Ref" if suffix == "Ref" else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


class Template:
    """The pipeline's template, for a pipeline of that name."""

    def __init__(self, text: str, pipeline: str) -> None:
        template = yaml.load(text, _Loader)  # noqa: S506  (a SafeLoader)
        self._resources: dict[str, Any] = template["Resources"]
        self._pipeline = pipeline

    @classmethod
    def read(cls, path: Path, pipeline: str) -> Template | None:
        """Read a template; None where there is none."""
        return cls(path.read_text(encoding="utf-8"), pipeline) if path.exists() else None

    def project_of(self, buildspec: str) -> str | None:
        """The project that runs a buildspec, given by its path in the source."""
        for properties in self._all("AWS::CodeBuild::Project"):
            if properties["Source"]["BuildSpec"] == buildspec:
                return self._text(properties["Name"])
        return None

    def starts(self, event: Mapping[str, Any]) -> Iterator[Start]:
        """The builds that an event starts."""
        for rule in self._all("AWS::Events::Rule"):
            if not self._matches(rule["EventPattern"], event):
                continue
            for target in rule["Targets"]:
                logical = target["Arn"]["Fn::GetAtt"].partition(".")[0]
                project = self._resources[logical]["Properties"]
                yield Start(
                    self._text(project["Name"]),
                    project["Source"]["BuildSpec"],
                    _transform(target["InputTransformer"], event),
                )

    def _all(self, kind: str) -> Iterator[dict[str, Any]]:
        for resource in self._resources.values():
            if resource["Type"] == kind:
                yield resource["Properties"]

    def _text(self, value: Any) -> str:
        """A value of the template as it is deployed."""
        if isinstance(value, str):
            return value
        if "Fn::Sub" in value:
            return str(value["Fn::Sub"]).replace("${PipelineName}", self._pipeline)
        name = value.get("Ref", "")
        if name == "PipelineName":
            return self._pipeline
        if self._resources.get(name, {}).get("Type") == "AWS::CodeBuild::Project":
            return self._text(self._resources[name]["Properties"]["Name"])
        raise InputError(
            f"{PIPELINE_TEMPLATE}: what {value} is when it is deployed is not known here"
        )

    def _matches(self, pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
        for field, wanted in pattern.items():
            found = event.get(field)
            if isinstance(wanted, dict):
                if not isinstance(found, dict) or not self._matches(wanted, found):
                    return False
            elif found not in [self._text(one) for one in wanted]:
                return False
        return True


def _transform(transformer: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: _at(event, path) for name, path in transformer.get("InputPathsMap", {}).items()}

    def fill(found: re.Match[str]) -> str:
        value = values.get(found[1])
        if not isinstance(value, str):
            raise InputError(f"{PIPELINE_TEMPLATE}: <{found[1]}> is not a text of the event")
        return json.dumps(value)

    result: dict[str, Any] = json.loads(_PLACEHOLDER.sub(fill, transformer["InputTemplate"]))
    return result


def _at(event: Mapping[str, Any], path: str) -> Any:
    found: Any = event
    for name in path.removeprefix("$.").split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
