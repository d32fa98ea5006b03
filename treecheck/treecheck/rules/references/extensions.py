"""What extends the API server or the network refers to: policies, webhooks, routes, balancers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.gateways import ROUTES, backend_refs, is_of_api
from treecheck.kube.ingresses import backends, is_alb
from treecheck.kube.webhooks import called
from treecheck.model import Problem, as_mapping, as_text, at, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

ADMISSION = "https://kubernetes.io/docs/reference/access-authn-authz/"
BINDINGS = {
    "ValidatingAdmissionPolicyBinding": "ValidatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding": "MutatingAdmissionPolicy",
}
TARGET_TYPE = "alb.ingress.kubernetes.io/target-type"


@rule(
    "policy-binding-dangles",
    kinds=tuple(BINDINGS),
    source=ADMISSION + "validating-admission-policy/",
)
def policy_binding_dangles(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A binding of an admission policy that is not there.

    The API server accepts it, and nothing is enforced.
    """
    kind, name = BINDINGS[resource.kind], as_text(resource.spec.get("policyName"))
    if name and cluster.get(kind, "", name) is None:
        yield Problem(
            f"there is no {kind} {name}, so this binding enforces nothing",
            fix="Name the policy that is to be enforced, or add it.",
            path=("spec", "policyName"),
            related=cluster.lookalikes(kind, name),
            absent="",
        )


@rule(
    "webhook-service-missing",
    kinds=(
        "APIService",
        "CustomResourceDefinition",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ),
    source=ADMISSION + "extensible-admission-controllers/#service-reference",
)
def webhook_service_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A webhook, or an API of the aggregation layer, whose Service or port is not there.

    With failurePolicy Fail, which is the default, the API server then refuses every request that
    the webhook is asked about. An APIService without a Service makes each discovery fail, and a
    definition without the one that converts its versions makes every read fail.
    """
    for path, wanted in called(resource):
        name, namespace = as_text(wanted.get("name")), as_text(wanted.get("namespace"))
        service = cluster.get("Service", namespace, name)
        if f"{namespace}/{name}" in cluster.facts.services or not name:
            continue
        if service is None:
            yield Problem(
                f"it calls Service {namespace}/{name}, which nothing in the tree makes: without "
                "it, every call fails",
                fix="Name the Service of the program that answers.",
                path=(*path, "name"),
                related=cluster.lookalikes("Service", name),
                absent=namespace,
            )
        elif not _offers(service, port := wanted.get("port", 443)):
            yield Problem(
                f"it calls port {port} of Service {namespace}/{name}, which has {_shown(service)}: "
                "every call fails",
                fix="Name a port of the Service.",
                path=(*path, "port") if "port" in wanted else path,
                related=(service,),
            )


@rule(
    "route-backend-missing",
    kinds=ROUTES,
    unless=("service-selects-nothing",),
    source="https://gateway-api.sigs.k8s.io/reference/spec/#backendref",
)
def route_backend_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A route of the Gateway API to a Service or port that is not there.

    The route is accepted, reports ResolvedRefs false, and its requests get a 500.
    """
    for path, backend in backend_refs(resource) if is_of_api(resource) else ():
        name = as_text(backend.get("name"))
        namespace = as_text(backend.get("namespace")) or resource.namespace
        service = cluster.get("Service", namespace, name)
        if f"{namespace}/{name}" in cluster.facts.services or not name:
            continue
        if service is None and name in _services_of_gateways(cluster, namespace):
            continue
        if service is None:
            yield Problem(
                f"it leads to Service {name}, which nothing in the tree makes in namespace "
                f"{namespace}: without it, requests get a 500",
                fix="Name a Service of this namespace.",
                path=(*path, "name"),
                related=cluster.lookalikes("Service", name),
                absent=namespace,
            )
        elif not _offers(service, backend.get("port")):
            yield Problem(
                f"it leads to port {backend.get('port')} of Service {name}, which has "
                f"{_shown(service)}: requests get a 500",
                fix="Name a port of the Service, by its number.",
                path=(*path, "port"),
                related=(service,),
            )


def _services_of_gateways(cluster: Cluster, namespace: str) -> set[str]:
    """The Services that controllers make for Gateways: `edge-istio`, `cilium-gateway-edge`.

    Source: https://istio.io/latest/docs/tasks/traffic-management/ingress/gateway-api/.
    """
    return {
        name
        for each in cluster.of_kind("Gateway", namespace=namespace)
        for name in (
            f"{each.name}-{each.spec.get('gatewayClassName')}",
            f"cilium-gateway-{each.name}",
        )
    }


def _offers(service: Resource, port: object) -> bool:
    return any(entry.get("port") == port for _, entry in each(service, "spec", "ports"))


def _shown(service: Resource) -> str:
    numbers = [str(entry.get("port")) for _, entry in each(service, "spec", "ports")]
    return f"{', '.join(numbers)} only" if numbers else "no port"


@rule(
    "alb-target-type",
    kinds=("Ingress",),
    source="https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/ingress/annotations/#target-type",
)
def alb_target_type(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An Ingress of the AWS load balancer to a Service that its nodes don't offer.

    The target type `instance`, which is the default, sends requests to a node's port: the Service
    has to be of type NodePort or LoadBalancer. Otherwise the controller reports an error, and the
    Ingress gets no address.
    """
    if not is_alb(resource, cluster):
        return
    told: set[str] = set()
    for path, backend in backends(resource):
        name = as_text(as_mapping(backend.get("service")).get("name"))
        service = cluster.get("Service", resource.namespace, name)
        if service is None or name in told:
            continue
        kind = service.annotations.get(TARGET_TYPE) or resource.annotations.get(TARGET_TYPE)
        if kind in {None, "instance"} and service.spec.get("type", "ClusterIP") == "ClusterIP":
            told.add(name)
            yield Problem(
                f"the load balancer sends requests to a port of the nodes, and Service {name} is "
                "of type ClusterIP, which has none: the Ingress gets no address",
                fix=f"Annotate the Ingress with {TARGET_TYPE}: ip, or set the Service's type to "
                "NodePort.",
                path=(*path, "service", "name"),
                related=(service,),
            )


ROLLOUT_SERVICES = (
    ("canary", "canaryService"),
    ("canary", "stableService"),
    ("blueGreen", "activeService"),
    ("blueGreen", "previewService"),
)


@rule(
    "rollout-service-missing",
    kinds=("Rollout",),
    unless=("service-selects-nothing",),
    source="https://argo-rollouts.readthedocs.io/en/stable/features/specification/",
)
def rollout_service_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An Argo Rollout whose canary, stable, active or preview Service is not there.

    The controller calls the Rollout invalid (InvalidSpec) and rolls out nothing.
    """
    for strategy, field in ROLLOUT_SERVICES:
        name = as_text(at(resource.spec, "strategy", strategy, field))
        known = f"{resource.namespace}/{name}" in cluster.facts.services
        if name and not known and cluster.get("Service", resource.namespace, name) is None:
            yield Problem(
                f"{field} is {name}, and namespace {resource.namespace} has no such Service: the "
                "controller calls the Rollout invalid and rolls out nothing",
                fix="Name a Service of this namespace, or add it.",
                path=("spec", "strategy", strategy, field),
                related=cluster.lookalikes("Service", name),
                absent=resource.namespace,
            )
