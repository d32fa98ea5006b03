"""What files of Terraform make, or name in an argument, is not missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_strangers_trees import rules

from treecheck.terraform import objects

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """\
resource "kubectl_manifest" "settings" {
  yaml_body = <<-YAML
    apiVersion: v1
    kind: KIND
    metadata:
      namespace: shop
      annotations:
        example.com/bucket: ${aws_s3_bucket.data.bucket}
      name: NAME
    data:
      BUCKET: ${aws_s3_bucket.data.bucket}
  YAML
}
"""
MADE = """\
resource "kubernetes_config_map_v1" "settings" {
  metadata {
    namespace = "shop"
    name      = "settings"
  }
}
"""
WEB = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  serviceAccountName: web
  containers:
    - {name: web, image: 'registry.example.com/web:1', envFrom: [{configMapRef: {name: settings}}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other, namespace: shop}
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (MANIFEST.replace("KIND", "ConfigMap").replace("NAME", "settings"), 0),
        (MANIFEST.replace("KIND", "ConfigMap").replace("NAME", "'settings'"), 0),
        (MANIFEST.replace("KIND", "Deployment").replace("NAME", "settings"), 1),
        (MANIFEST.replace("KIND", "ConfigMap").replace("NAME", "others"), 1),
        (MADE, 0),
        (MADE.replace("config_map_v1", "namespace"), 1),
        ('config_map_name = "settings"\n', 0),
        ('name = "settings"\n', 1),
    ],
)
def test_a_config_map_of_terraform_is_there(text: str, found: int, tmp_path: Path) -> None:
    files = {"infra/main.tf": text, "k8s/web.yaml": WEB}

    assert rules(tmp_path, files, "config-missing") == ["config-missing"] * found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('  iam_service_account = "web"\n', 0),
        ('  namespace_service_accounts = ["shop:web"]\n', 0),
        ('  service_account_name       = "web"\n', 0),
        ('  service_account_email = "web"\n', 1),
        ('  # service_account_name = "web"\n', 1),
    ],
)
def test_a_service_account_that_a_module_is_given_is_there(
    text: str, found: int, tmp_path: Path
) -> None:
    files = {"infra/main.tf": f'module "role" {{\n{text}}}\n', "k8s/web.yaml": WEB}

    names = rules(tmp_path, files, "service-account-missing")

    assert names == ["service-account-missing"] * found


def test_an_object_of_each_form_is_named_once() -> None:
    text = MADE + MANIFEST.replace("KIND", "Secret").replace("NAME", '"key"')

    assert list(objects(text)) == [("configmap", "settings"), ("secret", "key")]
