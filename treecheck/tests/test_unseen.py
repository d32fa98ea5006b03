"""Which custom resources let a rule expect that an operator makes more."""

from __future__ import annotations

import pytest

from treecheck.model import Origin, Part, Resource
from treecheck.unseen import Unseen, operated


def made_by(api_version: str, kind: str, namespace: str = "shop") -> list[str]:
    """Why more may be in the namespace, by one resource there."""
    body = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "it", "namespace": namespace},
    }
    resource = Resource(body, Part("tree", "tree"), Origin(None, 1))
    return [each.why for each in operated([resource]) if each.namespace == "shop"]


@pytest.mark.parametrize(
    "api_version",
    [
        *("argoproj.io/v1alpha1", "bitnami.com/v1alpha1", "cert-manager.io/v1"),
        *("external-secrets.io/v1", "kyverno.io/v1", "monitoring.coreos.com/v1"),
        *("networking.istio.io/v1", "security.istio.io/v1", "telemetry.istio.io/v1"),
        *("traefik.io/v1alpha1", "traefik.containo.us/v1alpha1", "keda.sh/v1alpha1"),
        *("policy.linkerd.io/v1", "cilium.io/v2", "crd.projectcalico.org/v1"),
        *("projectcalico.org/v3", "karpenter.sh/v1", "karpenter.k8s.aws/v1"),
        *("elbv2.k8s.aws/v1beta1", "constraints.gatekeeper.sh/v1beta1"),
        *("templates.gatekeeper.sh/v1", "eksctl.io/v1alpha5", "nodemanagement.io/v1"),
        *("gateway.networking.k8s.io/v1", "autoscaling.k8s.io/v1", "snapshot.storage.k8s.io/v1"),
        *("apps/v1", "v1", "networking.k8s.io/v1", "rbac.authorization.k8s.io/v1"),
    ],
)
def test_a_kind_whose_controller_makes_no_pods_hides_nothing(api_version: str) -> None:
    assert made_by(api_version, "Policy") == []


@pytest.mark.parametrize("kind", ["Prometheus", "Alertmanager", "ThanosRuler", "PrometheusAgent"])
def test_the_kinds_of_prometheus_that_make_pods_are_known(kind: str) -> None:
    said = f"an operator makes what {kind} it asks for"
    assert made_by("monitoring.coreos.com/v1", kind) == [said]


def test_the_kind_of_an_unknown_operator_may_make_anything_in_its_namespace() -> None:
    said = "an operator makes what Cluster it asks for"
    assert made_by("postgresql.cnpg.io/v1", "Cluster") == [said]
    assert made_by("postgresql.cnpg.io/v1", "Cluster", namespace="other") == []


@pytest.mark.parametrize(
    ("what", "projects"),
    [
        ("https://raw.githubusercontent.com/argoproj/argo-cd/v3.4.7/manifests/install.yaml", False),
        ("https://github.com/argoproj/argo-cd//manifests/cluster-install?ref=v3.4.7", False),
        ("https://github.com/argoproj/argo-cd/raw/v3.4.7/manifests/ha/install.yaml", False),
        ("https://github.com/example-org/argo-cd/raw/main/manifests/all.yaml", True),
        ("the chart argo-cd", True),
        ("https://github.com/kubernetes-sigs/metrics-server/releases/download/v0.7.2/components.yaml",
         False),
        ("https://github.com/bitnami-labs/sealed-secrets/releases/download/v0.40.0/controller.yaml",
         False),
    ],
)  # fmt: skip
def test_a_well_known_install_brings_no_project_and_no_class(what: str, projects: bool) -> None:
    unseen = Unseen("argocd", f"{what} is not fetched")

    assert unseen.may_bring("AppProject") is projects
    assert unseen.may_bring("StorageClass") is projects
    assert unseen.may_bring("ConfigMap")
    assert unseen.may_bring("")
