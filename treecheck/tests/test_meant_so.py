"""What an author means so: other programs' files, blanks that something fills in, what is off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_strangers_trees import SETTINGS, rules
from test_unknown import HEAD

if TYPE_CHECKING:
    from pathlib import Path

WEB = (
    "apiVersion: apps/v1\nkind: Deployment\n"
    "metadata: {name: web, namespace: shop, annotations: NOTES}\n"
    "spec:\n  replicas: 1\n  selector: {matchLabels: {app: web}}\n  template:\n"
    "    metadata: {labels: {app: web}}\n    spec: {containers: [{name: web, image: 'IMAGE'}]}\n"
)
SERVICE = (
    "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"
    "spec: {selector: {app: web}, ports: [{port: 80}]}\n"
)
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: shop}\n"
OFF = "resources: [web.yaml, service.yaml, other.yaml]\nreplicas: [{name: web, count: 0}]\n"


@pytest.mark.parametrize(
    ("version", "kind", "found"),
    [
        ("build-notifiers/v1", "ChatNotifier", 0),
        ("build-notifiers/v1", "Deployment", 1),
        ("networking/v1", "ChatNotifier", 1),
        ("app/v1", "ChatNotifier", 1),
    ],
)
def test_a_group_like_none_of_a_cluster_is_a_programs(
    version: str, kind: str, found: int, tmp_path: Path
) -> None:
    text = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n"

    assert rules(tmp_path, {"a.yaml": text}, "unknown-kind") == ["unknown-kind"] * found


def test_a_kustomization_applies_no_programs_file(tmp_path: Path) -> None:
    files = {
        "kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "a.yaml": "apiVersion: build-notifiers/v1\nkind: ChatNotifier\nmetadata: {name: a}\n",
    }

    assert rules(tmp_path, files, "unknown-kind") == ["unknown-kind"]


@pytest.mark.parametrize(("kind", "found"), [("EnvoyGateway", 0), ("EnvoyProxy", 1)])
def test_the_settings_of_envoy_gateway_need_no_name(kind: str, found: int, tmp_path: Path) -> None:
    text = f"apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: {kind}\ngateway: {{a: b}}\n"

    assert rules(tmp_path, {"a.yaml": text}, "nameless-manifest") == ["nameless-manifest"] * found


@pytest.mark.parametrize(
    ("image", "container", "found"), [(" ", "web", 0), (" ", "other", 1), ("Web", "web", 1)]
)
def test_a_trigger_of_openshift_fills_in_a_blank_image(
    image: str, container: str, found: int, tmp_path: Path
) -> None:
    path = f'spec.template.spec.containers[?(@.name==\\"{container}\\")].image'
    notes = f"""{{image.openshift.io/triggers: '[{{"fieldPath":"{path}"}}]'}}"""
    text = WEB.replace("NOTES", notes).replace("IMAGE", image)

    names = rules(tmp_path, {"a.yaml": text}, "image-name-invalid")
    assert names == ["image-name-invalid"] * found


@pytest.mark.parametrize(("value", "found"), [("$(base64 -w0 < key)", 0), ("$key!", 1)])
@pytest.mark.parametrize("applied", [True, False])
def test_a_command_stands_for_what_a_person_fills_in(
    value: str, found: int, applied: bool, tmp_path: Path
) -> None:
    files = {"a.yaml": f"{SECRET}data: {{key: '{value}'}}\n"}
    if applied:
        files["kustomization.yaml"] = HEAD + "resources: [a.yaml]\n"

    names = rules(tmp_path, files, "not-base64")
    assert names == ["not-base64"] * (1 if applied else found)


@pytest.mark.parametrize(
    ("replicas", "named", "found"),
    [("replicas: 1", "api", 0), ("replicas: 1", "web", 1), ("replicas: 0", "api", 1)],
)
def test_an_overlay_takes_out_what_nothing_names(
    replicas: str, named: str, found: int, tmp_path: Path
) -> None:
    web = WEB.replace("NOTES", "{}").replace("IMAGE", "registry.example.com/web:1")
    files = {
        "kustomization.yaml": HEAD + OFF,
        "web.yaml": web.replace("replicas: 1", replicas),
        "service.yaml": SERVICE,
        "other.yaml": SETTINGS + f"data: {{url: 'http://{named}/'}}\n",
    }

    assert rules(tmp_path, files, "replicas-zero") == ["replicas-zero"] * found


@pytest.mark.parametrize(("folder", "found"), [("files", 0), ("crds", 1)])
def test_a_charts_data_is_not_applied(folder: str, found: int, tmp_path: Path) -> None:
    files = {
        "web/Chart.yaml": "name: web\n",
        f"web/{folder}/a.yaml": "apiVersion: apps/v1beta1\nkind: Deployment\n",
        "live/a.yaml": SETTINGS,
    }

    assert rules(tmp_path, files, "removed-api") == ["removed-api"] * found
