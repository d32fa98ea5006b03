"""The ports that NetworkPolicies open, against those of the pods behind them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from treecheck.kube.network import DIRECTIONS
from treecheck.kube.ports import find, pod_ports, shown, target_of
from treecheck.kube.services import selected_pods
from treecheck.kube.variables import may_listen
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.ports import Port
    from treecheck.model import Manifest, PodTemplate, Resource

ALIKE = 0.75  # the ratio of difflib: one digit of four is another, or two have changed places


@rule(
    "network-policy-port-unknown",
    kinds=("NetworkPolicy",),
    unless=("privileged-port", "listen-port-undeclared"),
    source="https://kubernetes.io/docs/concepts/services-networking/network-policies/",
    severity=Severity.WARNING,
)
def network_policy_port_unknown(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A NetworkPolicy that opens a port on which its pods do not listen.

    Policies speak of the pods' own ports, after the Service has translated its port. One that
    opens the Service's port, or one that is misspelt, leaves the real port closed. A port too many,
    beside those that a Service leads to, is left alone, unless it is a slip of one that stays
    closed.

    Only ingress: the ports of egress belong to others. A policy without matchLabels is of each pod
    of its namespace, those included that an operator or a chart makes there: where such is about,
    their ports are not known.
    """
    selector = as_mapping(resource.spec.get("podSelector"))
    pods = cluster.pods_matching(resource.namespace, selector)
    everybody = not as_mapping(selector.get("matchLabels"))
    ports = [port for pod in pods for port in pod_ports(pod)]
    if not ports:
        return
    opens_one = _opens_one(resource, ports)
    settings = cluster.of_kind("ConfigMap", namespace=resource.namespace)
    for place, item in each(resource, "spec", "ingress"):
        for spot, allowed in each(item, "ports"):
            wanted, protocol = allowed.get("port"), as_text(allowed.get("protocol")) or "TCP"
            if wanted is None or "endPort" in allowed or find(ports, wanted, protocol):
                continue
            if isinstance(wanted, int) and any(may_listen(pod, cluster, wanted) for pod in pods):
                continue
            certain = _effect(wanted, _stays_closed(cluster, resource.namespace, pods))
            effect = certain or _slip(wanted, ports, _rules(cluster, resource.namespace, pods))
            if opens_one and not effect:
                continue
            yield Problem(
                f"it opens {protocol} port {wanted}, and the pods that it selects declare only "
                f"{shown(ports)}{effect}",
                fix=_way_out(wanted, ports),
                path=(*place, *spot, "port"),
                related=(resource, *(pod.owner for pod in pods), *settings),
                severity=Severity.ERROR if certain else None,
                absent=resource.namespace if everybody else None,
            )


def _way_out(wanted: object, ports: list[Port]) -> str:
    """What to do about an entry; the pods may have its port with another protocol."""
    other = next((port.protocol for port in ports if wanted in (port.number, port.name)), "")
    if other:
        return f"Add protocol: {other}."
    return "Open the port on which the containers listen (not the Service's)."


def _effect(wanted: object, closed: list[int]) -> str:
    """What follows from an entry for a port on which nothing listens, as a sentence ends; or ""."""
    if isinstance(wanted, str):
        return ": this entry lets nothing through"
    return f": port {closed[0]}, to which a Service leads, stays closed" if closed else ""


def _opens_one(policy: Resource, ports: list[Port]) -> bool:
    """Whether a policy also opens a port on which its pods listen."""
    return any(
        find(ports, entry.get("port") or 0, as_text(entry.get("protocol")) or "TCP")
        for _, item in each(policy, "spec", "ingress")
        for _, entry in each(item, "ports")
    )


@rule(
    "network-policy-rules-ignored",
    kinds=("NetworkPolicy",),
    source="https://kubernetes.io/docs/concepts/services-networking/network-policies/#networkpolicy-resource",
)
def network_policy_rules_ignored(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A NetworkPolicy with rules for a direction that its policyTypes leave out.

    The rules are accepted and have no effect. Where another policy closes that direction, what
    they were to open stays closed; where none does, everything stays open.
    """
    types = as_list(resource.spec.get("policyTypes"))
    for direction, (rules, _) in DIRECTIONS.items() if types else ():
        if direction not in types and resource.spec.get(rules):
            yield Problem(
                f"it has {rules} rules, and its policyTypes name only {', '.join(types)}: these "
                "rules have no effect",
                fix=f"Add {direction} to policyTypes, or remove the {rules} rules.",
                path=("spec", "policyTypes"),
                hides=(("spec", rules),),
            )


def _stays_closed(cluster: Cluster, namespace: str, pods: list[PodTemplate]) -> list[int]:
    """The ports of pods to which a Service leads and that no policy for them opens."""
    led = {
        (port.number, port.name)
        for service in cluster.of_kind("Service", namespace=namespace)
        for pod in selected_pods(service, cluster)
        if pod in pods
        for _, entry in each(service, "spec", "ports")
        for port in [find(pod_ports(pod), target_of(entry))]
        if port is not None
    }
    rules = _rules(cluster, namespace, pods)
    return sorted(n for n, name in led if not any(_opens(item, n, name) for item in rules))


def _rules(cluster: Cluster, namespace: str, pods: list[PodTemplate]) -> list[Manifest]:
    """The ingress rules of all policies for any of some pods."""
    policies = [
        policy
        for policy in cluster.of_kind("NetworkPolicy", namespace=namespace)
        for chosen in [cluster.pods_matching(namespace, as_mapping(policy.spec.get("podSelector")))]
        if any(pod in chosen for pod in pods)
    ]
    return [item for policy in policies for _, item in each(policy, "spec", "ingress")]


def _slip(wanted: object, ports: list[Port], rules: list[Manifest]) -> str:
    """The effect where a number is very like that of a declared port that nothing opens; or ""."""
    closed = {
        str(one.number): one
        for one in ports
        if not any(_opens(item, one.number, one.name) for item in rules)
    }
    for near in difflib.get_close_matches(str(wanted), closed, n=1, cutoff=ALIKE):
        name = f" ({closed[near].name})" if closed[near].name else ""
        return f": port {near}{name}, which they declare, stays closed"
    return ""


def _opens(item: Manifest, number: int, name: str) -> bool:
    """Whether a rule of a policy opens a port."""
    ports = [port for _, port in each(item, "ports")]
    return not ports or any(
        port.get("port") in {None, number, name}
        or (
            isinstance(port.get("endPort"), int)
            and isinstance(port.get("port"), int)
            and port["port"] <= number <= port["endPort"]
        )
        for port in ports
    )
