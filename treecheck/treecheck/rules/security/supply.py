"""Images, service account tokens and resources of containers."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from treecheck.kube.images import is_built_later, tag
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, containers
from treecheck.registry import Family, rule
from treecheck.rendering import closure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

# Tags that move by their very name; anything else may be immutable.
MOVING_TAGS = {"", "latest", "stable", "main", "master", "edge", "nightly", "dev"}


@rule(
    "image-unpinned",
    family=Family.POLICY,
    source="https://kubernetes.io/docs/concepts/containers/images/",
    unless=("image-name-invalid", "image-entry-unused"),
)
def image_unpinned(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An image without a tag, or with one that moves.

    What runs then depends on when a node pulled it: two pods of a Deployment may differ, and git
    does not say what is deployed. A rollback brings back nothing.
    """
    for path, container in containers(resource):
        image = as_text(container.get("image"))
        fixed = not image or "@sha256:" in image or is_built_later(image)
        if not fixed and tag(image) in MOVING_TAGS:
            yield Problem(
                f"image {image} has {'the moving tag ' + tag(image) if tag(image) else 'no tag'}: "
                "what runs is whatever the registry holds at the next pull",
                fix=_near_entry(resource, image) or "Name an immutable tag, or a digest.",
                path=(*path, "image"),
                cause=image,
                related=_others(cluster, resource, image),
            )


def _near_entry(resource: Resource, image: str) -> str:
    """What to do where a kustomization sets the tag of an image of very nearly the same name."""
    folder = resource.part.folder
    names = [
        as_text(as_mapping(entry).get("name"))
        for each in (closure(folder) if folder else ())
        for entry in as_list(each.body.get("images"))
    ]
    near = difflib.get_close_matches(image, names, n=1, cutoff=0.75)
    same = not near or near[0] == image or tag(image)
    return "" if same else f"A kustomization sets the tag of {near[0]}: write {near[0]} here."


def _others(cluster: Cluster, resource: Resource, image: str) -> tuple[Resource, ...]:
    """The other workloads that run an image."""
    return tuple(
        pod.owner
        for pod in cluster.pods()
        if pod.owner is not resource
        and any(container.get("image") == image for _, container in pod.containers())
    )


@rule(
    "token-mounted",
    family=Family.POLICY,
    source="https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/",
    severity=Severity.WARNING,
    unless=("role-missing", "binding-too-broad", "service-account-missing"),
)
def token_mounted(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A service account's token in a pod that has no use for it.

    Whoever breaks into the container can ask the API server in the account's name. An account that
    a binding in the tree gives rights to is taken to need its token.
    """
    pod = resource.pod
    if pod is None or pod.spec.get("automountServiceAccountToken", True) is not True:
        return
    name = as_text(pod.spec.get("serviceAccountName")) or "default"
    account = cluster.get("ServiceAccount", resource.namespace, name)
    off = account is not None and account.body.get("automountServiceAccountToken") is False
    if "automountServiceAccountToken" not in pod.spec and off:
        return
    if not _has_rights(cluster, resource.namespace, name):
        written = "automountServiceAccountToken" in pod.spec
        yield Problem(
            f"its pods get the token of service account {name}, which nothing in the tree gives "
            "rights to",
            fix=_stray(cluster, resource.namespace, name)
            or "Set automountServiceAccountToken: false on the pod.",
            path=(*pod.spec_path, "automountServiceAccountToken") if written else pod.spec_path,
            related=_bindings_of(cluster, name),
        )


def _stray(cluster: Cluster, namespace: str, account: str) -> str:
    """What to do where a binding with an account's name gives its rights to another; or ""."""
    for binding in cluster.of_kind("RoleBinding", namespace=namespace):
        subjects = list(map(as_mapping, as_list(binding.body.get("subjects"))))
        others = [as_text(s.get("name")) for s in subjects if s.get("kind") == "ServiceAccount"]
        if account != "default" and account in binding.name.split("-") and others:
            return (
                f"If RoleBinding {binding.name} is meant for {account}, name it there in place of "
                f"{others[0]}; if not, set automountServiceAccountToken: false on the pod."
            )
    return ""


def _bindings_of(cluster: Cluster, account: str) -> tuple[Resource, ...]:
    """The bindings that may have been meant for a service account, by their own name or subject."""
    return tuple(
        binding
        for binding in cluster.of_kind("RoleBinding", "ClusterRoleBinding")
        if account in binding.name
        or any(
            as_mapping(subject).get("name") == account
            for subject in as_list(binding.body.get("subjects"))
        )
    )


def _has_rights(cluster: Cluster, namespace: str, account: str) -> bool:
    for binding in cluster.of_kind("RoleBinding", "ClusterRoleBinding"):
        for subject in map(as_mapping, as_list(binding.body.get("subjects"))):
            where = subject.get("namespace") or binding.namespace
            if (subject.get("kind"), where, subject.get("name")) == (
                "ServiceAccount",
                namespace,
                account,
            ):
                return True
    return False


@rule(
    "resources-missing",
    family=Family.POLICY,
    source="https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/",
    severity=Severity.WARNING,
    unless=("hpa-without-request", "limit-range-exceeded", "quota-asks-for-more"),
)
def resources_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A container without requests, or without a limit on its memory.

    Without requests the scheduler counts it as nothing and packs the node too full; without a
    memory limit its leak is the whole node's. A limit alone counts as the request. A CPU limit is
    a matter of taste and not asked for.
    """
    for path, container in containers(resource, "containers"):
        asked = as_mapping(container.get("resources"))
        limits = as_mapping(asked.get("limits"))
        requests = {*as_mapping(asked.get("requests")), *limits}
        missing = [f"requests.{name}" for name in ("cpu", "memory") if name not in requests]
        if "memory" not in limits:
            missing.append("limits.memory")
        if missing:
            yield Problem(
                f"container {container.get('name')} has no {', '.join(missing)}",
                fix="Set resources to what the container was seen to use, and some more.",
                path=(*path, "resources") if "resources" in container else (*path, "name"),
            )


@rule(
    "root-filesystem-writable",
    family=Family.POLICY,
    source="https://kubernetes.io/docs/tasks/configure-pod-container/security-context/",
    severity=Severity.WARNING,
)
def root_filesystem_writable(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A container whose root file system is made writable on purpose.

    Whoever breaks in can change the program. A container that says nothing is left alone: many
    images can't do without.
    """
    for path, container in containers(resource):
        context = as_mapping(container.get("securityContext"))
        if context.get("readOnlyRootFilesystem") is False:
            yield Problem(
                f"container {container.get('name')} has a writable root file system",
                fix="Set readOnlyRootFilesystem: true and mount an emptyDir where it writes.",
                path=(*path, "securityContext", "readOnlyRootFilesystem"),
            )
