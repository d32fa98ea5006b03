"""Servers whose image and settings don't go together: user, port, pulling, replicas."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.kube.images import facts_of, is_official, repository
from treecheck.kube.pages import POSTGRES_IMAGE, SECURITY_CONTEXT
from treecheck.kube.ports import container_ports
from treecheck.kube.variables import variables_of
from treecheck.kube.workloads import replicas
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, containers, each
from treecheck.registry import Family, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, Resource

PRIVILEGED_PORTS = 1024
UNPRIVILEGED_START = "net.ipv4.ip_unprivileged_port_start"


@rule("image-runs-as-root", source=SECURITY_CONTEXT)
def image_runs_as_root(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An image that starts as root in a pod that must not.

    With runAsNonRoot and no runAsUser the kubelet looks at the image's own user, finds root, and
    refuses: container has runAsNonRoot and image will run as root. The rule knows some official
    images.
    """
    shared = as_mapping(resource.pod.spec.get("securityContext")) if resource.pod else {}
    for path, container in containers(resource):
        image = as_text(container.get("image"))
        context = {**shared, **as_mapping(container.get("securityContext"))}
        if context.get("runAsNonRoot") is not True or "runAsUser" in context:
            continue
        if facts_of(image).root and is_official(image):
            yield Problem(
                f"container {container.get('name')} has runAsNonRoot: true and no runAsUser, and "
                f"image {image} starts as root: the kubelet refuses to start it",
                fix="Set runAsUser to the number of the user that the image brings for it.",
                path=(*path, "image"),
            )


@rule(
    "privileged-port",
    family=Family.POLICY,
    severity=Severity.WARNING,
    source="https://man7.org/linux/man-pages/man7/capabilities.7.html",
)
def privileged_port(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A port below 1024 for a user who may not open one.

    Without NET_BIND_SERVICE only root may listen there: bind, permission denied. The sysctl
    ip_unprivileged_port_start allows it to everybody; Docker and containerd 2 set it so by
    themselves, containerd 1 does not.
    """
    if resource.pod is None or resource.pod.spec.get("hostNetwork"):
        return
    shared = as_mapping(resource.pod.spec.get("securityContext"))
    if any(as_mapping(s).get("name") == UNPRIVILEGED_START for s in as_list(shared.get("sysctls"))):
        return
    for path, container in resource.pod.containers("containers"):
        context = {**shared, **as_mapping(container.get("securityContext"))}
        kept = as_mapping(context.get("capabilities"))
        user = context.get("runAsUser")
        if not user or "ALL" not in as_list(kept.get("drop")) or as_list(kept.get("add")):
            continue
        for index, port in enumerate(container_ports(container)):
            if port.number < PRIVILEGED_PORTS:
                yield Problem(
                    f"container {container.get('name')} runs as user {user} without capabilities, "
                    f"and listens on port {port.number}: permission denied, where the container "
                    "runtime does not open such ports to everybody",
                    fix="Let it listen on a port above 1023 and the Service's targetPort follow.",
                    path=(*path, "ports", index, "containerPort"),
                )


@rule(
    "image-never-pulled",
    source="https://kubernetes.io/docs/concepts/containers/images/#image-pull-policy",
)
def image_never_pulled(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An image that no node ever pulls.

    imagePullPolicy Never works where somebody has loaded the image onto the node, as on a
    developer's machine. On a new node: ErrImageNeverPull. An image without a registry in its name
    is taken for one that is loaded, and any where a page or script of the tree loads images.
    """
    for path, container in containers(resource):
        registry, slash, _ = as_text(container.get("image")).partition("/")
        if container.get("imagePullPolicy") == "Never" and slash and "." in registry:
            yield Problem(
                f"container {container.get('name')} has imagePullPolicy Never: on a node that does "
                "not have the image yet it never starts",
                fix="Set it to IfNotPresent.",
                path=(*path, "imagePullPolicy"),
            )


@rule(
    "database-not-replicated",
    kinds=("Deployment", "StatefulSet"),
    source="https://kubernetes.io/docs/tasks/run-application/run-replicated-stateful-application/",
    unless=("volume-held-by-one",),
)
def database_not_replicated(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """Several replicas of a database image that does not replicate by itself.

    Each pod has data of its own, and a Service sends each connection to another one: what was
    written is there at one time and not at the next. A pod with init containers, a command or
    arguments of its own may set up replication and is left alone. PostgreSQL's settings (`-c …`)
    alone don't: a standby also needs a copy of the primary's data and a file standby.signal.
    """
    if resource.pod is None or "initContainers" in resource.pod.spec:
        return
    most = replicas(cluster, resource).most
    for _, container in resource.pod.containers("containers"):
        known = facts_of(as_text(container.get("image")))
        if most > 1 and known.one_server and not _may_replicate(container):
            yield Problem(
                f"{most} replicas of {container.get('image')} are {most} databases that know "
                "nothing of each other",
                fix="Run one replica, or an operator that sets up replication.",
                path=("spec", "replicas") if "replicas" in resource.spec else ("spec",),
            )


def _may_replicate(container: Manifest) -> bool:
    """Whether a database's container may make itself one of a cluster."""
    image = as_text(container.get("image"))
    words = [as_text(word) for word in as_list(container.get("args"))]
    if not words or "command" in container:
        return "command" in container
    mounts = [as_text(mount.get("mountPath")) for _, mount in each(container, "volumeMounts")]
    scripts = any(mount.startswith(facts_of(image).scripts) for mount in mounts)
    postgres = is_official(image) and repository(image).rpartition("/")[2] == "postgres"
    settings = words[0].startswith("-") and not re.search(r"standby|primary_", " ".join(words))
    return scripts or not postgres or not settings


@rule(
    "database-without-password",
    kinds=("Deployment", "StatefulSet"),
    source=POSTGRES_IMAGE,
    unless=("config-missing", "config-key-missing"),
)
def database_without_password(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A database image without its first password.

    On an empty volume the image asks for it, in a variable or a file, and ends: database is
    uninitialized and superuser password is not specified. Only a container that sets other
    variables of the image is looked at: without any, its volume may have been filled elsewhere.
    """
    for path, container in containers(resource, "containers"):
        needs = facts_of(as_text(container.get("image"))).needs
        if resource.pod is None or not needs or "command" in container:
            continue
        variables = variables_of(cluster, resource.pod, path, container)
        family = needs[0].partition("_")[0] + "_"
        told = any(name.startswith(family) for name in variables.named)
        if variables.complete and told and not set(needs) & set(variables.named):
            yield Problem(
                f"container {container.get('name')} gets none of {', '.join(needs)}: on an empty "
                "volume its server refuses to start",
                fix=f"Set {needs[0]} by a secretKeyRef, or {needs[0]}_FILE to a mounted file.",
                path=(*path, "env") if "env" in container else (*path, "name"),
                related=variables.sources,
            )
