"""Findings that somebody accepts until a date: in the facts, or by an annotation on the resource.

metadata:
  annotations:
    waive.validate/host-path: "until 2027-06-30: the log shipper reads the node's own files"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from treecheck.errors import InputError
from treecheck.facts import parse_date
from treecheck.model import Problem, Severity
from treecheck.registry import RULES, Raised, Rule, Scope, engine_rule

if TYPE_CHECKING:
    import datetime

    from treecheck.facts import Facts
    from treecheck.inputs import Inputs
    from treecheck.model import FieldPath, Resource

ANNOTATION = "waive.validate/"
_FORM = re.compile(r"until (\S+): *(\S.*)", re.DOTALL)


@dataclass(slots=True)
class _Entry:
    """A waiver, wherever it is written, and how to blame it."""

    rule: str
    reason: str
    expires: datetime.date
    where: dict[str, object]
    resource: Resource | None = None
    title: str = ""
    used: bool = False

    def covers(self, raised: Raised) -> bool:
        if self.rule != raised.rule.id:
            return False
        if self.resource is not None:
            return raised.resource is self.resource
        return raised.resource is not None and raised.resource.title == self.title


def _declare(rule_id: str, title: str, explanation: str) -> str:
    return engine_rule(
        Rule(
            id=rule_id,
            layer="waivers",
            title=title,
            severity=Severity.ERROR,
            explanation=explanation,
            source="This project: an exception without an end is forgotten.",
            scope=Scope.ENGINE,
            kinds=frozenset(),
            unless=(),
            check=lambda: (),
        )
    )


EXPIRED = _declare(
    "waiver-expired",
    "A waiver's date has passed",
    "The finding that it covered counts again, and the waiver is reported until one of the two "
    "goes: fix the cause, or decide again with a later date.",
)
UNUSED = _declare(
    "waiver-unused",
    "A waiver waives nothing",
    "What it covered has been fixed or renamed. Left behind, it would hide the next fault of the "
    "same kind in the same place.",
)
MALFORMED = _declare(
    "waiver-malformed",
    "A waiver can't be read",
    'A waiver names a rule that exists, a date and a reason: `waive.validate/RULE: "until '
    '2027-06-30: reason"` on the resource, or an entry of `waivers` in the facts.',
)


def apply_waivers(
    raised: list[Raised],
    inputs: Inputs,
    facts: Facts,
    chosen: set[str],
    today: datetime.date,
) -> list[Raised]:
    """Take waived findings out of `raised`; returns the findings about the waivers themselves."""
    entries, problems = _entries(inputs, facts)
    kept: list[Raised] = []
    for each in raised:
        covering = [entry for entry in entries if entry.covers(each)]
        for entry in covering:
            entry.used = True
        if not any(entry.expires >= today for entry in covering):
            kept.append(each)
    raised[:] = kept
    for entry in entries:
        if entry.rule not in chosen:
            continue
        if entry.expires < today:
            problems.append(_expired(entry))
        elif not entry.used:
            problems.append(_unused(entry))
    return problems


def _expired(entry: _Entry) -> Raised:
    problem = Problem(
        f"the waiver of {entry.rule} ended on {entry.expires}; what it covered counts again",
        fix="Fix the cause and remove the waiver, or decide again and set a later date.",
        **entry.where,  # type: ignore[arg-type]  # keywords of Problem, by where it is written
    )
    return Raised(RULES[EXPIRED], problem, entry.resource)


def _unused(entry: _Entry) -> Raised:
    problem = Problem(
        f"the waiver of {entry.rule} waives nothing; it would hide the next fault of that kind",
        fix="Remove the waiver.",
        **entry.where,  # type: ignore[arg-type]  # keywords of Problem, by where it is written
    )
    return Raised(RULES[UNUSED], problem, entry.resource)


def _entries(inputs: Inputs, facts: Facts) -> tuple[list[_Entry], list[Raised]]:
    entries: list[_Entry] = []
    problems: list[Raised] = []
    titles = set()
    for resource in (each for found in inputs.sets.values() for each in found if each.checked):
        titles.add(resource.title)
        for key, text in resource.annotations.items():
            if key.startswith(ANNOTATION):
                path = ("metadata", "annotations", key)
                try:
                    entries.append(_from_annotation(resource, key, text, path))
                except InputError as error:
                    fix = f'Write {key}: "until 2027-06-30: the reason".'
                    problem = Problem(str(error), fix=fix, path=path)
                    problems.append(Raised(RULES[MALFORMED], problem, resource))
    for waiver in facts.waivers:
        where: dict[str, object] = {"file": waiver.file, "line": waiver.line}
        if waiver.rule not in RULES:
            text = f"the waiver names {waiver.rule!r}, and there is no such rule"
            problem = Problem(
                text, fix="Name a rule of `--list`.", file=waiver.file, line=waiver.line
            )
            problems.append(Raised(RULES[MALFORMED], problem, None))
        elif inputs.whole or waiver.resource in titles:
            entries.append(
                _Entry(waiver.rule, waiver.reason, waiver.expires, where, title=waiver.resource)
            )
    return entries, problems


def _from_annotation(resource: Resource, key: str, text: str, path: FieldPath) -> _Entry:
    rule = key.removeprefix(ANNOTATION)
    if rule not in RULES:
        raise InputError(f"the annotation {key} waives nothing: no rule is called {rule!r}")
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InputError(f"the annotation {key} has no date and reason, so it waives nothing")
    expires = parse_date(match[1], f"the annotation {key}")
    return _Entry(rule, match[2], expires, {"path": path}, resource=resource)
