"""The resources that share a cluster, with an index over them: what rules on references ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from treecheck.facts import Facts
from treecheck.kinds import has_own_group
from treecheck.model import as_list, as_mapping, at
from treecheck.schemas import versions
from treecheck.unseen import Unseen, operated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from treecheck.model import PodTemplate, Resource


T = TypeVar("T")
POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"


@dataclass(slots=True)
class Cluster:
    """Resources that run on one cluster together.

    Attributes:
        name: what messages call it.
        resources: all of them; one whose `checked` is false is only context (a sibling of what
            was asked about): rules may refer to it, findings about it are dropped.
        facts: what exists outside the tree.
        version: (major, minor) of Kubernetes.
        unseen: what may bring more resources, and was not looked at.
        tree: all resources of the tree, those of other clusters included.
        shared: what `once_in_tree` has made, which the clusters of one tree share.
    """

    name: str
    resources: list[Resource]
    facts: Facts = field(default_factory=Facts)
    version: tuple[int, int] = field(default_factory=lambda: versions()[-1])
    unseen: list[Unseen] = field(default_factory=list)
    tree: list[Resource] = field(default_factory=list)
    shared: dict[str, Any] = field(default_factory=dict, repr=False)
    _by_key: dict[tuple[str, str, str], Resource] = field(default_factory=dict, repr=False)
    _by_kind: dict[str, list[Resource]] = field(default_factory=dict, repr=False)
    _pods: dict[str, list[PodTemplate]] = field(default_factory=dict, repr=False)
    _labelled: dict[tuple[str, str], list[PodTemplate]] = field(default_factory=dict, repr=False)
    _here: set[str] = field(default_factory=set, repr=False)
    _by_part: dict[str, list[Resource]] = field(default_factory=dict, repr=False)
    _made: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.unseen = [*self.unseen, *operated(self.resources)]
        self._here = {""}
        for resource in self.resources:
            self._here.add(resource.name if resource.kind == "Namespace" else resource.namespace)
            self._by_part.setdefault(resource.part.name, []).append(resource)
            if not has_own_group(resource.group, resource.kind):
                continue
            self._by_key.setdefault((resource.kind, resource.namespace, resource.name), resource)
            self._by_kind.setdefault(resource.kind, []).append(resource)
            pod = resource.pod
            if pod is not None:
                self._pods.setdefault(resource.namespace, []).append(pod)
                for label in pod.labels.items():
                    self._labelled.setdefault((resource.namespace, repr(label)), []).append(pod)

    def get(self, kind: str, namespace: str, name: str) -> Resource | None:
        """The resource of this kind and name, or None; `namespace` is "" for cluster scope."""
        return self._by_key.get((kind, namespace, name))

    def of_part(self, name: str) -> list[Resource]:
        """The resources of the part of this name: those that an Application brings, say."""
        return self._by_part.get(name, [])

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What `make` gives, made at the first call with this name: rules share it."""
        if name not in self._made:
            self._made[name] = make()
        found: T = self._made[name]
        return found

    def once_in_tree(self, name: str, make: Callable[[], T]) -> T:
        """The same of what `make` finds in the tree alone: its clusters share that too."""
        if name not in self.shared:
            self.shared[name] = make()
        found: T = self.shared[name]
        return found

    def unknown(self, namespace: str, kind: str = "") -> str:
        """Why it can't be known what is in a namespace ("" for the cluster); "" if it can.

        With a kind, what can't bring any of it does not count. Nothing is known of a namespace in
        which the tree has nothing.
        """
        places = self.once("unseen", self._places)
        able = (
            next((at, each.why) for at, each in places.get(place, ()) if each.may_bring(kind))
            for place in {None, namespace}
            if any(each.may_bring(kind) for _, each in places.get(place, ()))
        )
        if first := min(able, default=None):
            return first[1]
        if namespace in self._here:
            return ""
        return f"nothing of namespace {namespace} is in this tree"

    def _places(self) -> dict[str | None, list[tuple[int, Unseen]]]:
        """Namespace, or None for any -> what may bring resources there, each with its number."""
        found: dict[str | None, list[tuple[int, Unseen]]] = {}
        for number, each in enumerate(self.unseen):
            found.setdefault(each.namespace, []).append((number, each))
        return found

    def meant_namespace(self, kind: str, namespace: str, name: str, asking: Resource) -> str:
        """The namespace in which a resource lacks (`Problem.absent`), of a reference across them.

        Where the tree has nothing in `namespace`, but the resource elsewhere, the namespace is a
        slip: then it is that of the resource that asks.
        """
        elsewhere = any(each.name == name for each in self.of_kind(kind))
        return asking.namespace if elsewhere and namespace not in self._here else namespace

    def of_kind(self, *kinds: str, namespace: str | None = None) -> Iterator[Resource]:
        """The resources of these kinds, in one namespace or in all."""
        for kind in kinds:
            for resource in self._by_kind.get(kind, ()):
                if namespace is None or resource.namespace == namespace:
                    yield resource

    def pods(self, namespace: str | None = None) -> list[PodTemplate]:
        """The pods that resources are or make, in one namespace or in all."""
        if namespace is not None:
            return self._pods.get(namespace, [])
        return [pod for pods in self._pods.values() for pod in pods]

    def pods_matching(self, namespace: str, selector: Mapping[str, Any]) -> list[PodTemplate]:
        """The pods in `namespace` that a label selector chooses (see `matches`)."""
        asked = as_mapping(selector.get("matchLabels")) or selector
        for label in asked.items():
            if label[0] not in {POD_NAME, POD_INDEX, "matchLabels", "matchExpressions"}:
                found = self._labelled.get((namespace, repr(label)), [])
                break
        else:
            found = self.pods(namespace)
        return [pod for pod in found if matches(selector, _labels_of(pod, selector))]

    def meant(self, namespace: str, selector: Mapping[str, Any]) -> tuple[Resource, ...]:
        """The workloads whose own selector or template says that a selector means their pods.

        Their pods may lack the labels, or a wrong API version may hide the pods: then what is
        said about the selector follows from that.
        """
        plain = as_mapping(selector.get("matchLabels")) or selector
        return tuple(
            each
            for each in self.resources
            if each.namespace == namespace
            and any(
                _has(plain, as_mapping(at(each.spec, *place)))
                for place in (("selector", "matchLabels"), ("template", "metadata", "labels"))
            )
        )

    def lookalikes(self, kind: str, name: str) -> tuple[Resource, ...]:
        """The resources that a missing one may be: misspelt, of a wrong kind, or elsewhere."""

        def plain(text: str) -> str:
            return text.casefold().replace("_", "-")

        return tuple(
            each
            for each in self.resources
            if plain(each.kind) in {plain(kind), "sealed" + plain(kind)}
            and plain(name) in plain(each.name)
        )

    def namespaces(self) -> set[str]:
        """Every namespace that a resource lands in or that the facts name."""
        return {each.namespace for each in self.resources if each.namespace} | set(
            self.facts.namespaces
        )


