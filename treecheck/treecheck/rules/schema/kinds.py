"""Kinds and API versions: unknown, removed and deprecated ones."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

from treecheck.blame import blame
from treecheck.files import load_text
from treecheck.kinds import BUILT_IN_GROUPS, OF_OPENSHIFT, is_of_a_program, is_sync_set_patch
from treecheck.kube.pages import API_REFERENCE
from treecheck.model import Problem, Severity
from treecheck.registry import Family, rule
from treecheck.schemas import custom_kinds, schemas
from treecheck.unseen import QUIET_GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

_SOURCE = "https://kubernetes.io/docs/reference/using-api/deprecation-guide/"


class Removal(NamedTuple):
    """The release that no longer serves an API version, and what to write instead."""

    release: tuple[int, int]
    instead: str


_ADMISSION, _RBAC = "admissionregistration.k8s.io", "rbac.authorization.k8s.io"

# (apiVersion, kind or "" for every kind in it) -> its removal.
REMOVALS: dict[tuple[str, str], Removal] = {
    ("apps/v1beta1", ""): Removal((1, 16), "apps/v1"),
    ("apps/v1beta2", ""): Removal((1, 16), "apps/v1"),
    ("extensions/v1beta1", "Ingress"): Removal((1, 22), "networking.k8s.io/v1"),
    ("extensions/v1beta1", "NetworkPolicy"): Removal((1, 16), "networking.k8s.io/v1"),
    ("extensions/v1beta1", "PodSecurityPolicy"): Removal((1, 16), "Pod Security admission"),
    ("extensions/v1beta1", ""): Removal((1, 16), "apps/v1"),
    (f"{_ADMISSION}/v1beta1", "MutatingWebhookConfiguration"): Removal((1, 22), f"{_ADMISSION}/v1"),
    (f"{_ADMISSION}/v1beta1", "ValidatingWebhookConfiguration"): Removal(
        (1, 22), f"{_ADMISSION}/v1"
    ),
    (f"{_ADMISSION}/v1beta1", "ValidatingAdmissionPolicy"): Removal((1, 34), f"{_ADMISSION}/v1"),
    (f"{_ADMISSION}/v1beta1", "ValidatingAdmissionPolicyBinding"): Removal(
        (1, 34), f"{_ADMISSION}/v1"
    ),
    ("networking.k8s.io/v1beta1", "IPAddress"): Removal((1, 37), "networking.k8s.io/v1"),
    ("networking.k8s.io/v1beta1", "ServiceCIDR"): Removal((1, 37), "networking.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", "VolumeAttributesClass"): Removal((1, 37), "storage.k8s.io/v1"),
    ("apiextensions.k8s.io/v1beta1", ""): Removal((1, 22), "apiextensions.k8s.io/v1"),
    ("apiregistration.k8s.io/v1beta1", ""): Removal((1, 22), "apiregistration.k8s.io/v1"),
    ("authentication.k8s.io/v1beta1", "TokenReview"): Removal((1, 22), "authentication.k8s.io/v1"),
    ("authorization.k8s.io/v1beta1", ""): Removal((1, 22), "authorization.k8s.io/v1"),
    ("certificates.k8s.io/v1beta1", "CertificateSigningRequest"): Removal(
        (1, 22), "certificates.k8s.io/v1"
    ),
    ("coordination.k8s.io/v1beta1", "Lease"): Removal((1, 22), "coordination.k8s.io/v1"),
    ("networking.k8s.io/v1beta1", "Ingress"): Removal((1, 22), "networking.k8s.io/v1"),
    ("networking.k8s.io/v1beta1", "IngressClass"): Removal((1, 22), "networking.k8s.io/v1"),
    (f"{_RBAC}/v1alpha1", ""): Removal((1, 22), f"{_RBAC}/v1"),
    (f"{_RBAC}/v1beta1", ""): Removal((1, 22), f"{_RBAC}/v1"),
    ("scheduling.k8s.io/v1beta1", ""): Removal((1, 22), "scheduling.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", "CSIDriver"): Removal((1, 22), "storage.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", "CSINode"): Removal((1, 22), "storage.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", "StorageClass"): Removal((1, 22), "storage.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", "VolumeAttachment"): Removal((1, 22), "storage.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", "CSIStorageCapacity"): Removal((1, 27), "storage.k8s.io/v1"),
    ("autoscaling/v2beta1", ""): Removal((1, 25), "autoscaling/v2"),
    ("autoscaling/v2beta2", ""): Removal((1, 26), "autoscaling/v2"),
    ("batch/v1beta1", "CronJob"): Removal((1, 25), "batch/v1"),
    ("batch/v2alpha1", "CronJob"): Removal((1, 21), "batch/v1"),
    ("discovery.k8s.io/v1beta1", "EndpointSlice"): Removal((1, 25), "discovery.k8s.io/v1"),
    ("events.k8s.io/v1beta1", "Event"): Removal((1, 25), "events.k8s.io/v1"),
    ("node.k8s.io/v1beta1", "RuntimeClass"): Removal((1, 25), "node.k8s.io/v1"),
    ("policy/v1beta1", "PodDisruptionBudget"): Removal((1, 25), "policy/v1"),
    ("policy/v1beta1", "PodSecurityPolicy"): Removal((1, 25), "Pod Security admission"),
    ("flowcontrol.apiserver.k8s.io/v1beta1", ""): Removal(
        (1, 26), "flowcontrol.apiserver.k8s.io/v1"
    ),
    ("flowcontrol.apiserver.k8s.io/v1beta2", ""): Removal(
        (1, 29), "flowcontrol.apiserver.k8s.io/v1"
    ),
    ("flowcontrol.apiserver.k8s.io/v1beta3", ""): Removal(
        (1, 32), "flowcontrol.apiserver.k8s.io/v1"
    ),
}


def removal(resource: Resource) -> Removal | None:
    """When a resource's API version was or will be removed, or None."""
    version = resource.api_version
    return REMOVALS.get((version, resource.kind)) or REMOVALS.get((version, ""))


