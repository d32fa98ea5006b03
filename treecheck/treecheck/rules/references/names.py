"""What is referred to by name alone: accounts, claims, roles, containers, labels."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from treecheck.kube.applications import GROUP, sources
from treecheck.kube.config import comes_with_cluster
from treecheck.model import Problem, as_mapping, as_text, each
from treecheck.registry import Scope, rule
from treecheck.unseen import has_operators

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from treecheck.cluster import Cluster
    from treecheck.model import Part, Resource

# The second is the old name of the first, and stands for it where it is written alone.
ACCOUNT_FIELDS = ("serviceAccountName", "serviceAccount")
# Every cluster has these ClusterRoles (RBAC bootstrap).
USER_ROLES = {"cluster-admin", "admin", "edit", "view"}
# The Role without the prefix `system:` that the API server makes by itself (RBAC bootstrap).
SYSTEM_ROLES = {("kube-system", "extension-apiserver-authentication-reader")}
# Labels that pods get from their controllers, or the scheduler, and not from their template.
GIVEN_LABELS = re.compile(
    r"pod-template-|controller-|job-name|[a-z.]*kubernetes\.io/|.*istio\.io/|security\.istio"
)


@rule(
    "service-account-missing",
    source="https://kubernetes.io/docs/concepts/security/service-accounts/",
)
def service_account_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pod that runs as a service account that is not there.

    The controller's pods are refused at creation: the Deployment exists and never gets one. Every
    namespace has the account `default`.

    Accounts made outside the tree can be named in the facts.
    """
    if resource.pod is None:
        return
    field = next(
        (each for each in ACCOUNT_FIELDS if as_text(resource.pod.spec.get(each))), ACCOUNT_FIELDS[0]
    )
    name = as_text(resource.pod.spec.get(field))
    known = cluster.facts.service_accounts
    if not name or name == "default" or f"{resource.namespace}/{name}" in known:
        return
    if comes_with_cluster("ServiceAccount", resource.namespace, name):
        return
    if cluster.get("ServiceAccount", resource.namespace, name) is None:
        yield Problem(
            f"nothing in the tree makes ServiceAccount {name} in namespace {resource.namespace}: "
            "without it, no pod can be created",
            fix=f"Add the ServiceAccount {name}, or name one that exists.",
            path=(*resource.pod.spec_path, field),
            related=cluster.lookalikes("ServiceAccount", name),
            cause=f"{resource.namespace}/{name}",
            absent=resource.namespace,
        )


@rule(
    "claim-missing",
    source="https://kubernetes.io/docs/concepts/storage/persistent-volumes/#claims-as-volumes",
)
def claim_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pod that mounts a PersistentVolumeClaim that is not there.

    The pod stays Pending: persistentvolumeclaim not found.

    A StatefulSet's own claim templates make claims that `volumes` may not name. Those that it has
    made stay when the template goes, so `data-web-0` beside a StatefulSet web is not looked for.
    """
    if resource.pod is None:
        return
    sets = [one.name for one in cluster.of_kind("StatefulSet", namespace=resource.namespace)]
    for place, volume in each(resource.pod.spec, "volumes"):
        name = as_text(as_mapping(volume.get("persistentVolumeClaim")).get("claimName"))
        if not name or cluster.get("PersistentVolumeClaim", resource.namespace, name):
            continue
        if any(re.search(rf"-{re.escape(one)}-\d+$", name) for one in sets):
            continue
        yield Problem(
            f"volume {volume.get('name')} needs the PersistentVolumeClaim {name}, which nothing in "
            f"the tree makes in namespace {resource.namespace}: without it, the pods stay Pending",
            fix="Name a claim that exists, or add it.",
            path=(*resource.pod.spec_path, *place, "persistentVolumeClaim", "claimName"),
            absent=resource.namespace,
        )


# Namespaces of OpenShift's own operators, which make the accounts there.
OF_OPENSHIFT = "openshift-"


@rule(
    "role-missing",
    kinds=("RoleBinding", "ClusterRoleBinding"),
    source="https://kubernetes.io/docs/reference/access-authn-authz/rbac/",
)
def role_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A binding to a role, or of a service account, that is not there.

    The API server accepts a binding to nothing; it grants nothing, and the pod's requests are
    forbidden. ClusterRoles are looked up only where the tree brings some, since add-ons bring
    their own, or where it has a Role of that name: then roleRef names the wrong kind. Where an
    operator's kinds are used, only a ClusterRole whose name is near one of the tree's is reported.

    Subjects other than service accounts come from the authenticator and can't be looked up.
    """
    ref = as_mapping(resource.body.get("roleRef"))
    kind, name = as_text(ref.get("kind")), as_text(ref.get("name"))
    namespace = "" if kind == "ClusterRole" else resource.namespace
    own = (
        name.startswith("system:")
        or (namespace, name) in SYSTEM_ROLES
        or (kind == "ClusterRole" and (name in USER_ROLES or _is_of_add_on(name, cluster)))
    )
    other = "Role" if kind == "ClusterRole" else "ClusterRole"
    meant = cluster.get(other, "" if namespace else resource.namespace, name)
    usable = meant is not None and (other, resource.kind) != ("Role", "ClusterRoleBinding")
    if name and (usable or not own) and cluster.get(kind, namespace, name) is None:
        yield Problem(
            f"it grants {kind} {name}, which nothing in the tree makes: without it, the binding "
            "grants nothing" + (f"; there is a {other} {name}" if usable else ""),
            fix=f"Set roleRef.kind to {other}."
            if usable
            else f"Add the {kind} {name}, or name one that exists.",
            path=("roleRef", "kind" if usable else "name"),
            absent=None if usable else namespace,
        )
    yield from _accounts_missing(resource, cluster)


