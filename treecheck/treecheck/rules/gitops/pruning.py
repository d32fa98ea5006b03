"""What pruning takes away from something that still needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.applications import applications, prunes, resources_of
from treecheck.kube.config import find_store, references
from treecheck.kube.waves import OPTIONS, words
from treecheck.model import Problem, Severity, as_mapping, as_text, at
from treecheck.registry import Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource


@rule(
    "cronjob-config-pruned",
    scope=Scope.CLUSTER,
    severity=Severity.WARNING,
    source="https://argo-cd.readthedocs.io/en/release-3.4/user-guide/sync-options/#prune-last",
)
def cronjob_config_pruned(cluster: Cluster) -> Iterator[Problem]:
    """A CronJob with a generated ConfigMap or Secret that its Application prunes.

    Each change gives the ConfigMap a new name, and pruning deletes the old one. A Job that was made
    before still names it: a retry, or a pod that starts late, waits for it until its deadline.
    A Deployment rolls over to the new name; a Job doesn't. One that starts no second pod
    (backoffLimit: 0, restartPolicy: Never) is left alone.
    """
    for application in applications(cluster):
        if not prunes(application):
            continue
        for resource in resources_of(cluster, application):
            if resource.kind == "CronJob" and resource.pod is not None and _starts_again(resource):
                yield from _pruned(cluster, resource)


def _starts_again(cron_job: Resource) -> bool:
    """Whether its Jobs start pods later than at their beginning."""
    job = as_mapping(at(cron_job.spec, "jobTemplate", "spec"))
    more = {job.get(each, 1) for each in ("completions", "parallelism")} != {1}
    never = cron_job.pod is not None and cron_job.pod.spec.get("restartPolicy") == "Never"
    return more or not never or job.get("backoffLimit") != 0


def _pruned(cluster: Cluster, resource: Resource) -> Iterator[Problem]:
    told: set[str] = set()
    for ref in references(resource.pod) if resource.pod else ():
        store = find_store(cluster, ref.kind, resource.namespace, ref.name)
        made = store.resource if store else None
        if made is None or not made.origin.generated or ref.name in told or ref.optional:
            continue
        options = words(as_text(made.annotations.get(OPTIONS)))
        plain = not made.name.rpartition("-")[0] or not _is_hashed(made.name)
        if plain or {"Prune=false", "Prune=confirm"} & set(options):
            continue
        told.add(ref.name)
        yield Problem(
            f"{ref.use} uses {ref.kind} {ref.name}, whose name changes with its content, and the "
            "old one is pruned: a Job that is under way finds it gone when it starts a pod again",
            fix="Generate it with disableNameSuffixHash: true, or annotate it with "
            f"{OPTIONS}: Prune=false.",
            path=ref.path,
            resource=resource,
        )


def _is_hashed(name: str) -> bool:
    """Whether a name ends in the hash that kustomize adds: ten characters without vowels."""
    last = name.rpartition("-")[2]
    return len(last) == 10 and set(last) <= set("0123456789bcdfghkmt")
