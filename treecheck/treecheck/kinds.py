"""Which groups and kinds Kubernetes 1.25 and newer serve themselves, and which have no namespace.

Source: the API reference of Kubernetes (`kubectl api-resources` prints the same table).
"""

from __future__ import annotations

from typing import Any

CLUSTER_SCOPED: dict[str, frozenset[str]] = {
    "": frozenset({"ComponentStatus", "Namespace", "Node", "PersistentVolume"}),
    "admissionregistration.k8s.io": frozenset(
        {
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        }
    ),
    "apiextensions.k8s.io": frozenset({"CustomResourceDefinition"}),
    "apiregistration.k8s.io": frozenset({"APIService"}),
    "certificates.k8s.io": frozenset({"CertificateSigningRequest", "ClusterTrustBundle"}),
    "flowcontrol.apiserver.k8s.io": frozenset({"FlowSchema", "PriorityLevelConfiguration"}),
    "networking.k8s.io": frozenset({"IPAddress", "IngressClass", "ServiceCIDR"}),
    "node.k8s.io": frozenset({"RuntimeClass"}),
    "policy": frozenset({"PodSecurityPolicy"}),
    "rbac.authorization.k8s.io": frozenset({"ClusterRole", "ClusterRoleBinding"}),
    "resource.k8s.io": frozenset({"DeviceClass", "ResourceSlice"}),
    "scheduling.k8s.io": frozenset({"PriorityClass"}),
    "storage.k8s.io": frozenset(
        {"CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"}
    ),
}

# Well-known custom kinds without a namespace, each by its project's own CustomResourceDefinition.
CUSTOM_CLUSTER_SCOPED: dict[str, frozenset[str]] = {
    "cert-manager.io": frozenset({"ClusterIssuer"}),
    "cilium.io": frozenset(
        {"CiliumClusterwideNetworkPolicy", "CiliumL2AnnouncementPolicy", "CiliumLoadBalancerIPPool"}
    ),
    "external-secrets.io": frozenset({"ClusterExternalSecret", "ClusterSecretStore"}),
    "gateway.networking.k8s.io": frozenset({"GatewayClass"}),
    "karpenter.k8s.aws": frozenset({"EC2NodeClass"}),
    "karpenter.sh": frozenset({"NodeClaim", "NodePool"}),
    "keda.sh": frozenset({"ClusterTriggerAuthentication"}),
    "kyverno.io": frozenset({"ClusterPolicy"}),
    "projectcalico.org": frozenset({"GlobalNetworkPolicy", "GlobalNetworkSet"}),
    "snapshot.storage.k8s.io": frozenset({"VolumeSnapshotClass", "VolumeSnapshotContent"}),
    "templates.gatekeeper.sh": frozenset({"ConstraintTemplate"}),
}

BUILT_IN_GROUPS = frozenset(
    {
        *CLUSTER_SCOPED,
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "extensions",
        "internal.apiserver.k8s.io",
        "storagemigration.k8s.io",
    }
)

# Kinds that rules ask for by name alone, and the groups that they mean. Other groups have kinds of
# the same names: a Service of serving.knative.dev is not a Service.
CORE = (
    "ConfigMap", "Endpoints", "Event", "LimitRange", "Namespace", "Node", "PersistentVolume",
    "PersistentVolumeClaim", "Pod", "ReplicationController", "ResourceQuota", "Secret", "Service",
    "ServiceAccount",
)  # fmt: skip
_NETWORK, _RBAC, _ARGO = "networking.k8s.io", "rbac.authorization.k8s.io", "argoproj.io"
OWN_GROUPS: dict[str, str] = {
    **dict.fromkeys(CORE, ""),
    **dict.fromkeys(("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"), "apps"),
    **dict.fromkeys(("CronJob", "Job"), "batch"),
    **dict.fromkeys(("Ingress", "IngressClass", "NetworkPolicy"), _NETWORK),
    **dict.fromkeys(("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"), _RBAC),
    **dict.fromkeys(("Application", "ApplicationSet", "AppProject", "Rollout"), _ARGO),
    **dict.fromkeys(("GRPCRoute", "Gateway", "HTTPRoute"), "gateway.networking.k8s.io"),
    "Certificate": "cert-manager.io",
    "EndpointSlice": "discovery.k8s.io",
    "ExternalSecret": "external-secrets.io",
    "HorizontalPodAutoscaler": "autoscaling",
    "PodDisruptionBudget": "policy",
    "PriorityClass": "scheduling.k8s.io",
    "RuntimeClass": "node.k8s.io",
    "SealedSecret": "bitnami.com",
    "StorageClass": "storage.k8s.io",
}