def _is_of_add_on(name: str, cluster: Cluster) -> bool:
    """Whether an add-on may bring a ClusterRole: the tree has none, or an operator and none alike.

    The kinds of Tekton's triggers, say, are used where its release is installed, with its roles.
    """
    own = [each.name for each in cluster.of_kind("ClusterRole")]
    operators = cluster.once("operators", lambda: has_operators(cluster.resources))
    return not own or (operators and not difflib.get_close_matches(name, own, n=1, cutoff=0.8))


def _placed_by_hand(account: str, part: Part, cluster: Cluster) -> bool:
    """Whether a file, or a folder other than `part`, has the account without a namespace.

    Whoever applies it names one.
    """
    return any(
        each.name == account
        and (each.part.loose or (each.part != part and not each.part.namespace))
        and "namespace" not in each.metadata
        for each in cluster.of_kind("ServiceAccount")
    )


def _is_of_others(namespace: str, account: str, cluster: Cluster) -> bool:
    """Whether the tree brings nothing that runs in a namespace, and no account of that name at all.

    The binding lets in what another repository, or a team by hand, runs there.
    """
    accounts = [*cluster.of_kind("ServiceAccount")]
    runs = any(cluster.pods(namespace)) or any(each.namespace == namespace for each in accounts)
    return not runs and not any(each.name == account for each in accounts)


def _accounts_missing(binding: Resource, cluster: Cluster) -> Iterator[Problem]:
    for place, subject in each(binding, "subjects"):
        if subject.get("kind") != "ServiceAccount":
            continue
        account = as_text(subject.get("name"))
        where = as_text(subject.get("namespace")) or binding.namespace
        known = f"{where}/{account}" in cluster.facts.service_accounts or account == "default"
        known = (
            known
            or where.startswith(OF_OPENSHIFT)
            or _placed_by_hand(account, binding.part, cluster)
        )
        known = known or comes_with_cluster("ServiceAccount", where, account)
        known = known or _is_of_others(where, account, cluster)
        if not known and cluster.get("ServiceAccount", where, account) is None:
            yield Problem(
                f"it grants a role to the ServiceAccount {where}/{account}, which nothing in the "
                "tree makes",
                fix="Name the account that the pods run as, with its namespace.",
                path=(*place, "name"),
                absent=cluster.meant_namespace("ServiceAccount", where, account, binding),
            )


