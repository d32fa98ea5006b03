"""The one settings file, and every line of the tree that must carry one of its values literally.

Such a line ends in a comment that says how its value is made:

    repoURL: https://github.com/example-org/coworking.git # settings: {git_url}
    - us-east-1a # settings: {region}a

so that `make configure` can write it anew, and a reader sees where it comes from.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from ci.errors import InputError
from ci.overlays import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FILE = "settings.yaml"


class Setting(NamedTuple):
    """A setting: what it is, which values are valid, and one that is."""

    help: str
    valid: re.Pattern[str]
    rule: str
    example: str


SETTINGS: dict[str, Setting] = {
    "account": Setting(
        "the AWS account", re.compile(r"[0-9]{12}"), "twelve digits", "123456789012"
    ),
    "region": Setting(
        "where the cluster and the image repository are",
        re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]"),
        "an AWS region",
        "eu-central-1",
    ),
    # https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
    "repository": Setting(
        "the image repository's name in ECR",
        re.compile(r"(?=.{2,256}$)(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*"),
        "2 to 256 lower-case letters, digits and . _ - / between them",
        "team/coworking",
    ),
    "git_url": Setting(
        "what Argo CD reads and the pipeline writes to",
        re.compile(
            r"https?://[\w.-]+(:\d+)?/[\w./~-]+|ssh://\w+@[\w.-]+(:\d+)?/[\w./~-]+|git@[\w.-]+:[\w./~-]+"
        ),
        "an https or ssh address without a password in it",
        "https://github.com/your-org/coworking.git",
    ),
}

_MARKED = re.compile(
    r"""^(?P<head>[^#]*?)(?P<quote>["']?)(?P<value>[^\s"'#]+)(?P=quote)"""
    r"""(?P<gap>\s+\#\s+settings:\s+)(?P<template>\S.*?)\s*$"""
)


class Settings(NamedTuple):
    """The values of settings.yaml, checked."""

    account: str
    region: str
    repository: str
    git_url: str

    @property
    def registry(self) -> str:
        """The host name of the account's ECR."""
        suffix = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        return f"{self.account}.dkr.ecr.{self.region}.{suffix}"

    @property
    def image(self) -> str:
        """The image's name without a tag."""
        return f"{self.registry}/{self.repository}"

    def values(self) -> dict[str, str]:
        """Every name that a `# settings:` comment may use."""
        return self._asdict() | {"registry": self.registry, "image": self.image}


def check(name: str, value: str) -> str:
    """Return a setting's value, or refuse it.

    Raises:
        InputError: it is not valid; with a value that would be.
    """
    setting = SETTINGS[name]
    if not setting.valid.fullmatch(value):
        raise InputError(
            f"{name} is {value!r}, and it takes {setting.rule}",
            hint=f"For example {setting.example}",
        )
    return value


def read(root: Path = ROOT) -> Settings:
    """Read settings.yaml.

    Raises:
        InputError: it is missing, lacks a setting, has an unknown one, or one that is not valid.
    """
    path = root / FILE
    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} can't be read: {error}") from error
    names = ", ".join(SETTINGS)
    if not isinstance(found, dict) or set(found) != set(SETTINGS):
        raise InputError(f"{path} must have exactly these settings: {names}")
    for name, value in found.items():
        if not isinstance(value, str):
            raise InputError(
                f"{path}: {name} is {value!r}, which is no text; quote it",
                hint=f'For example {name}: "{SETTINGS[name].example}"',
            )
    return Settings(**{name: check(name, found[name]) for name in SETTINGS})


def carry(text: str, settings: Settings) -> str:
    """Write every line of a text that ends in a `# settings:` comment anew.

    Raises:
        InputError: a comment names something that is no setting.
    """
    if "# settings:" not in text:
        return text
    return "".join(_carry_line(line, settings) for line in text.splitlines(keepends=True))


def _carry_line(line: str, settings: Settings) -> str:
    marked = _MARKED.match(line)
    if marked is None:
        return line
    try:
        value = marked["template"].format_map(settings.values())
    except (KeyError, ValueError, IndexError) as error:
        known = ", ".join(f"{{{name}}}" for name in settings.values())
        raise InputError(
            f"`# settings: {marked['template']}` can't be filled in; it may name {known}"
        ) from error
    end = len(marked["head"] + marked["quote"])
    return line[:end] + value + line[end + len(marked["value"]) :]


def is_marked(line: str) -> bool:
    """Whether a line's value comes from settings.yaml."""
    return _MARKED.match(line) is not None


def edit_file(text: str, settings: Settings) -> str:
    """The text of settings.yaml with other values, its comments kept."""
    for name, value in settings._asdict().items():
        is_text = yaml.safe_load(value) == value  # neither a number nor a `yes`
        quoted = value if is_text else f'"{value}"'
        text = re.sub(rf"(?m)^({name}: +)(\"[^\"]*\"|\S+)", rf"\g<1>{quoted}", text)
    return text
