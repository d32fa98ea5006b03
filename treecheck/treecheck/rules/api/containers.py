"""Containers: probes, ports, resources, environment, mounts, init containers, privileges."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from treecheck.kube.names import fits
from treecheck.kube.pages import validation
from treecheck.kube.ports import is_port
from treecheck.kube.probes import PROBES
from treecheck.limits.words import LABEL_KEY
from treecheck.model import Problem, as_list, as_mapping, as_text, at, show_path
from treecheck.quantities import quantity
from treecheck.registry import rule
from treecheck.typed import of_type
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

_SOURCE = validation("core")
# Before, the API server drops a pod's own `resources` unread.
_POD_RESOURCES_SINCE = (1, 34)
_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})
_FIELDS = re.compile(
    r"metadata\.(name|namespace|uid)\Z"
    r"|spec\.(nodeName|serviceAccountName)\Z|status\.(hostIPs?|podIPs?)\Z"
)
_FILE_FIELDS = re.compile(r"metadata\.(name|namespace|uid|labels|annotations)\Z")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]\Z")
_MEASURES = re.compile(
    r"(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)\Z",
)


@rule("probe-threshold", source=_SOURCE)
def probe_threshold(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A probe with a threshold or a grace period that its kind can't have.

    One success is all that those two can ask for; `terminationGracePeriodSeconds` belongs to the
    two that restart the container, not to readiness.
    """
    for path, container in of_type(resource, cluster, "core.v1.Container"):
        for name in ("livenessProbe", "startupProbe"):
            successes = as_mapping(container.get(name)).get("successThreshold", 1)
            if successes not in {0, 1}:
                yield Problem(
                    f"{name} has successThreshold {successes}, and can only have 1",
                    fix="Remove successThreshold.",
                    path=(*path, name, "successThreshold"),
                )
        if "terminationGracePeriodSeconds" in as_mapping(container.get("readinessProbe")):
            yield Problem(
                "a readiness probe ends no container and can't have terminationGracePeriodSeconds",
                fix="Remove it, or set it at the liveness probe.",
                path=(*path, "readinessProbe", "terminationGracePeriodSeconds"),
            )


