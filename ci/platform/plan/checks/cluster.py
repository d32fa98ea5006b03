"""How far the steps are that the cluster knows about, asked by `kubectl get`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.platform.capacity.gather import patched_workloads
from ci.platform.capacity.offered import offered
from ci.platform.plan.step import done, still_open, unknown
from ci.tree import overlays, reach
from ci.tree.overlays import SERVICE
from treecheck.quantities import parse_quantity

if TYPE_CHECKING:
    from ci.platform.plan.checks.outside import Outside
    from ci.platform.plan.step import Mark

MIB = 1 << 20
UPSTREAM = (("argocd", "argocd/install"), ("kube-system", "argocd/addons/sealed-secrets"))


def without_cluster(outside: Outside) -> Mark | None:
    """The mark of a step that needs the cluster while there is none."""
    if outside.eks() is None:
        return still_open(f"there is no cluster {outside.names.cluster.name} yet")
    return None


def cluster(outside: Outside) -> Mark:
    """Whether the cluster is there, and its nodes offer what was computed."""
    name = outside.names.cluster.name
    found = outside.eks()
    if found is None:
        return still_open(f"there is no cluster {name}")
    if found["status"] != "ACTIVE":
        return still_open(f"the cluster {name} is {found['status']}: wait for it")
    nodes = (outside.kubernetes("nodes") or {})["items"]
    ready = [node for node in nodes if _is_ready(node)]
    wanted = sum(group.desired for group in outside.names.cluster.groups)
    if len(ready) < wanted:
        return still_open(f"{len(ready)} of {wanted} nodes are Ready: wait for them")
    fault = _fault(outside, ready)
    return still_open(fault) if fault else done(f"{name} is ACTIVE, and {len(ready)} nodes Ready")


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node["status"].get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _fault(outside: Outside, nodes: list[dict[str, Any]]) -> str:
    """What a node does not offer that its group should, or nothing."""
    expected = {one.group: one for one in offered(outside.names.cluster, outside.names.prices)}
    for node in nodes:
        group = (node["metadata"].get("labels") or {}).get("eks.amazonaws.com/nodegroup", "")
        if group in expected:
            has, offers = node["status"]["capacity"], node["status"]["allocatable"]
            kept = parse_quantity(has["memory"]) - parse_quantity(offers["memory"])
            if fault := expected[group].fault(int(kept / MIB), int(offers["pods"])):
                return f"{fault} (docs/nodes.md)"
    return ""


def argocd(outside: Outside) -> Mark:
    """Whether Argo CD and sealed-secrets run, with our settings."""
    if absent := without_cluster(outside):
        return absent
    missing, waiting = [], []
    for namespace, folder in UPSTREAM:
        answer = outside.kubernetes("deployments,statefulsets", "--namespace", namespace) or {}
        there = {one["metadata"]["name"]: one for one in answer.get("items") or ()}
        for workload in patched_workloads(outside.root / folder):
            name = workload["metadata"]["name"]
            if name not in there:
                missing.append(name)
            elif not there[name].get("status", {}).get("readyReplicas"):
                waiting.append(name)
    if missing:
        return still_open(f"not there: {', '.join(missing)}")
    settings = outside.kubernetes("configmap", "argocd-cm", "--namespace", "argocd") or {}
    if "accounts.on-call" not in (settings.get("data") or {}):
        return still_open("argocd-cm does not have our settings: apply argocd/config")
    if waiting:
        return still_open(f"no pod is ready yet: {', '.join(waiting)}")
    return done("Argo CD and sealed-secrets run")


def passwords(outside: Outside) -> Mark:
    """Nobody can tell without reading Secrets, which a check must not need."""
    if absent := without_cluster(outside):
        return absent
    return unknown("whether admin has a new password only admin can tell")


def argocd_address(outside: Outside) -> Mark:
    """Whether a Service gives Argo CD an address."""
    if absent := without_cluster(outside):
        return absent
    answer = outside.kubernetes("services", "--namespace", "argocd") or {}
    for service in answer.get("items") or ():
        if service["spec"].get("type") == "LoadBalancer":
            where = _address(service)
            if not where:
                return still_open(f"the Service {service['metadata']['name']} has no address yet")
            return done(f"Argo CD has the address {where}")
    return still_open("Argo CD has no address; it is reached by port-forward")


def _address(service: dict[str, Any]) -> str:
    ingress = (service.get("status", {}).get("loadBalancer") or {}).get("ingress") or [{}]
    return str(ingress[0].get("hostname") or ingress[0].get("ip") or "")


def look(outside: Outside) -> Mark:
    """Whether the last environment serves, and its load balancer is what the settings say."""
    if absent := without_cluster(outside):
        return absent
    last = outside.names.settings.environments[-1]
    where = ("--namespace", overlays.namespace(last))
    deployment = outside.kubernetes("deployment", SERVICE, *where)
    if deployment is None or not deployment.get("status", {}).get("availableReplicas"):
        return still_open(f"no pod of {last} is available")
    service = outside.kubernetes("service", SERVICE, *where) or {}
    address = _address(service)
    if not address:
        return still_open(f"{last}'s load balancer has no address yet; port-forward works")
    scheme = _scheme(outside, address)
    if not scheme:
        return unknown(f"AWS names no load balancer with the address {address}")
    wanted = reach.planned(outside.names.settings).scheme
    if scheme != wanted:
        return still_open(
            f"{address} is {scheme}, and settings.yaml wants {wanted}. AWS does not change the"
            f" scheme of a load balancer: the Service must be made again ({reach.PAGE})"
        )
    return done(f"{last} serves; its load balancer {address} is {scheme}")


def _scheme(outside: Outside, address: str) -> str:
    """The scheme of the load balancer with an address, classic or newer; empty if there is none."""
    for service, key in (("elb", "LoadBalancerDescriptions"), ("elbv2", "LoadBalancers")):
        answer = outside.aws(service, "describe_load_balancers") or {}
        for one in answer.get(key) or ():
            if str(one["DNSName"]).lower() == address.lower():
                return str(one["Scheme"])
    return ""
