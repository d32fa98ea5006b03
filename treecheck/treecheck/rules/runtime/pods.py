"""Pods that are accepted and then can't start, or can't do what they were made for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.cluster import matches
from treecheck.kube.kubectl import runs_shell
from treecheck.kube.pages import SECURITY_CONTEXT
from treecheck.kube.ports import container_ports
from treecheck.kube.variables import variables_of
from treecheck.kube.workloads import replicas
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, at, containers, each
from treecheck.registry import Family, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

REFERENCE = re.compile(r"\$(\$|\(([A-Za-z_][-.A-Za-z0-9_]*)\))")


@rule("root-against-non-root", source=SECURITY_CONTEXT)
def root_against_non_root(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A container that must be root and must not be root.

    The kubelet refuses to start it: CreateContainerConfigError, container's runAsUser breaks
    non-root policy.
    """
    pod = resource.pod
    for path, container in pod.containers() if pod else ():
        own = as_mapping(container.get("securityContext"))
        shared = as_mapping(pod.spec.get("securityContext")) if pod else {}
        user = own.get("runAsUser", shared.get("runAsUser"))
        if user == 0 and own.get("runAsNonRoot", shared.get("runAsNonRoot")) is True:
            own_field = (*path, "securityContext", "runAsUser")
            of_pod = (*pod.spec_path, "securityContext", "runAsUser") if pod else ()
            yield Problem(
                f"container {container.get('name')} has runAsNonRoot: true and runAsUser: 0, so "
                "the kubelet refuses to start it",
                fix="Set runAsUser to the image's user, a number above 0.",
                path=own_field if "runAsUser" in own else of_pod,
            )