def _labels_of(pod: PodTemplate, selector: Mapping[str, Any]) -> Mapping[str, str]:
    """A pod's labels, with those of the StatefulSet's pod that a selector asks for by name.

    Source: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#pod-name-label.
    """
    owner, wanted = pod.owner, as_mapping(selector.get("matchLabels")) or selector
    if owner.kind != "StatefulSet" or not {POD_NAME, POD_INDEX} & set(wanted):
        return pod.labels
    first = as_mapping(owner.spec.get("ordinals")).get("start", 0)
    count = owner.spec.get("replicas", 1)
    for index in range(first, first + count) if isinstance(count, int) else ():
        labels = {**pod.labels, POD_NAME: f"{owner.name}-{index}", POD_INDEX: str(index)}
        if matches(selector, labels):
            return labels
    return pod.labels


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector chooses these labels.

    `selector` is a LabelSelector (`matchLabels`, `matchExpressions`) or, as in a Service, a plain
    mapping of labels. An empty selector chooses everything; a caller whose API reads an empty one
    as nothing (a Service's) asks first.
    """
    expressions = selector.get("matchExpressions")
    wanted = selector.get("matchLabels")
    if isinstance(wanted, dict) or isinstance(expressions, list):
        return _has(as_mapping(wanted), labels) and _meets(as_list(expressions), labels)
    return _has(selector, labels)


def _has(wanted: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in wanted.items())


def _meets(expressions: Iterable[Any], labels: Mapping[str, str]) -> bool:
    for expression in expressions:
        key, operator = expression.get("key"), expression.get("operator")
        values = as_list(expression.get("values"))
        met = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }.get(operator, False)
        if not met:
            return False
    return True
