"""Runs the rules over the inputs and turns what they answer into findings."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from treecheck.beside import is_bundle
from treecheck.blame import blame
from treecheck.cluster import Cluster
from treecheck.conformance import conform
from treecheck.files import SourceFile
from treecheck.inputs import show
from treecheck.kube.secrets import without_forms
from treecheck.lacks import known_lacks
from treecheck.model import Finding, Origin, Part, Problem, Resource, Severity
from treecheck.placeholders import encrypted_in, has_image_to_fill, is_filled_in_later
from treecheck.registry import LAYERS, STRUCTURAL, Raised, Rule, Scope, engine_rule, load_rules
from treecheck.rendering import reading_once
from treecheck.unread import NOT_YAML, UNBUILDABLE, failed_inputs, unread, without_left_over
from treecheck.waivers import apply_waivers
from treecheck.wording import without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from treecheck.facts import Facts
    from treecheck.inputs import Inputs
    from treecheck.model import FieldPath


CRASHED = engine_rule(
    Rule(
        id="rule-crashed",
        layer="checker",
        title="A rule that crashed",
        severity=Severity.ERROR,
        explanation="The other rules have run, so their findings stand. What this one would have "
        "found is not known.",
        source="This project: one mistake in a rule must not hide what the others find.",
        scope=Scope.ENGINE,
        kinds=frozenset(),
        unless=(),
        check=lambda: (),
    )
)


# What is reported whichever rules are chosen: without it a run would pass for more than it was.
ALWAYS = frozenset({CRASHED, NOT_YAML, UNBUILDABLE})


# What says how many pods a workload runs, and how it replaces them: its pods are the same.
NUMBERS = frozenset(
    {"minReadySeconds", "paused", "podManagementPolicy", "progressDeadlineSeconds", "replicas"}
    | {"revisionHistoryLimit", "strategy", "updateStrategy"}
)


# Rules about what can't be decoded, which is refused wherever it is, and about what the API server
# checks of a StatefulSet's pods too.
UNREADABLE = frozenset({"malformed-quantity", "not-base64", "number-too-large", "restart-policy"})


# Rules of the layer `api` that look at one value, by its schema with our limits in it.
SINGLE_VALUES = frozenset(
    {"malformed-key", "malformed-quantity", "malformed-text", "not-base64", "number-out-of-range"}
    | {"required-field", "unknown-value", "wrong-count"}
)


@dataclass(slots=True)
class Report:
    """What a run found, what it could not look at, and how much it looked at.

    Attributes:
        failures: files that can't be read, a sentence each.
        notes: what was left out on purpose, and why, a sentence each.
        unknown: what can't be known from the tree, a sentence each.
        unbuilt: the folders at which kustomize fails, as they are printed -> why.
    """

    findings: list[Finding] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    unbuilt: dict[str, str] = field(default_factory=dict)
    resources: int = 0
    clusters: int = 0


@reading_once()
def check(
    inputs: Inputs,
    facts: Facts,
    version: tuple[int, int],
    *,
    only: Iterable[str] = (),
    today: datetime.date | None = None,
) -> Report:
    """Run every rule, or those in `only`, over the inputs; the others are not called."""
    wanted = set(only)
    chosen = {key: rule for key, rule in load_rules().items() if not wanted or key in wanted}
    raised = _files(inputs, facts, chosen.values())
    raised = list(without_left_over(inputs, [*raised, *unread(inputs, raised)]))
    tree = [each for found in inputs.sets.values() for each in found]
    for resource in tree:
        conform(resource, version)
    clusters = _clusters(inputs, facts, version, tree)
    unknown = dict.fromkeys([*inputs.unknown, *encrypted_in(inputs.sets.values())])
    filled = inputs.substituted or any(each.group == "kustomize.toolkit.fluxcd.io" for each in tree)
    for cluster in clusters:
        found = _cluster(cluster, chosen.values(), filled, cluster.name in inputs.apart)
        raised += known_lacks(found, cluster, clusters, inputs, unknown)
    raised = list(_kept(raised))
    raised += apply_waivers(
        raised, inputs, facts, set(chosen), today or datetime.datetime.now(tz=datetime.UTC).date()
    )
    # The last look at what is said: names of resources, files and addresses come from anybody.
    safe = without_forms
    return Report(
        findings=_findings(inputs, (each for each in raised if each.rule.id in {*chosen, *ALWAYS})),
        failures=[safe(each) for each in (*inputs.failures, *failed_inputs(inputs, raised))],
        notes=[safe(each) for each in inputs.notes],
        unknown=[safe(each) for each in unknown],
        unbuilt={each: safe(one.why) for one in inputs.unbuilt for each in one.folders},
        resources=sum(each.checked for each in tree),
        clusters=len(clusters),
    )


def structural_errors(body: dict[str, Any], version: tuple[int, int]) -> list[str]:
    """What the layers that speak for the API server have against one manifest, a line each."""
    resource = Resource(body, Part("manifest", "manifest"), Origin(None, 0))
    conform(resource, version)
    cluster = Cluster("manifest", [resource], version=version)
    rules = [rule for rule in load_rules().values() if rule.layer in STRUCTURAL]
    return [
        f"{each.rule.id}: {each.problem.message}"
        for each in _cluster(cluster, rules)
        if each.rule.severity is Severity.ERROR
        and each.rule.layer in STRUCTURAL
        and not _deferred(each)
    ]


def _deferred(raised: Raised) -> bool:
    """Whether the API server takes the resource and refuses what a controller makes of it.

    It hardly looks into a StatefulSet's pod and claim templates.
    """
    resource, path = raised.resource, raised.problem.path
    if resource is None or resource.kind != "StatefulSet" or raised.rule.layer != "api":
        return False
    if raised.rule.id in UNREADABLE:
        return False
    return path[:3] == ("spec", "template", "spec") or path[:2] == ("spec", "volumeClaimTemplates")


def _message(raised: Raised) -> str:
    """The problem's sentence; rules that speak for the API server leave its answer to us."""
    message = raised.problem.message
    if raised.rule.layer != "api" or raised.rule.severity is not Severity.ERROR:
        return message
    if _deferred(raised):
        return f"{message}: the API server takes the StatefulSet and refuses each of its pods"
    refused = "the API server refuses the manifest"
    return message if message.endswith(refused) else f"{message}: {refused}"


