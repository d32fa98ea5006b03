"""What the kinds of cert-manager, external-secrets and Flux refer to by name."""

from __future__ import annotations

import difflib
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from treecheck.kube.classes import is_slip
from treecheck.model import Manifest, Problem, as_list, as_mapping, as_text, at, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Resource

ISSUERS = {
    "cert-manager.io/cluster-issuer": "ClusterIssuer",
    "cert-manager.io/issuer": "Issuer",
}
ALIKE = 0.8  # the ratio of difflib from which a name is taken for another one, misspelt
EFFECTS = {
    "ClusterIssuer": "no certificate is issued",
    "Issuer": "no certificate is issued",
    "ClusterSecretStore": "the Secret is not made",
    "SecretStore": "the Secret is not made",
}

FLUX = "toolkit.fluxcd.io"
BOOTSTRAPPED = (
    "flux-system"  # what `flux bootstrap` calls the source and the Kustomization it makes
)


class Wanted(NamedTuple):
    """What is referred to; `namespace` is "" for cluster scope."""

    path: FieldPath
    kind: str
    namespace: str
    name: str


@rule(
    "object-missing",
    kinds=(
        *("Certificate", "ExternalSecret", "Gateway", "HelmRelease", "Ingress", "Kustomization"),
        *("ClusterSecretStore", "SecretStore"),
    ),
    source="https://fluxcd.io/flux/components/kustomize/kustomizations/#dependencies",
)
def object_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An issuer, a secret store, a source or a dependency that is not there.

    cert-manager, external-secrets and Flux accept the resource, report that it is not ready, and
    try again for ever: no certificate, no Secret, nothing deployed.

    A name is reported that is a slip of one in the tree, or that the tree has of the other kind
    (Issuer and ClusterIssuer, SecretStore and ClusterSecretStore); of Flux's kinds also one that no
    other resource asks for, where the tree has some of that kind in the namespace. Others may have
    been made by hand.
    """
    for wanted in _wanted(resource):
        known = not wanted.name or "$" in wanted.name or _is_there(wanted, cluster)
        if known or _is_certified(resource, cluster):
            continue
        here = _here(cluster, wanted)
        meant = _other_kind(wanted, cluster) or _meant(wanted.name, here)
        flux = resource.group.endswith(FLUX)
        if meant or (flux and here and _is_alone(wanted, cluster)):
            place = f" in namespace {wanted.namespace}" if wanted.namespace else ""
            yield Problem(
                f"there is no {wanted.kind} {wanted.name}{place}, "
                f"{f'very likely a slip of {meant}' if meant else f'which has {_shown(here)}'}: "
                f"{_effect(wanted)}",
                fix=f"Name {meant or 'one that exists'}, or add the {wanted.kind}.",
                path=wanted.path,
                # Flux's own resources bring more to their namespace, and none of these kinds.
                absent=None if flux else wanted.namespace,
                lacking=wanted.kind,
            )


def _is_certified(resource: Resource, cluster: Cluster) -> bool:
    """Whether a Certificate makes the Secret of an Ingress or Gateway: it needs no issuer then."""
    certificates = cluster.of_kind("Certificate", namespace=resource.namespace)
    made = {as_text(one.spec.get("secretName")) for one in certificates} - {""}
    named = {as_text(one.get("secretName")) for _, one in each(resource, "spec", "tls")}
    for _, listener in each(resource, "spec", "listeners"):
        refs = as_list(as_mapping(listener.get("tls")).get("certificateRefs"))
        named |= {as_text(as_mapping(one).get("name")) for one in refs}
    return not made.isdisjoint(named)


def _is_there(wanted: Wanted, cluster: Cluster) -> bool:
    """Whether the tree has it in some namespace, or this cluster."""
    everywhere = cluster.once_in_tree(
        "kinds and names", lambda: {(one.kind, one.name) for one in cluster.tree}
    )
    return (wanted.kind, wanted.name) in everywhere or wanted.name in {
        one.name for one in cluster.of_kind(wanted.kind)
    }


def _here(cluster: Cluster, wanted: Wanted) -> list[str]:
    """The names of that kind where one is looked for."""
    where = wanted.namespace or None
    return sorted({one.name for one in cluster.of_kind(wanted.kind, namespace=where)})


def _other_kind(wanted: Wanted, cluster: Cluster) -> str:
    """`Issuer web`, where that is there and ClusterIssuer web asked for, or the reverse; or ""."""
    if wanted.kind not in EFFECTS:
        return ""
    short = wanted.kind.removeprefix("Cluster")
    other = short if wanted.kind != short else f"Cluster{short}"
    found = any(one.name == wanted.name for one in cluster.of_kind(other))
    return f"{other} {wanted.name}" if found else ""


def _meant(name: str, here: list[str]) -> str:
    """The one that a name is a slip of, or ""."""
    slips = [one for one in here if is_slip(name, one)]
    return next(iter(slips or difflib.get_close_matches(name, here, n=1, cutoff=ALIKE)), "")


def _is_alone(wanted: Wanted, cluster: Cluster) -> bool:
    """Whether one resource alone asks for a name, and all that Flux is given is in the tree.

    What several ask for somebody has made by hand: `flux create source git`.
    """
    asked = cluster.once_in_tree("asked of Flux", lambda: _asked(cluster))
    told = wanted.name != BOOTSTRAPPED and all(each.namespace for each in cluster.unseen)
    return told and asked[wanted.kind, wanted.name] == 1


def _asked(cluster: Cluster) -> Counter[tuple[str, str]]:
    """(kind, name) of what resources of Flux ask for, in the whole tree -> by how many."""
    return Counter(
        (wanted.kind, wanted.name)
        for one in (cluster.tree or cluster.resources)
        if one.group.endswith(FLUX)
        for wanted in _of_flux(one)
    )


def _effect(wanted: Wanted) -> str:
    if wanted.kind == "ServiceAccount":
        return "nobody logs in there, and no Secret is made"
    return EFFECTS.get(wanted.kind, "nothing is deployed")


def _shown(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" and more" if len(names) > 3 else "")


def _wanted(resource: Resource) -> Iterator[Wanted]:
    namespace = resource.namespace
    if resource.kind in {"Ingress", "Gateway"}:
        for key, kind in ISSUERS.items():
            path: FieldPath = ("metadata", "annotations", key)
            where = namespace if kind == "Issuer" else ""
            yield Wanted(path, kind, where, as_text(resource.annotations.get(key)))
    elif resource.group == "cert-manager.io":
        ref = as_mapping(resource.spec.get("issuerRef"))
        if ref.get("group", resource.group) == resource.group:
            yield _by_kind(("spec", "issuerRef"), ref, "Issuer", namespace)
    elif resource.kind in {"SecretStore", "ClusterSecretStore"}:
        yield from _accounts(resource)
    elif resource.group == "external-secrets.io":
        ref = as_mapping(resource.spec.get("secretStoreRef"))
        yield _by_kind(("spec", "secretStoreRef"), ref, "SecretStore", namespace)
    elif resource.group.endswith(FLUX) and "kubeConfig" not in resource.spec:
        yield from _of_flux(resource)


def _accounts(store: Resource) -> Iterator[Wanted]:
    """The service accounts as which external-secrets logs in at a store."""
    for provider, body in as_mapping(store.spec.get("provider")).items():
        for way, settings in as_mapping(as_mapping(body).get("auth")).items():
            ref = as_mapping(as_mapping(settings).get("serviceAccountRef"))
            where = as_text(ref.get("namespace")) or store.namespace
            path = ("spec", "provider", provider, "auth", way, "serviceAccountRef", "name")
            if where:
                yield Wanted(path, "ServiceAccount", where, as_text(ref.get("name")))


def _of_flux(resource: Resource) -> Iterator[Wanted]:
    for place in (("sourceRef",), ("chart", "spec", "sourceRef"), ("chartRef",)):
        ref = as_mapping(at(resource.spec, *place))
        if ref:
            yield _by_kind(("spec", *place), ref, "GitRepository", resource.namespace)
    for spot, ref in each(resource, "spec", "dependsOn"):
        where = as_text(ref.get("namespace")) or resource.namespace
        yield Wanted((*spot, "name"), resource.kind, where, as_text(ref.get("name")))


def _by_kind(path: FieldPath, ref: Manifest, default: str, namespace: str) -> Wanted:
    """What a mapping with `kind`, `name` and perhaps `namespace` refers to."""
    kind = as_text(ref.get("kind")) or default
    where = "" if kind.startswith("Cluster") else as_text(ref.get("namespace")) or namespace
    return Wanted((*path, "name"), kind, where, as_text(ref.get("name")))