def has_own_group(group: str, kind: str) -> bool:
    """Whether a kind is the one that rules mean by its name, and not another group's.

    A group that Kubernetes has, or one without a dot, is a slip or an older version of the own one.
    """
    own = OWN_GROUPS.get(kind)
    if own is None or group == own or group in BUILT_IN_GROUPS:
        return True
    return "." not in group


def is_cluster_scoped(group: str, kind: str) -> bool:
    """Whether resources of this kind have no namespace; most custom kinds are taken to have one."""
    own = CLUSTER_SCOPED if group in CLUSTER_SCOPED else CUSTOM_CLUSTER_SCOPED
    return kind in own.get(group, frozenset())


def has_known_scope(group: str, kind: str) -> bool:
    """Whether it is known that a kind has a namespace, or that it has none."""
    known = group in BUILT_IN_GROUPS or OWN_GROUPS.get(kind) == group
    return known or is_cluster_scoped(group, kind)


# Files that a program reads, in the form of a manifest; no API server gets them.
_OF_PROGRAMS = frozenset(
    {
        "ambassador", "apiserver.config.k8s.io", "apiserver.k8s.io", "audit.k8s.io", "backstage.io",
        "chainsaw.kyverno.io", "cli.kyverno.io", "clusterctl.cluster.x-k8s.io",
        "controller-runtime.sigs.k8s.io",
        "install.istio.io", "k0s.k0sproject.io", "k0sctl.k0sproject.io", "k3d.io", "kind.x-k8s.io",
        "imgpkg.carvel.dev", "kapp.k14s.io", "kbld.k14s.io",
        "kubeadm.k8s.io", "kubelet.config.k8s.io", "kubeproxy.config.k8s.io",
        "kubescheduler.config.k8s.io", "kustomize.config.k8s.io", "kuttl.dev",
        "mirror.openshift.io", "node.eks.aws", "skaffold", "test.gatekeeper.sh", "vendir.k14s.io",
    }
)  # fmt: skip


# Kinds that OpenShift 3 served in the core group; `oc process` still reads its Template there.
OF_OPENSHIFT = frozenset(
    ("v1", kind)
    for kind in (
        "BuildConfig", "DeploymentConfig", "Image", "ImageStream", "ImageStreamTag", "Project",
        "Route", "SecurityContextConstraints", "Template",
    )
)  # fmt: skip


def is_sync_set_patch(body: dict[str, Any]) -> bool:
    """Whether a text is a patch of Hive's SyncSets, which names what it changes at its top.

    https://github.com/openshift/hive/blob/master/docs/syncset.md
    """
    return "metadata" not in body and {"name", "patch"} <= set(body)


def is_of_a_program(body: dict[str, Any]) -> bool:
    """Whether a manifest is the settings of a program, such as Talos, kind or kubectl.

    Talos' own have a version without a group, which of Kubernetes' only the core group has.
    """
    version, kind = str(body.get("apiVersion")), body.get("kind")
    if (version, kind) == ("v1", "Config"):
        return True  # a kubeconfig
    if kind == "EnvoyGateway" and version.startswith("gateway.envoyproxy.io/"):
        return True  # what Envoy Gateway reads when it starts
    if kind == "PolicyGenerator":
        return True  # a generator of kustomize, which a script may fill in
    if kind == "AgentConfig" and version in {"v1alpha1", "v1beta1"}:
        return True  # of openshift-install
    if kind == "ksonnet.io/app":
        return True
    talos = version == "v1alpha1" and kind not in OWN_GROUPS
    return talos or version.partition("/")[0] in _OF_PROGRAMS
