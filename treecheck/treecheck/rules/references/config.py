"""ConfigMaps and Secrets that pods refer to, and the keys in them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from treecheck.kube.config import find_store, kept_elsewhere, made_by_hand, references
from treecheck.model import Problem, as_list, as_mapping, as_text
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.config import Reference
    from treecheck.model import Resource

SOURCE = "https://kubernetes.io/docs/concepts/configuration/configmap/"


@rule(
    "config-missing",
    source=SOURCE,
    unless=("sealed-template-elsewhere", "sealed-for-another"),
)
def config_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pod that refers to a ConfigMap or Secret that is not there.

    The pod is accepted, scheduled, and then waits in CreateContainerConfigError or
    ContainerCreating for ever. A SealedSecret, a cert-manager Certificate and an ExternalSecret
    count as the Secret that they make; others can be named in the facts. Where the tree has no
    Secret of a namespace and encrypts none, people make them by hand, and what is missing is not
    known.

    One problem for each missing object, at the first place that refers to it.
    """
    if resource.pod is None:
        return
    seen: set[tuple[str, str]] = set()
    for ref in references(resource.pod):
        if ref.optional or not ref.name or (ref.kind, ref.name) in seen:
            continue
        if find_store(cluster, ref.kind, resource.namespace, ref.name) is None:
            seen.add((ref.kind, ref.name))
            names = _names(cluster, resource, ref.kind)
            maker = made_by_hand if ref.kind == "Secret" else kept_elsewhere
            yield Problem(
                f"{ref.use} refers to {ref.kind} {ref.name}, which nothing in the tree makes in "
                f"namespace {resource.namespace}: {_effect(ref)}",
                fix=f"Name one that exists{_similar(ref.name, names)}, add it, or mark the "
                "reference optional.",
                path=ref.path,
                related=cluster.lookalikes(ref.kind, ref.name),
                cause=f"{ref.kind} {resource.namespace}/{ref.name}",
                absent=resource.namespace,
                unsure=maker(cluster, resource.namespace),
            )


def _effect(ref: Reference) -> str:
    """What follows: without a pull secret the kubelet tries to pull as anybody could."""
    pulls = ref.use == "imagePullSecrets"
    effect = "no private image can be pulled" if pulls else "the pods will not start"
    return f"{effect} without it"


@rule(
    "config-key-missing",
    source=SOURCE,
)
def config_key_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pod that refers to a key that its ConfigMap or Secret does not have.

    The pod is accepted and then waits in CreateContainerConfigError (a variable) or never mounts
    its volume (a file). For a `subPath` the kubelet makes an empty folder where the program looks
    for a file.

    Keys of a SealedSecret are those of its encryptedData.
    """
    if resource.pod is None:
        return
    for ref in references(resource.pod):
        store = find_store(cluster, ref.kind, resource.namespace, ref.name)
        if ref.optional or not ref.key or store is None or store.keys is None:
            continue
        if ref.key not in store.keys:
            known = ", ".join(sorted(store.keys)) or "none"
            yield Problem(
                f"{ref.use} refers to key {ref.key} of {ref.kind} {ref.name}, whose keys are "
                f"{known}: {_effect_on_mount(ref)}",
                fix=f"Use a key that it has{_similar(ref.key, store.keys)}, or add the key.",
                path=ref.path,
                related=(store.resource,) if store.resource else (),
                cause=f"{ref.kind} {resource.namespace}/{ref.name} {ref.key}",
            )


def _effect_on_mount(ref: Reference) -> str:
    """What follows from a missing key; of a subPath without a file the kubelet makes a folder."""
    if not ref.mounted:
        return "the pods will not start"
    return f"{ref.mounted} becomes an empty folder, and where the image has a file, nothing starts"


@rule(
    "pull-secret-type",
    source="https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/",
)
def pull_secret_type(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An imagePullSecret that holds no credentials of a registry.

    The kubelet looks for the key .dockerconfigjson and asks the registry anonymously without it:
    ImagePullBackOff.
    """
    pulls = as_list(resource.pod.spec.get("imagePullSecrets")) if resource.pod else []
    for index, pull in enumerate(map(as_mapping, pulls)):
        name = as_text(pull.get("name"))
        store = find_store(cluster, "Secret", resource.namespace, name)
        keys = store.keys if store else None
        if resource.pod and keys is not None and not keys & {".dockerconfigjson", ".dockercfg"}:
            yield Problem(
                f"Secret {name} has no key .dockerconfigjson, so the registry is asked without "
                "credentials: the image can't be pulled",
                fix="Name the Secret of type kubernetes.io/dockerconfigjson.",
                path=(*resource.pod.spec_path, "imagePullSecrets", index),
            )


def _names(cluster: Cluster, resource: Resource, kind: str) -> list[str]:
    return [each.name for each in cluster.of_kind(kind, namespace=resource.namespace)]


def _similar(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f" ({close[0]}?)" if close else ""