def _files(inputs: Inputs, facts: Facts, rules: Iterable[Rule]) -> list[Raised]:
    raised: list[Raised] = []
    for rule in rules:
        if rule.scope is Scope.FILE:
            for source in inputs.files.values():
                raised += _call(rule, source, facts)
    return raised


def _clusters(
    inputs: Inputs, facts: Facts, version: tuple[int, int], tree: list[Resource]
) -> list[Cluster]:
    shared: dict[str, Any] = {}
    return [
        Cluster(name, found, facts, version, inputs.unseen_of(name), tree, shared)
        for name, found in inputs.sets.items()
    ]


def _cluster(
    cluster: Cluster,
    rules: Iterable[Rule],
    substituted: bool = False,
    apart: bool = False,
) -> list[Raised]:
    """The rules of every layer in order, so that later ones see what earlier ones fixed."""
    raised: list[Raised] = []
    for rule in rules:
        if rule.scope is Scope.CLUSTER:
            raised += _call(rule, cluster)
        elif rule.scope is Scope.RESOURCE:
            kinds = sorted(rule.kinds)
            targets = cluster.of_kind(*kinds) if kinds else cluster.resources
            for resource in targets:
                if not resource.checked:
                    continue
                raised += _call(rule, resource, cluster)
    return [each for each in raised if _is_judged(each, substituted=substituted, apart=apart)]


def _is_judged(raised: Raised, *, substituted: bool, apart: bool) -> bool:
    """Whether a rule may speak about a resource, and a field of it.

    Of a Rollout no schema is known here: its pods are there for what selects or starts them, and
    what only looks at their fields is left to Argo Rollouts' own checks. A file of a Helm chart is
    applied with what the chart's templates make, and one of an example perhaps never, so either is
    only looked at by itself.
    """
    resource, path = raised.resource, raised.problem.path
    if resource is not None and is_filled_in_later(
        resource, path, substituted=substituted, apart=apart
    ):
        return False
    if resource is not None and resource.part.to_copy and has_image_to_fill(resource):
        return raised.rule.layer in STRUCTURAL
    if resource is not None and resource.part.shown and raised.rule.id == "not-base64":
        return False  # a word for the secret that somebody has
    file = resource.origin.file if resource is not None and resource.part.loose else None
    if file is not None and is_bundle(file.parent):  # OLM adds more, where the release fits
        return raised.rule.layer in STRUCTURAL and raised.rule.id != "removed-api"
    if resource is not None and (resource.part.chart or resource.part.shown):
        return raised.rule.layer in STRUCTURAL
    rollout = raised.resource is not None and raised.resource.kind == "Rollout"
    return not rollout or raised.rule.layer in {"yaml_text", "references", "gitops"}


def _call(rule: Rule, subject: Any, *arguments: Any) -> list[Raised]:
    """What a rule finds in a file, a resource or a cluster; a crash of it is a finding too."""
    resource = subject if isinstance(subject, Resource) else None
    try:
        found = list(rule.check(subject, *arguments))
    except Exception as error:  # noqa: BLE001 - whatever a rule does, the others go on
        return [Raised(load_rules()[CRASHED], _crash(rule, subject, error), resource)]
    return [Raised(rule, each, each.resource or resource, resource) for each in found]


def _crash(rule: Rule, subject: Any, error: Exception) -> Problem:
    file = subject.path if isinstance(subject, SourceFile) else None
    return Problem(
        f"rule {rule.id} crashed, so what it would find here is not known: "
        f"{type(error).__name__}: {error}",
        fix=f"Report it as a mistake in the rule; until it is fixed, --ignore {rule.id}.",
        file=file,
        line=1 if file is not None else 0,
    )


