"""A buildspec, read strictly: what CodeBuild would refuse, or we don't imitate, is an error.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from ci.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

PHASES = ("install", "pre_build", "build", "post_build")
# CONTINUE and RETRY exist too; whether a build that went on is green is not documented, so they
# are not imitated.
ON_FAILURE = ("ABORT",)
SHELLS = ("sh", "bash", "/bin/sh", "/bin/bash")
_KEYS = {
    "": ("version", "env", "phases", "reports"),
    "env": ("shell", "variables", "secrets-manager", "exported-variables"),
    "phases": PHASES,
    "phase": ("on-failure", "runtime-versions", "commands", "finally"),
    "report": ("base-directory", "files", "file-format"),
}


class Phase(NamedTuple):
    """A phase: its commands, those that always follow, and what a failure does.

    Attributes:
        name: one of PHASES.
        on_failure: `ABORT`, or None for CodeBuild's own way (see `Runner`).
    """

    name: str
    commands: tuple[str, ...]
    finally_: tuple[str, ...]
    on_failure: str | None


class ReportGroup(NamedTuple):
    """A group of test reports: where they are, and their format."""

    name: str
    base: str
    files: tuple[str, ...]
    format: str


class Spec(NamedTuple):
    """A buildspec."""

    shell: str
    variables: dict[str, str]
    secrets: dict[str, str]
    exported: tuple[str, ...]
    phases: tuple[Phase, ...]
    reports: tuple[ReportGroup, ...]


def parse(path: Path) -> Spec:
    """Read a buildspec file.

    Raises:
        InputError: it can't be read, or uses what is not imitated here; names the key.
    """
    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} can't be read: {error}") from error
    try:
        return _spec(found)
    except InputError as error:
        raise InputError(f"{path}: {error}", hint=error.hint) from error


def _spec(found: Any) -> Spec:
    top = _mapping(found, "", "the file")
    if str(top.get("version")) != "0.2":
        raise InputError(f"version is {top.get('version')!r}, and only 0.2 is imitated")
    env = _mapping(top.get("env", {}), "env", "env")
    phases = _mapping(top.get("phases"), "phases", "phases")
    reports = _mapping(top.get("reports", {}), None, "reports")
    shell = env.get("shell", "sh")
    if shell not in SHELLS:
        raise InputError(f"env.shell is {shell!r}; it can be {', '.join(SHELLS)}")
    return Spec(
        shell,
        _strings(env.get("variables", {}), "env.variables"),
        _strings(env.get("secrets-manager", {}), "env.secrets-manager"),
        _words(env.get("exported-variables", []), "env.exported-variables"),
        tuple(_phase(name, phases[name]) for name in PHASES if name in phases),
        tuple(_report(name, value) for name, value in reports.items()),
    )


def _phase(name: str, found: Any) -> Phase:
    where = f"phases.{name}"
    phase = _mapping(found, "phase", where)
    on_failure = phase.get("on-failure")
    if on_failure not in (None, *ON_FAILURE):
        raise InputError(f"{where}.on-failure is {on_failure!r}, and only ABORT is imitated")
    return Phase(
        name,
        _words(phase.get("commands", []), f"{where}.commands"),
        _words(phase.get("finally", []), f"{where}.finally"),
        on_failure,
    )


def _report(name: str, found: Any) -> ReportGroup:
    report = _mapping(found, "report", f"reports.{name}")
    return ReportGroup(
        name,
        str(report.get("base-directory", ".")),
        _words(report.get("files", []), f"reports.{name}.files"),
        str(report.get("file-format", "JUNITXML")),
    )


def _mapping(value: Any, keys: str | None, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where} is not a mapping")
    if keys is not None and (unknown := sorted(set(map(str, value)) - set(_KEYS[keys]))):
        raise InputError(
            f"{where} has {unknown[0]!r}, which is unknown or not imitated here",
            hint=f"Valid: {', '.join(_KEYS[keys])}.",
        )
    return value


def _words(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        # `- echo a: b` is a mapping to YAML: the mistake that breaks most buildspecs.
        raise InputError(
            f"{where} is not a list of strings", hint="Quote a command with `: ` in it."
        )
    return tuple(value)


def _strings(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise InputError(f"{where} is not a mapping")
    return {str(name): str(text) for name, text in value.items()}
