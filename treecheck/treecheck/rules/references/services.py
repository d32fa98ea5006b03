"""Services and the pods and ports behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.alternatives import may_meet
from treecheck.kube.ports import container_ports, find, names_port, pod_ports, shown, target_of
from treecheck.kube.probes import asks
from treecheck.kube.services import elected, nearest, selected_pods
from treecheck.kube.variables import may_listen
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, each
from treecheck.registry import Family, Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.ports import Port
    from treecheck.model import PodTemplate, Resource

# Kustomize knows no list of a custom kind, and puts a patch's in the place of the whole.
PATCHED = " A patch of a Rollout that names a container has to repeat its ports."
SERVICE = "https://kubernetes.io/docs/concepts/services-networking/service/"


@rule(
    "service-selects-nothing",
    kinds=("Service",),
    source=SERVICE,
)
def service_selects_nothing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Service whose selector matches no pod.

    The API server accepts any selector. A Service that selects no pod has no endpoints, so every
    connection to it is refused or times out.

    Every label of the selector has to be on the pods, except one that a program gives the pod that
    it elects (`role: leader`), which no pod has as it is written. A namespace that the facts name,
    and that has no pod in the tree, has its pods from elsewhere.
    """
    selector = as_mapping(resource.spec.get("selector"))
    if not selector or resource.spec.get("type") == "ExternalName":
        return
    pods = cluster.pods(resource.namespace)
    if not pods and resource.namespace in cluster.facts.namespaces:
        return
    if selected_pods(resource, cluster):
        return
    wanted = ", ".join(f"{key}={value}" for key, value in selector.items())
    near = nearest(selector, pods)
    yield Problem(
        f"no pod in namespace {resource.namespace} has the labels {wanted}, so this Service has no "
        "endpoints and every connection to it fails",
        fix=f"Make the selector match the pods' labels{near}.",
        path=("spec", "selector"),
        related=cluster.meant(resource.namespace, selector),
        absent=resource.namespace,
        unsure=elected(selector, pods),
    )