def _kept(raised: list[Raised]) -> Iterator[Raised]:
    """One fault, one finding: what follows from another finding is left out.

    An error that the schema or the API server finds hides later layers' findings on the same
    field, its parents and its children, and those that name the resource as `related`, unless the
    error is in how many pods it runs and the finding is about their content. A rule stays silent
    in a resource, or about related ones, where one that it names in `unless` spoke, and tells a
    `cause` once.
    """
    spoken: set[tuple[int, str]] = {(id(each.resource), each.rule.id) for each in raised}
    broken: dict[int, list[tuple[float, FieldPath]]] = {}
    for each in raised:
        error = each.rule.severity is Severity.ERROR and each.rule.layer in STRUCTURAL
        if error and each.resource is not None:
            broken.setdefault(id(each.resource), []).extend(
                (_rank(each.rule), path) for path in (each.problem.path, *each.problem.hides)
            )
    told: set[tuple[str, int, str]] = set()
    for each in raised:
        resource, problem = each.resource, each.problem
        if resource is not None and not resource.checked:
            continue
        if each.rule.id == CRASHED:
            yield each
            continue
        concerned = {id(other) for other in (resource, *problem.related)}
        if any((one, other) in spoken for one in concerned for other in each.rule.unless):
            continue
        if any(_reaches(problem, broken.get(id(other), [])) for other in problem.related):
            continue
        cause = _cause(each)
        if cause in told or _follows(each, broken.get(id(resource), [])):
            continue
        if cause[2]:
            told.add(cause)
        yield each


def _reaches(problem: Problem, broken: list[tuple[float, FieldPath]]) -> bool:
    """Whether a problem that a resource is related to can follow from one of its errors."""
    return any(
        problem.counts or len(path) < 2 or path[0] != "spec" or path[1] not in NUMBERS
        for _, path in broken
    )


def _cause(raised: Raised) -> tuple[str, int, str]:
    """What a problem is reported once for: its cause, or a field of a template."""
    resource, problem = raised.resource, raised.problem
    if resource is not None and resource.maker is not None:
        return raised.rule.id, id(resource.maker), repr(problem.path)
    return raised.rule.id, id(resource.part) if resource else 0, problem.cause


def _rank(rule: Rule) -> float:
    """Where a rule stands in the order of causes: single values come before what compares them."""
    return list(LAYERS).index(rule.layer) - (0.5 if rule.id in SINGLE_VALUES else 0)


def _follows(raised: Raised, broken: list[tuple[float, FieldPath]]) -> bool:
    """Whether an error of an earlier rule is on the same field, above it or below it."""
    rank = _rank(raised.rule)
    return any(earlier < rank and _overlap(path, raised.problem.path) for earlier, path in broken)


def _overlap(one: FieldPath, other: FieldPath) -> bool:
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def _plain_name(resource: Resource) -> str:
    """A resource's name without the hash of its content that a generator adds."""
    return resource.name.rpartition("-")[0] if resource.origin.generated else resource.name


def _findings(inputs: Inputs, raised: Iterable[Raised]) -> list[Finding]:
    """Findings in the order of their files, the same fault seen through two overlays once."""
    merged: dict[tuple[Any, ...], list[Finding]] = {}
    told: set[tuple[Any, ...]] = set()
    places: Callable[[Path | None], str] = lambda path: show(path, inputs.root) if path else ""  # noqa: E731
    for each in raised:
        problem, resource = each.problem, each.resource
        file, line = problem.file, problem.line
        if file is None and resource is not None:
            file, line = blame(resource, problem.path)
        group = resource.part.group if resource is not None else places(file)
        title = resource.title if resource is not None else ""
        hidden = resource.hidden if resource is not None else ()
        finding = Finding(
            each.rule.id,
            each.problem.severity or each.rule.severity,
            without_forms(without(_message(each), hidden)),
            without_forms(title),
            without_forms(places(file)),
            line,
            without_forms(without(problem.fix, hidden)),
            (group,),
            each.rule.family_of(problem),
        )
        short = (resource.kind, _plain_name(resource)) if resource is not None else title
        key = (finding.rule, finding.file, finding.line, short, "" if resource else problem.message)
        exact = (*key, group, problem.path)
        if exact not in told:
            told.add(exact)
            _merge(merged.setdefault((*key, *_names(problem.path)), []), finding)
    findings = [each for found in merged.values() for each in found]
    return sorted(findings, key=lambda f: (f.groups, f.file, f.line, f.rule, f.message))


def _names(path: FieldPath) -> FieldPath:
    """A path without the places in lists, which differ where one overlay has an item less."""
    return tuple(step for step in path if isinstance(step, str))


def _merge(found: list[Finding], new: Finding) -> None:
    """Add a finding, or its group to the same finding of another one."""
    for index, known in enumerate(found):
        if new.groups[0] not in known.groups:
            found[index] = replace(known, groups=(*known.groups, *new.groups))
            return
    found.append(new)
