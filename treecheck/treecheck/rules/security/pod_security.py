"""The Pod Security Standard "restricted", a rule for each of its controls.

Source of every rule: https://kubernetes.io/docs/concepts/security/pod-security-standards/. In a
namespace with the label pod-security.kubernetes.io/enforce the API server refuses such pods; the
Deployment is accepted, and never gets a pod. A message claims this only where the tree sets the
label, and only there it is an error. Elsewhere it says that the level does not allow it, as a
warning; only what gives the whole node away is an error everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treecheck.kube.pod_security import context_of, enforced_level, on_windows
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, containers, each
from treecheck.registry import Family, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, PodTemplate, Resource

SOURCE = "https://kubernetes.io/docs/concepts/security/pod-security-standards/"

ALLOWED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip
SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
BASELINE_CAPABILITIES = {
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
    "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}  # fmt: skip
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
SECCOMP = {"RuntimeDefault", "Localhost"}
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"


def own_contexts(pod: PodTemplate) -> Iterator[tuple[FieldPath, Manifest, Manifest]]:
    """(container's path, container, its securityContext)."""
    for path, container in pod.containers("containers", "initContainers", "ephemeralContainers"):
        yield path, container, as_mapping(container.get("securityContext"))


def place(path: FieldPath, container: Manifest, field: str = "") -> FieldPath:
    """The field to blame: the one in the container's securityContext, or what is there of it."""
    if "securityContext" not in container:
        return (*path, "name")
    context = as_mapping(container["securityContext"])
    return (*path, "securityContext", *((field,) if field in context else ()))


def refused(resource: Resource, cluster: Cluster, needs: str) -> str:
    """What follows for a pod that only a level below `needs` (baseline or restricted) allows."""
    if enforced(resource, cluster, needs):
        level = enforced_level(cluster, resource.namespace)
        return f'namespace {resource.namespace} enforces "{level}", so Pod Security refuses the pod'
    return f'Pod Security "{needs}" does not allow it'


def enforced(resource: Resource, cluster: Cluster, needs: str) -> Severity | None:
    """An error where the tree enforces a level that refuses the pod; else the rule's severity."""
    level = enforced_level(cluster, resource.namespace)
    return Severity.ERROR if level in {"restricted", needs} else None


@rule("host-namespaces", family=Family.POLICY, insisted=True, source=SOURCE)
def host_namespaces(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pod in the node's own network, process or IPC namespace.

    It sees the node's traffic and processes, and NetworkPolicies don't apply to it.
    """
    for field in ("hostNetwork", "hostPID", "hostIPC") if resource.pod else ():
        if resource.pod and resource.pod.spec.get(field) is True:
            yield Problem(
                f"{field} lets the pods into the node's own namespace; "
                f"{refused(resource, cluster, 'baseline')}",
                fix=f"Leave {field} out.",
                path=(*resource.pod.spec_path, field),
                severity=enforced(resource, cluster, "baseline"),
            )
    windows = as_mapping(context_of(resource.pod).get("windowsOptions")) if resource.pod else {}
    if resource.pod and windows.get("hostProcess") is True:
        yield Problem(
            "hostProcess lets the pods into the node's own namespace; "
            f"{refused(resource, cluster, 'baseline')}",
            fix="Leave hostProcess out.",
            path=(*resource.pod.spec_path, "securityContext", "windowsOptions"),
            severity=enforced(resource, cluster, "baseline"),
        )
    for path, container, context in own_contexts(resource.pod) if resource.pod else ():
        if as_mapping(context.get("windowsOptions")).get("hostProcess") is True:
            yield Problem(
                f"hostProcess lets container {container.get('name')} into the node's own namespace"
                f"; {refused(resource, cluster, 'baseline')}",
                fix="Leave hostProcess out.",
                path=(*path, "securityContext", "windowsOptions", "hostProcess"),
                severity=enforced(resource, cluster, "baseline"),
            )


@rule(
    "privileged-container",
    family=Family.POLICY,
    insisted=True,
    source=SOURCE,
    unless=("privilege-contradiction",),
)
def privileged_container(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A privileged container.

    It can do everything that root on the node can.
    """
    for path, container, context in own_contexts(resource.pod) if resource.pod else ():
        if context.get("privileged") is True:
            yield Problem(
                f"container {container.get('name')} is privileged: it owns the node; "
                f"{refused(resource, cluster, 'baseline')}",
                fix="Leave privileged out.",
                path=place(path, container, "privileged"),
                severity=enforced(resource, cluster, "baseline"),
            )


@rule(
    "privilege-escalation",
    family=Family.POLICY,
    insisted=True,
    severity=Severity.WARNING,
    source=SOURCE,
    unless=("privileged-container",),
)
def privilege_escalation(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A container whose processes may gain privileges that their parent did not have.

    allowPrivilegeEscalation is true unless it is written, and "restricted" wants it written false.
    """
    if resource.pod is None or on_windows(resource.pod):
        return
    for path, container, context in own_contexts(resource.pod):
        if context.get("allowPrivilegeEscalation") is not False:
            yield Problem(
                f"container {container.get('name')} does not set allowPrivilegeEscalation: false; "
                f"{refused(resource, cluster, 'restricted')}",
                fix="Set securityContext.allowPrivilegeEscalation to false.",
                path=place(path, container, "allowPrivilegeEscalation"),
                severity=enforced(resource, cluster, "restricted"),
            )


@rule(
    "capabilities",
    family=Family.POLICY,
    insisted=True,
    severity=Severity.WARNING,
    source=SOURCE,
    unless=("privileged-container",),
)
def capabilities(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A container that keeps or adds Linux capabilities.

    "restricted" wants all dropped; NET_BIND_SERVICE alone may be added again.
    """
    if resource.pod is None or on_windows(resource.pod):
        return
    for path, container, context in own_contexts(resource.pod):
        kept = as_mapping(context.get("capabilities"))
        where = place(path, container, "capabilities")
        added = [c for c in as_list(kept.get("add")) if c != "NET_BIND_SERVICE"]
        if "ALL" not in as_list(kept.get("drop")):
            yield Problem(
                f"container {container.get('name')} does not drop all capabilities; "
                f"{refused(resource, cluster, 'restricted')}",
                fix="Set securityContext.capabilities.drop to [ALL].",
                path=where,
                severity=enforced(resource, cluster, "restricted"),
            )
        elif added:
            yield Problem(
                f"container {container.get('name')} adds {', '.join(added)}; "
                f"{refused(resource, cluster, _level_against(added))}",
                fix="Leave capabilities.add out, or add NET_BIND_SERVICE alone.",
                path=where,
                severity=enforced(resource, cluster, _level_against(added)),
            )


def _level_against(added: list[Any]) -> str:
    """The lowest level that does not allow these capabilities."""
    return "restricted" if set(added) <= BASELINE_CAPABILITIES else "baseline"


@rule(
    "runs-as-root",
    family=Family.POLICY,
    insisted=True,
    severity=Severity.WARNING,
    source=SOURCE,
    unless=("root-against-non-root",),
)
def runs_as_root(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A container that may run as root.

    "restricted" wants runAsNonRoot: true on the pod or on each container, and no runAsUser of 0. A
    container with another runAsUser is not root; it is reported only where the tree enforces
    "restricted", which also asks for runAsNonRoot.
    """
    if resource.pod is None:
        return
    shared = context_of(resource.pod)
    strict = enforced_level(cluster, resource.namespace) == "restricted"
    for path, container, context in own_contexts(resource.pod):
        name = container.get("name")
        user = context.get("runAsUser", shared.get("runAsUser"))
        non_root = context.get("runAsNonRoot", shared.get("runAsNonRoot")) is True
        wrong, field = f"container {name} does not set runAsNonRoot: true", "runAsNonRoot"
        fix = "Set runAsNonRoot: true in the pod's securityContext."
        if user == 0:
            wrong, field = f"container {name} runs as user 0, which is root", "runAsUser"
            fix = "Set runAsUser to a number above 0."
        elif non_root or (user is not None and not strict):
            continue
        elif user is None:
            wrong = f"container {name} may run as root: runAsNonRoot is not true"
        yield Problem(
            f"{wrong}; {refused(resource, cluster, 'restricted')}",
            fix=fix,
            path=_root_place(resource.pod, path, container, field),
            severity=enforced(resource, cluster, "restricted"),
        )


def _root_place(pod: PodTemplate, path: FieldPath, container: Manifest, field: str) -> FieldPath:
    if field in as_mapping(container.get("securityContext")):
        return place(path, container, field)
    if field in context_of(pod):
        return (*pod.spec_path, "securityContext", field)
    return place(path, container)


@rule(
    "seccomp-unset", family=Family.POLICY, insisted=True, severity=Severity.WARNING, source=SOURCE
)
def seccomp_unset(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A container without a seccomp profile.

    Without RuntimeDefault (or a Localhost profile) a container may call every system call that the
    kernel has.
    """
    if resource.pod is None or on_windows(resource.pod):
        return
    shared = as_mapping(context_of(resource.pod).get("seccompProfile")).get("type")
    for path, container, context in own_contexts(resource.pod):
        kind = as_mapping(context.get("seccompProfile")).get("type", shared)
        if kind not in SECCOMP:
            wrong = f"has the seccomp profile {kind}" if kind else "sets no seccomp profile"
            needs = "baseline" if kind else "restricted"
            yield Problem(
                f"container {container.get('name')} {wrong}; {refused(resource, cluster, needs)}",
                fix="Set seccompProfile.type: RuntimeDefault in the pod's securityContext.",
                path=_root_place(resource.pod, path, container, "seccompProfile"),
                severity=enforced(resource, cluster, needs),
            )


@rule("volume-type", family=Family.POLICY, insisted=True, severity=Severity.WARNING, source=SOURCE)
def volume_type(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A volume of a type that "restricted" does not allow, such as hostPath.

    A hostPath gives the pod the node's own files, those of the kubelet and of other pods included.
    """
    pod = resource.pod
    for index, volume in enumerate(as_list(pod.spec.get("volumes"))) if pod else ():
        kinds = set(as_mapping(volume)) - {"name"}
        for kind in sorted(kinds - ALLOWED_VOLUMES):
            yield Problem(
                f"volume {as_mapping(volume).get('name')} is a {kind}; "
                f"{refused(resource, cluster, 'baseline' if kind == 'hostPath' else 'restricted')}",
                fix=f"Use one of {', '.join(sorted(ALLOWED_VOLUMES))}.",
                path=(*pod.spec_path, "volumes", index, kind) if pod else (),
                severity=enforced(
                    resource, cluster, "baseline" if kind == "hostPath" else "restricted"
                ),
            )


@rule(
    "host-port",
    family=Family.POLICY,
    insisted=True,
    severity=Severity.WARNING,
    source=SOURCE,
    unless=("host-namespaces",),
)
def host_port(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A container port that is opened on the node itself.

    It goes around the Service and its NetworkPolicies, and one pod a node can have it.
    """
    for path, container in containers(resource):
        for place, port in each(container, "ports"):
            if port.get("hostPort"):
                yield Problem(
                    f"container {container.get('name')} takes port {port['hostPort']} of its node; "
                    f"{refused(resource, cluster, 'baseline')}",
                    fix="Leave hostPort out and use a Service.",
                    path=(*path, *place, "hostPort"),
                    severity=enforced(resource, cluster, "baseline"),
                )


@rule(
    "kernel-settings", family=Family.POLICY, insisted=True, severity=Severity.WARNING, source=SOURCE
)
def kernel_settings(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """Unsafe sysctls, an unmasked /proc, or SELinux and AppArmor settings that lift protection.

    These change the kernel's behaviour for the node, or hide the container from its guards.
    """
    for what, path in _lifted(resource):
        yield Problem(
            f"{what} lifts a protection of the node; {refused(resource, cluster, 'baseline')}",
            fix="Leave it out.",
            path=path,
            severity=enforced(resource, cluster, "baseline"),
        )


def _lifted(resource: Resource) -> Iterator[tuple[str, FieldPath]]:
    """(what lifts a protection, where) in a pod."""
    if resource.pod is None:
        return
    for key, value in resource.pod.annotations.items():
        if key.startswith(APP_ARMOR) and not _guarded(as_text(value)):
            yield f"{key}: {as_text(value)}", (*resource.pod.path, "metadata", "annotations", key)
    at = (*resource.pod.spec_path, "securityContext")
    sysctls = map(as_mapping, as_list(context_of(resource.pod).get("sysctls")))
    for index, entry in enumerate(sysctls):
        if entry.get("name") not in SAFE_SYSCTLS:
            yield f"sysctl {entry.get('name')}", (*at, "sysctls", index)
    yield from _lifted_in(context_of(resource.pod), at)
    for path, _, context in own_contexts(resource.pod):
        where = (*path, "securityContext")
        if context.get("procMount", "Default") != "Default":
            yield f"procMount {context['procMount']}", (*where, "procMount")
        yield from _lifted_in(context, where)


def _guarded(profile: str) -> bool:
    """Whether "baseline" allows this value of AppArmor's annotation."""
    return profile in {"", "runtime/default"} or profile.startswith("localhost/")


def _lifted_in(context: Manifest, path: FieldPath) -> Iterator[tuple[str, FieldPath]]:
    selinux: dict[str, Any] = as_mapping(context.get("seLinuxOptions"))
    if (
        as_text(selinux.get("type")) not in SELINUX_TYPES
        or selinux.get("user")
        or selinux.get("role")
    ):
        yield "seLinuxOptions", (*path, "seLinuxOptions")
    if as_mapping(context.get("appArmorProfile")).get("type") == "Unconfined":
        yield "appArmorProfile Unconfined", (*path, "appArmorProfile")
