"""Why an Application isn't well: its Degraded resources, and what its pods wait for.

The order is that of usefulness at night: the pod's own words first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ci.argocd.client import ArgoError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ci.argocd.application import Application
    from ci.argocd.client import ArgoCD

# Reasons in a pod's status that need no explanation: it runs, or has ended as it should.
_FINE = ("Running", "Completed", "Succeeded")
# A crash's own last words say more than the event "Back-off restarting failed container".
_CRASHES = ("CrashLoopBackOff", "Error", "OOMKilled")
# What doesn't pass by waiting: ImagePullBackOff, CreateContainerConfigError, ErrImagePull and more.
_FAULTS = ("BackOff", "Error", "OOMKilled", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull")
# The levels as PostgreSQL (its page on error reporting) and Python's logging write them, and a
# traceback's last line.
_WORST = re.compile(r"\b(PANIC|FATAL|CRITICAL)\b")
_GRAVE = re.compile(rf"{_WORST.pattern}|\bERROR\b|^[\w.]*(Error|Exception)\b")
_LINES, _WIDTH = 3, 300  # how much of a log is shown
# It has no metrics while all pods are new, and Argo CD calls that degraded. By itself it is no
# fault: the Application's health becomes Degraded with it, and says since when.
AUTOSCALER = "HorizontalPodAutoscaler"
_MOST = 5  # sentences; ten pods of one version fail for one reason


class Cause(NamedTuple):
    """A sentence, and whether it reports a fault, or only something that isn't finished."""

    sentence: str
    is_fault: bool


def causes(api: ArgoCD, app: Application, *, short: bool = False) -> tuple[Cause, ...]:
    """Say what is wrong below an Application, in at most a few sentences.

    Args:
        api: Argo CD.
        app: the Application.
        short: whether pods are missing or not ready, whatever its health says.
    """
    if app.health == "Healthy" and not short and not app.busy and not _has_failed(app):
        return ()
    nodes = api.resource_tree(app.name).get("nodes") or []
    found = [
        Cause(_about_pod(api, app, pod), reason_of(pod).endswith(_FAULTS)) for pod in _unwell(nodes)
    ]
    found += [
        Cause(
            f"{resource.kind}/{resource.name} is {resource.health}"
            + (f": {resource.message}" if resource.message else ""),
            is_fault=resource.kind != AUTOSCALER,
        )
        for resource in app.resources
        if resource.health in ("Degraded", "Missing")
    ]
    return tuple(dict.fromkeys(found))[:_MOST]


def _has_failed(app: Application) -> bool:
    return app.operation is not None and app.operation.phase in ("Failed", "Error")


def _unwell(nodes: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The pods that don't run as they should, newest first."""
    pods = [
        node
        for node in nodes
        if node["kind"] == "Pod"
        and (reason_of(node) not in _FINE or not _all_ready(node))
        and reason_of(node) not in ("Completed", "Terminating")
    ]
    return sorted(pods, key=lambda node: str(node.get("createdAt", "")), reverse=True)


def reason_of(node: Mapping[str, Any]) -> str:
    """The one word that Argo CD and `kubectl get` show for a pod, such as ImagePullBackOff."""
    return _info(node, "Status Reason")


def _all_ready(node: Mapping[str, Any]) -> bool:
    ready, _, wanted = _info(node, "Containers").partition("/")
    return ready == wanted


def _info(node: Mapping[str, Any], name: str) -> str:
    return next((i["value"] for i in node.get("info") or [] if i["name"] == name), "")


def _about_pod(api: ArgoCD, app: Application, pod: Mapping[str, Any]) -> str:
    reason = reason_of(pod)
    words = (
        f"pod {pod['name']} is {reason}"
        if reason not in _FINE
        else f"pod {pod['name']} isn't ready"
    )
    message = (pod.get("health") or {}).get("message", "")
    containers = _containers(api, app, pod)
    words += _last_end(containers)
    if reason.endswith(_CRASHES):
        said = telling(api.last_log_lines(app.name, pod, container=_crashed(containers)))
        if said:
            return f"{words}; its last words: {' | '.join(said)}"
    if message and reason not in _FINE:
        return f"{words}: {' '.join(message.split())}"
    warning = _last_warning(api, app, pod)
    return f"{words}: {warning}" if warning else words


def telling(lines: list[str]) -> list[str]:
    """Choose the few lines of a log that say why a program ended.

    A program that ends often says more after the reason: PostgreSQL's PANIC is followed by lines
    that only report its shutdown. So lines that name their level come first, then the last one,
    since not every program names a level.

    >>> telling(["PANIC: No space left on device", "LOG: 1", "LOG: 2", "LOG: it is shut down"])
    ['PANIC: No space left on device', 'LOG: it is shut down']
    """
    lines = [line.strip() for line in lines if line.strip()]
    grave = [line for line in lines if _GRAVE.search(line)]
    worst = [line for line in grave if _WORST.search(line)]
    chosen = (worst or grave)[1 - _LINES :] + lines[-1:] if grave else lines[-_LINES:]
    shown = [line if len(line) <= _WIDTH else f"{line[:_WIDTH]}…" for line in chosen]
    return list(dict.fromkeys(shown))


def _containers(api: ArgoCD, app: Application, pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The status of each container of a pod, in the order in which they start."""
    try:
        status = api.resource(app.name, pod).get("status") or {}
    except (ArgoError, KeyError):
        return []
    return [
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ]


def _crashed(containers: Iterable[Mapping[str, Any]]) -> str:
    """The name of the container that makes its pod crash; empty when it is not known."""
    for container in containers:
        state = container.get("state") or {}
        waits = (state.get("waiting") or {}).get("reason", "")
        if waits.endswith(_CRASHES) or (state.get("terminated") or {}).get("exitCode"):
            return str(container["name"])
    return ""


def _last_end(containers: Iterable[Mapping[str, Any]]) -> str:
    """How a container's life before ended, such as `, ended by OOMKilled (137)`; or empty."""
    for container in containers:
        ended = (container.get("lastState") or {}).get("terminated") or {}
        if ended.get("reason"):
            return f", last ended by {ended['reason']} (exit status {ended.get('exitCode', '?')})"
    return ""


def _last_warning(api: ArgoCD, app: Application, pod: Mapping[str, Any]) -> str:
    try:
        events = api.events(app.name, pod)
    except ArgoError:
        return ""
    warnings = [event for event in events if event.get("type") == "Warning"]
    return " ".join(str(warnings[-1].get("message", "")).split()) if warnings else ""
