"""Probes by a command that asks a port of its own container."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.kube.hosts import CALL, CLIENTS
from treecheck.kube.ports import container_ports, find, names_port, shown
from treecheck.kube.probes import PROBES
from treecheck.kube.variables import variables_of
from treecheck.model import Problem, Severity, as_list, as_text, at
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, PodTemplate, Resource

SOURCE = (
    "https://kubernetes.io/docs/tasks/configure-pod-container/"
    "configure-liveness-readiness-startup-probes/#define-a-liveness-command"
)
OWN = r"(?:localhost|127\.0\.0\.1|\[::1\])"
URL = re.compile(rf"\b(?:curl|wget)\b[^;|&]{{0,300}}?\bhttps?://{OWN}:(\d+)")
NETCAT = re.compile(rf"\b(?:nc|ncat)(?: -\w+)* {OWN} (\d+)\b")
OTHER_HOST = re.compile(rf"(?:^|\s)(?:-h\s*|--host[ =])[\"']?(?!{OWN}|/)[^\s\"']")


@rule("probe-command-port", source=SOURCE)
def probe_command_port(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A probe whose command asks a port on which its container does not listen.

    `pg_isready -p 5433`, or curl of localhost, where the container declares another port alone. The
    startup or liveness probe then restarts it for ever. A port that several such probes agree on,
    or that stands in the container's command, arguments or variables, is taken for one of its own.
    A client of a database asks the server beside it, so its port is certain.
    """
    for path, container in resource.pod.containers() if resource.pod else ():
        asked = list(_asked(path, container))
        for where, probe, port, sure in asked:
            agreed = len(asked) > 1 and {other for _, _, other, _ in asked} == {port}
            ports = container_ports(container)
            if not ports or find(ports, port) or (agreed and not sure):
                continue
            if resource.pod and not _is_told(cluster, resource.pod, path, container, port):
                effect = "fails" if sure else "fails unless something listens there undeclared"
                yield Problem(
                    f"the {probe} of container {container.get('name')} asks port {port}, and the "
                    f"container declares only {shown(ports)}: the probe {effect}",
                    fix="Ask a port that the container declares.",
                    path=where,
                    cause=f"{resource.title} {container.get('name')} {port}",
                    severity=None if sure else Severity.WARNING,
                )


def _is_told(
    cluster: Cluster, pod: PodTemplate, path: FieldPath, container: Manifest, port: int
) -> bool:
    """Whether a container is told of a port, or may be, by what is not known."""
    variables = variables_of(cluster, pod, path, container)
    values = {variable.value for variable in variables.named.values()}
    return names_port(container, port) or str(port) in values or not variables.complete


def _asked(path: FieldPath, container: Manifest) -> Iterator[tuple[FieldPath, str, int, bool]]:
    """(place, probe, port, whether a database's client asks) of the commands of probes."""
    for probe in PROBES:
        line = " ".join(map(as_text, as_list(at(container, probe, "exec", "command"))))
        place = (*path, probe, "exec", "command")
        for call in CALL.finditer(line):
            _, option = CLIENTS[call[1]]
            port = re.search(rf"(?:^|\s)(?:{option}\s*|--port[ =])[\"']?(\d+)", call[2])
            if port and not OTHER_HOST.search(call[2]):
                yield place, probe, int(port[1]), True
        for form in (URL, NETCAT):
            for found in form.finditer(line):
                yield place, probe, int(found[1]), False
