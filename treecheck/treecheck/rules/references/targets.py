"""What autoscalers, budgets, Ingresses and NetworkPolicies point at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treecheck.cluster import matches
from treecheck.kube.alternatives import may_meet
from treecheck.kube.config import find_store, made_by_hand
from treecheck.kube.ingresses import backends, is_alb, is_left_open
from treecheck.kube.network import DIRECTIONS
from treecheck.kube.services import elected, nearest
from treecheck.kube.workloads import REPLICATED, nothing_to_scale
from treecheck.model import Problem, as_list, as_mapping, as_text, at, each
from treecheck.placeholders import is_to_fill
from treecheck.registry import Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, PodTemplate, Resource

# The annotations that have cert-manager make an Ingress's certificate (ingress-shim).
CERTIFICATE_MAKERS = {
    "cert-manager.io/cluster-issuer", "cert-manager.io/issuer", "cert-manager.io/issuer-name",
    "certmanager.k8s.io/cluster-issuer", "certmanager.k8s.io/issuer", "kubernetes.io/tls-acme",
}  # fmt: skip


@rule(
    "hpa-target-missing",
    kinds=("HorizontalPodAutoscaler",),
    source="https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/",
)
def hpa_target_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An autoscaler of a workload that is not there.

    The HPA is accepted, reports FailedGetScale, and nothing scales. In Argo CD it is Degraded.

    Custom kinds may have a scale subresource; only built-in kinds are looked up.
    """
    target = as_mapping(resource.spec.get("scaleTargetRef"))
    kind, name = as_text(target.get("kind")), as_text(target.get("name"))
    workload = cluster.get(kind, resource.namespace, name)
    version = as_text(target.get("apiVersion"))
    meant = {each.casefold(): each for each in REPLICATED}.get(kind.casefold(), kind)
    if kind != meant:
        yield Problem(
            f"it scales {kind} {name}, and no kind is written so: nothing will scale",
            fix=f"Write {meant}.",
            path=("spec", "scaleTargetRef", "kind"),
        )
    if kind in REPLICATED and workload and version.rpartition("/")[0] != workload.group:
        yield Problem(
            f"it scales {kind} {name} of API {version or 'v1'}, which has no such kind: nothing "
            "will scale",
            fix=f"Set scaleTargetRef.apiVersion to {workload.api_version}.",
            path=("spec", "scaleTargetRef"),
            related=(workload,),
        )
    elif kind in REPLICATED and workload is None:
        yield nothing_to_scale(resource, kind, name, cluster)
    elif workload is not None and workload.pod is not None:
        yield from _container_missing(resource, workload.pod)


def _container_missing(hpa: Resource, pod: PodTemplate) -> Iterator[Problem]:
    """Metrics of a container that the scaled pods don't have."""
    names = {as_text(container.get("name")) for _, container in pod.containers()}
    for place, metric in each(hpa, "spec", "metrics"):
        wanted = as_text(as_mapping(metric.get("containerResource")).get("container"))
        if wanted and wanted not in names:
            yield Problem(
                f"it measures container {wanted}, and the pods of {pod.owner.title} have only "
                f"{', '.join(sorted(names))}: nothing will scale",
                fix="Name a container of the pod template.",
                path=(*place, "containerResource", "container"),
            )


@rule(
    "pdb-selects-nothing",
    kinds=("PodDisruptionBudget",),
    source="https://kubernetes.io/docs/tasks/run-application/configure-pdb/",
)
def pdb_selects_nothing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A PodDisruptionBudget that selects no pod.

    It protects nothing: a drain may end all pods of the service at once.

    An empty selector chooses every pod of the namespace; without any it chooses none.
    """
    if "selector" not in resource.spec:
        yield Problem(
            "it has no selector and so selects no pod: it protects nothing",
            fix="Add the selector of its pods, or {} for all pods of the namespace.",
            path=("spec",),
        )
    yield from _selects_nothing(resource, cluster, "selector", "protects nothing")


@rule(
    "network-policy-selects-nothing",
    kinds=("NetworkPolicy",),
    source="https://kubernetes.io/docs/concepts/services-networking/network-policies/",
)
def network_policy_selects_nothing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A NetworkPolicy that selects no pod.

    It has no effect: what it was to open stays closed, and what it was to close stays open.

    An empty podSelector chooses every pod of the namespace.
    """
    yield from _selects_nothing(resource, cluster, "podSelector", "has no effect")


