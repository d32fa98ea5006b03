"""What an author means so: other programs' files, blanks that something fills in, what is off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_strangers_trees import SETTINGS, rules
from test_unknown import HEAD, run

if TYPE_CHECKING:
    from pathlib import Path

WEB = (
    "apiVersion: apps/v1\nkind: Deployment\n"
    "metadata: {name: web, namespace: shop, annotations: NOTES}\n"
    "spec:\n  replicas: 1\n  selector: {matchLabels: {app: web}}\n  template:\n"
    "    metadata: {labels: {app: web}}\n    spec: {containers: [{name: web, image: 'IMAGE'}]}\n"
)
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: shop}\n"


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
    text = f"apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: {kind}\ngateway: {{}}\nspec: {{}}\n"

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
    ("value", "found"), [("<path:secret/data/shop#ca | base64encode>", 0), ("<ca>", 1)]
)
def test_a_plugin_of_argo_cd_fills_in_a_path_of_vault(
    value: str, found: int, tmp_path: Path
) -> None:
    files = {
        "kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "a.yaml": f"{SECRET}data: {{key: '{value}'}}\n",
    }

    assert rules(tmp_path, files, "not-base64") == ["not-base64"] * found


@pytest.mark.parametrize(("field", "found"), [("initContainers", 0), ("containers", 1)])
def test_a_workload_of_init_containers_alone_is_a_patch(
    field: str, found: int, tmp_path: Path
) -> None:
    web = WEB.replace("NOTES", "{}").replace("containers", field)
    text = web.replace("  selector: {matchLabels: {app: web}}\n", "")

    assert rules(tmp_path, {"a.yaml": text}, "required-field") == ["required-field"] * found


@pytest.mark.parametrize(
    ("name", "found"), [("PLACEHOLDER_ACCOUNT", 0), ("YOUR_ACCOUNT_HERE", 0), ("Web_Account", 1)]
)
def test_an_overlay_fills_in_a_placeholder(name: str, found: int, tmp_path: Path) -> None:
    binding = (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: web}\n"
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}\n"
        f"subjects: [{{kind: ServiceAccount, name: {name}, namespace: shop}}]\n"
    )
    files = {"web/kustomization.yaml": HEAD + "resources: [a.yaml]\n", "web/a.yaml": binding}

    assert rules(tmp_path, files, "role-binding") == ["role-binding"] * found


@pytest.mark.parametrize(("folder", "found"), [("files", 0), ("crds", 1)])
def test_a_charts_data_is_not_applied(folder: str, found: int, tmp_path: Path) -> None:
    files = {
        "web/Chart.yaml": "name: web\n",
        f"web/{folder}/a.yaml": "apiVersion: apps/v1beta1\nkind: Deployment\n",
        "live/a.yaml": SETTINGS,
    }

    assert rules(tmp_path, files, "removed-api") == ["removed-api"] * found


def test_a_comment_beside_a_value_is_no_waiver(tmp_path: Path) -> None:
    """A waiver has a reason, and a date on which somebody decides again."""
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec:\n"
        "  selector: {app: web}\n  ports:\n  - port: 80\n    targetPort: 999 # on purpose\n"
    )
    ports = "ports: [{containerPort: 80}], name: web"
    files = {"a.yaml": f"{WEB.replace('NOTES', '{}').replace('name: web', ports)}---\n{service}"}

    assert rules(tmp_path, files, "service-port-unknown") == ["service-port-unknown"]


def test_a_field_of_the_job_belongs_into_its_template(tmp_path: Path) -> None:
    text = (
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: web, namespace: shop}\n"
        "spec: {schedule: '0 4 * * *', activeDeadlineSeconds: 60, jobTemplate: {spec: {template: "
        "{spec: {restartPolicy: Never, containers: [{name: web, image: 'example.com/web:1'}]}}}}}\n"
    )

    (found,) = run(tmp_path, {"a.yaml": text}, "unknown-field").findings

    assert found.fix == "Move 'activeDeadlineSeconds' to spec.jobTemplate.spec."
