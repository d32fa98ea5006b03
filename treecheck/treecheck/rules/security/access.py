"""Who can reach the databases, and what rights are given away."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.kinds import BUILT_IN_GROUPS
from treecheck.kube.pod_security import unknown_modes
from treecheck.kube.ports import DATABASES, find, pod_ports, target_of
from treecheck.kube.services import selected_pods
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, each
from treecheck.registry import Family, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, Resource

RBAC = "https://kubernetes.io/docs/concepts/security/rbac-good-practices/"

# Verbs that let their holder give itself more rights.
ESCALATING = {"bind", "escalate", "impersonate"}
# In the name of a group or a user that is meant to have every right.
ADMINISTRATORS = re.compile(
    r"admin|root|owner|operator|platform|sre|devops|infra|^system:(?!service)"
)
STRANGERS = {"system:anonymous", "system:unauthenticated", "system:authenticated"}


@rule(
    "database-exposed",
    family=Family.POLICY,
    kinds=("Service",),
    unless=("service-type",),
    source="https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types",
)
def database_exposed(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A database behind a load balancer or a node port.

    Its password is then all that stands between the data and the internet. A load balancer that its
    annotations make internal counts too: the network around it is larger than the cluster.
    """
    kind = resource.spec.get("type", "ClusterIP")
    if kind not in {"LoadBalancer", "NodePort"} and not resource.spec.get("externalIPs"):
        return
    for place, port in each(resource, "spec", "ports"):
        numbers = {port.get("port"), target_of(port)}
        for pod in selected_pods(resource, cluster):
            declared = find(pod_ports(pod), target_of(port))
            numbers |= {declared.number} if declared else set()
        for number in sorted(n for n in numbers if n in DATABASES and isinstance(n, int)):
            yield Problem(
                f"it opens {DATABASES[number]}'s port {number} to the outside of the cluster "
                f"({kind})",
                fix="Set type to ClusterIP; for a person, kubectl port-forward.",
                path=("spec", "type") if "type" in resource.spec else place,
            )
            return


