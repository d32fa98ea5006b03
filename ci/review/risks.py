"""What a reviewer has to know before anything else: one sentence a risk, the worst first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.review.application_risks import (
    application_moves,
    application_removed,
    security_lowered,
)
from ci.tree import reach
from treecheck.immutable import immutable_changes
from treecheck.kube import waves
from treecheck.kube.config import references
from treecheck.kube.workloads import replicas
from treecheck.model import as_list, as_mapping, as_text, at, show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ci.review.changes import ResourceChange
    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, Resource

SERVERS = {"Deployment", "StatefulSet", "DaemonSet"}
HOLDS_DATA = {"PersistentVolumeClaim", "PersistentVolume", "StatefulSet", "Namespace"}
RIGHTS = {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "AppProject"}
POD_SPEC = ("spec", "template", "spec")
ACCESS_KEY = "ACCESS_KEY_FILE"


@dataclass(frozen=True)
class Risk:
    """A sentence about a change; `weight` orders them, the largest first."""

    weight: int
    title: str
    sentence: str


@dataclass(frozen=True)
class View:
    """What a risk's question may look at: the change, and everything that the head renders to."""

    change: ResourceChange
    environment: Cluster
    changes: list[ResourceChange]

    @property
    def before(self) -> Manifest:
        """The old manifest, or an empty one."""
        return self.change.before or {}

    @property
    def after(self) -> Manifest:
        """The new manifest, or an empty one."""
        return self.change.after or {}

    @property
    def resource(self) -> Resource:
        """The resource."""
        return self.change.resource

    @property
    def kind(self) -> str:
        """The resource's kind."""
        return self.change.resource.kind


def risks(view: View) -> Iterator[Risk]:
    """Every risk of a change."""
    for weight, question in QUESTIONS:
        for sentence in question(view):
            yield Risk(weight, view.change.title, sentence)


def _deleted_data(view: View) -> Iterator[str]:
    if view.change.after is None and view.kind in HOLDS_DATA:
        what = {"StatefulSet": "its pods", "Namespace": "everything in it"}.get(
            view.kind, "its data"
        )
        options = as_text(view.resource.annotations.get(waves.OPTIONS))
        if "Prune=false" in options:
            yield f"it is left out of git; Prune=false keeps it and {what} running on the cluster"
        else:
            yield f"this deletes it, and {what}"


def _immutable(view: View) -> Iterator[str]:
    if view.change.before is None or view.change.after is None or _is_replaced(view.resource):
        return
    options = waves.words(as_text(view.resource.annotations.get(waves.OPTIONS)))
    for change in immutable_changes(view.before, view.after):
        if "Force=true" in options:
            yield (
                f"{show_path(change.path)} of a {view.kind} can't change: by Force=true the sync"
                " deletes it and creates it again"
            )
        else:
            yield change.message


def _is_replaced(resource: Resource) -> bool:
    """Whether each sync deletes the hook that is there before it creates this one."""
    return waves.is_hook(resource) and "BeforeHookCreation" in waves.delete_policies(resource)


def _storage(view: View) -> Iterator[str]:
    old, new = (_volumes(side) for side in (view.before, view.after))
    if view.change.verb == "changed" and old != new:
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                was, now = old.get(name, "none"), new.get(name, "none")
                yield f"volume {name} was {was} and becomes {now}: the data does not move along"


def _volumes(manifest: Manifest) -> dict[str, str]:
    """Volume -> what holds it, for the volumes that may hold data."""
    found = {}
    for volume in map(as_mapping, as_list(at(manifest, *POD_SPEC, "volumes"))):
        claim = as_mapping(volume.get("persistentVolumeClaim")).get("claimName")
        if claim or "emptyDir" in volume:
            found[as_text(volume.get("name"))] = f"the claim {claim}" if claim else "an emptyDir"
    for template in map(as_mapping, as_list(at(manifest, "spec", "volumeClaimTemplates"))):
        found[as_text(at(template, "metadata", "name"))] = "a claim of its own"
    return found


def _no_pods(view: View) -> Iterator[str]:
    if view.kind in SERVERS and at(view.after, "spec", "replicas") == 0:
        if at(view.before, "spec", "replicas") != 0:
            yield "this stops every pod: replicas is 0"
    elif view.kind in SERVERS and view.change.after is None and view.kind not in HOLDS_DATA:
        yield "this removes the workload and all its pods"


def _exposed(view: View) -> Iterator[str]:
    outside = {"LoadBalancer", "NodePort"}
    if view.kind == "Service":
        was, now = (at(side, "spec", "type") for side in (view.before, view.after))
        if now in outside and was != now:
            yield f"this exposes {_ports(view.after)} outside the cluster: {_how(view.after)}"
        elif was in outside and now not in outside:
            yield f"this takes away the outside address of {_ports(view.before)}"
        elif now == "LoadBalancer":
            yield from _door_moves(view)
    if view.kind == "Ingress" and view.change.before is None:
        hosts = [
            as_text(as_mapping(r).get("host")) for r in as_list(at(view.after, "spec", "rules"))
        ]
        yield f"this exposes {', '.join(filter(None, hosts)) or 'every host'} outside the cluster"
    if view.kind == "NetworkPolicy" and view.change.verb != "added":
        yield (
            "this changes who may talk to whom"
            if view.change.after
            else "this opens what it closed"
        )


def _how(service: Manifest) -> str:
    found = reach.door(service)
    return found.sentence if found else as_text(at(service, "spec", "type"))


