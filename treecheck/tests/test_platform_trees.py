"""What the trees of platforms mean: several clusters, templates to copy, what is taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_strangers_trees import rules
from test_unknown import IN_SHOP, POD, application, run

if TYPE_CHECKING:
    from pathlib import Path

SET = (
    "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\n"
    "metadata: {name: apps, namespace: argocd}\n"
    "spec:\n  goTemplate: true\n  generators:\n"
    "    - git:\n        repoURL: https://git.example.com/shop.git\n        revision: main\n"
    "        directories: [{path: 'clusters/CLUSTER/apps/*'}]\n"
    "  template:\n    metadata: {name: 'apps-{{.path.basename}}'}\n    spec:\n"
    "      project: default\n      source: {repoURL: 'https://git.example.com/shop.git', "
    "targetRevision: main, path: '{{.path.path}}'}\n"
    "      destination: {server: 'https://kubernetes.default.svc', namespace: shop}\n"
)
ENTRY = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [LISTED]\n"
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {where: CLUSTER}\n"
FLUX = (
    "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n"
    "metadata: {name: apps, namespace: flux-system}\n"
    "spec: {interval: 10m, path: ./apps, sourceRef: {kind: GitRepository, name: a}}\n"
)
PROVISIONED = (
    'resource "kubernetes_namespace" "a" {\n  metadata {\n    name = "shop"\n  }\n}\n'
    'resource "helm_release" "a" {\n  namespace = kubernetes_namespace.a.metadata[0].name\n}'
)
OTHER = POD.replace("front", "other").replace("{name: other}", "{name: other, namespace: shop}")
PATCHED = "apiVersion: v1\nkind: Service\nmetadata: {name: edge, namespace: kube-system}\n"


def test_two_clusters_may_have_an_application_of_one_name(tmp_path: Path) -> None:
    files: dict[str, str] = {}
    for cluster in ("one", "two"):
        home = f"clusters/{cluster}"
        files[f"{home}/set.yaml"] = SET.replace("CLUSTER", cluster)
        files[f"{home}/kustomization.yaml"] = ENTRY.replace("LISTED", "set.yaml")
        files[f"{home}/apps/web/kustomization.yaml"] = ENTRY.replace("LISTED", "a.yaml")
        files[f"{home}/apps/web/a.yaml"] = SETTINGS.replace("CLUSTER", cluster)

    assert rules(tmp_path, files, "duplicate-resource") == []


@pytest.mark.parametrize(("listed", "found"), [("# - a.yaml", 0), ("- gone.yaml", 1)])
def test_an_empty_folder_that_nothing_deploys_waits(
    listed: str, found: int, tmp_path: Path
) -> None:
    files = {"later/kustomization.yaml": f"kind: Kustomization\nresources:\n  {listed}\n"}

    names = rules(tmp_path, files, "folder-unbuildable")

    assert names == ["folder-unbuildable"] * found


@pytest.mark.parametrize(("folder", "found"), [("templates/web", 0), ("apps/web", 1)])
def test_what_a_template_names_is_beside_its_copy(folder: str, found: int, tmp_path: Path) -> None:
    files = {f"{folder}/kustomization.yaml": ENTRY.replace("LISTED", "../base")}

    names = rules(tmp_path, files, "folder-unbuildable")

    assert names == ["folder-unbuildable"] * found


@pytest.mark.parametrize(("line", "found"), [('# body = file("a.yaml")', 0), ("# nothing", 1)])
def test_terraform_no_longer_reads_what_it_names_in_a_comment(
    line: str, found: int, tmp_path: Path
) -> None:
    settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-cm, namespace: argocd}\n"
    files = {"modules/a.yaml": settings + "data: {url: a}\n", "modules/main.tf": f"{line}\n"}

    names = rules(tmp_path, files, "argocd-settings-unlabelled")

    assert names == ["argocd-settings-unlabelled"] * found


@pytest.mark.parametrize(
    ("metadata", "found"), [("{name: a}", 0), ("{name: a, namespace: shop}", 1)]
)
def test_where_a_folder_without_a_namespace_lands_is_not_known(
    metadata: str, found: int, tmp_path: Path
) -> None:
    policy = (
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
        f"metadata: {metadata}\nspec: {{podSelector: {{matchLabels: {{app: none}}}}}}\n"
    )
    files = {
        "extra/kustomization.yaml": ENTRY.replace("LISTED", "a.yaml"),
        "extra/a.yaml": policy,
        "web.yaml": OTHER,
    }

    names = rules(tmp_path, files, "network-policy-selects-nothing")

    assert names == ["network-policy-selects-nothing"] * found


@pytest.mark.parametrize(("folder", "found"), [("template", 0), ("templates", 1)])
def test_a_form_to_copy_is_not_applied(folder: str, found: int, tmp_path: Path) -> None:
    files = {f"{folder}/a.yaml": "apiVersion: v1\nkind: Service\n", "b.yaml": POD}

    names = rules(tmp_path, files, "nameless-manifest")

    assert names == ["nameless-manifest"] * found


@pytest.mark.parametrize(("more", "found"), [("", 0), ("spec: {type: LoadBalancer}\n", 1)])
def test_a_service_of_annotations_alone_is_for_one_that_is_there(
    more: str, found: int, tmp_path: Path
) -> None:
    text = PATCHED.replace("system}", "system, annotations: {example.com/ip: '192.0.2.1'}}")

    names = rules(tmp_path, {"edge.yaml": text + more}, "service-ports")

    assert names == ["service-ports"] * found


@pytest.mark.parametrize(("value", "found"), [("REPLACE_ME", 0), ("AgAcut", 1)])
def test_a_word_in_a_sealed_secret_is_one_to_seal_over(
    value: str, found: int, tmp_path: Path
) -> None:
    text = (
        "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\n"
        "metadata: {name: a, namespace: shop}\n"
        f"spec: {{encryptedData: {{password: {value}}}, template: {{metadata: {{name: a}}}}}}\n"
    )

    names = rules(tmp_path, {"a.yaml": text}, "ciphertext-invalid")

    assert names == ["ciphertext-invalid"] * found


@pytest.mark.parametrize("name", ["web-__TEAM__", "__TEAM__-web"])
def test_a_word_between_two_lines_is_to_be_filled_in(name: str, tmp_path: Path) -> None:
    text = (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{team: __TEAM__}}}}\n"
    )
    report = run(tmp_path, {"a.yaml": text})

    assert report.findings == []
    assert any("its names are not filled in" in each for each in report.unknown)


def test_a_word_between_percent_signs_makes_a_template(tmp_path: Path) -> None:
    text = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n  token: %TOKEN_OF_IT%\n"
    )
    report = run(tmp_path, {"a.yaml": text})

    assert report.findings == []
    assert any("a template with % %" in each for each in report.unknown)


@pytest.mark.parametrize(("image", "found"), [("auto", 0), ("web:1", 1)])
def test_a_gateway_of_istio_listens_as_it_is_told(image: str, found: int, tmp_path: Path) -> None:
    pod = POD.replace("registry.example.com/front:1.4.2", image)
    service = IN_SHOP.replace(", namespace: shop", "")

    names = rules(tmp_path, {"a.yaml": pod, "b.yaml": service}, "service-port-unknown")

    assert names == ["service-port-unknown"] * found


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("- **Configuration**: Terraform-managed ConfigMaps and Secrets", 0),
        ("ConfigMaps are created by Terraform.", 0),
        ("Secrets are created by Terraform.", 1),
        ("Terraform-managed nodes. ConfigMaps are in git.", 1),
    ],
)
def test_a_page_says_what_terraform_makes(page: str, found: int, tmp_path: Path) -> None:
    pod = POD.replace("ports:", "envFrom: [{configMapRef: {name: settings}}], ports:")

    names = rules(tmp_path, {"README.md": page, "a.yaml": pod}, "config-missing")

    assert names == ["config-missing"] * found


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ('resource "helm_release" "a" {\n  name = "a"\n  namespace = "shop"\n}', 0),
        ('# resource "helm_release" "a" {\n#  namespace = "shop"\n# }', 1),
        ('resource "helm_release" "a" {\n  namespace = "other"\n}', 1),
        (PROVISIONED, 0),
    ],
)
def test_terraform_installs_charts(block: str, found: int, tmp_path: Path) -> None:
    files = {"infra/main.tf": block + "\n", "apps/a.yaml": IN_SHOP, "apps/b.yaml": OTHER}

    names = rules(tmp_path, files, "service-selects-nothing")

    assert names == ["service-selects-nothing"] * found


@pytest.mark.parametrize(("release", "found"), [("11.4", 0), ("11.22", 1), ("15.6", 1)])
def test_an_old_postgres_trusts_everybody(release: str, found: int, tmp_path: Path) -> None:
    pod = POD.replace("registry.example.com/front:1.4.2", f"postgres:{release}")
    pod = pod.replace("ports:", "env: [{name: POSTGRES_DB, value: a}], ports:")

    names = rules(tmp_path, {"a.yaml": pod}, "database-without-password")

    assert names == ["database-without-password"] * found


@pytest.mark.parametrize(("file", "found"), [("README.md", 0), ("old.yaml", 1)])
def test_a_set_may_wait_for_its_first_folder(file: str, found: int, tmp_path: Path) -> None:
    files = {
        "sets/a.yaml": SET.replace("CLUSTER", "one"),
        f"clusters/one/apps/{file}": "{}\n",
        "web.yaml": application(
            "web",
            "{repoURL: 'https://git.example.com/shop.git', targetRevision: main, path: clusters}",
        ),
    }

    names = rules(tmp_path, files, "application-set-makes-nothing")

    assert names == ["application-set-makes-nothing"] * found


@pytest.mark.parametrize(("listed", "found"), [("web/ks.yaml", 0), ("web/ks.yaml, db/ks.yaml", 1)])
def test_flux_does_not_build_what_nothing_lists(listed: str, found: int, tmp_path: Path) -> None:
    files = {"apps/kustomization.yaml": ENTRY.replace("LISTED", listed)}
    for name in ("web", "db"):
        files[f"apps/{name}/ks.yaml"] = FLUX.replace("./apps", f"./apps/{name}/app").replace(
            "name: apps", f"name: {name}"
        )
        files[f"apps/{name}/app/kustomization.yaml"] = ENTRY.replace("LISTED", "a.yaml")
    files["apps/web/app/a.yaml"] = SETTINGS

    names = rules(tmp_path, files, "folder-unbuildable")

    assert names == ["folder-unbuildable"] * found


def test_what_a_kustomization_comments_out_flux_does_not_build_either(tmp_path: Path) -> None:
    files = {
        "ks.yaml": FLUX,
        "apps/kustomization.yaml": f"{ENTRY.replace('[LISTED]', '')}  - ./web\n  # - ./db\n",
        "apps/web/kustomization.yaml": ENTRY.replace("LISTED", "a.yaml"),
        "apps/web/a.yaml": SETTINGS,
        "apps/db/kustomization.yaml": ENTRY.replace("LISTED", "gone.yaml"),
    }

    assert rules(tmp_path, files, "folder-unbuildable") == []


def test_op_inject_fills_in_a_secret(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {token: 'op://shop/a/token'}\n"

    assert rules(tmp_path, {"a.yaml": text}, "not-base64") == []


@pytest.mark.parametrize(
    ("name", "listed", "found"),
    [("{{NAME}}", "a.yaml", 0), ("''", "a.yaml", 1), ("{{NAME}}", "gone.yaml, a.yaml", 1)],
)
def test_a_folder_of_templates_is_filled_in_first(
    name: str, listed: str, found: int, tmp_path: Path
) -> None:
    files = {
        "base/kustomization.yaml": ENTRY.replace("LISTED", listed),
        "base/a.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n",
        "live/kustomization.yaml": ENTRY.replace("LISTED", "../base"),
    }

    names = rules(tmp_path, files, "folder-unbuildable")

    assert names == ["folder-unbuildable"] * found


def test_a_merge_may_have_its_tag(tmp_path: Path) -> None:
    text = SETTINGS.replace("{where", "&all {where") + "binaryData:\n  !!merge <<: *all\n"
    report = run(tmp_path, {"a.yaml": text}, "not-base64")

    assert ["binaryData.where" in each.message for each in report.findings] == [True]


@pytest.mark.parametrize(("name", "found"), [("web-__ENV__", 0), ("web_ENV", 1)])
def test_a_script_also_fills_in_what_an_application_brings(
    name: str, found: int, tmp_path: Path
) -> None:
    source = "{repoURL: 'https://git.example.com/shop.git', targetRevision: main, path: apps}"
    files = {"root.yaml": application("root", source), "apps/a.yaml": application(name, source)}

    assert rules(tmp_path, files, "resource-name") == ["resource-name"] * found


def test_a_condition_of_azure_pipelines_is_no_key(tmp_path: Path) -> None:
    text = "steps:\n  - ${{ else }}: 1\n    ${{ else }}: 2\n"

    assert rules(tmp_path, {"pipeline.yaml": text}, "duplicate-key") == []


def test_ksonnets_own_file_is_no_manifest(tmp_path: Path) -> None:
    text = "apiVersion: 0.1.0\nkind: ksonnet.io/app\nname: shop\n"

    assert run(tmp_path, {"app.yaml": text}).findings == []


def test_flux_fills_in_a_name_also_where_its_own_folder_fails(tmp_path: Path) -> None:
    files = {
        "kustomization.yaml": ENTRY.replace("LISTED", "flux, apps, gone"),
        "flux/kustomization.yaml": ENTRY.replace("LISTED", "apps.yaml"),
        "flux/apps.yaml": FLUX,
        "apps/kustomization.yaml": ENTRY.replace("LISTED", "a.yaml"),
        "apps/a.yaml": SETTINGS.replace("name: a", "name: '${DOMAIN/./-}-a'"),
    }

    assert rules(tmp_path, files, "resource-name") == ["folder-unbuildable"]
