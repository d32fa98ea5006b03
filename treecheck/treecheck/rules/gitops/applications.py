"""Applications whose own fields contradict each other, or that Argo CD can't read."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from treecheck.files import git_root
from treecheck.kube.applications import (
    DURATION,
    IN_CLUSTER,
    IN_CLUSTER_NAME,
    applications,
    destination,
    ignored_pointers,
    is_alike,
    keeps_ignored,
    means_own_cluster,
    resources_of,
    source_folder,
    sources,
    steps,
    sync_options,
    sync_policy,
)
from treecheck.kube.pages import SYNC_OPTIONS
from treecheck.kube.pod_security import level_faults, unknown_modes
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, at
from treecheck.registry import Scope, rule
from treecheck.repositories import address
from treecheck.schemas import misspelt_step

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

SPECIFICATION = (
    "https://argo-cd.readthedocs.io/en/release-3.4/user-guide/application-specification/"
)
DELETION = "https://argo-cd.readthedocs.io/en/release-3.4/user-guide/app_deletion/"
DIFFING = "https://argo-cd.readthedocs.io/en/release-3.4/user-guide/diffing/"
MAIN = frozenset({"HEAD", "main", "master"})  # names for the branch that most trees have
FINALIZERS = (
    "resources-finalizer.argocd.argoproj.io",
    "resources-finalizer.argocd.argoproj.io/background",
    "resources-finalizer.argocd.argoproj.io/foreground",
    "post-delete-finalizer.argocd.argoproj.io",
    "pre-delete-finalizer.argocd.argoproj.io",
)


@rule("application-destination", kinds=("Application",), source=SPECIFICATION)
def application_destination(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An Application into two clusters at once, into none, or into one that is misspelt.

    A cluster goes by its address (server) or by its name, not by both: InvalidSpecError. Argo CD's
    own is https://kubernetes.default.svc, or in-cluster, to the letter; another address of the same
    API server is a cluster that nobody registered.
    """
    where = destination(resource)
    server, name = as_text(where.get("server")), as_text(where.get("name"))
    if server and name:
        wrong, fix = f"it names a cluster by server ({server}) and by name ({name})", "Keep one."
    elif not server and not name:
        wrong = "it names no cluster"
        fix = f"Add server: {IN_CLUSTER}, or the name of a cluster."
    elif means_own_cluster(server, name) and server.rstrip("/") not in {"", IN_CLUSTER}:
        wrong, fix = f"no cluster has the address {server}", f"Write {IN_CLUSTER}."
    elif means_own_cluster(server, name) and name and name != IN_CLUSTER_NAME:
        wrong, fix = f"no cluster is called {name}", f"Write {IN_CLUSTER_NAME}."
    else:
        return
    yield Problem(f"{wrong}: Argo CD does not sync it", fix=fix, path=("spec", "destination"))


