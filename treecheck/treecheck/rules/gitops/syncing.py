"""What Argo CD reads in syncPolicy and in annotations, and what it passes over in silence."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from treecheck.kube.alternatives import are_apart, are_roots
from treecheck.kube.applications import (
    GROUP,
    applications,
    prunes,
    resources_of,
    sync_options,
    sync_policy,
)
from treecheck.kube.declarations import DATA, declared
from treecheck.kube.names import suggest
from treecheck.kube.pages import SYNC_OPTIONS, SYNC_WAVES
from treecheck.kube.waves import (
    DELETE_POLICIES,
    HOOK,
    HOOK_DELETE,
    OPTIONS,
    OTHER_HOOKS,
    PHASES,
    WAVE,
    is_helm_hook,
    is_hook,
    words,
)
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text
from treecheck.registry import Family, Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Resource

AUTOMATED = "https://argo-cd.readthedocs.io/en/release-3.4/user-guide/auto_sync/"
POINTER = "/spec/syncPolicy/automated/enabled"
_VERSIONED = re.compile(r"-(?:v\d+|\d{6,})$")  # a Job's name that a change of it changes

APPLICATION_OPTIONS = {
    "ApplyOutOfSyncOnly": ("true", "false"),
    "ClientSideApplyMigration": ("true", "false"),
    "CreateNamespace": ("true", "false"),
    # For all resources, since Argo CD 3.4: https://github.com/argoproj/argo-cd/pull/23370
    "Delete": ("false", "confirm"),
    "FailOnSharedResource": ("true", "false"),
    "Prune": ("false", "confirm"),
    "PruneLast": ("true", "false"),
    "PrunePropagationPolicy": ("foreground", "background", "orphan"),
    "Replace": ("true", "false"),
    "RespectIgnoreDifferences": ("true", "false"),
    "ServerSideApply": ("true", "false"),
    "SkipDryRunOnMissingResource": ("true", "false"),
    "Validate": ("true", "false"),
}
ARGO = "argocd.argoproj.io"
NOTIFY = "notifications.argoproj.io"
COMPARE = "argocd.argoproj.io/compare-options"
RESOURCE_OPTIONS = {
    "ClientSideApplyMigration": ("false",),
    "Delete": ("false", "confirm"),
    "Force": ("true",),
    "Prune": ("false", "confirm"),
    "PruneLast": ("true",),
    "Replace": ("true",),
    "ServerSideApply": ("true", "false"),
    "SkipDryRunOnMissingResource": ("true",),
    "Validate": ("false",),
}


ANNOTATIONS = (
    WAVE,
    HOOK,
    HOOK_DELETE,
    OPTIONS,
    COMPARE,
    # https://github.com/argoproj/argo-cd/blob/release-3.4/common/common.go
    f"{ARGO}/application-set-refresh",
    f"{ARGO}/client-side-apply-migration-manager",
    f"{ARGO}/deletion-approved",
    f"{ARGO}/hydrate",
    f"{ARGO}/ignore-default-links",
    f"{ARGO}/ignore-healthcheck",
    f"{ARGO}/ignore-resource-updates",
    f"{ARGO}/installation-id",
    f"{ARGO}/managed-by",
    f"{ARGO}/managed-by-url",
    f"{ARGO}/manifest-generate-paths",
    f"{ARGO}/refresh",
    f"{ARGO}/skip-reconcile",
    f"{ARGO}/tracking-id",
    "sealedsecrets.bitnami.com/cluster-wide",
    "sealedsecrets.bitnami.com/namespace-wide",
    "sealedsecrets.bitnami.com/managed",
    "sealedsecrets.bitnami.com/patch",
)
COMPARE_OPTIONS = {
    "IgnoreExtraneous": ("",),
    "IncludeMutationWebhook": ("true",),
    "ServerSideDiff": ("true", "false"),
}


@rule(
    "child-owns-enabled",
    severity=Severity.WARNING,
    scope=Scope.CLUSTER,
    family=Family.POLICY,
    source=AUTOMATED,
)
def child_owns_enabled(cluster: Cluster) -> Iterator[Problem]:
    """A child Application that writes syncPolicy.automated.enabled, under a root that heals it.

    A rollback in Argo CD's UI writes enabled: false there. When git has the field too, the root's
    next sync puts it back, and the rollback is undone while people sleep.
    """
    for root in applications(cluster):
        if not sync_policy(root).get("automated") or _ignores(root):
            continue
        for child in resources_of(cluster, root):
            automated = as_mapping(sync_policy(child).get("automated"))
            made = child.maker is not None  # by an ApplicationSet, which puts back all of it
            if child.kind == "Application" and automated.get("enabled") is True and not made:
                yield Problem(
                    f"it writes enabled: true, and Application {root.name} puts that back after a "
                    "rollback in the UI has switched it off",
                    fix=f"Leave enabled out, and let {root.name} ignore {POINTER} with "
                    "RespectIgnoreDifferences=true.",
                    path=("spec", "syncPolicy", "automated", "enabled"),
                    resource=child,
                    related=(root,),
                )


def _ignores(root: Resource) -> bool:
    pointers = [
        pointer
        for entry in map(as_mapping, as_list(root.spec.get("ignoreDifferences")))
        if entry.get("kind") in {"Application", "*"}
        for pointer in as_list(entry.get("jsonPointers"))
    ]
    return POINTER in pointers and "RespectIgnoreDifferences=true" in sync_options(root)


@rule("sync-option-unknown", kinds=("Application",), source=SYNC_OPTIONS)
def sync_option_unknown(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A sync option that Argo CD does not know.

    It is passed over in silence: with CreateNamespaces=true no namespace is made. Prune=true is
    not an option of an Application: syncPolicy.automated.prune is.
    """
    for index, option in enumerate(sync_options(resource)):
        path = ("spec", "syncPolicy", "syncOptions", index)
        if option == "Prune=true":
            yield _pruning_meant(resource, path)
            continue
        wrong = _wrong_option(option, APPLICATION_OPTIONS)
        if wrong and option.startswith("Force="):
            fix = f"Annotate the one resource with {OPTIONS}: Force=true,Replace=true."
            yield Problem(wrong[0], fix, path=path)
        elif wrong and option.partition("=")[0] in COMPARE_OPTIONS:
            fix = f"Annotate the Application with {COMPARE}: {option}."
            yield Problem(wrong[0], fix, path=path)
        elif wrong:
            yield Problem(wrong[0], wrong[1], path=path)


