"""Pods: tolerations, spreading, DNS, termination, volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treecheck.kube.addresses import is_address
from treecheck.kube.names import fits
from treecheck.kube.pages import validation
from treecheck.limits.words import SUBDOMAIN
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


@rule(
    "toleration",
    source="https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/",
)
def toleration(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A toleration that contradicts itself.

    `Exists` has no value; without a key the operator is `Exists`; `tolerationSeconds` belongs to
    the effect NoExecute.
    """
    for path, each in of_type(resource, cluster, "core.v1.Toleration"):
        operator = each.get("operator") or "Equal"
        if operator == "Exists" and each.get("value"):
            text, field = "the operator Exists takes no value", "value"
        elif operator == "Equal" and not each.get("key"):
            text, field = "without a key the operator must be Exists", "operator"
        elif "tolerationSeconds" in each and each.get("effect") != "NoExecute":
            text, field = "tolerationSeconds belongs to the effect NoExecute", "tolerationSeconds"
        else:
            continue
        yield Problem(
            f"{show_path(path)}: {text}", fix="Correct the toleration.", path=(*path, field)
        )


@rule(
    "topology-spread",
    source="https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/",
)
def topology_spread(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A spread constraint with `minDomains` that would be ignored.

    `minDomains` needs `whenUnsatisfiable: DoNotSchedule`; `matchLabelKeys` need a selector and
    must not repeat its keys.
    """
    for path, each in of_type(resource, cluster, "core.v1.TopologySpreadConstraint"):
        if "minDomains" in each and each.get("whenUnsatisfiable") == "ScheduleAnyway":
            yield Problem(
                "minDomains needs whenUnsatisfiable: DoNotSchedule",
                fix="Remove minDomains.",
                path=(*path, "minDomains"),
            )
        keys, selector = as_list(each.get("matchLabelKeys")), each.get("labelSelector")
        if keys and (selector is None or set(keys) & _selected(as_mapping(selector))):
            yield Problem(
                "matchLabelKeys need a labelSelector, and must not repeat its keys",
                fix="Correct matchLabelKeys.",
                path=(*path, "matchLabelKeys"),
            )


def _selected(selector: Manifest) -> set[Any]:
    """The label keys that a selector asks for."""
    expressions = map(as_mapping, as_list(selector.get("matchExpressions")))
    return {*as_mapping(selector.get("matchLabels")), *(each.get("key") for each in expressions)}


@rule(
    "affinity-term",
    source="https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/",
)
def affinity_term(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A term of an affinity that asks for a field of nodes, or for labels, that it can't.

    `matchFields` knows `metadata.name` alone, with In or NotIn and one name. `matchLabelKeys` and
    `mismatchLabelKeys` need a selector, and share no key.
    """
    for path, term in of_type(resource, cluster, "core.v1.NodeSelectorTerm"):
        for index, each in enumerate(as_list(term.get("matchFields"))):
            values = as_list(each.get("values"))
            chosen = each.get("operator") in {"In", "NotIn"} and len(values) == 1
            known = each.get("key") == "metadata.name" and chosen
            if not (known and fits(as_text(values[0]), SUBDOMAIN)):
                yield Problem(
                    "matchFields takes metadata.name, In or NotIn, and the name of one node",
                    fix="Correct it, or match a label by matchExpressions.",
                    path=(*path, "matchFields", index),
                )
    for path, term in of_type(resource, cluster, "core.v1.PodAffinityTerm"):
        keys, others = as_list(term.get("matchLabelKeys")), as_list(term.get("mismatchLabelKeys"))
        if (keys or others) and (term.get("labelSelector") is None or set(keys) & set(others)):
            yield Problem(
                "matchLabelKeys and mismatchLabelKeys need a labelSelector, and share no key",
                fix="Correct the keys, or add a labelSelector.",
                path=(*path, "matchLabelKeys" if keys else "mismatchLabelKeys"),
            )


@rule("pod-address", source=_SOURCE)
def pod_address(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An address or search domain of a pod's DNS settings or host aliases that is none.

    `dnsPolicy: None` needs at least one name server.
    """
    for path, spec in of_type(resource, cluster, "core.v1.PodSpec"):
        servers = as_list(at(spec, "dnsConfig", "nameservers"))
        listed: list[tuple[FieldPath, Any]] = [
            (("dnsConfig", "nameservers", i), each) for i, each in enumerate(servers)
        ]
        for index, alias in enumerate(as_list(spec.get("hostAliases"))):
            if "ip" in alias:
                listed.append((("hostAliases", index, "ip"), alias["ip"]))
        for where, address in listed:
            if not is_address(address):
                yield Problem(
                    f"{shown(address)} is no IP address",
                    fix="Write one such as 10.0.0.10.",
                    path=(*path, *where),
                )
        for index, domain in enumerate(as_list(at(spec, "dnsConfig", "searches"))):
            if not _is_search_domain(as_text(domain), cluster.version):
                yield Problem(
                    f"{shown(domain)} is not a search domain",
                    fix="Write one such as shop.svc.cluster.local.",
                    path=(*path, "dnsConfig", "searches", index),
                )
        if spec.get("dnsPolicy") == "None" and not servers:
            yield Problem(
                "dnsPolicy None needs a name server in dnsConfig",
                fix="Add dnsConfig.nameservers, or leave dnsPolicy out.",
                path=(*path, "dnsPolicy"),
            )


def _is_search_domain(text: str, version: tuple[int, int]) -> bool:
    """Whether a name server takes it; with underscores and a single dot since Kubernetes 1.33."""
    name = text.removesuffix(".")
    if version >= (1, 33):
        return text == "." or fits(name.replace("_", "x"), SUBDOMAIN)
    return fits(name, SUBDOMAIN)


@rule("sleep-too-long", source=_SOURCE)
def sleep_too_long(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A hook that sleeps longer than its pod has to end.

    `sleep` of a hook has at most the pod's `terminationGracePeriodSeconds`, which is 30 unless
    said.
    """
    for path, spec in of_type(resource, cluster, "core.v1.PodSpec"):
        grace = spec.get("terminationGracePeriodSeconds", 30)
        for kind in ("containers", "initContainers"):
            for index, container in enumerate(as_list(spec.get(kind))):
                for hook in ("postStart", "preStop"):
                    seconds = at(container, "lifecycle", hook, "sleep", "seconds")
                    if isinstance(seconds, int) and seconds > max(grace, 0):
                        yield Problem(
                            f"{hook} of the container {container.get('name')} sleeps {seconds} "
                            f"seconds, and the pod has {grace} to end",
                            fix="Sleep shorter, or raise terminationGracePeriodSeconds.",
                            path=(*path, kind, index, "lifecycle", hook, "sleep", "seconds"),
                        )


@rule("host-sharing", source=_SOURCE)
def host_sharing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pod that shares processes with its node and among its containers at once.

    `hostPID` and `shareProcessNamespace` exclude each other; `hostUsers: false` excludes all of the
    host's namespaces.
    """
    for path, spec in of_type(resource, cluster, "core.v1.PodSpec"):
        if spec.get("hostPID") and spec.get("shareProcessNamespace"):
            yield Problem(
                "hostPID and shareProcessNamespace exclude each other",
                fix="Remove one of the two.",
                path=(*path, "shareProcessNamespace"),
            )
        if spec.get("hostUsers") is False:
            for field in ("hostNetwork", "hostPID", "hostIPC"):
                if spec.get(field):
                    yield Problem(
                        f"hostUsers: false and {field}: true exclude each other",
                        fix=f"Remove {field}, or hostUsers.",
                        path=(*path, field),
                    )


@rule("empty-dir-size", source=_SOURCE)
def empty_dir_size(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An emptyDir with a negative size, or on a medium that does not exist.

    The medium is empty (the node's disk), Memory or HugePages.
    """
    for path, volume in of_type(resource, cluster, "core.v1.EmptyDirVolumeSource"):
        size = quantity(volume.get("sizeLimit", 0))
        if size is not None and size < 0:
            yield Problem(
                f"sizeLimit {volume['sizeLimit']} is negative",
                fix="Write a size such as 64Mi.",
                path=(*path, "sizeLimit"),
            )


@rule(
    "service-account-name",
    source="https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/",
)
def service_account_name(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pod that names its ServiceAccount by the old field, and not by a name of one.

    `serviceAccount` came before `serviceAccountName`, which counts where both are set.
    """
    for path, spec in of_type(resource, cluster, "core.v1.PodSpec"):
        name = as_text(spec.get("serviceAccount"))
        if name and not spec.get("serviceAccountName") and not fits(name, SUBDOMAIN):
            yield Problem(
                f"{shown(name)} is not a name of a ServiceAccount",
                fix="Write lower-case letters, digits, hyphens and dots in serviceAccountName.",
                path=(*path, "serviceAccount"),
            )


@rule("priority-value", source=_SOURCE)
def priority_value(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pod that sets its priority's number itself.

    `priority` and `preemptionPolicy` are copied from the PriorityClass when the pod is made; name
    the class in `priorityClassName`.
    """
    for path, spec in of_type(resource, cluster, "core.v1.PodSpec"):
        if resource.kind == "Pod" and spec.get("priority"):
            yield Problem(
                f"a pod can't set priority ({spec['priority']}) itself",
                fix="Remove it and name a PriorityClass in priorityClassName.",
                path=(*path, "priority"),
            )