@rule("application-source", kinds=("Application",), source=SPECIFICATION)
def application_source(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An Application without a source, or with one that names nothing in its repository.

    A source has a path, relative to the repository's root, or the name of a chart. Of several
    sources one may have a `ref` alone, for the others' value files.
    """
    if "sourceHydrator" in resource.spec:
        return
    for index, source in enumerate(sources(resource)):
        field: FieldPath = ("source",) if "source" in resource.spec else ("sources", index)
        path = as_text(source.get("path"))
        if not source:
            wrong, fix, field = "it has no source", "Add spec.source.", ()
        elif not path and "chart" not in source and "ref" not in source:
            wrong = "its source has neither a path nor a chart"
            fix = "Add the folder in the repository as path."
        elif path.startswith("/"):
            wrong, fix = f"its path {path} is absolute", f"Write {path.lstrip('/') or '.'}."
        else:
            continue
        yield Problem(f"{wrong}: Argo CD does not sync it", fix=fix, path=("spec", *field))


@rule(
    "application-path-missing",
    kinds=("Application",),
    source=SPECIFICATION,
    unless=("application-source", "project-forbids-source"),
)
def application_path_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An Application of a folder that this repository does not have.

    Argo CD reports: app path does not exist. A repository counts as this one when
    another Application of it has its folder here, and another of the same name has not more of
    them. A branch that no other Application is of may have the folder.
    """
    file = resource.origin.file
    if file is None:
        return
    for index, source in enumerate(sources(resource)):
        path = as_text(source.get("path"))
        url = as_text(source.get("repoURL"))
        if not url or not path or source_folder(file, path):
            continue
        folders = cluster.once("folders", lambda: _folders(cluster))
        known = folders.get(url, {})
        others = [each for each in known.values() if each is not resource]
        if is_alike(source, cluster):
            continue
        if others and not _is_elsewhere(source, others, folders):
            near = _beside(file, path, known)
            field = ("source",) if "source" in resource.spec else ("sources", index)
            yield Problem(
                f"the repository has no folder {path}: Argo CD can't make its manifests",
                fix=f"Name the folder of its manifests{f', such as {near}' if near else ''}.",
                path=("spec", *field, "path"),
            )


def _is_elsewhere(
    source: Manifest, others: list[Resource], folders: dict[object, dict[str, Resource]]
) -> bool:
    """Whether a source may mean other files than this tree's.

    It does if it is of a fork, as another repository of that name has more of its folders here; or
    of another branch than all `others` of its repository.
    """
    own, url = address(source), source.get("repoURL")
    for each, known in folders.items():
        other = address({"repoURL": each})
        forked = other != own and other.rpartition("/")[2] == own.rpartition("/")[2]
        if forked and len(known) > len(folders.get(url, {})):
            return True
    asked = as_text(source.get("targetRevision")) or "HEAD"
    revisions = {
        as_text(each.get("targetRevision")) or "HEAD"
        for other in others
        for each in sources(other)
        if each.get("repoURL") == url
    }
    return asked not in revisions and not {asked, *revisions} <= MAIN


def _folders(cluster: Cluster) -> dict[object, dict[str, Resource]]:
    """Address of a repository -> the paths that are folders here, each with an Application of it.

    Made once for a cluster: thousands of Applications may be of one repository.
    """
    found: dict[object, dict[str, Resource]] = {}
    for each in applications(cluster):
        for source in sources(each) if each.origin.file else ():
            path = as_text(source.get("path"))
            there = found.setdefault(source.get("repoURL"), {})
            if (
                path
                and each.origin.file
                and path not in there
                and source_folder(each.origin.file, path)
            ):
                there[path] = each
    return found


def _beside(file: Path, path: str, taken: Container[str]) -> str:
    """The folder that a missing path becomes when its first missing part is spelled otherwise.

    One that is already another Application's path is not what was meant; "" where none is near.
    """
    parts = path.strip("/").split("/")
    root = git_root(file.parent)
    for base in (root, *file.parents):
        here, known = base, 0
        while here is not None and known < len(parts) and (here / parts[known]).is_dir():
            here, known = here / parts[known], known + 1
        if here is None or known == len(parts) or (known == 0 and base != root):
            continue
        names = [each.name for each in here.iterdir() if each.is_dir()]
        missing = parts[known]
        longer = [each for each in names if each.startswith(missing) or missing.startswith(each)]
        for name in [*difflib.get_close_matches(missing, names, n=3, cutoff=0.7), *longer]:
            near = "/".join([*parts[:known], name, *parts[known + 1 :]])
            if (base or here).joinpath(near).is_dir() and near not in taken:
                return near
    return ""


@rule("application-finalizer", kinds=("Application",), source=DELETION)
def application_finalizer(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A finalizer of an Application that resembles Argo CD's, and is none.

    Nobody takes it off again: once deleted, the Application hangs for ever, and what it deployed
    stays.
    """
    for index, finalizer in enumerate(as_list(resource.metadata.get("finalizers"))):
        text = as_text(finalizer)
        near = difflib.get_close_matches(text, FINALIZERS, n=1, cutoff=0.8)
        if near and not any(text == known or text.startswith(f"{known}/") for known in FINALIZERS):
            yield Problem(
                f"nobody removes the finalizer {text}: the Application can't be deleted",
                fix=f"Write {near[0]}.",
                path=("metadata", "finalizers", index),
            )


@rule("application-retry", kinds=("Application",), source=SPECIFICATION)
def application_retry(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pause between retries that Argo CD can't read.

    Durations are numbers with h, m or s: `5s`, `1m30s`. With another one no failed sync is tried
    again.
    """
    backoff = as_mapping(as_mapping(sync_policy(resource).get("retry")).get("backoff"))
    for field in ("duration", "maxDuration"):
        text = as_text(backoff.get(field))
        if text and not DURATION.fullmatch(text):
            yield Problem(
                f"the {field} {text!r} is not a duration: a failed sync is not tried again",
                fix="Write a number with h, m or s, such as 5s or 3m.",
                path=("spec", "syncPolicy", "retry", "backoff", field),
            )


@rule("ignored-difference", kinds=("Application",), source=DIFFING)
def ignored_difference(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An entry of ignoreDifferences that can match nothing.

    A pointer of RFC 6901 starts with `/`; a group has no version in it; a kind is written as in a
    manifest, and so is each field. Argo CD passes over others in silence, and goes on to see and to
    heal the difference.
    """
    kinds = {(each.group, each.kind) for each in resources_of(cluster, resource)}
    entries = as_list(resource.spec.get("ignoreDifferences"))
    for index, entry in enumerate(map(as_mapping, entries)):
        place: FieldPath = ("spec", "ignoreDifferences", index)
        group, kind = as_text(entry.get("group")), as_text(entry.get("kind"))
        for number, pointer in enumerate(as_list(entry.get("jsonPointers"))):
            text = as_text(pointer)
            meant = misspelt_step(cluster.version, group, kind, steps(text))
            if meant and not text.startswith("/status/"):
                yield Problem(
                    f"{kind} has no field {text}, so the entry ignores nothing",
                    fix=f"Write {meant} for the part that is misspelt.",
                    path=(*place, "jsonPointers", number),
                )
            if not text.startswith("/"):
                meant = "/" + text.strip(".").replace(".", "/")
                yield Problem(
                    f"{text!r} is not a JSON pointer, so it ignores nothing",
                    fix=f"Write {meant}.",
                    path=(*place, "jsonPointers", number),
                )
        field, meant = _mistaken(entry, kinds)
        if field:
            yield Problem(
                f"no resource is of {field} {as_text(entry.get(field)) or 'core'}, so the entry "
                "ignores nothing",
                fix=f"Write {meant}.",
                path=(*place, field) if field in entry else place,
            )


@rule(
    "ignored-difference-applied",
    scope=Scope.CLUSTER,
    source=DIFFING + "#respect-ignore-differences",
    severity=Severity.WARNING,
    unless=("replicas-fight-autoscaler", "ignored-difference"),
)
def ignored_difference_applied(cluster: Cluster) -> Iterator[Problem]:
    """A field that an Application ignores, that git writes, and that each sync puts back.

    ignoreDifferences only leaves the field out of the comparison: self-heal does not start because
    of it. A sync for another reason still applies what git says, over what a controller or a person
    has set. With RespectIgnoreDifferences=true the sync leaves the field alone too. A field that
    holds further fields (`/spec`, `/metadata/annotations`) is left alone: others may add to it.
    """
    for application in applications(cluster):
        if keeps_ignored(application) or not application.spec.get("ignoreDifferences"):
            continue
        for resource in resources_of(cluster, application):
            for path, pointer in ignored_pointers(application, resource):
                places = steps(pointer)
                if places[:1] == ("status",):
                    continue  # which no apply writes
                value = at(resource.body, *places) if places else None
                # Of a mapping a sync applies only the keys that git has; others set the rest.
                if value not in (None, "", []) and not isinstance(value, dict):
                    yield Problem(
                        f"it ignores {pointer} of {resource.title}, which git writes: the next sync"
                        " puts git's value over what is set in the cluster",
                        fix="Leave the field out in git, or set RespectIgnoreDifferences=true in "
                        "syncPolicy.syncOptions.",
                        path=path,
                        resource=application,
                        related=(resource,),
                        cause=f"{application.name} {pointer}",
                    )


def _mistaken(entry: Manifest, kinds: set[tuple[str, str]]) -> tuple[str, str]:
    """(field, what was meant) of an entry that names a group or kind which it can't mean."""
    group, kind = as_text(entry.get("group")), as_text(entry.get("kind"))
    if "/" in group:
        return "group", group.partition("/")[0]
    plain = kind.casefold().rstrip("s")
    for known_group, known in sorted(kinds):
        if known.casefold() == plain and known != kind:
            return "kind", known
        if known == kind and "*" not in group and not any((group, kind) == each for each in kinds):
            return "group", known_group or '""'
    return "", ""


@rule(
    "namespace-metadata",
    kinds=("Application",),
    source=SYNC_OPTIONS,
    unless=("sync-option-unknown",),
)
def namespace_metadata(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """Labels for a namespace that the Application does not make, or that the API server refuses.

    managedNamespaceMetadata counts with CreateNamespace=true only. A level of Pod Security that
    does not exist makes the API server refuse the Namespace, and the sync with it; a mode that does
    not exist enforces nothing.
    """
    managed = as_mapping(sync_policy(resource).get("managedNamespaceMetadata"))
    place = ("spec", "syncPolicy", "managedNamespaceMetadata")
    if managed and "CreateNamespace=true" not in sync_options(resource):
        yield Problem(
            "managedNamespaceMetadata counts only with CreateNamespace=true: the namespace gets "
            "none of these labels and annotations",
            fix="Add CreateNamespace=true to syncPolicy.syncOptions.",
            path=place,
            related=(resource,),
        )
    labels = as_mapping(managed.get("labels"))
    for key, wrong, fix in level_faults(labels):
        yield Problem(
            f"{wrong}: the API server refuses the Namespace, and the sync fails",
            fix=fix,
            path=(*place, "labels", key),
        )
    for key in unknown_modes(labels):
        yield Problem(
            f"nothing reads the label {key}, so nothing is enforced in the namespace",
            fix=f"Write {key.partition('/')[0]}/enforce.",
            path=(*place, "labels", key),
        )
