"""Applications against their AppProjects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kinds import has_known_scope, is_cluster_scoped
from treecheck.kube.applications import (
    IN_CLUSTER,
    applications,
    cluster_of,
    destination,
    makers,
    project_of,
    projects_named,
    resources_of,
    sources,
    sync_options,
    sync_policy,
)
from treecheck.kube.projects import (
    allowed_by,
    names_kind,
    permits_destination,
    permits_source,
    takes_in,
)
from treecheck.model import Problem, as_list, as_text
from treecheck.registry import Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, Resource

PROJECTS = "https://argo-cd.readthedocs.io/en/release-3.4/user-guide/projects/"


@rule("project-missing", kinds=("Application",), source=PROJECTS)
def project_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An Application in a project that the tree does not have, or that does not take it in.

    Argo CD refuses to sync it: InvalidSpecError. Only looked at where the tree has projects at all;
    `default` always exists. A project takes in Applications of its own namespace, and of those that
    its sourceNamespaces name.
    """
    name = as_text(resource.spec.get("project")) or "default"
    if name == "default" or not any(cluster.of_kind("AppProject")):
        return
    project, named = project_of(cluster, resource), projects_named(cluster, resource)
    placed = resource.metadata.get("namespace") or resource.part.namespace
    if (named and not placed) or len(named) > 1:
        return  # the Application above it, or whoever applies it, says the namespace
    if project is not None and not takes_in(project, resource.namespace):
        yield Problem(
            f"project {name} is of namespace {project.namespace}, and its sourceNamespaces don't "
            f"name {resource.namespace}: Argo CD refuses to sync the Application",
            fix="Name the namespace in the project's sourceNamespaces, or move the Application.",
            path=("metadata", "namespace"),
            related=(project,),
            cause=f"{name} {resource.namespace}",
        )
    elif project is None:
        where = f" in namespace {resource.namespace}" if placed else ""
        yield Problem(
            f"there is no AppProject {name}{where}: Argo CD refuses to sync the Application",
            fix="Name a project that exists, or add it.",
            path=("spec", "project"),
            absent=resource.namespace,
            lacking="AppProject",
        )