def _door_moves(view: View) -> Iterator[str]:
    """A balancer that becomes another one: wider, narrower, without TLS, of another scheme."""
    before, after = reach.door(view.before), reach.door(view.after)
    if before is None or after is None or before == after:
        return
    if before.internal != after.internal:
        yield (
            f"git now asks for {after.sentence}. AWS doesn't change the scheme of an existing load"
            f" balancer: it takes a new Service with a new address ({reach.PAGE})"
        )
    elif before.ranges != after.ranges:
        done = "opens" if reach.is_wider(before, after) else "narrows"
        yield f"this {done} the load balancer to {after.who}; before: {before.who}"
    if before.certificate and not after.certificate:
        yield "this removes the certificate: keys and reports travel in plain HTTP"
    elif after.certificate and not before.certificate:
        yield "this ends TLS at the load balancer: clients must now say https"
    elif before.certificate != after.certificate:
        yield "this changes the certificate of the load balancer: it must be valid for its name"


def _key(view: View) -> Iterator[str]:
    """The access key is off where the service isn't given its file."""
    if view.kind in SERVERS and view.change.after is not None:
        before, after = (_key_files(side) for side in (view.before, view.after))
        for name in sorted(before - after):
            yield f"container {name} no longer gets {ACCESS_KEY}: it asks nobody for a key"


def _key_files(manifest: Manifest) -> set[str]:
    return {
        as_text(container.get("name"))
        for container in map(as_mapping, as_list(at(manifest, *POD_SPEC, "containers")))
        if any(as_mapping(each).get("name") == ACCESS_KEY for each in as_list(container.get("env")))
    }


def _ports(service: Manifest) -> str:
    ports = [str(as_mapping(p).get("port")) for p in as_list(at(service, "spec", "ports"))]
    return f"port {', '.join(ports)}"


def _secrets(view: View) -> Iterator[str]:
    if view.kind in {"Secret", "SealedSecret"}:
        done = {"added": "brings", "removed": "removes", "changed": "changes"}[view.change.verb]
        yield f"this {done} a secret; a database's own password changes only by ALTER ROLE"
        lost = _keys(view.before) - _keys(view.after)
        if view.change.verb == "changed" and lost:
            yield f"the secret loses {', '.join(sorted(lost))}: who reads it finds nothing"


def _keys(secret: Manifest) -> set[str]:
    parts = (at(secret, *path) for path in (("data",), ("stringData",), ("spec", "encryptedData")))
    return {key for part in parts for key in as_mapping(part)}


def _rights(view: View) -> Iterator[str]:
    if view.kind in RIGHTS:
        yield "this changes what somebody may do"


def _syncing(view: View) -> Iterator[str]:
    if view.kind == "Application":
        old, new = (
            at(side, "spec", "syncPolicy", "automated") for side in (view.before, view.after)
        )
        if view.change.after is None:
            yield application_removed(view.resource, _maker(view))
        elif old != new and view.change.before is not None:
            yield "this changes when Argo CD syncs, prunes or heals by itself"
        if view.change.verb == "changed":
            yield from application_moves(view.before, view.after)


def _maker(view: View) -> Manifest | None:
    """The ApplicationSet that made an Application, where the change is of that too."""
    maker = view.resource.maker
    if maker is None:
        return None
    return next((each.after for each in view.changes if each.title == maker.title), None)


def _security(view: View) -> Iterator[str]:
    if view.change.verb == "changed" and view.kind in {"Application", "Namespace"}:
        yield from security_lowered(view.before, view.after)


def _images(view: View) -> Iterator[str]:
    old, new = (_image_of(side) for side in (view.before, view.after))
    if view.change.before is not None and view.change.after is not None:
        for name in sorted({*old} & {*new}):
            if old[name] != new[name]:
                yield f"container {name} runs {new[name]} instead of {old[name]}"


def _image_of(manifest: Manifest) -> dict[str, str]:
    spec = as_mapping(at(manifest, *POD_SPEC))
    containers = [*as_list(spec.get("containers")), *as_list(spec.get("initContainers"))]
    return {as_text(c.get("name")): as_text(c.get("image")) for c in map(as_mapping, containers)}


def _restarts(view: View) -> Iterator[str]:
    if view.kind not in SERVERS or view.change.verb != "changed":
        return
    if at(view.before, "spec", "template") != at(view.after, "spec", "template"):
        yield f"this restarts {_pods(view.environment, view.resource)}"


def _restarts_by_configuration(view: View) -> Iterator[str]:
    """A generated ConfigMap's new content is a new name, which its users' pods carry."""
    if view.change.verb != "changed" or not view.resource.origin.generated:
        return
    changed = {change.title for change in view.changes}
    for pod in view.environment.pods(view.resource.namespace):
        uses_it = any(ref.name == view.resource.name for ref in references(pod))
        if uses_it and pod.owner.kind in SERVERS and pod.owner.title not in changed:
            yield f"this restarts {_pods(view.environment, pod.owner)} of {pod.owner.title}"


def _pods(environment: Cluster, workload: Resource) -> str:
    if workload.kind == "DaemonSet":
        return "a pod on every node"
    count = replicas(environment, workload)
    if count.least != count.most:
        return f"{count.least} to {count.most} pods"
    return f"{count.least} pod{'s' if count.least != 1 else ''}"


# (weight, question), the worst first; two with the same weight are ordered by title.
QUESTIONS: list[tuple[int, Callable[[View], Iterator[str]]]] = [
    (100, _deleted_data),
    (90, _immutable),
    (80, _storage),
    (70, _no_pods),
    (60, _exposed),
    (60, _key),
    (50, _rights),
    (50, _security),
    (45, _syncing),
    (40, _secrets),
    (20, _images),
    (10, _restarts),
    (10, _restarts_by_configuration),
]
RISKY = 30  # below this a change is worth a line, and no reason to hesitate
