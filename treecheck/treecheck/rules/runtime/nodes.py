"""Pods against the nodes that there are, where the facts or the cluster's own file say which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.cluster import matches
from treecheck.kube.nodes import HOST, ZONE, node_groups, shown_taint, taints_of, tolerates
from treecheck.kube.services import selected_pods
from treecheck.kube.workloads import is_rolling, replicas, scaled
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.nodes import NodesAlike
    from treecheck.model import FieldPath, Manifest, PodTemplate, Resource

ASSIGN = "https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@rule("pod-fits-no-node", source=ASSIGN, unless=("node-label-unknown",))
def pod_fits_no_node(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pod that asks for labels which none of the cluster's nodes has, or that no node lets in.

    It stays Pending. The nodes are those that the facts describe under `nodes`, or the node groups
    of eksctl's ClusterConfig in the tree; where neither does, or something makes nodes by itself,
    nothing is said. A label in the domain of a controller may be there, and so nothing is said
    about it either.
    """
    pod = resource.pod
    if pod is None or resource.kind == "DaemonSet" or "nodeName" in pod.spec:
        return
    groups = node_groups(cluster)
    if not groups or any(_fits(group, pod) for group in groups):
        return
    lone = _lone_fault(groups, pod)
    if lone is not None:
        path, shown = lone
        yield Problem(
            f"no node has {shown}, so its pods stay Pending",
            fix="Ask for a label that the nodes have, or give it to a node group.",
            path=path,
        )
        return
    names = ", ".join(f"{each.name} ({_taint(each)})" for each in groups if not each.lets_in(pod))
    what = f"; not tolerated: {names}" if names else ""
    yield Problem(
        f"no node group has all that its pods ask for, so they stay Pending{what}",
        fix="Add the toleration, or ask for the labels of one group.",
        path=(*pod.spec_path, *(("nodeSelector",) if "nodeSelector" in pod.spec else ())),
    )


def _taint(group: NodesAlike) -> str:
    return ", ".join(map(shown_taint, group.taints))


def _fits(group: NodesAlike, pod: PodTemplate) -> bool:
    """Whether a node of a group may take a pod, as far as that is known."""
    if not group.lets_in(pod):
        return False
    if any(group.meets(expression) is False for _, expression in _selected(pod)):
        return False
    terms = list(_terms(pod))
    return not terms or any(
        all(group.meets(expression) is not False for _, expression in term) for term in terms
    )


def _lone_fault(groups: list[NodesAlike], pod: PodTemplate) -> tuple[FieldPath, str] | None:
    """The first requirement that no group meets, by itself: (place, how a message shows it)."""
    terms = list(_terms(pod))
    wanted = [*_selected(pod), *(terms[0] if len(terms) == 1 else ())]
    for path, expression in wanted:
        if all(group.meets(expression) is False for group in groups):
            values = ", ".join(map(str, as_list(expression.get("values"))))
            key, operator = expression.get("key"), expression.get("operator")
            plain = {"In": f"the label {key}={values}", "Exists": f"a label {key}"}
            return path, plain.get(str(operator), f"{key} {operator} {values}".strip())
    return None


def _selected(pod: PodTemplate) -> Iterator[tuple[FieldPath, Manifest]]:
    for key, value in as_mapping(pod.spec.get("nodeSelector")).items():
        path = (*pod.spec_path, "nodeSelector", key)
        yield path, {"key": key, "operator": "In", "values": [value]}


def _terms(pod: PodTemplate) -> Iterator[list[tuple[FieldPath, Manifest]]]:
    """The expressions of each term of a required node affinity; one term is enough."""
    where = (*pod.spec_path, "affinity", "nodeAffinity", REQUIRED)
    affinity = as_mapping(as_mapping(pod.spec.get("affinity")).get("nodeAffinity"))
    for place, term in each(affinity, REQUIRED, "nodeSelectorTerms"):
        yield [
            ((*where, *place[1:], *spot), expression)
            for spot, expression in each(term, "matchExpressions")
        ]