@rule("project-forbids-source", kinds=("Application",), source=PROJECTS)
def project_forbids_source(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An Application from a repository that its project does not allow.

    Argo CD refuses to sync it: application repo is not permitted in project. An address with a
    variable, `${ORG}`, is not known yet.
    """
    project = project_of(cluster, resource)
    if project is None:
        return
    allowed = [as_text(each) for each in as_list(project.spec.get("sourceRepos"))]
    for source in sources(resource):
        url = as_text(source.get("repoURL"))
        if url and not permits_source(project, url):
            yield Problem(
                f"project {project.name} allows {', '.join(allowed) or 'no repository'}, not "
                f"{url}: Argo CD refuses to sync it",
                fix="Use an allowed repository, or add this one to the project's sourceRepos.",
                path=("spec", "source" if "source" in resource.spec else "sources"),
                related=(project,),
                cause=f"{project.name} {url}",
            )


@rule(
    "project-forbids-destination",
    kinds=("Application",),
    source=PROJECTS,
    unless=("application-destination", "project-forbids-source"),
)
def project_forbids_destination(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An Application into a namespace or cluster that its project does not allow.

    Argo CD refuses to sync it: application destination is not permitted in project.
    """
    project = project_of(cluster, resource)
    if project is None:
        return
    where = destination(resource)
    if permits_destination(project, where, cluster.facts.clusters):
        return
    yield Problem(
        f"project {project.name} does not allow namespace {where.get('namespace')} on "
        f"{where.get('server') or where.get('name')}: Argo CD refuses to sync it",
        fix="Use an allowed destination, or add this one to the project's destinations.",
        path=("spec", "destination"),
        related=(project,),
        cause=f"{project.name} {where.get('namespace')} {where.get('server')}",
    )


@rule(
    "project-forbids-kind",
    scope=Scope.CLUSTER,
    source=PROJECTS,
    unless=("project-forbids-destination",),
)
def project_forbids_kind(cluster: Cluster) -> Iterator[Problem]:
    """A resource of a kind, or in a namespace, that its Application's project does not allow.

    The sync fails with "resource ... is not permitted in project", and nothing after it is applied.
    """
    for application in applications(cluster):
        project = project_of(cluster, application)
        if project is None:
            continue
        for resource in resources_of(cluster, application):
            why = _forbidden(project, application, resource, cluster.facts.clusters)
            if why:
                yield Problem(
                    f"Application {application.name} brings it, and project {project.name} {why}: "
                    "the sync fails",
                    fix=_way_out(application, resource, why),
                    path=("kind",),
                    resource=resource,
                    related=(project, application),
                    cause=f"{project.name} {why}",
                )


def _way_out(application: Resource, resource: Resource, why: str) -> str:
    meant = as_text(destination(application).get("namespace"))
    if meant and why.endswith(f"namespace {resource.namespace}") and meant != resource.namespace:
        return f"Put it into {meant}, where the Application deploys, or allow the namespace."
    return "Leave it out, or allow it in the project."


def _forbidden(
    project: Resource, application: Resource, resource: Resource, clusters: Iterable[Manifest]
) -> str:
    cluster = is_cluster_scoped(resource.group, resource.kind)
    spec = project.spec
    allowed, denied = (
        ("clusterResourceWhitelist", "clusterResourceBlacklist")
        if cluster
        else ("namespaceResourceWhitelist", "namespaceResourceBlacklist")
    )
    if _listed(spec.get(denied), resource):
        return f"denies {resource.kind}"
    if not has_known_scope(resource.group, resource.kind) and _listed(
        spec.get("clusterResourceWhitelist"), resource
    ):
        return ""  # it may be a kind of the cluster
    # No list allows every namespaced kind, and no kind of the cluster.
    if (cluster or allowed in spec) and not _listed(allowed_by(project, allowed), resource):
        return f"does not allow {resource.kind}"
    where = {**destination(application), "namespace": resource.namespace}
    if not cluster and not permits_destination(project, where, clusters):
        return f"does not allow namespace {resource.namespace}"
    return ""


def _listed(entries: object, resource: Resource) -> bool:
    return names_kind(entries, (resource.group, resource.kind, resource.name))


@rule(
    "project-forbids-namespace",
    kinds=("Application",),
    source=PROJECTS,
    unless=("project-missing", "project-forbids-destination", "project-forbids-source"),
)
def project_forbids_namespace(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An Application that is to make its namespace, in a project that does not allow Namespaces.

    With CreateNamespace=true the Namespace is part of the sync, and a kind of the cluster: the
    project's clusterResourceWhitelist has to name it. A namespace that is there already, and that
    the Application does not label, is not asked for.
    """
    project = project_of(cluster, resource)
    name = as_text(destination(resource).get("namespace"))
    if project is None or not name or "CreateNamespace=true" not in sync_options(resource):
        return
    there = name in cluster.facts.namespaces or cluster.get("Namespace", "", name)
    if there and "managedNamespaceMetadata" not in sync_policy(resource):
        return
    wanted = ("", "Namespace", name)
    if names_kind(project.spec.get("clusterResourceBlacklist"), wanted) or not names_kind(
        allowed_by(project, "clusterResourceWhitelist"), wanted
    ):
        yield Problem(
            f"it is to make namespace {name}, and project {project.name} does not allow Namespace "
            f"{name}: its first sync fails",
            fix='Add group "" and kind Namespace to the project\'s clusterResourceWhitelist.',
            path=("spec", "syncPolicy", "syncOptions"),
            related=(project,),
            cause=f"{project.name} {name}",
        )


@rule(
    "namespace-not-made",
    kinds=("Application",),
    source=PROJECTS,
    unless=("project-forbids-destination", "sync-option-unknown", "application-destination"),
)
def namespace_not_made(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An Application into a namespace that nothing makes.

    On a new cluster its first sync fails: namespaces not found. The tree may have the Namespace,
    the facts may name it, or the Application may say CreateNamespace=true. Where none
    says so and one says CreateNamespace=false, something else makes namespaces. Of another cluster
    than Argo CD's own it is not known which namespaces there are.
    """
    if cluster_of(resource) != IN_CLUSTER or cluster.once(
        "made elsewhere", lambda: _are_made_elsewhere(cluster)
    ):
        return
    name = as_text(destination(resource).get("namespace"))
    known = {*cluster.facts.namespaces, resource.namespace, "default", "kube-system"}
    if not name or name in known or makers(cluster, name) or cluster.get("Namespace", "", name):
        return
    yield Problem(
        f"nothing makes namespace {name}: the first sync on a new cluster fails",
        fix="Add CreateNamespace=true to syncPolicy.syncOptions.",
        path=("spec", "destination", "namespace"),
        absent=name,
    )


def _are_made_elsewhere(cluster: Cluster) -> bool:
    """Whether Applications say that they make no namespaces, and none says that it does."""
    said = {option for each in applications(cluster) for option in sync_options(each)}
    return "CreateNamespace=false" in said and "CreateNamespace=true" not in said