@rule("probe-port", source=_SOURCE)
def probe_port(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A port of a probe or hook that can be neither a number nor the name of a port.

    Numbers go from 1 to 65535; a name has at most 15 lower-case letters, digits and hyphens.
    """
    for path, action in of_type(
        resource, cluster, "core.v1.HTTPGetAction", "core.v1.TCPSocketAction"
    ):
        if "port" in action and not is_port(action["port"]):
            yield Problem(
                f"{show_path((*path, 'port'))} is {shown(action['port'])}, which is not a port",
                fix="Write a number from 1 to 65535, or the name of a port of the container.",
                path=(*path, "port"),
            )


@rule("resource-limits", source=_SOURCE)
def resource_limits(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A request larger than its limit, a negative amount, or a resource that does not exist.

    A container can't be promised more than it may use. Of extended resources and huge pages the
    request equals the limit. Names other than cpu, memory and ephemeral-storage have a domain.
    """
    for path, needs in _needs(resource, cluster):
        limits, requests = as_mapping(needs.get("limits")), as_mapping(needs.get("requests"))
        for kind, amounts in (("limits", limits), ("requests", requests)):
            for name, value in amounts.items():
                text = _bad_amount(name, value, requests, limits)
                if text and not (kind == "limits" and text.startswith("the request")):
                    yield Problem(
                        f"{name}: {text}",
                        fix="Lower the request or raise the limit."
                        if text.startswith("the request")
                        else "Correct the name or the amount.",
                        path=(*path, kind, name),
                    )


def _needs(resource: Resource, cluster: Cluster) -> Iterator[tuple[FieldPath, Manifest]]:
    """(path, limits and requests) of every container, and the overhead of every pod as limits."""
    yield from (
        (path, needs)
        for path, needs in of_type(resource, cluster, "core.v1.ResourceRequirements")
        if path[-2] != "spec" or cluster.version >= _POD_RESOURCES_SINCE
    )
    for path, spec in of_type(resource, cluster, "core.v1.PodSpec"):
        yield path, {"limits": spec.get("overhead")}


def _bad_amount(name: str, value: Any, requests: Manifest, limits: Manifest) -> str:
    number = quantity(value) or 0
    named = name not in _RESOURCES and not name.startswith("hugepages-")
    reserved = _is_exclusive(name) and name.startswith("requests.")
    if named and ("/" not in name or not fits(name, LABEL_KEY) or reserved):
        return "unknown resource name"
    if named and _is_exclusive(name) and number != int(number):
        return f"{value} is not a whole number"
    if name.startswith("hugepages-"):
        size = quantity(name.partition("-")[2]) or 0
        if size <= 0 or number % size:
            return f"{value} is not a multiple of the page's size"
        if not {"cpu", "memory"} & {*requests, *limits}:
            return "huge pages need an amount of cpu or memory beside them"
    return f"{value} is negative" if number < 0 else _unbalanced(name, requests, limits)


def _unbalanced(name: str, requests: Manifest, limits: Manifest) -> str:
    asked, limit = quantity(requests.get(name)), quantity(limits.get(name))
    if asked is not None and name not in limits and _is_exclusive(name):
        return "the request needs a limit of the same amount"
    if asked is None or limit is None:
        return ""
    if asked > limit:
        return f"the request ({requests[name]}) is larger than the limit ({limits[name]})"
    if _is_exclusive(name) and asked != limit:
        return f"the request ({requests[name]}) must equal the limit ({limits[name]})"
    return ""


def _is_exclusive(name: str) -> bool:
    """Whether a container gets all that it may use: an extended resource, or huge pages."""
    return name not in _RESOURCES and "kubernetes.io/" not in name


@rule("field-reference", source="https://kubernetes.io/docs/concepts/workloads/pods/downward-api/")
def field_reference(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A variable or file that refers to a field that the downward API does not offer.

    Kubernetes offers some fields of metadata, spec and status, and the container's limits and
    requests.
    """
    for path, source in of_type(resource, cluster, "core.v1.EnvVarSource"):
        yield from _reference(path, source, _FIELDS)
    for path, item in of_type(resource, cluster, "core.v1.DownwardAPIVolumeFile"):
        yield from _reference(path, item, _FILE_FIELDS)


def _reference(path: FieldPath, source: Manifest, known: re.Pattern[str]) -> Iterator[Problem]:
    field = as_mapping(source.get("fieldRef")).get("fieldPath")
    subscript = _SUBSCRIPT.match(as_text(field))
    offered = fits(subscript[2], LABEL_KEY) if subscript else known.match(as_text(field))
    if field and not offered:
        yield Problem(
            f"the downward API does not offer {shown(field)}",
            fix="Write a field such as metadata.name, metadata.labels['app'] or status.podIP.",
            path=(*path, "fieldRef", "fieldPath"),
        )
    reference = as_mapping(source.get("resourceFieldRef"))
    measured = reference.get("resource")
    if isinstance(measured, str) and measured and not _MEASURES.match(measured):
        yield Problem(
            f"{shown(measured)} is none of a container's limits and requests",
            fix="Write limits.cpu, limits.memory, requests.cpu or requests.memory.",
            path=(*path, "resourceFieldRef", "resource"),
        )
    elif not _is_divisor(reference.get("divisor", 0), as_text(measured)):
        yield Problem(
            f"{shown(reference['divisor'])} is not a divisor of {measured}",
            fix="Write 1 or 1m for CPU, 1 or a unit such as 1Mi for anything else.",
            path=(*path, "resourceFieldRef", "divisor"),
        )
    if "path" in source and reference and not reference.get("containerName"):
        yield Problem(
            "a file that holds a container's limits or requests must name the container",
            fix="Add containerName.",
            path=(*path, "resourceFieldRef", "containerName"),
        )


def _is_divisor(value: Any, measured: str) -> bool:
    amount = quantity(value)
    if not amount or not measured:
        return amount is not None or not measured
    if measured.endswith(".cpu"):
        return amount in {Decimal(1), Decimal("0.001")}
    step = 1024 if str(value).strip().endswith("i") else 1000
    return amount in {Decimal(step) ** power for power in range(7)}


def _is_changed(namespace: str, cluster: Cluster) -> bool:
    """Whether a webhook that runs in a namespace is asked to change pods."""
    return any(
        at(hook, "clientConfig", "service", "namespace") == namespace
        and "pods" in f"{one.name} {as_list(hook.get('rules'))}"
        for one in cluster.of_kind("MutatingWebhookConfiguration")
        for hook in map(as_mapping, as_list(one.body.get("webhooks")))
    )


@rule("mount-without-volume", source=_SOURCE)
def mount_without_volume(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A container mounts a volume that its pod does not have.

    The name under `volumeMounts` must be that of an entry of the pod's `volumes`, or of a claim
    template of the StatefulSet. A webhook that changes pods may add some to those of its own
    program.
    """
    if resource.kind == "StatefulSet" and _is_changed(resource.namespace, cluster):
        return
    claims = {
        as_mapping(each.get("metadata")).get("name")
        for each in as_list(resource.spec.get("volumeClaimTemplates"))
        if isinstance(each, dict)
    }
    for path, spec in of_type(resource, cluster, "core.v1.PodSpec"):
        volumes = {each.get("name") for each in as_list(spec.get("volumes"))} | claims
        for kind in ("containers", "initContainers"):
            for index, container in enumerate(as_list(spec.get(kind))):
                for field in ("volumeMounts", "volumeDevices"):
                    for number, mount in enumerate(as_list(container.get(field))):
                        name = mount.get("name")
                        if name and name not in volumes:
                            yield Problem(
                                f"the container {container.get('name')} mounts {shown(name)}, and "
                                "the pod has no such volume",
                                fix=f"Add the volume {name}, or name one that the pod has.",
                                path=(*path, kind, index, field, number, "name"),
                            )


@rule(
    "init-container", source="https://kubernetes.io/docs/concepts/workloads/pods/init-containers/"
)
def init_container(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An init container with probes or hooks, or a main container with a restart policy.

    An init container ends before the others start, so there is nothing to probe. With
    `restartPolicy: Always` it is a sidecar and may have them; main containers have no restart
    policy of their own.
    """
    for path, spec in of_type(resource, cluster, "core.v1.PodSpec"):
        for index, container in enumerate(as_list(spec.get("initContainers"))):
            if container.get("restartPolicy") == "Always":
                continue
            for field in (*PROBES, "lifecycle"):
                if container.get(field) is not None:
                    yield Problem(
                        f"the init container {container.get('name')} ends before the others start "
                        f"and can't have a {field}",
                        fix=f"Remove {field}, or make it a sidecar by restartPolicy: Always.",
                        path=(*path, "initContainers", index, field),
                    )
        for index, container in enumerate(as_list(spec.get("containers"))):
            if container.get("restartPolicy"):
                yield Problem(
                    f"the container {container.get('name')} has a restartPolicy, which only init "
                    "containers have",
                    fix="Remove it; the pod's own restartPolicy counts.",
                    path=(*path, "containers", index, "restartPolicy"),
                )


@rule("privilege-contradiction", source=_SOURCE)
def privilege_contradiction(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A security context that contradicts itself.

    A privileged container, or one with CAP_SYS_ADMIN, can't be kept from escalating privileges. A
    seccomp or AppArmor profile has a file exactly when its type is Localhost.
    """
    for path, context in of_type(resource, cluster, "core.v1.SecurityContext"):
        added = as_list(as_mapping(context.get("capabilities")).get("add"))
        if context.get("allowPrivilegeEscalation") is False and (
            context.get("privileged") is True or "CAP_SYS_ADMIN" in added
        ):
            yield Problem(
                "a privileged container can't have allowPrivilegeEscalation: false",
                fix="Remove privileged (and CAP_SYS_ADMIN).",
                path=(*path, "allowPrivilegeEscalation"),
            )
    for path, profile in of_type(
        resource, cluster, "core.v1.SeccompProfile", "core.v1.AppArmorProfile"
    ):
        local = profile.get("type") == "Localhost"
        named = "localhostProfile" in profile
        if (local and not named) or (not local and named):
            yield Problem(
                "a profile has localhostProfile exactly when its type is Localhost",
                fix="Set or remove localhostProfile.",
                path=(*path, "localhostProfile"),
            )


APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"


@rule(
    "app-armor-annotation",
    source="https://kubernetes.io/docs/tutorials/security/apparmor/#securing-a-pod",
)
def app_armor_annotation(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An AppArmor annotation of a container that the pod does not have, or with no profile's name.

    A profile is runtime/default, unconfined or localhost/NAME. Since Kubernetes 1.30 the field
    securityContext.appArmorProfile says the same.
    """
    pod = resource.pod
    kinds = ("containers", "initContainers", "ephemeralContainers")
    names = {container.get("name") for _, container in pod.containers(*kinds)} if pod else set()
    for key, profile in pod.annotations.items() if pod else ():
        name = key.removeprefix(APP_ARMOR)
        if pod is None or name == key:
            continue
        path = (*pod.path, "metadata", "annotations", key)
        if name not in names:
            yield Problem(
                f"the AppArmor annotation is of container {name}, and the pod has only "
                f"{', '.join(sorted(map(str, names)))}",
                fix="Name a container of the pod, or leave the annotation out.",
                path=path,
            )
        elif profile not in {"", "runtime/default", "unconfined"} and not profile.startswith(
            "localhost/"
        ):
            yield Problem(
                f"{shown(profile)} is not the name of an AppArmor profile",
                fix="Write runtime/default, or localhost/ with the profile's name.",
                path=path,
            )


@rule("host-port-clash", source=_SOURCE)
def host_port_clash(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A node's port that a pod uses twice, or that differs from the container's port.

    On the node's own network a container's port is the node's port.
    """
    for path, spec in of_type(resource, cluster, "core.v1.PodSpec"):
        seen: set[tuple[Any, ...]] = set()
        for index, container in enumerate(as_list(spec.get("containers"))):
            for number, port in enumerate(as_list(container.get("ports"))):
                where = (*path, "containers", index, "ports", number, "hostPort")
                host = port.get("hostPort") or 0
                used = (host, port.get("protocol") or "TCP", port.get("hostIP") or "")
                if host and used in seen:
                    yield Problem(
                        f"the pod uses the node's port {host} twice",
                        fix="Give one of the two another hostPort.",
                        path=where,
                    )
                seen.add(used)
                if spec.get("hostNetwork") and host and host != port.get("containerPort"):
                    yield Problem(
                        f"on the host network hostPort ({host}) is the containerPort "
                        f"({port.get('containerPort')}), and they differ",
                        fix="Remove hostPort.",
                        path=where,
                    )