def _pruning_meant(application: Resource, path: FieldPath) -> Problem:
    """What Prune=true among an Application's options should have been."""
    if prunes(application):
        return Problem(
            "Argo CD reads no sync option Prune=true: it prunes by syncPolicy.automated.prune",
            "Remove the line.",
            path=path,
            severity=Severity.WARNING,
        )
    return Problem(
        "Argo CD reads no sync option Prune=true: it does not delete what is no longer in git",
        "Write syncPolicy.automated.prune: true.",
        path=path,
    )


@rule("sync-annotation-unknown", source=SYNC_WAVES)
def sync_annotation_unknown(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An annotation, or a value in one, that Argo CD does not understand.

    A wave that is not a number counts as 0. Argo CD ignores an unknown hook or option: it
    applies the resource, just not when or how it was meant.
    """
    annotations = resource.annotations
    yield from _misspelt_keys(resource)
    checks: list[tuple[str, str, Iterable[str]]] = [
        (HOOK, "hook", (*PHASES, *OTHER_HOOKS)),
        (HOOK_DELETE, "delete policy", DELETE_POLICIES),
    ]
    for key, what, known in checks:
        for word in words(as_text(annotations.get(key))):
            if word not in known:
                yield Problem(
                    f"Argo CD knows no {what} {word!r}",
                    suggest(word, known),
                    path=("metadata", "annotations", key),
                )
    wave = as_text(annotations.get(WAVE)) or "0"
    if not wave.removeprefix("-").isdecimal():
        yield Problem(
            f"the sync wave {wave!r} is not a whole number, so Argo CD takes it for 0",
            "Write a whole number in quotes.",
            path=("metadata", "annotations", WAVE),
        )
    for option in words(as_text(annotations.get(OPTIONS))):
        wrong = _wrong_option(option, RESOURCE_OPTIONS)
        if wrong:
            yield Problem(wrong[0], wrong[1], path=("metadata", "annotations", OPTIONS))
    for option in words(as_text(annotations.get(COMPARE))):
        wrong = _wrong_option(option, COMPARE_OPTIONS)
        if wrong:
            yield Problem(wrong[0], wrong[1], path=("metadata", "annotations", COMPARE))


def _misspelt_keys(resource: Resource) -> Iterator[Problem]:
    """Annotations that resemble one of Argo CD's, or of sealed-secrets', and are none."""
    for key, value in resource.annotations.items():
        meant = _meant_key(key, as_text(value))
        meant = WAVE if meant in resource.annotations else meant
        if meant:
            yield Problem(
                f"nothing reads the annotation {key}",
                f"Write {meant}.",
                path=("metadata", "annotations", key),
            )


@cache  # a tree has the same few keys on each of its resources
def _meant_key(key: str, value: str) -> str:
    """The annotation that a key was meant to be, or "" where it is a known one or another's.

    Another name below Argo CD's domain is a note for people, unless it is almost a known one's, or
    its value is one that Argo CD reads.
    """
    domain, _, name = key.partition("/")
    if key in ANNOTATIONS or domain.endswith(f".{ARGO}"):  # link.argocd.argoproj.io/…
        return ""
    if domain != NOTIFY and difflib.get_close_matches(domain, [NOTIFY], cutoff=0.9):
        return f"{NOTIFY}/{name}"
    if domain == "argoproj.io":  # with a part left out
        return f"{ARGO}/{name}" if f"{ARGO}/{name}" in ANNOTATIONS else ""
    domains = dict.fromkeys(each.partition("/")[0] for each in ANNOTATIONS)
    for near in difflib.get_close_matches(domain, domains, n=1, cutoff=0.85):
        names = {each.partition("/")[2]: each for each in ANNOTATIONS if each.startswith(near)}
        plain = {each.replace("-", ""): each for each in names}
        bare = re.sub(r"[-_.]", "", name.casefold())
        # A word of Helm's, as in hook-weight, is not a note either.
        least = 0.5 if re.split(r"[-_.]", name.casefold())[0] in {"hook", "sync"} else 0.85
        for other in difflib.get_close_matches(bare, plain, n=1, cutoff=least):
            return names[plain[other]]
    return _meant_by_value(value) if domain == ARGO else ""


def _meant_by_value(value: str) -> str:
    """The annotation of Argo CD whose values a text is of, or ""."""
    for key, known in (
        (HOOK, (*PHASES, *OTHER_HOOKS)),
        (HOOK_DELETE, DELETE_POLICIES),
        (OPTIONS, tuple(RESOURCE_OPTIONS)),
        (COMPARE, tuple(COMPARE_OPTIONS)),
    ):
        found = [word.partition("=")[0] for word in words(value)]
        if found and all(word in known for word in found):
            return key
    return ""


def _wrong_option(option: str, known: dict[str, tuple[str, ...]]) -> tuple[str, str] | None:
    """(message, fix) for an option that Argo CD does not know."""
    name, _, value = option.partition("=")
    if name not in known:
        return f"Argo CD knows no sync option {name!r} here", suggest(name, known)
    # To set what is so anyway changes nothing.
    plain = {"true", "false"} - {*known[name]}
    if value not in known[name] and not (value in plain and len(plain) == 1):
        return f"sync option {name} is {value!r}", f"It takes {' or '.join(known[name])}."
    return None


@rule(
    "shared-resource",
    scope=Scope.CLUSTER,
    source=SYNC_OPTIONS,
    unless=("project-forbids-kind",),
)
def shared_resource(cluster: Cluster) -> Iterator[Problem]:
    """A resource that two Applications bring.

    Each takes the other's for drift: with self-heal they overwrite each other for ever, and pruning
    one deletes the other's. It reports the first resource that two of them share.
    """
    owners: dict[tuple[str, str, str, str], Resource] = {}
    several = Counter(each.key for each in applications(cluster))
    for application in applications(cluster):
        if several[application.key] > 1:
            continue  # each the first of an Argo CD: nothing says which one brings what
        for resource in resources_of(cluster, application):
            first = owners.setdefault(resource.key, application)
            if resource.group == GROUP and are_roots(first, application):
                continue
            if first.key != application.key and not are_apart(first, application):
                yield Problem(
                    f"Applications {first.name} and {application.name} both bring it: they "
                    "overwrite each other",
                    fix="Let one Application have it.",
                    path=("metadata", "name"),
                    resource=resource,
                    cause=f"{first.name} {application.name}",
                )


@rule("durable-data-pruned", scope=Scope.CLUSTER, source=SYNC_OPTIONS)
def durable_data_pruned(cluster: Cluster) -> Iterator[Problem]:
    """Durable data that a commit can delete by leaving a file out.

    The workload is annotated with declare.validate/data: durable, its Application prunes, and the
    resource does not say Prune=false.
    """
    for application in applications(cluster):
        if not prunes(application):
            continue
        for resource in resources_of(cluster, application):
            options = words(as_text(resource.annotations.get(OPTIONS)))
            durable = resource.pod is not None and "durable" in declared(resource.pod, DATA)
            if durable and not {"Prune=false", "Prune=confirm"} & set(options):
                yield Problem(
                    f"its data is declared durable, and Application {application.name} deletes it "
                    "as soon as it is missing in git",
                    fix=f"Annotate it with {OPTIONS}: Prune=false,Delete=false.",
                    path=("metadata", "annotations"),
                    resource=resource,
                )


def _goes(job: Resource) -> bool:
    """Whether a Job is gone before its next change, or gets another name with it: `load-v2`."""
    return "ttlSecondsAfterFinished" in job.spec or _VERSIONED.search(job.name) is not None


@rule(
    "job-not-replaceable",
    unless=("sync-annotation-unknown",),
    scope=Scope.CLUSTER,
    source="https://kubernetes.io/docs/concepts/workloads/controllers/job/",
)
def job_not_replaceable(cluster: Cluster) -> Iterator[Problem]:
    """A Job under Argo CD that can't be changed.

    A Job's template is immutable, so the first new image makes the sync fail. As a hook it is
    deleted and made again; with Replace=true and Force=true it is replaced.
    """
    for application in applications(cluster):
        if {"Replace=true"} & set(sync_options(application)):
            continue
        for resource in resources_of(cluster, application):
            options = words(as_text(resource.annotations.get(OPTIONS)))
            named = "name" in resource.metadata
            hook = is_hook(resource) or is_helm_hook(resource)
            if resource.kind == "Job" and named and not hook:
                if "Replace=true" in options or "Force=true" in options or _goes(resource):
                    continue
                yield Problem(
                    f"a Job's template is immutable: the first change of it makes "
                    f"{application.name}'s sync fail",
                    fix="Make it a hook with BeforeHookCreation, or set the sync options "
                    "Force=true,Replace=true on it.",
                    path=("metadata", "name"),
                    resource=resource,
                )
