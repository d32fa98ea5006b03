"""The environment variables that a container gets, as far as the tree says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from treecheck.kube.config import find_store, references
from treecheck.kube.ports import names_number, names_port
from treecheck.kube.probes import asks
from treecheck.model import Problem, as_list, as_mapping, as_text, each

if TYPE_CHECKING:
    from treecheck.cluster import Cluster
    from treecheck.kube.config import Store
    from treecheck.model import FieldPath, Manifest, PodTemplate, Resource


# Variables that say on which port a program listens.
LISTENS = {"PORT", "APP_PORT", "SERVER_PORT", "LISTEN_PORT"}


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable.

    Attributes:
        value: its value, or None where it is unknown.
        resource, path: the field in which the value is written: the pod's own, or a ConfigMap's.
        loaded: whether it came with all others of its source (envFrom), and so perhaps unasked.
    """

    value: str | None
    resource: Resource
    path: FieldPath
    loaded: bool = False

    def problem(self, name: str, message: str, *, fix: str) -> Problem:
        """A fault of the value, told once where it is written, however many containers read it."""
        cause = f"{self.resource.title} {name}"
        return Problem(message, fix=fix, path=self.path, resource=self.resource, cause=cause)


@dataclass(frozen=True, slots=True)
class Variables:
    """A container's variables; `complete` is false when a source's keys can't be known.

    `sources` are the ConfigMaps and Secrets of the tree that are loaded whole.
    """

    named: dict[str, Variable]
    complete: bool
    sources: tuple[Resource, ...]


def variables_of(
    cluster: Cluster, pod: PodTemplate, path: FieldPath, container: Manifest
) -> Variables:
    """The variables of `container`, which lies at `path` in the pod's owner.

    `env` wins over `envFrom`, and a later entry over an earlier one, as the kubelet has it.
    """
    named: dict[str, Variable] = {}
    complete = True
    sources: list[Resource] = []
    namespace = pod.owner.namespace
    for place, source in each(container, "envFrom"):
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            name = as_text(as_mapping(source.get(field)).get("name"))
            if not name:
                continue
            store = find_store(cluster, kind, namespace, name)
            if store is None or store.keys is None:
                complete = False
                continue
            if store.resource is not None:
                sources.append(store.resource)
            prefix = as_text(source.get("prefix"))
            for key in store.keys:
                stored = _stored(store, key, pod.owner, (*path, *place))
                named[prefix + key] = replace(stored, loaded=True)
    for spot, entry in each(container, "env"):
        named[as_text(entry.get("name"))] = _entry(cluster, pod, entry, (*path, *spot))
    return Variables(named, complete, tuple(sources))


def _entry(cluster: Cluster, pod: PodTemplate, entry: Manifest, path: FieldPath) -> Variable:
    source = as_mapping(entry.get("valueFrom"))
    if not source:
        return Variable(as_text(entry.get("value")), pod.owner, (*path, "value"))
    ref = as_mapping(source.get("configMapKeyRef"))
    name = as_text(ref.get("name"))
    store = find_store(cluster, "ConfigMap", pod.owner.namespace, name) if ref else None
    if store is None:
        return Variable(None, pod.owner, path)
    return _stored(store, as_text(ref.get("key")), pod.owner, path)


def _stored(store: Store, key: str, owner: Resource, path: FieldPath) -> Variable:
    value = store.values.get(key)
    if value is None or store.resource is None:
        return Variable(value, owner, path)
    return Variable(value, store.resource, ("data", key))


def names_itself(pod: PodTemplate, name: str, *, loaded: bool) -> bool:
    """Whether a pod itself names a variable, or one with the same first word.

    A variable that is `loaded` came with all others of its source.
    """
    if not loaded:
        return True
    word = f"{name.partition('_')[0]}_" if "_" in name else name
    return any(
        as_text(as_mapping(entry).get("name")).startswith(word)
        for _, container in pod.containers()
        for entry in as_list(container.get("env"))
    ) or any(
        word in as_text(text)
        for _, container in pod.containers()
        for field in ("command", "args")
        for text in as_list(container.get(field))
    )


def configures_port(pod: PodTemplate | None, cluster: Cluster, port: int) -> bool:
    """Whether a ConfigMap that a pod reads has a port's number in it, or isn't known."""
    if pod is None:
        return False
    for reference in references(pod):
        if reference.kind == "ConfigMap":
            store = find_store(cluster, "ConfigMap", pod.owner.namespace, reference.name)
            if store is None or store.keys is None or names_number(store.values.values(), port):
                return True
    return False


def may_listen(pod: PodTemplate, cluster: Cluster, port: int) -> bool:
    """Whether a pod is told of a port that it doesn't declare, or its probes ask it."""
    own = any(names_port(each, port) or asks(each, port) for _, each in pod.containers())
    return own or configures_port(pod, cluster, port)
