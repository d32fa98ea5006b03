"""What an application declares of itself, against what its manifests give it.

A workload may say, in annotations, what no manifest can show:

    declare.validate/environment: "DB_HOST DB_USERNAME DB_PASSWORD|DB_PASSWORD_FILE"
    declare.validate/routes: "/health_check /readiness_check"
    declare.validate/memory: "120Mi"
    declare.validate/commands: "serve migrate"

A variable with alternatives separated by `|` is there when one of them is.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from treecheck.kube.declarations import COMMANDS, MEMORY, ROUTES, VARIABLES, declared
from treecheck.kube.images import facts_of, repository
from treecheck.kube.ports import container_ports, find, names_port, pod_ports, shown, target_of
from treecheck.kube.probes import network_probes
from treecheck.kube.services import selected_pods
from treecheck.kube.variables import LISTENS, configures_port, variables_of
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, containers, each
from treecheck.quantities import quantity
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.ports import Port
    from treecheck.kube.variables import Variable
    from treecheck.model import Manifest, Resource


@rule(
    "environment-variable-missing",
    source="https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/",
)
def environment_variable_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An environment variable that the application needs and its pod does not get.

    A ConfigMap that says DB_USER while the code reads DB_USERNAME is valid to every schema. The
    application says what it needs in the annotation declare.validate/environment of its workload,
    and this rule compares the names with what the first container gets.

    Silent where a source's keys can't be known.
    """
    if resource.pod is None or not (wanted := declared(resource.pod, VARIABLES)):
        return
    path, container = resource.pod.containers("containers")[0]
    variables = variables_of(cluster, resource.pod, path, container)
    if not variables.complete:
        return
    for word in wanted:
        names = word.split("|")
        if any(name in variables.named for name in names):
            continue
        close = difflib.get_close_matches(names[0], variables.named, n=1, cutoff=0.6)
        hint = f"; it gets {close[0]}" if close else ""
        yield Problem(
            f"container {container.get('name')} needs the environment variable "
            f"{' or '.join(names)} and does not get it{hint}: it will not start",
            fix=f"Set {names[0]}, in `env` or as a key of a ConfigMap or Secret it loads.",
            path=(*path, "envFrom" if "envFrom" in container else "env"),
            related=variables.sources,
            cause=" ".join((word, *(store.title for store in variables.sources))),
        )