@rule(
    "toleration-of-no-taint",
    source="https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/",
    unless=("toleration", "pod-fits-no-node"),
)
def toleration_of_no_taint(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A toleration whose key some nodes are tainted with, with another value or effect.

    It tolerates nothing: the pods stay away from the nodes that they are meant for, or Pending. The
    taints are those of Karpenter's NodePools and eksctl's node groups in the tree, or of the nodes
    in the facts.
    """
    pod = resource.pod
    if pod is None or "tolerations" not in pod.spec:
        return
    taints = list(taints_of(cluster))
    for place, toleration in each(pod.spec, "tolerations"):
        alike = [(name, one) for name, one in taints if one[0] == toleration.get("key")]
        if not alike or any(tolerates(toleration, taint) for _, taint in alike):
            continue
        has = " and ".join(f"{name} has {shown_taint(taint)}" for name, taint in alike)
        wanted = [as_text(toleration.get(part)) for part in ("key", "value", "effect")]
        yield Problem(
            f"it tolerates {shown_taint(wanted)}, and {has}: the toleration lets its pods onto no "
            "node",
            fix="Write the taint's own value and effect, or operator: Exists for any value.",
            path=(*pod.spec_path, *place, "value" if "value" in toleration else "key"),
            absent="",
        )


@rule(
    "too-few-nodes",
    kinds=("Deployment", "StatefulSet"),
    source=ASSIGN + "#inter-pod-affinity-and-anti-affinity",
    unless=("pod-fits-no-node", "affinity-to-nobody"),
)
def too_few_nodes(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A required anti-affinity among more pods than there are nodes, or zones, to keep them apart.

    The pods that are too many stay Pending. A rolling update needs one place more, unless
    maxUnavailable lets it take an old pod away first: with as many pods as nodes it never ends.
    Counted is the most that a node group may grow to; where that is not known, nothing is said.
    """
    pod = resource.pod
    groups = [group for group in node_groups(cluster) if pod and _fits(group, pod)]
    if pod is None or not groups:
        return
    count = replicas(cluster, resource).least
    for path, key, hashed in _apart(pod):
        places = _places(groups, key)
        if places is None:
            continue
        what = {HOST: "node", ZONE: "zone"}[key]
        said = f"{places} {what}{'s' if places != 1 else ''}"
        wrong = ""
        if count > places:
            wrong = f"{count - places} of its {count} pods stay Pending"
        elif count and count == places and not hashed and _needs_room(resource, count):
            wrong = "a rolling update has no place for its first new pod and never ends"
        if wrong:
            yield Problem(
                f"no two of its pods may share a {what}, and the cluster has {said}: {wrong}",
                fix="Prefer to keep them apart, instead of requiring it, or run fewer pods.",
                path=(*path, "topologyKey"),
                counts=True,
                related=(
                    *cluster.of_kind("HorizontalPodAutoscaler", namespace=resource.namespace),
                    *cluster.of_kind("ScaledObject", namespace=resource.namespace),
                ),
            )


def _needs_room(resource: Resource, count: int) -> bool:
    """Whether a Deployment's update starts a new pod before it takes an old one away."""
    rolling = as_mapping(as_mapping(resource.spec.get("strategy")).get("rollingUpdate"))
    return is_rolling(resource) and not scaled(
        rolling.get("maxUnavailable", "25%"), count, up=False
    )


def _apart(pod: PodTemplate) -> Iterator[tuple[FieldPath, str, bool]]:
    """(place, topology key, whether new and old pods don't count together) of a pod's own terms."""
    affinity = as_mapping(as_mapping(pod.spec.get("affinity")).get("podAntiAffinity"))
    for place, term in each(affinity, REQUIRED):
        selector = as_mapping(term.get("labelSelector"))
        own = not {"namespaces", "namespaceSelector"} & set(term)
        key = as_text(term.get("topologyKey"))
        if own and selector and key in {HOST, ZONE} and matches(selector, pod.labels):
            hashed = "pod-template-hash" in as_list(term.get("matchLabelKeys"))
            yield (*pod.spec_path, "affinity", "podAntiAffinity", *place), key, hashed


def _places(groups: list[NodesAlike], key: str) -> int | None:
    """How many nodes or zones some groups have at most; None where that is not known."""
    if key == ZONE:
        zones = [group.labels.get(ZONE) for group in groups]
        return None if None in zones else len(frozenset().union(*filter(None, zones)))
    sizes = [group.most for group in groups]
    return sum(each for each in sizes if each is not None) if None not in sizes else None


@rule(
    "local-traffic-unserved",
    kinds=("Service",),
    severity=Severity.WARNING,
    source="https://kubernetes.io/docs/concepts/services-networking/service-traffic-policy/",
    unless=("service-selects-nothing",),
)
def local_traffic_unserved(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Service that keeps its traffic on the node, with pods that are not on every node.

    With `internalTrafficPolicy: Local` a connection from a node without one of its pods is dropped,
    although pods elsewhere are ready. A DaemonSet has a pod on each.
    """
    pods = selected_pods(resource, cluster)
    fewest = [pod for pod in pods if pod.owner.kind not in {"DaemonSet", "Pod"}]
    if resource.spec.get("internalTrafficPolicy") != "Local" or not fewest or fewest != pods:
        return
    nodes = _places(node_groups(cluster), HOST) if node_groups(cluster) else None
    count = sum(replicas(cluster, pod.owner).least for pod in pods)
    spread = any(key == HOST for pod in pods for _, key, _ in _apart(pod))
    if nodes is not None and (nodes <= 1 or (spread and count >= nodes)):
        return
    names = " and ".join(pod.owner.title for pod in pods)
    number = f", {count} in number" if count else ""
    yield Problem(
        f"internalTrafficPolicy is Local, and its pods are those of {names}{number}: "
        "connections from a node without one of them are dropped",
        fix="Leave internalTrafficPolicy out, or run the pods as a DaemonSet.",
        path=("spec", "internalTrafficPolicy"),
    )