@rule(
    "service-port-unknown",
    kinds=("Service",),
    unless=("probe-port-unknown",),
    source=SERVICE + "#field-spec-ports",
)
def service_port_unknown(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Service whose target port no container listens on.

    A Service forwards to `targetPort` of its pods. A name that no container declares gives no
    endpoint; a number that none declares is a connection refused.

    Pods that declare no port at all may listen anywhere, so numbers are only compared to some; one
    that is in a container's arguments, variables, probes or mounted configuration is taken for a
    port of its own. So is one of pods that declare several, unless it differs in a digit from one
    of them, or of a Service that leads to a declared one too; and UDP where no protocol is given.
    What a container declares may be the slip itself, unless a probe asks it or an argument sets it.
    """
    pods = selected_pods(resource, cluster)
    ports = [port for pod in pods for port in pod_ports(pod)]
    for place, service_port in each(resource, "spec", "ports"):
        target = target_of(service_port)
        protocol = as_text(service_port.get("protocol")) or "TCP"
        if not pods or (not ports and isinstance(target, int)) or find(ports, target, protocol):
            continue
        if isinstance(target, int) and any(
            may_listen(pod, cluster, target) or _is_injected(pod) for pod in pods
        ):
            continue
        unlike = isinstance(target, int) and all(target != port.number for port in ports)
        if protocol != "TCP" and isinstance(target, int) and not unlike:
            continue  # what a container declares without a protocol is TCP, whatever it speaks
        if unlike and not _is_mistaken(int(target), resource, ports, protocol):
            continue
        over = () if unlike else _over(pods, resource, cluster)
        if any(_is_led_to(target, other, ports) for other in over):
            continue
        effect, fix = _effect(pods, ports, named=isinstance(target, str))
        yield Problem(
            f"port {service_port.get('port')} leads to {protocol} port {target} of the pods, and "
            f"their containers declare {'only ' if ports else ''}{shown(ports)}: {effect}",
            fix=fix,
            path=(*place, "targetPort" if "targetPort" in service_port else "port"),
            related=tuple(pod.owner for pod in pods),
            severity=None if isinstance(target, str) else Severity.WARNING,
        )


def _effect(pods: list[PodTemplate], ports: list[Port], *, named: bool) -> tuple[str, str]:
    """What follows from a port that no container declares, and what to do.

    What a container declares does not bind it, so a number may be right. Where a probe, an argument
    or a variable has a declared port too, that one is in use; else it may be the slip.
    """
    fix = "Set targetPort to the name or number of a port that a container declares."
    if named:
        rollout = not ports and any(pod.owner.kind == "Rollout" for pod in pods)
        return "connections to it fail", fix + (PATCHED if rollout else "")
    containers = [each for pod in pods for _, each in pod.containers()]
    if any(
        names_port(c, port.number) or asks(c, port.number) for c in containers for port in ports
    ):
        return "connections to it fail unless something listens there undeclared", fix
    return (
        "one of the two is wrong, and if it is the Service's, connections to it fail",
        "Write the port on which the program listens in both places.",
    )


def _is_injected(pod: PodTemplate) -> bool:
    """Whether a pod is a gateway of Istio, which writes the containers, and listens as it is told.

    Source: https://istio.io/latest/docs/setup/additional-setup/gateway/
    """
    return any(container.get("image") == "auto" for _, container in pod.containers())


def _over(pods: list[PodTemplate], service: Resource, cluster: Cluster) -> Iterator[Resource]:
    """The Services over some pods: one for TCP and another for UDP lead to one number."""
    for other in cluster.of_kind("Service", namespace=service.namespace):
        if any(pod in pods for pod in selected_pods(other, cluster)):
            yield other


def _is_led_to(target: int | str, service: Resource, ports: list[Port]) -> bool:
    """Whether a Service leads to a number in the protocol that its pods declare too.

    Programs that listen by both, as for DNS, BitTorrent or HTTP/3, often declare TCP alone.
    """
    return isinstance(target, int) and any(
        target_of(port) == target and find(ports, target, as_text(port.get("protocol")) or "TCP")
        for _, port in each(service, "spec", "ports")
    )


def _is_mistaken(target: int, service: Resource, ports: list[Port], protocol: str) -> bool:
    """Whether a number that pods don't declare was meant to be one that they do.

    No port of their Service leads to a declared one, and they declare one alone, or one that
    differs in a digit.
    """
    declared = {port.number: port.name for port in ports if port.protocol == protocol}
    reached = {target_of(port) for _, port in each(service, "spec", "ports")}
    if reached & {*declared, *declared.values()}:
        return False
    return len(declared) == 1 or any(_one_digit_apart(target, number) for number in declared)


def _one_digit_apart(one: int, other: int) -> bool:
    ours, theirs = str(one), str(other)
    return len(ours) == len(theirs) and sum(a != b for a, b in zip(ours, theirs, strict=True)) == 1


@rule(
    "service-selects-strangers",
    kinds=("Service",),
    unless=("selectors-overlap",),
    source=SERVICE,
)
def service_selects_strangers(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Service that also selects pods which do not serve its port.

    A selector that is too broad takes in the pods of a migration Job, say, or of a database. They
    count as endpoints as soon as they are Ready, and their share of the connections is refused;
    those of a Job until it ends.

    Pods that serve the port next to pods that declare other ports, or none, and never will. Where
    the Service names its port (`targetPort: http`), a pod without a port of that name gets no
    endpoint, and no connections.
    """
    pods = selected_pods(resource, cluster)
    for service_port in map(as_mapping, as_list(resource.spec.get("ports"))):
        target = target_of(service_port)
        protocol = as_text(service_port.get("protocol")) or "TCP"
        serving = [pod for pod in pods if find(pod_ports(pod), target, protocol)]
        keys = {pod.owner.key for pod in serving}
        strangers = [
            pod
            for pod in pods
            if pod not in serving
            and pod.owner.key not in keys  # the same one in another file: only one of them is there
            and isinstance(target, int)
            and (pod_ports(pod) or pod.owner.kind in {"Job", "CronJob"})
            and not may_listen(pod, cluster, target)
            and may_meet(resource, pod.owner, cluster)
        ]
        if serving and strangers:
            names = " and ".join(pod.owner.title for pod in strangers)
            end = all(pod.owner.kind in {"Job", "CronJob"} for pod in strangers)
            yield Problem(
                f"it also selects the pods of {names}, which do not listen on port {target}: "
                f"{'while one of them runs, its' if end else 'their'} share of the connections "
                "fails",
                fix="Give the selector a label that only the serving pods have, such as "
                "app.kubernetes.io/component.",
                path=("spec", "selector"),
                related=tuple(pod.owner for pod in pods),
            )
            return


@rule(
    "governing-service-missing",
    kinds=("StatefulSet",),
    unless=("service-selects-nothing",),
    source="https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/",
    severity=Severity.WARNING,
)
def governing_service_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A StatefulSet whose serviceName is not a Service over its pods.

    `serviceName` names the Service under which each pod gets its own host name (`web-0.web`).
    Without it, or with one that selects other pods, those names do not resolve. It is meant to be
    headless; CoreDNS answers the pods' names for one with a cluster IP too.
    """
    name = as_text(resource.spec.get("serviceName"))
    if not name or f"{resource.namespace}/{name}" in cluster.facts.services:
        return
    service = cluster.get("Service", resource.namespace, name)
    path = ("spec", "serviceName")
    if service is None:
        yield Problem(
            f"there is no Service {name} in namespace {resource.namespace}, so the pods' own host "
            f"names ({resource.name}-0.{name}) do not resolve",
            fix=f"Add a headless Service {name} (clusterIP: None), or name the one there is.",
            path=path,
            related=cluster.lookalikes("Service", name),
            absent=resource.namespace,
        )
    elif resource.pod is not None and resource.pod not in selected_pods(service, cluster):
        yield Problem(
            f"Service {name} does not select this StatefulSet's pods, so their own host names "
            f"({resource.name}-0.{name}) do not resolve",
            fix="Let serviceName name the Service that selects these pods.",
            path=path,
            related=(service,),
        )


@rule(
    "readiness-missing",
    family=Family.POLICY,
    kinds=("Deployment", "StatefulSet", "DaemonSet"),
    source="https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/",
    severity=Severity.WARNING,
)
def readiness_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A server behind a Service without a readiness probe.

    Its pods count as ready as soon as their process runs. A rollout sends requests to pods that
    can't answer yet, and goes on to replace the old ones even if no new one ever will.
    """
    for service in cluster.of_kind("Service", namespace=resource.namespace):
        if resource.pod is None or resource.pod not in selected_pods(service, cluster):
            continue
        targets = [target_of(as_mapping(port)) for port in as_list(service.spec.get("ports"))]
        mains = resource.pod.containers("containers")
        for path, container in mains:
            ports = container_ports(container)
            # A single container serves, whether it declares its port or not.
            serves = any(find(ports, target) for target in targets) or (
                len(mains) == 1 and not ports
            )
            if serves and "readinessProbe" not in container:
                yield Problem(
                    f"container {container.get('name')} serves {service.title} and has no "
                    "readinessProbe: every rollout sends it requests before it can answer",
                    fix="Add a readinessProbe on a path that answers when it can serve.",
                    path=(*path, "name"),
                    related=(service,),
                )
                return


@rule(
    "service-without-endpoints",
    kinds=("Service",),
    source="https://kubernetes.io/docs/concepts/services-networking/service/"
    "#services-without-selectors",
    severity=Severity.WARNING,
)
def service_without_endpoints(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Service without a selector, and without endpoints made by hand.

    It has an address, and nothing behind it. A program that writes its Endpoints itself is a reason
    to waive this.
    """
    if as_mapping(resource.spec.get("selector")) or resource.spec.get("type") == "ExternalName":
        return
    slices = cluster.of_kind("EndpointSlice", namespace=resource.namespace)
    made = any(each.labels.get("kubernetes.io/service-name") == resource.name for each in slices)
    if not made and cluster.get("Endpoints", resource.namespace, resource.name) is None:
        yield Problem(
            "it has no selector, and nothing in the tree gives it endpoints: every connection to "
            "it fails",
            fix="Add the selector of its pods.",
            path=("spec",),
            absent=resource.namespace,
        )


# The names of ports that are for operators, and not for a service's clients.
_ASIDE = {"metrics", "prometheus", "prom", "monitoring", "management", "admin", "debug", "health"}


@rule(
    "service-port-strays",
    kinds=("Service",),
    source=SERVICE + "#field-spec-ports",
    unless=("service-port-unknown",),
)
def service_port_strays(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Service that leads its clients to a port for metrics, administration or health.

    Its pods have another port, which no port of the Service leads to: clients get the wrong
    listener, and see what is for operators alone. A Service, or a port of it, that is named for
    that purpose is intended.
    """
    if _aside(resource.name):
        return
    ports = list(each(resource, "spec", "ports"))
    for pod in selected_pods(resource, cluster):
        declared = pod_ports(pod)
        led = [
            find(declared, target_of(entry), as_text(entry.get("protocol")) or "TCP")
            for _, entry in ports
        ]
        missed = [port for port in declared if port.name and not _aside(port.name)]
        if not missed or any(port in missed for port in led):
            continue
        for (place, entry), port in zip(ports, led, strict=True):
            name = as_text(entry.get("name"))
            if port is None or not _aside(port.name) or _aside(name):
                continue
            if entry.get("port") != port.number:
                yield Problem(
                    f"port {name or entry.get('port')} leads to {port.name} ({port.number}) of "
                    f"{pod.owner.title}, and nothing leads to {shown(missed)}: clients get the "
                    "wrong listener",
                    fix=f"Set targetPort to {missed[0].name}.",
                    path=(*place, "targetPort"),
                    related=(pod.owner,),
                )
                return


def _aside(name: str) -> bool:
    return not _ASIDE.isdisjoint(name.casefold().split("-"))


@rule(
    "node-port-twice",
    scope=Scope.CLUSTER,
    source=SERVICE + "#type-nodeport",
    unless=("duplicate-resource", "shared-resource"),
)
def node_port_twice(cluster: Cluster) -> Iterator[Problem]:
    """Two Services that ask for the same port of the nodes.

    A node's port belongs to one Service of the whole cluster. The API server refuses the second:
    provided port is already allocated.
    """
    taken: dict[tuple[object, object], Resource] = {}
    for service in cluster.of_kind("Service"):
        for place, port in each(service, "spec", "ports"):
            key = (port.get("nodePort"), port.get("protocol", "TCP"))
            first = taken.setdefault(key, service) if key[0] else service
            if first.key != service.key and may_meet(first, service, cluster):
                yield Problem(
                    f"it asks for port {key[0]} of the nodes, which {first.title} has: the API "
                    "server refuses it",
                    fix="Leave nodePort out, or choose another one.",
                    path=(*place, "nodePort"),
                    resource=service,
                    related=(first,),
                )