@rule(
    "probe-port-unknown",
    source="https://kubernetes.io/docs/tasks/configure-pod-container/"
    "configure-liveness-readiness-startup-probes/",
)
def probe_port_unknown(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A probe of a port on which its container does not listen.

    A failing startup or liveness probe restarts the container for ever; a failing readiness probe
    keeps it out of its Service.

    A name that no port has always fails. A number needs no declaration: it is reported only where
    the container declares one port and nothing else says where it listens. One on which several
    probes agree, to which a Service leads, or that is in the container's arguments, variables or
    mounted configuration, is taken for its own. Another container of the pod may answer too.
    """
    asked = [
        as_mapping(c[name])[handler].get("port") for _, c, name, handler in network_probes(resource)
    ]
    for path, container, name, handler in network_probes(resource):
        ports = container_ports(container)
        port = as_mapping(container[name])[handler].get("port")
        if not isinstance(port, int | str):
            continue
        if isinstance(port, int):
            agreed = len(asked) > 1 and set(asked) == {port}
            aside = resource.pod is not None and find(pod_ports(resource.pod), port) is not None
            own = port in facts_of(as_text(container.get("image"))).listens
            known = own or agreed or aside or not _serves_by_one(ports)
            known = known or _is_led_to(resource, cluster, port)
            if known or configures_port(resource.pod, cluster, port):
                continue
        if find(ports, port) is None and not names_port(container, port):
            # A number may be right: what a container declares does not bind it.
            effect = "the probe fails unless something listens there undeclared"
            yield Problem(
                f"the {name} of container {container.get('name')} asks port {port}, and the "
                f"container declares only {shown(ports)}: "
                f"{'the probe always fails' if isinstance(port, str) else effect}",
                fix="Probe the name or number of a port that the container declares.",
                path=(*path, name, handler, "port"),
                related=(resource,),
                cause=f"{resource.title} {container.get('name')} {port}",
                severity=None if isinstance(port, str) else Severity.WARNING,
            )


def _serves_by_one(ports: list[Port]) -> bool:
    """Whether a container declares one TCP port, and not that of a webhook or of its numbers."""
    names = [each.name for each in ports if each.protocol == "TCP"]
    return len(names) == 1 and not re.search(r"webhook|metrics|prom|debug|admin|dns", names[0])


def _is_led_to(resource: Resource, cluster: Cluster, number: int) -> bool:
    """Whether a Service leads to a port too: then what its pods declare is the slip."""
    return any(
        target_of(port) == number
        for service in cluster.of_kind("Service", namespace=resource.namespace)
        if resource.pod in selected_pods(service, cluster)
        for _, port in each(service, "spec", "ports")
    )


@rule(
    "listen-port-undeclared",
    unless=("privileged-port",),
    source="https://kubernetes.io/docs/concepts/services-networking/service/#multi-port-services",
)
def listen_port_undeclared(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A container that is set to listen on another port than it declares.

    Its Service, its probes and its policies go by the declared port, where nobody answers. Looked
    at are PORT, APP_PORT, SERVER_PORT and LISTEN_PORT of containers that declare ports, and a
    variable with the name of a declared port, such as METRICS_PORT beside the port `metrics`,
    unless it goes with a host: then it is a port of others. One that came with all others of a
    ConfigMap (`envFrom`) may be of another server, if another takes all of that ConfigMap too.
    """
    for path, container in containers(resource, "containers"):
        ports = container_ports(container)
        if resource.pod is None or not ports:
            continue
        variables = variables_of(cluster, resource.pod, path, container)
        for name, variable in variables.named.items():
            value = variable.value or ""
            meant = _named_so(name, ports, set(variables.named))
            if not value.isdecimal() or (name not in LISTENS and meant is None):
                continue
            if variable.loaded and meant is None and _is_shared(variable, container, cluster):
                continue
            undeclared = all(port.number != int(value) for port in ports)
            if undeclared or (meant is not None and meant.number != int(value)):
                declares = "only " + shown(ports) if undeclared or not meant else shown([meant])
                yield Problem(
                    f"{name} tells container {container.get('name')} of {resource.title} to listen "
                    f"on port {value}, and it declares {declares}: nobody answers there",
                    fix="Let the variable and containerPort be the same number.",
                    path=variable.path,
                    resource=variable.resource,
                    related=(resource,),
                )


def _is_shared(variable: Variable, container: Manifest, cluster: Cluster) -> bool:
    """Whether another server takes all of the ConfigMap that a variable is of."""
    source = variable.resource
    return any(
        other is not container
        and other.get("ports")
        and as_mapping(item.get("configMapRef")).get("name") == source.name
        for pod in cluster.pods(source.namespace)
        for _, other in pod.containers()
        for _, item in each(other, "envFrom")
    )


# What a port beside the one that serves is for.
_ROLES = frozenset({"admin", "debug", "health", "management", "metrics", "profiling", "prometheus"})


def _named_so(variable: str, ports: list[Port], variables: set[str]) -> Port | None:
    """The declared port `metrics` whose number a variable, as METRICS_PORT, says.

    It does not where it goes with a host, where two ports have the word in their names, or where
    the port's name says more: UNIFI_HTTP_PORT is not of `guest-http`; or the variable's does:
    WEB_METRICS_HTTP_PORT is not of `http`.
    """
    told = {*variable.casefold().split("_"), "http", "https", "tcp"}
    word = variable.removesuffix("_PORT").casefold().rpartition("_")[2]
    paired = {f"{variable.removesuffix('PORT')}{end}" for end in ("HOST", "HOSTNAME", "ADDR")}
    paired |= {f"{variable.removesuffix('PORT')}LISTEN_PORT"}  # then this one is what others see
    if not variable.endswith("_PORT") or paired & variables:
        return None
    named = [port for port in ports if word in port.name.casefold().split("-")]
    words = named[0].name.casefold().split("-") if len(named) == 1 else []
    whole = bool(words) and told.issuperset(words) and not told & _ROLES.difference(words)
    return named[0] if whole else None


@rule(
    "probe-route-unknown",
    source="https://kubernetes.io/docs/tasks/configure-pod-container/"
    "configure-liveness-readiness-startup-probes/",
)
def probe_route_unknown(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A probe of a path that the application does not serve.

    The answer is a 404, so the probe always fails. The application says which paths it serves in
    the annotation declare.validate/routes of its workload.

    Query strings don't choose a route.
    """
    routes = declared(resource.pod, ROUTES) if resource.pod else []
    for path, container, name, handler in network_probes(resource) if routes else ():
        asked = as_text(as_mapping(container[name])[handler].get("path")) or "/"
        if handler == "httpGet" and asked.partition("?")[0] not in routes:
            yield Problem(
                f"the {name} of container {container.get('name')} asks {asked}, and the "
                f"application serves {', '.join(routes)}: the probe always fails",
                fix="Probe one of the paths that the application declares.",
                path=(*path, name, handler, "path"),
            )


@rule(
    "memory-below-declared",
    source="https://kubernetes.io/docs/tasks/configure-pod-container/assign-memory-resource/",
    unless=("resource-unit",),
)
def memory_below_declared(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A memory limit below what the application says that it needs.

    The kernel kills the container at its start, or under its first load: OOMKilled, again and
    again. The application says how much it needs in the annotation declare.validate/memory of its
    workload, and this rule compares that with the limit of the first container.
    """
    words = declared(resource.pod, MEMORY) if resource.pod else []
    if resource.pod is None or not words:
        return
    path, container = resource.pod.containers("containers")[0]
    written = as_mapping(as_mapping(container.get("resources")).get("limits")).get("memory")
    needed, limit = quantity(words[0]), quantity(written) if written is not None else None
    if needed is None:
        yield Problem(
            f"{MEMORY} is {words[0]}, which is not a quantity of memory",
            fix="Write it as in a memory limit, such as 120Mi.",
            path=("metadata", "annotations", MEMORY),
        )
    elif limit is not None and limit < needed:
        yield Problem(
            f"container {container.get('name')} may use {written} of memory, and the application "
            f"declares that it needs {words[0]}: the kernel kills it",
            fix=f"Raise the limit above {words[0]}.",
            path=(*path, "resources", "limits", "memory"),
        )


@rule(
    "command-unknown",
    source="https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/",
)
def command_unknown(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A subcommand that the program does not have.

    It ends at once, with a line about its usage: a Job fails, a Deployment never starts. The
    application says which it has in the annotation declare.validate/commands of one workload, and
    every container of the same image is looked at that has arguments and no command of its own.
    """
    known = cluster.once("commands", lambda: _commands(cluster))
    for path, container in containers(resource) if known else ():
        commands = known.get(repository(as_text(container.get("image"))), [])
        words = [as_text(word) for word in as_list(container.get("args"))]
        first = next((word for word in words if not word.startswith("-")), "")
        if commands and first and "command" not in container and first not in commands:
            close = difflib.get_close_matches(first, commands, n=1, cutoff=0.6)
            yield Problem(
                f"container {container.get('name')} runs the command {first}, and the application "
                f"has {', '.join(commands)}: it ends at once",
                fix=f"Write {close[0]}." if close else "Name a command that it declares.",
                path=(*path, "args", words.index(first)),
            )


def _commands(cluster: Cluster) -> dict[str, list[str]]:
    """An image's name -> the commands that a workload of it declares."""
    return {
        repository(as_text(container.get("image"))): words
        for pod in cluster.pods()
        if (words := declared(pod, COMMANDS))
        for _, container in pod.containers("containers")[:1]
    }
