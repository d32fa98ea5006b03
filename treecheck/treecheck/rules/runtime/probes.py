"""Probes that kill what is healthy, or that speak another protocol than the port."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from treecheck.kube.ports import container_ports, find
from treecheck.kube.probes import PROBES as PROBE_NAMES
from treecheck.kube.probes import network_probes
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, at, containers
from treecheck.registry import Family, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.ports import Port
    from treecheck.model import FieldPath, Manifest, Resource

PROBES = "https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/"
READINESS = re.compile(r"/-?/?(ready|readyz|readiness)(\b|_)", re.IGNORECASE)
HASTY = 5  # seconds of silence that a busy process can well have


@rule("liveness-before-ready", family=Family.POLICY, severity=Severity.WARNING, source=PROBES)
def liveness_before_ready(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A liveness probe that gives up before the container is expected to be ready.

    A container that needs as long as its readiness probe allows is killed while it starts, again
    and again; one that starts sooner is not. A startup probe holds the liveness probe back.
    """
    for path, container in containers(resource, "containers"):
        live = as_mapping(container.get("livenessProbe"))
        ready = as_mapping(container.get("readinessProbe"))
        if not live or not ready or "startupProbe" in container:
            continue
        gives_up = live.get("initialDelaySeconds", 0) + live.get("periodSeconds", 10) * (
            live.get("failureThreshold", 3) - 1
        )
        expected = ready.get("initialDelaySeconds", 0)
        if gives_up < expected:
            yield Problem(
                f"container {container.get('name')} is killed if it does not answer within "
                f"{gives_up} s, and is first asked whether it is ready after {expected} s",
                fix="Add a startupProbe with the time that a start may take.",
                path=(*path, "livenessProbe"),
            )


@rule(
    "liveness-too-eager",
    family=Family.POLICY,
    source=PROBES,
    severity=Severity.WARNING,
    unless=("liveness-before-ready",),
)
def liveness_too_eager(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A liveness probe that kills a container for a few seconds of silence.

    A garbage collection, a slow disk or a busy node make a healthy process miss an answer. Under
    load the pods are then restarted one after the other, just when they are needed.
    """
    for path, container in containers(resource, "containers"):
        live = as_mapping(container.get("livenessProbe"))
        patience = live.get("periodSeconds", 10) * (live.get("failureThreshold", 3) - 1)
        patience += live.get("timeoutSeconds", 1)
        if live and patience < HASTY:
            yield Problem(
                f"container {container.get('name')} is killed when it does not answer for "
                f"{patience} s",
                fix="Let failureThreshold times periodSeconds be 30 s, say.",
                path=(*path, "livenessProbe"),
            )


@rule("liveness-asks-readiness", family=Family.POLICY, source=PROBES, severity=Severity.WARNING)
def liveness_asks_readiness(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A liveness probe on the path that says whether the container is ready.

    Readiness fails when something else is away, such as a database. As a liveness probe it
    restarts every pod then, which brings the database no closer. The same command in both probes
    is the same mistake.
    """
    for path, container in containers(resource, "containers"):
        commands = [
            as_list(as_mapping(as_mapping(container.get(name)).get("exec")).get("command"))
            for name in ("livenessProbe", "readinessProbe")
        ]
        if commands[0] and commands[0] == commands[1]:
            yield Problem(
                f"the livenessProbe of container {container.get('name')} runs the readinessProbe's "
                "command: the container is killed whenever it is not ready",
                fix="Ask for liveness something that looks at the process alone.",
                path=(*path, "livenessProbe", "exec", "command"),
            )
    for path, container, name, handler in network_probes(resource):
        asked = as_text(as_mapping(container[name])[handler].get("path"))
        if name == "livenessProbe" and READINESS.search(asked):
            yield Problem(
                f"container {container.get('name')} is killed whenever {asked} says that it is not "
                "ready",
                fix="Ask a path that looks at the process alone.",
                path=(*path, name, handler, "path"),
            )


# What says that a server encrypts: `--tls-cert-file=…`, `SERVER_SSL_ENABLED`, `/etc/certs`.
TLS = re.compile(r"(?<![a-z])(tls|ssl|https(?!://)|certs?)(?![a-z])", re.IGNORECASE)


@rule("probe-scheme-mismatch", severity=Severity.WARNING, source=PROBES)
def probe_scheme_mismatch(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A probe that speaks HTTPS to a port called http, HTTP to one called https, gRPC to either.

    If the port is what its name says, the server answers with an error of the other protocol, and
    the probe always fails. A container whose arguments, variables or mounts speak of TLS is left
    alone: it may well serve HTTPS on the port. A gRPC probe is looked at where the container has a
    port called grpc, and another one is asked.
    """
    seen: set[object] = set()
    for path, container, name, handler in network_probes(resource):
        probe = as_mapping(container[name])[handler]
        port = find(container_ports(container), probe.get("port") or 0)
        scheme = as_text(probe.get("scheme")) or "HTTP"
        if handler == "grpc" and port is not None:
            yield from _not_grpc(port, path, container, name)
        if handler != "httpGet" or port is None or {port.name, scheme.lower()} != {"http", "https"}:
            continue
        if scheme == "HTTPS" and _speaks_of_tls(container):
            continue
        if (port, scheme) not in seen:
            seen.add((port, scheme))
            yield Problem(
                f"the {name} of container {container.get('name')} speaks {scheme} to port "
                f"{port.number}, which is called {port.name}: if that is right, the probe "
                "always fails",
                fix=f"Set scheme to {port.name.upper()}.",
                path=(*path, name, handler, "scheme" if "scheme" in probe else "port"),
            )


def _not_grpc(port: Port, path: FieldPath, container: Manifest, name: str) -> Iterator[Problem]:
    """What a gRPC probe asks, where the container has another port that is called grpc."""
    own = [each for each in container_ports(container) if "grpc" in each.name]
    if own and port not in own and port.name:
        yield Problem(
            f"the {name} of container {container.get('name')} speaks gRPC to port {port.number}, "
            f"which is called {port.name}: if that is right, the probe always fails",
            fix=f"Ask port {own[0].number}, which is called {own[0].name}.",
            path=(*path, name, "grpc", "port"),
        )


def _speaks_of_tls(container: Manifest) -> bool:
    told = (container.get(key) for key in ("command", "args", "env", "envFrom", "volumeMounts"))
    return any(TLS.search(str(each)) for each in told if each)


@rule("probe-host-local", source=PROBES)
def probe_host_local(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A probe of localhost, which is the node's and not the pod's.

    The kubelet asks from the node. With `host: localhost` it asks the node itself, where nothing
    answers, or something else does. Without `host` it asks the pod. On the node's own network both
    are the same.
    """
    if resource.pod is None or resource.pod.spec.get("hostNetwork") is True:
        return
    for path, container in resource.pod.containers():
        for name, handler in itertools.product(PROBE_NAMES, ("httpGet", "tcpSocket")):
            host = as_text(at(container, name, handler, "host"))
            if host == "localhost" or host.startswith("127.") or host == "::1":
                yield Problem(
                    f"the {name} of container {container.get('name')} asks {host}, which is the "
                    "node and not the pod: the probe fails",
                    fix="Leave host out: the pod is asked then.",
                    path=(*path, name, handler, "host"),
                )