# Kinds that there are not, and what they mean where another resembles them more.
MEANT = {
    "MutatingAdmissionWebhook": "MutatingWebhookConfiguration",
    "ValidatingAdmissionWebhook": "ValidatingWebhookConfiguration",
}
# Kinds that people write with a version of Kubernetes, and the one that they have.
CUSTOM_VERSIONS = {
    kind: [version]
    for version, kinds in {
        "argoproj.io/v1alpha1": ("Application", "ApplicationSet", "AppProject", "Rollout"),
        "cert-manager.io/v1": ("Certificate", "ClusterIssuer", "Issuer"),
        "gateway.networking.k8s.io/v1": ("Gateway", "GRPCRoute", "HTTPRoute"),
        "monitoring.coreos.com/v1": ("PodMonitor", "PrometheusRule", "ServiceMonitor"),
    }.items()
    for kind in kinds
}


def _release(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


@rule("removed-api", source=_SOURCE)
def removed_api(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An API version that Kubernetes no longer serves.

    The API server does not know it, and refuses the manifest.
    """
    found = removal(resource)
    if found is not None and cluster.version >= found.release:
        yield Problem(
            f"{resource.api_version} {resource.kind} is gone since Kubernetes "
            f"{_release(found.release)}: the API server refuses the manifest",
            fix=f"Use {found.instead}{_also_in(resource)}.",
            path=("apiVersion",),
            hides=(("spec",),),  # which had other fields in that version
        )


def _also_in(resource: Resource) -> str:
    """Which file has the version too, where an overlay's patch is blamed for what its base has."""
    base, (file, _) = resource.origin.file, blame(resource, ("apiVersion",))
    if base is None or file in {None, base} or resource.api_version not in load_text(base):
        return ""
    return f", in {base.parent.name}/{base.name} too"


@rule("deprecated-api", family=Family.POLICY, source=_SOURCE, severity=Severity.WARNING)
def deprecated_api(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An API version that a later release of Kubernetes no longer serves.

    After the upgrade the manifest is refused, and the resource can't be changed any more.
    """
    found = removal(resource)
    if found is not None and cluster.version < found.release:
        yield Problem(
            f"{resource.api_version} {resource.kind} is gone with Kubernetes "
            f"{_release(found.release)}: after that upgrade the manifest is refused",
            fix=f"Use {found.instead}.",
            path=("apiVersion",),
        )


@rule("unknown-kind", source=API_REFERENCE)
def unknown_kind(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A kind or API version that Kubernetes does not have.

    In the groups of Kubernetes itself every kind is known; a group without a dot is always one of
    them. Kinds of other groups come from CustomResourceDefinitions and are not looked at. A file
    that nothing applies, of a group and kind like none that a cluster has, is a program's own, and
    so it is where several such files are of kinds in v1 that are near none of Kubernetes'.
    """
    if not resource.api_version or not resource.kind or removal(resource) is not None:
        return
    if is_of_a_program(resource.body) or is_sync_set_patch(resource.body):
        return
    known = cluster.once("kinds", lambda: {**schemas(cluster.version).kinds(), **custom_kinds()})
    here = (resource.api_version, resource.kind)
    if here in known or here in OF_OPENSHIFT:
        return
    groups = cluster.once("kinds' groups", lambda: {(_group(v), kind) for v, kind in known})
    ours = (resource.group, resource.kind) in groups
    if resource.group not in BUILT_IN_GROUPS and "." in resource.group and not ours:
        return
    if resource.part.loose and (
        _is_foreign(resource, {kind for _, kind in known})
        or (resource.api_version == "v1" and _has_own_v1(cluster, {*known}))
    ):
        return
    custom = {e.api_version for e in cluster.tree if e.kind == resource.kind and "." in e.group}
    versions = sorted(version for version, kind in known if kind == resource.kind)
    versions = versions or sorted(custom) or CUSTOM_VERSIONS.get(resource.kind, [])
    kinds = [kind for version, kind in known if version == resource.api_version]
    near = [MEANT[resource.kind]] if MEANT.get(resource.kind) in kinds else []
    near = near or difflib.get_close_matches(resource.kind, kinds, n=1)
    field, fix = ("kind", f"Write {near[0]}.") if near else ("kind", "Correct apiVersion and kind.")
    if versions:
        field, fix = "apiVersion", f"Write {' or '.join(versions[:3])}."
    yield Problem(
        f"Kubernetes {_release(cluster.version)} has no {resource.kind} in "
        f"{resource.api_version}: the API server refuses the manifest",
        fix=fix,
        path=(field,),
    )


def _is_foreign(resource: Resource, kinds: Iterable[str]) -> bool:
    """Whether a file's group and kind are like none that a cluster has: a program's own form.

    Cloud Build's notifiers have `cloud-build-notifiers/v1`, and nothing applies them.
    """
    group = resource.group
    labels = [each.partition(".")[0] for each in BUILT_IN_GROUPS | QUIET_GROUPS if each]
    if not group or "." in group or group in BUILT_IN_GROUPS:
        return False
    near = difflib.get_close_matches(group, labels, n=1)
    return not near and not difflib.get_close_matches(resource.kind, kinds, n=1, cutoff=0.8)


def _has_own_v1(cluster: Cluster, known: set[tuple[str, str]]) -> bool:
    """Whether the tree has manifests of a program that calls its own API v1, as Kubernetes does.

    Then it has several kinds that are near none of Kubernetes', in files that nothing applies.
    """
    core = [kind for version, kind in known if version == "v1"]
    everywhere = {kind for _, kind in known} | {kind for _, kind in OF_OPENSHIFT}

    def strange() -> set[str]:
        kinds = {
            each.kind for each in cluster.tree if each.part.loose and each.api_version == "v1"
        } - everywhere
        return {kind for kind in kinds if not difflib.get_close_matches(kind, core, n=1)}

    return len(cluster.once("kinds of another v1", strange)) > 1


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]
