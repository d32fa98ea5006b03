"""Which kinds are Kubernetes' own, and which have no namespace."""

from __future__ import annotations

import pytest

from treecheck.kinds import BUILT_IN_GROUPS, has_own_group, is_cluster_scoped
from treecheck.schemas import Schemas, versions

# Bodies of requests to webhooks and plugins: no API server stores them.
REQUESTS = {"admission.k8s.io", "imagepolicy.k8s.io", "lifecycle.k8s.io"}
# As `kubectl api-resources --namespaced=false` prints them, without those that can't be applied.
WITHOUT_NAMESPACE = """
v1 ComponentStatus Namespace Node PersistentVolume
admissionregistration.k8s.io/v1 MutatingWebhookConfiguration ValidatingAdmissionPolicy
admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration
admissionregistration.k8s.io/v1beta1 MutatingAdmissionPolicy MutatingAdmissionPolicyBinding
apiextensions.k8s.io/v1 CustomResourceDefinition
apiregistration.k8s.io/v1 APIService
certificates.k8s.io/v1 CertificateSigningRequest
certificates.k8s.io/v1beta1 ClusterTrustBundle
flowcontrol.apiserver.k8s.io/v1 FlowSchema PriorityLevelConfiguration
networking.k8s.io/v1 IngressClass IPAddress ServiceCIDR
node.k8s.io/v1 RuntimeClass
rbac.authorization.k8s.io/v1 ClusterRole ClusterRoleBinding
resource.k8s.io/v1 DeviceClass ResourceSlice
scheduling.k8s.io/v1 PriorityClass
storage.k8s.io/v1 CSIDriver CSINode StorageClass VolumeAttachment VolumeAttributesClass
"""
WITH_NAMESPACE = """
v1 ConfigMap Endpoints Event LimitRange PersistentVolumeClaim Pod ReplicationController
v1 ResourceQuota Secret Service ServiceAccount
apps/v1 DaemonSet Deployment ReplicaSet StatefulSet
autoscaling/v2 HorizontalPodAutoscaler
batch/v1 CronJob Job
discovery.k8s.io/v1 EndpointSlice
networking.k8s.io/v1 Ingress NetworkPolicy
policy/v1 PodDisruptionBudget
rbac.authorization.k8s.io/v1 Role RoleBinding
"""
# Kinds that one sees under the same name in other projects' groups.
COMMON = """
v1 Namespace Node PersistentVolume
networking.k8s.io/v1 IngressClass
node.k8s.io/v1 RuntimeClass
rbac.authorization.k8s.io/v1 ClusterRole ClusterRoleBinding
scheduling.k8s.io/v1 PriorityClass
storage.k8s.io/v1 StorageClass
"""


def pairs(table: str) -> list[tuple[str, str]]:
    """(apiVersion, kind) of each word of a table."""
    lines = [line.split() for line in table.strip().splitlines()]
    return [(line[0], kind) for line in lines for kind in line[1:]]


def group(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def test_the_built_in_groups_are_those_that_kubernetes_publishes_schemas_of() -> None:
    served = Schemas(versions()[-1]).kinds() | Schemas(versions()[0]).kinds()

    assert {group(api_version) for api_version, _ in served} - REQUESTS == BUILT_IN_GROUPS


def test_each_kind_of_kubernetes_has_a_namespace_or_has_none() -> None:
    served = {(group(version), kind) for v in versions() for version, kind in Schemas(v).kinds()}
    without = {(group(version), kind) for version, kind in pairs(WITHOUT_NAMESPACE)}

    assert without <= served
    assert {each for each in served if is_cluster_scoped(*each)} == without
    assert not is_cluster_scoped("rbac.example.com", "ClusterRole")


@pytest.mark.parametrize(("api_version", "kind"), pairs(WITH_NAMESPACE + COMMON.lstrip()))
def test_a_kind_of_another_project_is_not_taken_for_the_one_of_kubernetes(
    api_version: str, kind: str
) -> None:
    assert not has_own_group("serving.knative.dev", kind)
    assert has_own_group(group(api_version), kind)
    assert has_own_group("extensions", kind), "an older group of Kubernetes is a slip"
    assert has_own_group("app", kind), "a group without a dot is a slip"


@pytest.mark.parametrize(
    ("own", "kinds"),
    [
        ("argoproj.io", "Application ApplicationSet AppProject Rollout"),
        ("gateway.networking.k8s.io", "Gateway GRPCRoute HTTPRoute"),
        ("cert-manager.io", "Certificate"),
        ("external-secrets.io", "ExternalSecret"),
        ("bitnami.com", "SealedSecret"),
    ],
)
def test_a_custom_kind_is_known_by_its_group(own: str, kinds: str) -> None:
    for kind in kinds.split():
        assert has_own_group(own, kind)
        assert not has_own_group("example.com", kind)


def test_a_kind_that_no_rule_asks_for_is_its_own() -> None:
    assert has_own_group("example.com", "Widget")
