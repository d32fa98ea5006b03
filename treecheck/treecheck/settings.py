"""What a tree says about how it is checked: `treecheck.toml`, or `[tool.treecheck]` of pyproject.

    [tool.treecheck]
    select = ["fault", "runs-as-root"]
    ignore = ["drain-blocked"]
    facts = "infra/facts.yaml"
    kubernetes-version = "1.30"

    [tool.treecheck.severity]
    readiness-missing = "error"

    [tool.treecheck.per-path-ignores]
    "overlays/dev/**" = ["policy"]

A selector is a rule's id, a layer, a family, or `all`. Where one list selects a rule and the other
ignores it, the narrower selector wins; of two that are equally narrow, the one that ignores.
"""

from __future__ import annotations

import difflib
import fnmatch
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treecheck.errors import InputError
from treecheck.files import git_root
from treecheck.model import Severity
from treecheck.registry import LAYERS, Family, load_rules
from treecheck.schemas import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from treecheck.model import Finding
    from treecheck.registry import Rule

FILES = ("treecheck.toml", "pyproject.toml")
ALL = "all"
KEYS = ("select", "ignore", "severity", "facts", "per-path-ignores", "kubernetes-version")


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """How a tree is checked.

    Attributes:
        folder: the folder of the file; paths in it are relative to that.
        select: selectors of the rules that run.
        ignore: selectors of those that do not.
        severity: rule id -> the severity that its findings get.
        facts: the file of facts, or None.
        ignored_paths: (pattern of a file's path, selectors of the rules ignored there).
        kubernetes: the release whose schemas count; empty for that of the facts.
    """

    folder: Path = field(default_factory=Path.cwd)
    select: tuple[str, ...] = (ALL,)
    ignore: tuple[str, ...] = ()
    severity: dict[str, Severity] = field(default_factory=dict)
    facts: Path | None = None
    ignored_paths: tuple[tuple[str, tuple[str, ...]], ...] = ()
    kubernetes: str = ""

    def chosen(self) -> frozenset[str]:
        """The ids of the rules that run."""
        return frozenset(
            rule.id
            for rule in load_rules().values()
            if any(self._runs(rule, family) for family in rule.families)
        )

    def _runs(self, rule: Rule, family: str) -> bool:
        """Whether findings of a family that a rule may have are asked for."""
        return _narrowest(rule, self.select, family) > _narrowest(rule, self.ignore, family)

    def asked(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings without those of a family that is not asked for.

        A refusal by Pod Security is a fault, and what its rule finds elsewhere is policy.
        """
        rules = load_rules()
        return [
            each
            for each in findings
            if not rules[each.rule].insisted or self._runs(rules[each.rule], each.family)
        ]

    def settle(self, findings: Iterable[Finding], root: Path) -> list[Finding]:
        """The findings that are not ignored where they are, with the severity that they get.

        `root` is the folder that their files are relative to.
        """
        return [
            replace(each, severity=self.severity.get(each.rule, each.severity))
            for each in findings
            if not self._is_ignored(each, root)
        ]

    def _is_ignored(self, finding: Finding, root: Path) -> bool:
        if not finding.file or not self.ignored_paths:
            return False
        path = (root / finding.file).resolve()
        folder = self.folder.resolve()
        shown = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
        rule = load_rules()[finding.rule]
        return any(
            fnmatch.fnmatch(shown, pattern) and _narrowest(rule, selectors, finding.family) > 0
            for pattern, selectors in self.ignored_paths
        )


def _narrowest(rule: Rule, selectors: Iterable[str], family: str) -> int:
    """How narrow the narrowest selector is that means a rule's findings of a family; 0: none."""
    names = (ALL, family or rule.family, rule.layer, rule.id)
    return max((names.index(each) + 1 for each in selectors if each in names), default=0)


def find_settings(folder: Path) -> CheckSettings:
    """The settings of the nearest file at or above a folder, within its git working tree.

    Raises:
        InputError: the file can't be read, or says something that is not known.
    """
    folder = folder.resolve()
    stop = git_root(folder)
    for here in (folder, *folder.parents):
        for name in FILES:
            body = _read(here / name) if (here / name).is_file() else None
            if body is not None:
                return parse_settings(body, here / name)
        if here == stop:
            break
    return CheckSettings(folder)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        body = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{file} can't be read: {error}") from error
    if file.name != "pyproject.toml":
        return body
    tool = body.get("tool", {}).get("treecheck")
    return tool if isinstance(tool, dict) else None


def parse_settings(body: dict[str, Any], file: Path) -> CheckSettings:
    """The settings in a file's table.

    Raises:
        InputError: a key or value is not known; the message names the file and the key.
    """
    for key in body:
        if key not in KEYS:
            raise InputError(f"{file}: unknown key {key!r}; known are {', '.join(KEYS)}")
    paths = _table(body, "per-path-ignores", file)
    facts = body.get("facts")
    if facts is not None and not isinstance(facts, str):
        raise InputError(f"{file}: facts is the path of a file, not {facts!r}")
    return CheckSettings(
        folder=file.parent,
        select=_selectors(body.get("select", [ALL]), f"{file}: select"),
        ignore=_selectors(body.get("ignore", []), f"{file}: ignore"),
        severity={
            _rule(key, f"{file}: severity"): _severity(value, f"{file}: severity.{key}")
            for key, value in _table(body, "severity", file).items()
        },
        facts=file.parent / facts if facts is not None else None,
        ignored_paths=tuple(
            (pattern, _selectors(value, f"{file}: per-path-ignores {pattern!r}"))
            for pattern, value in paths.items()
        ),
        kubernetes=_version(body.get("kubernetes-version")),
    )


def _table(body: dict[str, Any], key: str, file: Path) -> dict[str, Any]:
    value = body.get(key, {})
    if not isinstance(value, dict):
        raise InputError(f"{file}: {key} is a table, not {value!r}")
    return value


def _version(value: Any) -> str:
    if value is not None:
        parse_version(str(value))
    return str(value or "")


def _severity(value: Any, where: str) -> Severity:
    if value not in list(Severity):
        raise InputError(f"{where} is {value!r}; valid are {' and '.join(Severity)}")
    return Severity(value)


def _rule(name: str, where: str) -> str:
    if name not in load_rules():
        raise InputError(f"{where} names an unknown rule: {name!r}", hint=_near(name, load_rules()))
    return name


def _selectors(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InputError(f"{where} is a list of rules, layers and families, not {value!r}")
    return parse_selectors(value, where)


def parse_selectors(texts: Iterable[str], where: str) -> tuple[str, ...]:
    """Selectors from texts that may hold several, joined by commas: `fault,runs-as-root`.

    Raises:
        InputError: one of them is not known; the message starts with `where`.
    """
    known = {ALL, *Family, *LAYERS, *load_rules()}
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise InputError(
                f"{where} has an unknown rule, layer or family: {name!r}", hint=_near(name, known)
            )
    return tuple(names)


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known))
    return f"Did you mean {near[0]}?" if near else "`treecheck --list` prints every rule."
