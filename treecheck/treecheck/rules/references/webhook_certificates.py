"""The certificates by which the API server trusts webhooks, where cert-manager makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.webhooks import called
from treecheck.model import Problem, as_list, as_mapping, as_text
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

INJECTED = (
    "APIService",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
)
GROUP = "cert-manager.io"
FROM = "cert-manager.io/inject-ca-from"
CA_INJECTOR = "https://cert-manager.io/docs/concepts/ca-injector/"


@rule(
    "ca-source-missing",
    kinds=INJECTED,
    unless=("webhook-service-missing",),
    source=CA_INJECTOR + "#injecting-ca-data-from-a-certificate-resource",
)
def ca_source_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A webhook or API whose certificate authority is that of a Certificate that is not there.

    cert-manager then never writes the caBundle, the API server trusts no answer, and every call
    fails. Reported where the tree has another Certificate in that namespace; an annotation that is
    filled in later is left alone, and so is a definition that nothing converts.
    """
    namespace, _, name = _source(resource).partition("/")
    here = _certificates(cluster, namespace)
    if not name or not here or not any(called(resource)) or name in {one.name for one in here}:
        return
    names = ", ".join(sorted({one.name for one in here})[:3])
    yield Problem(
        f"its CA is to be that of Certificate {namespace}/{name}, and the tree has only {names} "
        "there: the CA is never injected, and every call fails",
        fix="Name the Certificate that the webhook's Service answers with.",
        path=("metadata", "annotations", FROM),
        related=tuple(here),
        absent=namespace,
        lacking="Certificate",
    )


@rule(
    "webhook-certificate-name",
    kinds=INJECTED,
    unless=("webhook-service-missing", "ca-source-missing"),
    source="https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#service-reference",
)
def webhook_certificate_name(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A webhook or API whose Certificate is for other names than the one that is called.

    The API server asks SERVICE.NAMESPACE.svc and refuses a certificate without that name: every
    call fails. Looked at is the Certificate from which the CA is injected, unless it is that of an
    authority, or another Certificate of the tree has the name.
    """
    namespace, _, name = _source(resource).partition("/")
    for certificate in _certificates(cluster, namespace):
        names = _names(certificate)
        if certificate.name != name or certificate.spec.get("isCA") or not names:
            continue
        others = [_names(one) for one in cluster.of_kind("Certificate")]
        told: set[str] = set()
        for _, service in called(resource):
            host = f"{as_text(service.get('name'))}.{as_text(service.get('namespace'))}.svc"
            if host in told or "$" in "".join((host, *names)) or not all(host.split(".")):
                continue
            if not any(_covers(each, host) for each in others):
                told.add(host)
                yield Problem(
                    f"{resource.title} calls {host}, and dnsNames are {', '.join(names[:3])}: the "
                    "API server refuses the certificate, and every call fails",
                    fix=f"Add {host} to dnsNames.",
                    path=("spec", "dnsNames"),
                    resource=certificate,
                    related=(resource,),
                )


def _source(resource: Resource) -> str:
    """`NAMESPACE/NAME` of the Certificate from which cert-manager takes the CA, or ""."""
    written = as_text(resource.annotations.get(FROM))
    by_hand = as_mapping(resource.spec).get("insecureSkipTLSVerify") is True
    return "" if "$" in written or by_hand else written


def _certificates(cluster: Cluster, namespace: str) -> list[Resource]:
    found = cluster.of_kind("Certificate", namespace=namespace) if namespace else ()
    return [one for one in found if one.group == GROUP]


def _names(certificate: Resource) -> list[str]:
    return [as_text(name).casefold() for name in as_list(certificate.spec.get("dnsNames"))]


def _covers(names: list[str], host: str) -> bool:
    """Whether a certificate for some names is one for a host."""
    return host in names or "*." + host.partition(".")[2] in names
