"""Quotas that have no room for all that their namespace holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from treecheck.kube.quotas import COUNTED, amount_shown, given, is_scoped, total
from treecheck.kube.workloads import REPLICATED, is_rolling, replicas, scaled
from treecheck.model import Problem, as_mapping, as_text, at, each
from treecheck.quantities import quantity
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, Resource

QUOTAS = "https://kubernetes.io/docs/concepts/policy/resource-quotas/"
PODS = {"pods", "count/pods"}
CLAIMS = {"persistentvolumeclaims", "count/persistentvolumeclaims"}
STORAGE = "requests.storage"
OF_CLASS = ".storageclass.storage.k8s.io/"


@dataclass(slots=True)
class NamespaceSum:
    """What a namespace asks of one line of a quota.

    Attributes:
        what: cpu, memory, storage, or a word for what is counted.
        parts: (who, how many, how much each), of what runs or is kept all the time.
        surge: (who, how much more) of the Deployment whose update needs the most beside it.
    """

    what: str
    parts: list[tuple[Resource, int, Decimal]] = field(default_factory=list)
    surge: tuple[Resource | None, Decimal] = (None, Decimal(0))

    @property
    def sum(self) -> Decimal:
        """All of it."""
        return sum((count * amount for _, count, amount in self.parts), Decimal(0))

    def told(self) -> str:
        """The largest parts, as a sentence lists them."""
        some = sorted(self.parts, key=lambda part: part[1] * part[2], reverse=True)[:4]
        counted = self.what in {"claims", "pods"}
        words = [
            f"{count if counted else self._times(count, amount)} of {owner.kind} {owner.name}"
            for owner, count, amount in some
            if amount
        ]
        return " + ".join(words) + (" + others" if len(self.parts) > len(some) else "")

    def _times(self, count: int, amount: Decimal) -> str:
        return (f"{count} x " if count > 1 else "") + amount_shown(amount, self.what)


@rule(
    "quota-exceeded",
    kinds=("ResourceQuota",),
    source=QUOTAS,
    unless=("quota-below-one-pod", "quota-amount"),
)
def quota_exceeded(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A quota that is less than what its namespace asks for all together.

    Counted is what runs all the time: the fewest replicas of each workload, and every claim. What
    comes last is not created: exceeded quota. A Deployment that replaces its pods without taking
    one away first (maxUnavailable of 0, as 25 % of up to three are) needs room for one more, or
    its update waits for ever. Jobs are not counted, nor is a quota of some pods only.
    """
    if is_scoped(resource):
        return
    for name, written in as_mapping(resource.spec.get("hard")).items():
        most = quantity(written)
        asked = _asked(name, resource.namespace, cluster)
        if most is None or asked is None or not asked.parts:
            continue
        amount, who = asked.sum, asked.surge[0]
        if amount > most and len(asked.parts) + asked.parts[0][1] > 1:
            wrong = f"namespace {resource.namespace} asks for {amount_shown(amount, asked.what)}"
            after = "the API server refuses what comes last"
        elif who is not None and amount <= most < amount + asked.surge[1]:
            more = amount_shown(amount + asked.surge[1], asked.what)
            wrong = f"an update of {who.title} needs {more} while old and new pods run"
            after = "it waits for ever"
        elif amount > most:
            wrong = f"{asked.parts[0][0].title} asks for {amount_shown(amount, asked.what)}"
            after = "the API server refuses it"
        else:
            continue
        yield Problem(
            f"{name} is {written}, and {wrong} ({asked.told()}): {after}",
            fix="Raise the quota, or let the namespace ask for less.",
            path=("spec", "hard", name),
            related=tuple(owner for owner, _, _ in asked.parts),
            counts=True,
        )


def _asked(name: str, namespace: str, cluster: Cluster) -> NamespaceSum | None:
    """What a namespace asks of a quota's line; None of a line that is not looked at."""
    class_name, of_class, rest = name.rpartition(OF_CLASS)
    if of_class and rest == STORAGE:
        return _claimed(namespace, cluster, storage=True, of_class=class_name)
    if name == STORAGE or name in CLAIMS:
        return _claimed(namespace, cluster, storage=name == STORAGE)
    if name in PODS or name in COUNTED:
        return _run(name, namespace, cluster)
    return None


def _run(name: str, namespace: str, cluster: Cluster) -> NamespaceSum:
    """What the pods ask for that run all the time."""
    where, what = COUNTED.get(name, ("", "pods"))
    asked, defaults = NamespaceSum(what), given(cluster, namespace)
    for owner in _each_once(pod.owner for pod in cluster.pods(namespace)):
        pod = owner.pod
        if pod is None or owner.kind not in {*REPLICATED, "Pod"}:
            continue
        count = 1 if owner.kind == "Pod" else replicas(cluster, owner).least
        amount = total(pod, where, what, defaults) if where else Decimal(1)
        asked.parts.append((owner, count, amount))
        more = amount * _surge(owner, count)
        if more > asked.surge[1]:
            asked.surge = owner, more
    return asked


def _surge(owner: Resource, count: int) -> int:
    """How many pods an update of a Deployment needs at least beside those that run."""
    if not is_rolling(owner) or not count:
        return 0
    rolling = as_mapping(at(owner.spec, "strategy", "rollingUpdate"))
    away = scaled(rolling.get("maxUnavailable", "25%"), count, up=False)
    return 0 if away else 1


def _claimed(
    namespace: str, cluster: Cluster, *, storage: bool, of_class: str = ""
) -> NamespaceSum:
    """What the claims ask for: those of the tree, and those of the StatefulSets."""
    asked = NamespaceSum("storage" if storage else "claims")

    def add(owner: Resource, count: int, claim: Manifest) -> None:
        spec = as_mapping(claim.get("spec"))
        amount = quantity(at(spec, "resources", "requests", "storage")) if storage else Decimal(1)
        if amount is not None and of_class in {"", as_text(spec.get("storageClassName"))}:
            asked.parts.append((owner, count, amount))

    for claim in _each_once(cluster.of_kind("PersistentVolumeClaim", namespace=namespace)):
        add(claim, 1, claim.body)
    for owner in _each_once(cluster.of_kind("StatefulSet", namespace=namespace)):
        for _, template in each(owner, "spec", "volumeClaimTemplates"):
            add(owner, replicas(cluster, owner).least, template)
    return asked


def _each_once(owners: Iterable[Resource]) -> Iterable[Resource]:
    """What is written twice is one object in the cluster (duplicate-resource reports it)."""
    return {owner.key: owner for owner in owners}.values()
