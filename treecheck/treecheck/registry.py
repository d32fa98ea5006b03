"""The rules, registered once as data: the engine, `--list`, the docs and the tests read them.

A rule is a function under a decorator, in a module of `treecheck/rules/<layer>/`; its docstring's
first line is the title, the rest the explanation. README.md beside this file shows one.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from treecheck.errors import InputError
from treecheck.model import Severity

if TYPE_CHECKING:
    from treecheck.model import Problem, Resource

Check = Callable[..., Iterable["Problem"]]

# In the order in which they run: an error of an earlier layer hides what follows from it.
LAYERS: dict[str, str] = {
    "yaml_text": "YAML",
    "schema": "Schema",
    "api": "What the API server refuses beyond the schema",
    "references": "References",
    "runtime": "Meaning at run time",
    "security": "Security",
    "gitops": "GitOps",
    "capacity": "Capacity",
    "waivers": "Waivers",
    "checker": "The checker itself",
}
STRUCTURAL = ("yaml_text", "schema", "api")


class Family(StrEnum):
    """What a finding means, so that a tree can ask for one without the other.

    FAULT: something does not do what its author meant: it is refused, breaks, or loses data.
    POLICY: it works as written, and good practice or hardening asks for something else.
    """

    FAULT = "fault"
    POLICY = "policy"


class Scope(StrEnum):
    """What a rule's function is called with.

    FILE: (SourceFile, Facts), for each YAML file of the tree, as it was written.
    RESOURCE: (Resource, Cluster), for each rendered resource, or each of `kinds`.
    CLUSTER: (Cluster), once for each set of resources that share a cluster.
    ENGINE: never; the engine itself reports it.
    """

    FILE = "file"
    RESOURCE = "resource"
    CLUSTER = "cluster"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as data.

    Attributes:
        id: its name in findings, waivers and `--only`: lower-case words joined by hyphens.
        layer: a key of LAYERS.
        family: what its findings mean.
        title: what it finds, in one line.
        severity: how bad that is.
        explanation: why it matters and what to do, for `--explain` and the docs.
        source: where the rule comes from (an API's validation, a standard, an incident).
        scope: what `check` is called with.
        kinds: for resource rules, the kinds it looks at; empty for all.
        unless: rules that report the same cause: where one of them found something in the same
            resource, or in one that the problem names as related, this one stays silent.
        check: the function.
        insisted: whether the API server insists on it where a namespace says so: those of its
            problems that have the severity ERROR of their own are refusals, and so faults.
    """

    id: str
    layer: str
    title: str
    severity: Severity
    explanation: str
    source: str
    scope: Scope
    kinds: frozenset[str]
    unless: tuple[str, ...]
    check: Check
    family: Family = Family.FAULT
    insisted: bool = False

    @property
    def families(self) -> frozenset[Family]:
        """What its findings may mean."""
        return frozenset({self.family, Family.FAULT} if self.insisted else {self.family})

    def family_of(self, problem: Problem) -> Family:
        """What one of its problems means."""
        refused = self.insisted and problem.severity is Severity.ERROR
        return Family.FAULT if refused else self.family

    @property
    def is_ours(self) -> bool:
        """Whether the rule is one of this package, and not one that a caller adds."""
        return self.check.__module__.startswith("treecheck.")


@dataclass(slots=True)
class Raised:
    """A problem with the rule that raised it and the resource that it is about, if one is.

    `asked` is the resource that the rule was called with.
    """

    rule: Rule
    problem: Problem
    resource: Resource | None
    asked: Resource | None = None


RULES: dict[str, Rule] = {}


def rule(  # noqa: PLR0913 - the others are keywords of a record
    rule_id: str,
    *,
    source: str,
    severity: Severity = Severity.ERROR,
    scope: Scope = Scope.RESOURCE,
    kinds: Iterable[str] = (),
    unless: Iterable[str] = (),
    layer: str = "",
    family: Family = Family.FAULT,
    insisted: bool = False,
) -> Callable[[Check], Check]:
    """Register the decorated function.

    Its layer is the folder that its module lies in; a rule outside this package names its `layer`.
    The first line of its docstring is the rule's title, the rest its explanation.
    """

    def register(check: Check) -> Check:
        title, _, explanation = inspect.cleandoc(check.__doc__ or "").partition("\n")
        declare(
            Rule(
                id=rule_id,
                layer=layer or check.__module__.removeprefix("treecheck.rules.").partition(".")[0],
                title=title.rstrip("."),
                severity=severity,
                explanation=explanation.strip(),
                source=source,
                scope=scope,
                kinds=frozenset(kinds),
                unless=tuple(unless),
                check=check,
                family=family,
                insisted=insisted,
            )
        )
        return check

    return register


def declare(new: Rule) -> None:
    """Add a rule to RULES.

    Raises:
        ValueError: the id is taken, or the layer is unknown.
    """
    if new.id in RULES:
        raise ValueError(f"two rules are called {new.id}")
    if new.layer not in LAYERS:
        raise ValueError(f"rule {new.id} lies in no layer: {new.layer}")
    RULES[new.id] = new


def engine_rule(new: Rule) -> str:
    """Register a rule whose findings the engine itself makes; returns its id."""
    declare(new)
    return new.id


@cache
def load_rules() -> dict[str, Rule]:
    """Import every rule module once; returns RULES in the order of the layers, then of the ids."""
    importlib.import_module("treecheck.waivers")
    importlib.import_module("treecheck.engine")
    package = importlib.import_module("treecheck.rules")
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
    order = list(LAYERS)
    ranked = sorted(RULES.values(), key=lambda each: (order.index(each.layer), each.id))
    RULES.clear()
    RULES.update({each.id: each for each in ranked})
    return RULES


def find_rule(rule_id: str) -> Rule:
    """The rule with this id.

    Raises:
        InputError: there is none.
    """
    rules = load_rules()
    if rule_id not in rules:
        raise InputError(
            f"no rule is called {rule_id!r}", hint="`treecheck --list` prints every rule."
        )
    return rules[rule_id]
