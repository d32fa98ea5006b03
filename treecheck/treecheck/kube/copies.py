"""Secrets and ConfigMaps that a program of the cluster copies into other namespaces.

The copy is nowhere in the tree: only its source is, or the policy that makes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from treecheck.model import as_list, as_mapping, as_text, at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, Resource

# https://github.com/emberstack/kubernetes-reflector
_REFLECTOR = "reflector.v1.k8s.emberstack.com/"
# https://github.com/mittwald/kubernetes-replicator
_REPLICATOR = "replicator.v1.mittwald.de/"
# https://github.com/config-syncer/config-syncer: the namespaces by their labels, "" for all.
_SYNCER = "kubed.appscode.com/sync"
# What a copy says of its source: its keys are those of the source then.
_FROM = (f"{_REFLECTOR}reflects", f"{_REPLICATOR}replicate-from")


@dataclass(frozen=True, slots=True)
class _Copy:
    """What is copied; the name is "" for any, and so are the patterns of the namespaces."""

    kind: str
    name: str
    places: tuple[str, ...] = ()

    def lands_in(self, namespace: str) -> bool:
        return not self.places or any(_is_full(each, namespace) for each in self.places)


def is_copy(resource: Resource) -> bool:
    """Whether a Secret or ConfigMap is filled in from another one, so that its keys are unknown."""
    return any(each in resource.annotations for each in _FROM)


def is_copied(cluster: Cluster, kind: str, namespace: str, name: str) -> bool:
    """Whether something copies a Secret or ConfigMap of this name into a namespace."""
    found = cluster.once("copies", lambda: frozenset(_copies(cluster)))
    return any(
        each.kind == kind and each.name in {"", name} and each.lands_in(namespace) for each in found
    )


def _copies(cluster: Cluster) -> Iterator[_Copy]:
    for each in (*cluster.tree, *cluster.resources):
        yield from _of_policy(each)
        for kind, name, told in _made(each):
            if (places := _places(told)) is not None:
                yield _Copy(kind, name, places)


def _made(maker: Resource) -> Iterator[tuple[str, str, Manifest]]:
    """(kind, name, annotations) of the Secret or ConfigMap that a resource is, or makes."""
    spec = maker.spec
    match maker.kind:
        case "Secret" | "ConfigMap":
            yield maker.kind, maker.name, maker.annotations
        case "Certificate":
            told = as_mapping(at(spec, "secretTemplate", "annotations"))
            yield "Secret", as_text(spec.get("secretName")), told
        case "ExternalSecret":
            # Without a template the Secret has what the ExternalSecret has.
            told = as_mapping(at(spec, "target", "template", "metadata", "annotations"))
            name = as_text(at(spec, "target", "name")) or maker.name
            yield "Secret", name, {**maker.annotations, **told}
        case "SealedSecret":
            told = as_mapping(at(spec, "template", "metadata", "annotations"))
            yield "Secret", maker.name, told


def _places(annotations: Manifest) -> tuple[str, ...] | None:
    """The patterns of the namespaces that annotations let something be copied to, or None."""
    if as_text(annotations.get(f"{_REFLECTOR}reflection-auto-enabled")) == "true":
        told = (f"{_REFLECTOR}reflection-{each}-namespaces" for each in ("auto", "allowed"))
        return next(filter(None, (_split(annotations.get(each)) for each in told)), ())
    if f"{_REPLICATOR}replicate-to" in annotations:
        return _split(annotations[f"{_REPLICATOR}replicate-to"])
    by_labels = (f"{_REPLICATOR}replicate-to-matching", _SYNCER)
    return () if any(each in annotations for each in by_labels) else None


def _of_policy(maker: Resource) -> Iterator[_Copy]:
    """What a resource without a namespace makes in those that it chooses."""
    match maker.group, maker.kind:
        case "kyverno.io", "ClusterPolicy":
            # https://kyverno.io/docs/policy-types/cluster-policy/generate/
            for entry in map(as_mapping, as_list(maker.spec.get("rules"))):
                made = as_mapping(entry.get("generate"))
                name = as_text(made.get("name"))
                kinds = [made.get("kind"), *as_list(at(made, "cloneList", "kinds"))]
                for kind in filter(None, (as_text(each).rpartition("/")[2] for each in kinds)):
                    yield _Copy(kind, "" if "{{" in name else name)
        case "trust.cert-manager.io", "Bundle":
            # https://cert-manager.io/docs/trust/trust-manager/
            for field, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
                if at(maker.spec, "target", field) is not None:
                    yield _Copy(kind, maker.name)
        case "clustersecret.io", "ClusterSecret":
            # https://github.com/zakkg3/ClusterSecret
            places = as_list(maker.body.get("matchNamespace"))
            yield _Copy("Secret", maker.name, tuple(map(as_text, places)))


def _split(text: object) -> tuple[str, ...]:
    return tuple(filter(None, (each.strip() for each in as_text(text).split(","))))


def _is_full(pattern: str, namespace: str) -> bool:
    """Whether a regular expression, or a pattern with `*`, is all of a namespace's name."""
    try:
        return re.fullmatch(pattern, namespace) is not None
    except re.error:
        return True  # what it means is the copying program's affair
