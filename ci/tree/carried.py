"""Every line of the tree that carries a value of settings.yaml, and how it is written again.

Such a line ends in a comment that says how its value is made:

    repoURL: https://github.com/example-org/coworking.git # settings: {git_url}
    version: "1.32" # settings: {kubernetes}
    availabilityZones: [us-east-1a, us-east-1b] # settings: {zones}
    - us-east-1a # settings: {zones[0]}

so that `make configure` can write it again, and a reader sees where it comes from. A list is a flow
list on one line; what may be empty is quoted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from ci.errors import InputError
from ci.tree import backups, outside
from ci.tree.images import DATABASE_IMAGE
from ci.tree.settings import SETTINGS

if TYPE_CHECKING:
    from ci.tree.settings import Settings, Value

_VALUE = r"""(?:"[^"#]*"|'[^'#]*'|\[[^\]#]*\]|[^\s"'#\[]+)"""
_MARKED = re.compile(
    rf"^(?P<head>[^#]*?)(?P<value>{_VALUE})(?P<gap>\s+\#\s+settings:\s+)(?P<template>\S.*?)\s*$"
)


class _FlowList(tuple[str, ...]):
    """A list that a template writes as YAML's flow list: `[a, b]`."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return f"[{', '.join(map(_scalar, self))}]"


def values(settings: Settings) -> dict[str, str | _FlowList]:
    """Every name that a `# settings:` comment may use."""
    made: dict[str, Value] = {
        "registry": settings.registry,
        "image": settings.image,
        "postgres_image": DATABASE_IMAGE.named_after(settings.image),
        "prod_internal": _boolean(settings.prod_internal),
        "prod_tls": _boolean(bool(settings.prod_certificate)),
        "argocd_internal": _boolean(settings.argocd_internal),
        **backups.values(settings),
        **outside.values(settings),
    }
    return {
        name: value if isinstance(value, str) else _FlowList(value)
        for name, value in (settings._asdict() | made).items()
    }


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def carry(text: str, settings: Settings) -> str:
    """Write every line of a text that ends in a `# settings:` comment again.

    Raises:
        InputError: a comment names an unknown setting.
    """
    if "# settings:" not in text:
        return text
    return "".join(_carry_line(line, settings) for line in text.splitlines(keepends=True))


def _carry_line(line: str, settings: Settings) -> str:
    marked = _MARKED.match(line)
    if marked is None:
        return line
    known = values(settings)
    try:
        value = marked["template"].format_map(known)
    except (KeyError, ValueError, IndexError, AttributeError, TypeError) as error:
        names = ", ".join(f"{{{name}}}" for name in known)
        raise InputError(
            f"`# settings: {marked['template']}` can't be filled in; it may name {names}"
        ) from error
    quote = marked["value"][0] if marked["value"][0] in "\"'" else ""
    return line[: marked.start("value")] + quote + value + quote + line[marked.end("value") :]


def edit_file(text: str, settings: Settings) -> str:
    """The text of settings.yaml with other values, its comments kept."""
    for name in SETTINGS:
        written = _written(getattr(settings, name)).replace("\\", r"\\")
        text = re.sub(rf"(?m)^({name}: +){_VALUE}", rf"\g<1>{written}", text)
    return text


def _written(value: Value) -> str:
    return _scalar(value) if isinstance(value, str) else f"{_FlowList(value)}"


def _scalar(value: str) -> str:
    """A text as YAML reads it back: quoted if it is empty, a number, a `yes`, or has a blank."""
    try:
        is_text = yaml.safe_load(value) == value
    except yaml.YAMLError:
        is_text = False
    return value if is_text and " " not in value else f'"{value}"'