@rule(
    "downward-field-missing",
    source="https://kubernetes.io/docs/concepts/workloads/pods/downward-api/",
)
def downward_field_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A variable from a container or a label that the pod does not have.

    An unknown container keeps the pod from starting; an unknown label makes the variable empty.
    Labels that controllers add are left alone.
    """
    pod = resource.pod
    names = {as_text(item.get("name")) for _, item in pod.containers()} if pod else set()
    for path, container in pod.containers() if pod else ():
        for place, entry in each(container, "env"):
            source = as_mapping(entry.get("valueFrom"))
            other = as_text(as_mapping(source.get("resourceFieldRef")).get("containerName"))
            field = as_text(as_mapping(source.get("fieldRef")).get("fieldPath"))
            label = re.fullmatch(r"metadata\.labels\['(.+)'\]", field)
            what = ""
            if other and other not in names:
                what = f"container {other}, which the pod does not have: it does not start"
            elif label and pod and label[1] not in pod.labels and not GIVEN_LABELS.match(label[1]):
                what = f"label {label[1]}, which the pod does not have: it is empty"
            if what:
                yield Problem(
                    f"variable {entry.get('name')} of container {container.get('name')} comes from "
                    f"{what}",
                    fix="Name one that the pod template has.",
                    path=(*path, *place, "valueFrom"),
                )


def _homes(cluster: Cluster) -> dict[str, dict[tuple[Path | None, Part], Resource]]:
    """Name -> the Applications so called, by place, those of the tree's other sets included."""
    found: dict[str, dict[tuple[Path | None, Part], Resource]] = {}
    everywhere = cluster.once_in_tree("applications", lambda: _applications(cluster.tree))
    for one in (*_applications(cluster.resources), *everywhere):
        found.setdefault(one.name, {})[one.origin.file, one.part] = one
    return found


def _applications(resources: Iterable[Resource]) -> list[Resource]:
    return [one for one in resources if (one.group, one.kind) == (GROUP, "Application")]


def _is_of_many(homes: Mapping[tuple[Path | None, Part], Resource]) -> bool:
    """Whether what a name stands for is one Application of several folders."""
    paths = [sum("path" in each for each in sources(one)) for one in homes.values()]
    return len(paths) == 1 and paths[0] > 1


def _is_the_same(one: Resource, other: Resource) -> bool:
    """Whether two resources are one text, which has two paths by a symbolic link.

    Or samples of one kind in two versions, of which one is to be taken.
    """
    ours, theirs = one.origin.file, other.origin.file
    if one.api_version != other.api_version and ours and ours.parent.name == "samples":
        return True
    if None in (ours, theirs) or ours == theirs or one.origin.line != other.origin.line:
        return False
    return ours is not None and theirs is not None and ours.resolve() == theirs.resolve()


@rule(
    "duplicate-resource",
    scope=Scope.CLUSTER,
    source="https://kubernetes.io/docs/concepts/overview/working-with-objects/names/",
)
def duplicate_resource(cluster: Cluster) -> Iterator[Problem]:
    """The same resource twice in one set.

    The second is applied over the first. Which of two Services or ConfigMaps of one name is there
    in the end depends on the order of the files.
    """
    seen: dict[tuple[object, ...], Resource] = {}
    for resource in cluster.resources:
        # Applications of one name in several files, or overlays, are of as many clusters: each has
        # its folder. The sources of one Application are one set.
        homes = cluster.once("homes", lambda: _homes(cluster)).get(resource.part.name, {})
        where = resource.part.name if _is_of_many(homes) else resource.part
        key = (where, *resource.key)
        first = seen.setdefault(key, resource) if resource.metadata.get("name") else resource
        if first is not resource and not _is_the_same(first, resource):
            wrong = f"{resource.title} is there twice; the second overwrites the first"
            if first.maker is not None and resource.maker is not None:
                if first.maker.key == resource.maker.key and first.maker is not resource.maker:
                    continue  # the ApplicationSet itself is there twice
                wrong = f"{resource.maker.title} makes two Applications called {resource.name}: "
                wrong += "Argo CD refuses the second"
            yield Problem(
                wrong,
                fix="Keep one of them, or give the second another name.",
                path=("metadata", "name"),
                resource=resource,
            )
