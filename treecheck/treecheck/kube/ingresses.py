"""Where an Ingress leads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.blame import blame
from treecheck.files import load_text
from treecheck.model import as_list, as_mapping, as_text, each

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

# Annotations by which ingress-nginx or HAProxy answers itself, and asks no backend.
REDIRECTS = (
    "nginx.ingress.kubernetes.io/permanent-redirect",
    "nginx.ingress.kubernetes.io/temporal-redirect",
    "haproxy.org/request-redirect",
)
_RETURNS = re.compile(r"^\s*(?:return|rewrite|proxy_pass|error_page)\s", re.MULTILINE)
_REFUSES = re.compile(r"^\s*#.*\b50[234]\b")
AROUND = 12, 20  # lines over and under a backend that may say what its path answers

ACTIONS = "alb.ingress.kubernetes.io/actions."


ALB_CONTROLLER = "ingress.k8s.aws/alb"


def is_alb(ingress: Resource, cluster: Cluster) -> bool:
    """Whether the AWS load balancer controller serves an Ingress."""
    legacy = ingress.annotations.get("kubernetes.io/ingress.class")
    name = as_text(ingress.spec.get("ingressClassName") or legacy)
    known = cluster.get("IngressClass", "", name)
    return name == "alb" or (known is not None and known.spec.get("controller") == ALB_CONTROLLER)


def backends(ingress: Resource) -> Iterator[tuple[FieldPath, Manifest]]:
    """(place, backend) of an Ingress's default and its paths.

    A backend of the AWS load balancer that an annotation describes is left out: it is not a
    Service. So is one that nobody asks, because an annotation says what is answered.
    """
    for path, backend in _written(ingress):
        service = as_mapping(backend.get("service"))
        by_annotation = as_mapping(service.get("port")).get("name") == "use-annotation"
        if by_annotation and f"{ACTIONS}{service.get('name')}" in ingress.annotations:
            continue
        if not _answers_itself(ingress, path):
            yield path, backend


def is_left_open(ingress: Resource, service: Resource, port: Manifest, cluster: Cluster) -> bool:
    """Whether the tree doesn't say on which port an Ingress reaches a Service.

    An ExternalName Service may have no ports: its controller takes the backend's. And Argo Rollouts
    writes the annotation of the action named after a Rollout's root (or stable) Service.
    Source: https://argo-rollouts.readthedocs.io/en/stable/features/traffic-management/alb/
    """
    if service.spec.get("type") == "ExternalName" and not service.spec.get("ports"):
        return True
    if port.get("name") != "use-annotation":
        return False
    for rollout in cluster.of_kind("Rollout", namespace=ingress.namespace):
        canary = as_mapping(as_mapping(rollout.spec.get("strategy")).get("canary"))
        alb = as_mapping(as_mapping(canary.get("trafficRouting")).get("alb"))
        root = alb.get("rootService") or canary.get("stableService")
        if root == service.name and ingress.name in [
            alb.get("ingress"),
            *as_list(alb.get("ingresses")),
        ]:
            return True
    return False


def _written(ingress: Resource) -> Iterator[tuple[FieldPath, Manifest]]:
    if "defaultBackend" in ingress.spec:
        yield ("spec", "defaultBackend"), as_mapping(ingress.spec["defaultBackend"])
    for place, item in each(ingress, "spec", "rules"):
        paths = as_list(as_mapping(item.get("http")).get("paths"))
        for index, entry in enumerate(map(as_mapping, paths)):
            where = (*place, "http", "paths", index, "backend")
            yield where, as_mapping(entry.get("backend"))


def _answers_itself(ingress: Resource, path: FieldPath) -> bool:
    """Whether a path is not to reach its backend: a redirect, a snippet or a comment says so.

    Source: https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/
    """
    for key, text in ingress.annotations.items():
        if key in REDIRECTS or (key.endswith(("-snippet", "-snippets")) and _RETURNS.search(text)):
            return True
    file, line = blame(ingress, path)
    over, under = AROUND
    lines = load_text(file).splitlines() if file is not None else []
    return any(_REFUSES.search(each) for each in lines[max(line - over, 0) : line + under])