@rule(
    "storage-unencrypted",
    family=Family.POLICY,
    kinds=("StorageClass",),
    source="https://docs.aws.amazon.com/eks/latest/best-practices/data-encryption-and-secrets-management.html",
    severity=Severity.WARNING,
)
def storage_unencrypted(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A StorageClass that turns encryption off.

    Volumes and their snapshots can then be read by whoever gets hold of them. Existing volumes stay
    as they are, so it has to be right before the first one.
    """
    if as_mapping(resource.body.get("parameters")).get("encrypted") == "false":
        yield Problem(
            "its volumes, and their snapshots, are not encrypted",
            fix='Set parameters.encrypted to "true".',
            path=("parameters", "encrypted"),
        )


@rule(
    "pod-security-mode",
    kinds=("Namespace",),
    source="https://kubernetes.io/docs/concepts/security/pod-security-admission/",
)
def pod_security_mode(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A label of Pod Security that the admission controller does not know.

    Only enforce, audit and warn, each with -version, mean something. With any other word the
    namespace is as open as without the label.
    """
    for key in unknown_modes(resource.labels):
        domain = key.partition("/")[0]
        enforced = f"{domain}/enforce" in resource.labels
        effect = "it changes nothing" if enforced else "nothing is enforced in this namespace"
        yield Problem(
            f"nothing reads the label {key}, so {effect}",
            fix="Leave it out." if enforced else f"Write {domain}/enforce.",
            path=("metadata", "labels", key),
        )


@rule("role-too-broad", family=Family.POLICY, kinds=("Role", "ClusterRole"), source=RBAC)
def role_too_broad(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A role that grants everything, or the means to get it.

    `*` also covers what will be invented later. Reading every Secret is as good as being every
    service account. bind, escalate and impersonate let their holder become more than it is.
    """
    for place, entry in each(resource, "rules"):
        what = _too_much(entry, everywhere=resource.kind == "ClusterRole")
        if what:
            yield Problem(
                f"it grants {what}",
                fix="Name the kinds, verbs and names that are needed.",
                path=place,
            )


def _too_much(entry: Manifest, *, everywhere: bool) -> str:
    """What a rule of a role grants that is too much, or ""."""
    verbs, resources = set(as_list(entry.get("verbs"))), set(as_list(entry.get("resources")))
    groups = set(as_list(entry.get("apiGroups")))
    reads = verbs & {"get", "list", "watch", "*"}
    named = bool(as_list(entry.get("resourceNames")))
    core = bool(groups & {"", "*"})
    own = not core and not groups & BUILT_IN_GROUPS  # of one program: its own kinds
    where = "cluster" if everywhere else "namespace"
    questions = {
        "everything": "*" in verbs and "*" in resources and not own,
        f"{', '.join(sorted(verbs))} on every kind": "*" in resources
        and bool(verbs - {"get", "list", "watch"})
        and not own,
        "get on every kind, and so every Secret of the cluster": "*" in resources
        and core and everywhere and bool(reads),
        f"{', '.join(sorted(verbs & ESCALATING))}, by which its holder can get any right": bool(
            verbs & ESCALATING
        ),
        f"every verb on every Secret of the {where}": "secrets" in resources
        and "*" in verbs and core and not named,
        "get on every kind, and so every Secret of the namespace": "*" in resources
        and core and not everywhere and bool(reads) and not named,
        "every Secret of the cluster": "secrets" in resources
        and everywhere and bool(reads) and core and not named,
        f"commands in every pod of the {where} (pods/exec)": bool(
            {"pods/exec", "pods/*", "*/*"} & resources
        ) and bool(verbs & {"create", "get", "*"}) and core and not named,
        "commands in every pod of a node (nodes/proxy)": "nodes/proxy" in resources
        and everywhere and bool(verbs & {"create", "get", "*"}) and core and not named,
        f"tokens of every service account of the {where}": "serviceaccounts/token" in resources
        and bool(verbs & {"create", "*"}) and core and not named,
    }  # fmt: skip
    return next((what for what, is_so in questions.items() if is_so), "")


@rule(
    "binding-too-broad",
    family=Family.POLICY,
    kinds=("RoleBinding", "ClusterRoleBinding"),
    source=RBAC,
)
def binding_too_broad(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A binding of the administrator's role to a program or to people, or of any role to everybody.

    Whoever breaks into the program is then the cluster's administrator; and system:unauthenticated
    is everyone who can reach the API server. A group or user whose name says that it runs the
    cluster (admin, owner, platform) is meant to; any other reads every Secret and deletes anything.
    In a RoleBinding the role counts for one namespace: for its Secrets, Roles and RoleBindings too.
    """
    role = as_mapping(resource.body.get("roleRef")).get("name")
    for place, subject in each(resource, "subjects"):
        who = subject.get("name")
        if who in STRANGERS:
            what = f"{role} is given to {who}, which is anybody"
        elif role == "cluster-admin" and subject.get("kind") == "ServiceAccount":
            what = f"service account {who} is made cluster-admin"
        elif role == "cluster-admin" and _is_of_people(subject):
            kind = as_text(subject.get("kind")).lower()
            where = f" of {resource.namespace}" if resource.kind == "RoleBinding" else ""
            what = f"{kind} {who} is made cluster-admin, and so reads every Secret{where}"
        else:
            continue
        yield Problem(what, fix="Bind a role with the rights needed.", path=place)


def _is_of_people(subject: Manifest) -> bool:
    """Whether a subject is people whose name does not say: admin."""
    name = as_text(subject.get("name")).casefold()
    return (
        subject.get("kind") in {"Group", "User"}
        and name != "system:masters"
        and not ADMINISTRATORS.search(name)
    )