@rule("port-taken-twice", source="https://kubernetes.io/docs/concepts/workloads/pods/")
def port_taken_twice(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """Two containers of a pod on the same port.

    Containers of a pod share one network; the second to bind the port ends with address already in
    use. Of one image, what is told another command, as a worker beside its server, may not listen.
    """
    taken: dict[tuple[int, str], Manifest] = {}
    for path, container in containers(resource, "containers"):
        name = as_text(container.get("name"))
        for index, port in enumerate(container_ports(container)):
            first = taken.setdefault((port.number, port.protocol), container)
            if first is not container and not _is_worker_of(first, container):
                yield Problem(
                    f"containers {first.get('name')} and {name} both declare {port.protocol} port "
                    f"{port.number} of the same pod: the second to listen there ends with address "
                    "already in use",
                    fix="Give one of them another port.",
                    path=(*path, "ports", index, "containerPort"),
                )


def _is_worker_of(one: Manifest, other: Manifest) -> bool:
    """Whether two containers run one image by different commands."""
    told = [(each.get("command"), each.get("args")) for each in (one, other)]
    return one.get("image") == other.get("image") and told[0] != told[1]


@rule(
    "container-port-twice",
    source="https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy",
    severity=Severity.WARNING,
)
def container_port_twice(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """The same port and protocol twice in a container.

    Ports are merged by their number: at the next apply one of the two entries is lost, and what
    refers to it by name leads nowhere.
    """
    for path, container in containers(resource):
        seen: dict[tuple[object, object], object] = {}
        for place, port in each(container, "ports"):
            key = (port.get("containerPort"), port.get("protocol", "TCP"))
            if key in seen:
                yield Problem(
                    f"container {container.get('name')} declares {key[1]} port {key[0]} twice, as "
                    f"{seen[key]} and as {port.get('name')}: the next apply loses one of them",
                    fix="Keep one of them, or correct the number.",
                    path=(*path, *place, "containerPort"),
                )
            seen.setdefault(key, port.get("name"))


# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_OF_SERVICES = re.compile(r"_SERVICE_(?:HOST|PORT(?:_\w+)?)$|_PORT(?:_\d+_(?:TCP|UDP|SCTP)\w*)$")


@rule(
    "variable-undefined",
    source="https://kubernetes.io/docs/tasks/inject-data-application/"
    "define-interdependent-environment-variables/",
)
def variable_undefined(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A $(NAME) that no variable of the container has.

    It is not replaced: the program gets the four letters and the brackets. In `env` a name has to
    be defined above its use. The variables of Services (WEB_SERVICE_HOST) come from the kubelet.
    """
    pod = resource.pod
    for path, container in pod.containers() if pod else ():
        if pod is None:
            return
        variables = variables_of(cluster, pod, path, container)
        if not variables.complete:
            continue
        shell = runs_shell(container)
        for where, text, known in _uses(path, container, set(variables.named)):
            for found in REFERENCE.finditer(text):
                name = found[2]
                # A shell runs `$(date)`; in capitals it is a variable, also in a shell's line.
                if name and _OF_SERVICES.search(name):
                    continue
                if name and name not in known and not (shell and not name.isupper()):
                    yield Problem(
                        f"container {container.get('name')} uses $({name}), and no variable of "
                        "that name is defined before it: the text stays as it is",
                        fix=f"Define {name} first, or write $${found[0][1:]} for this very text.",
                        path=where,
                        related=variables.sources,
                    )


def _uses(
    path: FieldPath, container: Manifest, names: set[str]
) -> Iterator[tuple[FieldPath, str, set[str]]]:
    """(place, text, names defined there) of the texts in which the kubelet replaces $(NAME)."""
    for field in ("command", "args"):
        for index, word in enumerate(as_list(container.get(field))):
            yield (*path, field, index), as_text(word), names
    entries = [as_mapping(entry) for entry in as_list(container.get("env"))]
    below = {as_text(entry.get("name")) for entry in entries}
    for index, entry in enumerate(entries):
        yield (*path, "env", index, "value"), as_text(entry.get("value")), names - below
        below.discard(as_text(entry.get("name")))


@rule(
    "variable-set-twice",
    source="https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/",
    severity=Severity.WARNING,
)
def variable_set_twice(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An environment variable that a container's `env` sets twice.

    The last one wins, and a patch that changes the first has no effect.
    """
    for path, container in containers(resource):
        seen: set[str] = set()
        for place, entry in each(container, "env"):
            name = as_text(entry.get("name"))
            if name in seen:
                yield Problem(
                    f"container {container.get('name')} sets {name} twice; only the last counts",
                    fix=f"Keep one entry for {name}.",
                    path=(*path, *place),
                )
            seen.add(name)


@rule(
    "spread-of-others",
    unless=("selector-mismatch",),
    source="https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/",
)
def spread_of_others(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A spread constraint that does not count the pod itself.

    The scheduler counts the pods that the constraint's selector matches. When the workload's own
    pods are not among them, they may all land on one node. A warning where there is one pod, which
    has nothing to be kept apart from yet.
    """
    if resource.pod is None:
        return
    severity = None if replicas(cluster, resource).most > 1 else Severity.WARNING
    for path, term in _terms(resource):
        selector = as_mapping(term.get("labelSelector"))
        if "namespaceSelector" in term or "namespaces" in term:
            continue
        if "labelSelector" not in term:
            yield Problem(
                "it has no labelSelector and so counts no pods: these are not kept apart",
                fix="Add a labelSelector with the pod template's own labels.",
                path=path,
                severity=severity,
            )
        elif not selector or not matches(selector, resource.pod.labels):
            yield Problem(
                "its labelSelector does not match the pods that carry it, so they are not kept "
                "apart",
                fix="Make labelSelector match the pod template's own labels.",
                path=(*path, "labelSelector"),
                severity=severity,
            )


def _terms(resource: Resource) -> Iterator[tuple[FieldPath, Manifest]]:
    assert resource.pod is not None  # noqa: S101 - the one caller has looked
    spec, here = resource.pod.spec, resource.pod.spec_path
    for place, term in each(spec, "topologySpreadConstraints"):
        yield (*here, *place), term


@rule(
    "resource-unit",
    source="https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/",
)
def resource_unit(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A quantity in a unit that nobody means: memory in thousandths of a byte, hundreds of CPUs.

    `memory: 512m` is half a byte, `storage: 10` ten bytes and `cpu: 500` five hundred processors;
    all are valid.
    """
    yield from _volume_units(resource)
    for path, container in containers(resource):
        asked = as_mapping(container.get("resources"))
        for group in ("requests", "limits"):
            amounts = as_mapping(asked.get(group))
            memory, cpu = str(amounts.get("memory", "")), str(amounts.get("cpu", ""))
            if _is_tiny(memory):
                effect = (
                    "the container is killed at its start"
                    if group == "limits"
                    else "the scheduler keeps no room for it, and it goes first when a node is full"
                )
                yield Problem(
                    f"memory {memory} is less than a MiB: {effect}",
                    fix=f"Write {memory.rstrip('m')}Mi if you mean MiB.",
                    path=(*path, "resources", group, "memory"),
                )
            if cpu.isdecimal() and int(cpu) >= 100:
                pends = group == "requests" or "cpu" not in as_mapping(asked.get("requests"))
                effect = "no node has them, the pod stays Pending" if pends else "it limits nothing"
                yield Problem(
                    f"cpu {cpu} is {cpu} whole processors: {effect}",
                    fix=f"Write {cpu}m if you mean thousandths.",
                    path=(*path, "resources", group, "cpu"),
                )


def _is_tiny(amount: str) -> bool:
    """Whether a quantity of bytes is above nothing and below a MiB."""
    plain = re.fullmatch(r"(\d+)(m|k|Ki)?", amount)
    factor = {"m": 0, "k": 1000, "Ki": 1024}.get(plain[2], 1) if plain else 1
    return plain is not None and int(plain[1]) > 0 and int(plain[1]) * factor < 1 << 20


def _volume_units(resource: Resource) -> Iterator[Problem]:
    """Disks and scratch volumes of less than a MiB."""
    size: FieldPath = ("resources", "requests", "storage")
    claims: list[tuple[FieldPath, Manifest]] = []
    if resource.kind == "PersistentVolumeClaim":
        claims.append((("spec", *size), resource.spec))
    for index, claim in enumerate(as_list(resource.spec.get("volumeClaimTemplates"))):
        path: FieldPath = ("spec", "volumeClaimTemplates", index, "spec", *size)
        claims.append((path, as_mapping(as_mapping(claim).get("spec"))))
    places = [(path, str(at(spec, *size) or "")) for path, spec in claims]
    for index, volume in enumerate(
        as_list(resource.pod.spec.get("volumes")) if resource.pod else ()
    ):
        limit = as_mapping(as_mapping(volume).get("emptyDir")).get("sizeLimit")
        here = resource.pod.spec_path if resource.pod else ()
        places.append(((*here, "volumes", index, "emptyDir", "sizeLimit"), str(limit or "")))
    for path, amount in places:
        if _is_tiny(amount) and not amount.endswith(("k", "Ki")):  # whoever writes 1Ki means it
            yield Problem(
                f"{amount} is less than a MiB of storage: nothing fits in it",
                fix=f"Write {re.sub(r'[a-zA-Z]+$', '', amount)}Gi if you mean GiB.",
                path=path,
            )


@rule(
    "bare-pod",
    family=Family.POLICY,
    kinds=("Pod",),
    source="https://kubernetes.io/docs/concepts/workloads/pods/#working-with-pods",
    severity=Severity.WARNING,
)
def bare_pod(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pod without a controller.

    Nobody makes it again when its node goes away, and most of its fields can't be changed.
    """
    yield Problem(
        "no controller makes this pod again when its node is drained or lost",
        fix="Make it a Deployment, a StatefulSet or a Job.",
        path=("kind",),
    )