def _selects_nothing(
    resource: Resource, cluster: Cluster, field: str, effect: str
) -> Iterator[Problem]:
    selector = as_mapping(resource.spec.get(field))
    if not selector or cluster.pods_matching(resource.namespace, selector):
        return
    labels = as_mapping(selector.get("matchLabels"))
    pods = cluster.pods(resource.namespace)
    yield Problem(
        f"its {field} matches no pod of this tree in namespace {resource.namespace}: unless "
        f"something else brings such a pod, it {effect}",
        fix=f"Make the selector match the pods' labels{nearest(labels, pods)}.",
        path=("spec", field),
        related=cluster.meant(resource.namespace, selector),
        absent=resource.namespace,
        unsure=elected(labels, pods),
    )


@rule(
    "network-policy-peer-unknown",
    kinds=("NetworkPolicy",),
    source="https://kubernetes.io/docs/concepts/services-networking/network-policies/",
    unless=("labels-in-peers",),
)
def network_policy_peer_unknown(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A NetworkPolicy rule whose peer matches no pod.

    The rule opens nothing. Only peers in namespaces whose pods are in the tree are looked at.

    The peer's pods must be in the policy's own namespace, or in one chosen by its name label.
    kube-system is left alone: every cluster has pods there that no tree brings, such as its DNS.

    Two selectors in one item of the list narrow each other; in two items each opens by itself. A
    podSelector that matches nothing here, beside an item that is a namespaceSelector alone, was
    meant to stand in that item: without it all pods of those namespaces are let through.
    """
    for path, peer in _peers(resource):
        selector = as_mapping(peer.get("podSelector"))
        namespaces = _namespaces(peer, resource, cluster)
        if not selector or namespaces is None:
            continue
        pods = [pod for each in namespaces for pod in cluster.pods(each)]
        if pods and not any(matches(selector, pod.labels) for pod in pods):
            near = nearest(as_mapping(selector.get("matchLabels")), pods)
            wide = "namespaceSelector" not in peer and _is_beside_namespaces(resource, path)
            yield Problem(
                "this podSelector matches no pod of its own namespace, and the namespaceSelector "
                "beside it is an item of its own, which lets every pod of those namespaces through"
                if wide
                else "this peer matches no pod of this tree: unless something else brings such a "
                "pod, it lets nothing through",
                fix="Put both selectors into one item: remove the hyphen before the second."
                if wide
                else f"Make the selector match the labels of the pods to let through{near}.",
                path=path,
                related=tuple(
                    found for each in namespaces for found in cluster.meant(each, selector)
                ),
                absent=namespaces[0],
                unsure=elected(selector, pods),
            )


def _peers(policy: Resource) -> Iterator[tuple[FieldPath, Manifest]]:
    for rules_key, peers_key in DIRECTIONS.values():
        for place, entry in each(policy, "spec", rules_key):
            for spot, peer in each(entry, peers_key):
                yield (*place, *spot), peer


def _is_beside_namespaces(policy: Resource, path: FieldPath) -> bool:
    """Whether the item before or after a peer is a namespaceSelector that chooses, and no more."""
    *above, index = path
    peers = as_list(at(policy.body, *above))
    around = [peers[i] for i in (int(index) - 1, int(index) + 1) if 0 <= i < len(peers)]
    return any(
        set(as_mapping(one)) == {"namespaceSelector"} and one["namespaceSelector"] for one in around
    )


def _namespaces(peer: Manifest, policy: Resource, cluster: Cluster) -> list[str] | None:
    """The namespaces that a peer speaks of, or None where the tree doesn't say."""
    if "ipBlock" in peer:
        return None
    if "namespaceSelector" not in peer:
        return [policy.namespace]
    labels = as_mapping(as_mapping(peer["namespaceSelector"]).get("matchLabels"))
    name = labels.get("kubernetes.io/metadata.name")
    if not isinstance(name, str) or name == "kube-system":
        return None
    return [name] if cluster.pods(name) else None


@rule(
    "ingress-backend-missing",
    kinds=("Ingress",),
    unless=("service-selects-nothing",),
    source="https://kubernetes.io/docs/concepts/services-networking/ingress/",
)
def ingress_backend_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An Ingress that leads to a Service or port that is not there.

    The controller answers 503 for that path.

    Backends that are resources of another kind, and actions that Argo Rollouts writes, are left to
    their controllers, and so is an Ingress whose annotations redirect or answer by a snippet. A
    path with a comment over it that speaks of a 503 means it. A Service of type ExternalName needs
    no ports.
    """
    for path, backend in backends(resource):
        wanted = as_mapping(backend.get("service"))
        name = as_text(wanted.get("name"))
        if not name or f"{resource.namespace}/{name}" in cluster.facts.services:
            continue
        service = cluster.get("Service", resource.namespace, name)
        if service is None:
            yield Problem(
                f"it leads to Service {name}, which nothing in the tree makes in namespace "
                f"{resource.namespace}: without it, requests get a 503",
                fix="Name a Service of this namespace.",
                path=(*path, "service", "name"),
                related=cluster.lookalikes("Service", name),
                absent=resource.namespace,
            )
            continue
        port = as_mapping(wanted.get("port"))
        ports = list(map(as_mapping, as_list(service.spec.get("ports"))))
        if is_left_open(resource, service, port, cluster):
            continue
        if not any(_is_port(port, each) for each in ports):
            known = ", ".join(f"{one.get('name', '')} {one.get('port')}".strip() for one in ports)
            yield Problem(
                f"it leads to port {port.get('name') or port.get('number')} of Service {name}, "
                f"whose ports are {known}: requests get a 503",
                fix="Name a port of the Service.",
                path=(*path, "service", "port"),
                related=(service,),
            )


def _is_port(wanted: Manifest, port: dict[str, Any]) -> bool:
    if "name" in wanted:
        return bool(wanted["name"] == port.get("name"))
    return bool(wanted.get("number") == port.get("port"))


@rule(
    "ingress-certificate-missing",
    kinds=("Ingress",),
    source="https://kubernetes.io/docs/concepts/services-networking/ingress/#tls",
    unless=("sealed-type-keys", "sealed-template-elsewhere"),
)
def ingress_certificate_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An Ingress whose TLS Secret is not there.

    The controller serves its own certificate instead, and browsers warn. A cert-manager annotation
    on the Ingress makes the Secret. The AWS load balancer takes certificates from ACM, and no
    Secret.
    """
    if CERTIFICATE_MAKERS & set(resource.annotations) or is_alb(resource, cluster):
        return
    for place, entry in each(resource, "spec", "tls"):
        name = as_text(entry.get("secretName"))
        store = find_store(cluster, "Secret", resource.namespace, name) if name else None
        lacking = {"tls.crt", "tls.key"} - (store.keys or set()) if store else set()
        if lacking and store and store.keys is not None:
            yield Problem(
                f"Secret {name} has no {' and no '.join(sorted(lacking))}: the controller serves a "
                "certificate of its own, and browsers warn",
                fix="Name a Secret of type kubernetes.io/tls.",
                path=(*place, "secretName"),
                related=(store.resource,) if store.resource else (),
            )
        if name and store is None:
            yield Problem(
                f"nothing in the tree makes Secret {name} in namespace {resource.namespace}: "
                "without it the controller serves a certificate of its own, and browsers warn",
                fix="Add a Certificate or a SealedSecret that makes it, or name it in the facts.",
                path=(*place, "secretName"),
                related=cluster.lookalikes("Secret", name),
                absent=resource.namespace,
                unsure=made_by_hand(cluster, resource.namespace),
            )


@rule(
    "ingress-host-without-certificate",
    kinds=("Ingress",),
    source="https://kubernetes.io/docs/concepts/services-networking/ingress/#tls",
)
def ingress_host_without_certificate(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A host of an Ingress that its TLS section does not name, beside one that it serves not.

    The controller picks a certificate by the names under `tls`; a misspelt one leaves the real host
    with the controller's own certificate, and browsers warn.
    """
    served = {as_text(as_mapping(item).get("host")) for item in as_list(resource.spec.get("rules"))}
    for place, entry in each(resource, "spec", "tls"):
        filled = {*served, as_text(entry.get("secretName"))} if resource.part.to_copy else set()
        if any(map(is_to_fill, filled)):
            continue
        for number, host in enumerate(map(as_text, as_list(entry.get("hosts")))):
            bare = [name for name in served if name and not _covered(resource, name)]
            if bare and "*" not in host and host not in served:
                yield Problem(
                    f"tls names {host}, which no rule serves, and not {bare[0]}: browsers get the "
                    "controller's own certificate there, and warn",
                    fix=f"Name {bare[0]} under tls.",
                    path=(*place, "hosts", number),
                    related=(resource,),
                )


def _covered(ingress: Resource, host: str) -> bool:
    """Whether the TLS section names a host, itself or by a wildcard."""
    names = {
        as_text(name)
        for entry in as_list(ingress.spec.get("tls"))
        for name in as_list(as_mapping(entry).get("hosts"))
    }
    return host in names or "*." + host.partition(".")[2] in names


# https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#canary
CANARY = "nginx.ingress.kubernetes.io/canary"
# https://doc.traefik.io/traefik/reference/routing-configuration/kubernetes/ingress/
ALB_GROUP = "alb.ingress.kubernetes.io/group.name"
ENTRY_POINTS = "traefik.ingress.kubernetes.io/router.entrypoints"


@rule(
    "ingress-path-twice",
    scope=Scope.CLUSTER,
    source="https://kubernetes.io/docs/concepts/services-networking/ingress/#multiple-matches",
)
def ingress_path_twice(cluster: Cluster) -> Iterator[Problem]:
    """The same host and path in two Ingresses of one class.

    Which of them gets the requests is up to the controller: usually the older one, and the newer is
    without effect. Two may have different entry points of Traefik, or one be a canary of
    ingress-nginx. AWS's controller makes each a load balancer of its own where they share no group.
    """
    seen: dict[tuple[str, ...], Resource] = {}
    for ingress in cluster.of_kind("Ingress"):
        alone = is_alb(ingress, cluster) and ALB_GROUP not in ingress.annotations
        if alone or ingress.annotations.get(CANARY) == "true":
            continue
        kind = as_text(ingress.spec.get("ingressClassName"))
        kind += as_text(ingress.annotations.get(ENTRY_POINTS) or ingress.annotations.get(ALB_GROUP))
        for place, item in each(ingress, "spec", "rules"):
            for entry in map(as_mapping, as_list(as_mapping(item.get("http")).get("paths"))):
                key = (kind, as_text(item.get("host")), as_text(entry.get("path")))
                first = seen.setdefault((*key, as_text(entry.get("pathType"))), ingress)
                copied = first.name == ingress.name and (first.part.loose or ingress.part.loose)
                if first is not ingress and not copied and may_meet(first, ingress, cluster):
                    yield Problem(
                        f"{first.title} has {key[1] or 'any host'}{key[2]} too: one of them gets "
                        "no requests",
                        fix="Give them different hosts or paths, or join them.",
                        path=place,
                        resource=ingress,
                    )
