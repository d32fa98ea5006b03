"""What lies in a tree and is not applied as it stands: charts, makers, fixtures, examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_strangers_trees import SETTINGS, rules
from test_unknown import APPLICATION, HEAD, IN_SHOP, POD, run

if TYPE_CHECKING:
    from pathlib import Path

LABELLED = SETTINGS.replace("{name: settings,", "{name: settings, labels: {a: 'VALUE'},")
SOURCE = "{repoURL: https://git.example.com/shop.git, path: FOLDER}"
OLD = (
    "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\n"
    "metadata: {name: front, namespace: shop}\n"
)
DEPLOYED = {"k8s/space.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"}


def application(name: str, folder: str) -> str:
    text = APPLICATION.replace("NAME", name).replace("SOURCE", SOURCE)
    return text.replace("FOLDER", folder)


@pytest.mark.parametrize(
    ("value", "chart", "found"),
    [("{{ .Release.Name }}", True, 0), ("no value", True, 1), ("{{ .Release.Name }}", False, 1)],
)
def test_a_template_of_a_chart_is_not_a_manifest_yet(
    value: str, chart: bool, found: int, tmp_path: Path
) -> None:
    files = {"web/templates/a.yaml": LABELLED.replace("VALUE", value)}
    files |= {"web/Chart.yaml": "name: web\n"} if chart else {}

    assert rules(tmp_path, files, "label-syntax") == ["label-syntax"] * found


@pytest.mark.parametrize("chart", [True, False])
def test_what_a_chart_has_beside_its_templates_lacks_nothing(chart: bool, tmp_path: Path) -> None:
    files = {"web/templates/a.yaml": IN_SHOP, "web/templates/b.yaml": OLD}
    files |= {"web/Chart.yaml": "name: web\n"} if chart else {}

    names = rules(tmp_path, files, "service-selects-nothing")
    assert names == ["service-selects-nothing"] * (not chart)
    assert rules(tmp_path, files, "removed-api") == ["removed-api"]  # wherever it is


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("front.jsonnet", "{}", 0),
        ("front.yaml.j2", "kind: Deployment\n", 0),
        ("front.json", '{"kind": "Deployment"}', 0),
        ("values.yaml", "size: 1\n", 0),
        ("front-values.yaml", "size: 1\n", 0),
        ("settings.json", '{"size": 1}', 1),
        ("front.txt", "kind: Deployment\n", 1),
    ],
)
@pytest.mark.parametrize("deployed", [True, False])
def test_more_is_made_beside_plain_manifests(
    name: str, text: str, found: int, deployed: bool, tmp_path: Path
) -> None:
    files = {"front/a.yaml": IN_SHOP, f"front/{name}": text}
    files |= {"apps/a.yaml": application("a", "front")} if deployed else {}

    names = rules(tmp_path, files, "service-selects-nothing")

    assert names == ["service-selects-nothing"] * found


@pytest.mark.parametrize(
    ("api", "found"), [("test.gatekeeper.sh/v1alpha1", 0), ("shop.example.com/v1", 1)]
)
def test_fixtures_of_a_test_of_policies_are_not_deployed(
    api: str, found: int, tmp_path: Path
) -> None:
    suite = f"apiVersion: {api}\nkind: Suite\nmetadata: {{name: a}}\n"
    files = {"policies/a/suite.yaml": suite, "policies/a/samples-of/b.yaml": OLD}

    assert rules(tmp_path, files, "removed-api") == ["removed-api"] * found


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        *(
            ("k8s", 1),
            ("archive", 0),
            ("_disabled/web", 0),
            ("superseded--web", 0),
            ("Backup-14-May", 0),
            ("older", 1),
        ),
        *(("tests/web/test_data/expected", 0), ("golden/web", 0), ("test-data", 1)),
    ],
)
def test_an_archive_is_left_out(folder: str, found: int, tmp_path: Path) -> None:
    files = {f"{folder}/a.yaml": OLD, f"{folder}/b/kustomization.yaml": HEAD + "resources: [c]\n"}
    files |= DEPLOYED

    report = run(tmp_path, files, "removed-api")

    names = [each.rule for each in report.findings]
    assert sorted(names) == ["folder-unbuildable", "removed-api"] * found
    assert any("left out" in each for each in report.notes) == (not found)


def test_an_archive_that_an_application_deploys_is_none(tmp_path: Path) -> None:
    files = {"archive/a.yaml": OLD, "apps/a.yaml": application("a", "archive")}

    assert rules(tmp_path, files, "removed-api") == ["removed-api"]


@pytest.mark.parametrize(("folder", "found"), [("web/examples", 0), ("overlays/test", 1)])
def test_an_example_is_looked_at_by_itself(folder: str, found: int, tmp_path: Path) -> None:
    files = {
        f"{folder}/one/kustomization.yaml": HEAD + "resources: [a.yaml, b.yaml]\n",
        f"{folder}/one/a.yaml": IN_SHOP,
        f"{folder}/one/b.yaml": OLD,
        f"{folder}/two/kustomization.yaml": HEAD + "resources: [gone.yaml]\n",
        **DEPLOYED,
    }

    names = rules(tmp_path, files, "removed-api")  # wherever it is
    assert sorted(names) == [*["folder-unbuildable"] * found, "removed-api"]
    (tmp_path / folder / "two" / "kustomization.yaml").write_text(HEAD + "namePrefix: a-\n")
    names = rules(tmp_path, {}, "service-selects-nothing")
    assert names.count("service-selects-nothing") == found


@pytest.mark.parametrize("folder", ["examples/web", "old"])
def test_a_tree_of_nothing_else_is_looked_at_whole(folder: str, tmp_path: Path) -> None:
    files = {f"{folder}/a.yaml": IN_SHOP, "mkdocs.yml": "site_name: shop\n"}

    names = rules(tmp_path, files, "service-selects-nothing")
    assert names == ["service-selects-nothing"]
    report = run(tmp_path, DEPLOYED, "service-selects-nothing")
    assert report.findings == []
    assert any(folder in each for each in report.notes)


@pytest.mark.parametrize(
    ("first", "found"),
    [
        ("apiVersion: v1alpha1\nkind: ExtensionServiceConfig\nname: a\n", []),
        ("apiVersion: v1\nkind: Config\nclusters: []\n", []),
        ("apiVersion: v1alpha1\nkind: Deployment\nmetadata: {name: a}\n", ["unknown-kind"]),
        ("apiVersion: v1\nkind: Confg\nmetadata: {name: a}\n", ["unknown-kind"]),
    ],
)
def test_the_settings_of_talos_and_kubectl_are_no_manifests(
    first: str, found: list[str], tmp_path: Path
) -> None:
    assert rules(tmp_path, {"a.yaml": first}, "unknown-kind") == found
    assert rules(tmp_path, {"a.yaml": first}, "nameless-manifest") == []


@pytest.mark.parametrize(
    ("name", "found"), [("argocd-cm-patch", 0), ("patch-cm", 0), ("dispatch", 1)]
)
def test_a_file_that_is_called_a_patch_is_one(name: str, found: int, tmp_path: Path) -> None:
    assert rules(tmp_path, {f"{name}.yaml": OLD}, "removed-api") == ["removed-api"] * found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        *(("YOUR_NAME", 0), ("<name>", 0), ("web-HOSTNAME", 0), ("Settings", 1)),
        *(("web-<stage>", 0), ("<team>-web-<stage>", 0), ("'$(web-name)'", 0), ("web>", 1)),
    ],
)
def test_a_name_to_replace_makes_a_template(name: str, found: int, tmp_path: Path) -> None:
    text = SETTINGS.replace("{name: settings", f"{{name: {name}")

    assert rules(tmp_path, {"a.yaml": text}, "resource-name") == ["resource-name"] * found


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ("kind: SealedSecret\napiVersion: bitnami.com/v1alpha1\nmetadata: {name: a}\n", 1),
        ("kind: Secret\napiVersion: v1\nmetadata: {name: a, namespace: shop}\n", 1),
        ("kind: Secret\napiVersion: v1\nmetadata: {name: a, namespace: other}\n", 0),
    ],
)
def test_secrets_are_made_by_hand_where_the_tree_keeps_none(
    other: str, found: int, tmp_path: Path
) -> None:
    pod = POD.replace("{name: front}\nspec", "{name: front, namespace: shop}\nspec")
    pod = pod.replace("name: front, image", "name: front, envFrom: [{secretRef: {name: b}}], image")

    report = run(tmp_path, {"a.yaml": pod, "b.yaml": other}, "config-missing")

    assert [each.rule for each in report.findings] == ["config-missing"] * found
    assert any("no Secret of namespace shop" in each for each in report.unknown) == (not found)


@pytest.mark.parametrize(("place", "found"), [("k", 0), ("other", 1)])
def test_where_a_plain_file_without_a_namespace_lands_is_not_known(
    place: str, found: int, tmp_path: Path
) -> None:
    front = IN_SHOP.replace(", namespace: shop", "")

    names = rules(
        tmp_path, {"k/a.yaml": front, f"{place}/b.yaml": SETTINGS}, "service-selects-nothing"
    )

    assert names == ["service-selects-nothing"] * found


def test_a_folder_with_what_another_one_brings_is_another_form_of_it(tmp_path: Path) -> None:
    """Each overlay is a cluster's, with Applications of the same names."""
    files = {"k/a.yaml": SETTINGS, "k2/a.yaml": SETTINGS}
    for name, folder in (("one", "k"), ("two", "k2")):
        resources = "resources: [app.yaml, settings.yaml]\n"
        files[f"clusters/{name}/kustomization.yaml"] = HEAD + resources
        files[f"clusters/{name}/app.yaml"] = application("shop", folder)
        files[f"clusters/{name}/settings.yaml"] = SETTINGS.replace("settings", "cluster")

    assert rules(tmp_path, files, "duplicate-resource") == []


def test_the_patch_that_adds_a_second_value_is_to_blame(tmp_path: Path) -> None:
    env = "env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}], image"
    patch = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: front}\nspec: {template: "
        "{spec: {containers: [{name: front, env: [{name: A, value: b}]}]}}}\n"
    )
    files = {
        "base/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "base/a.yaml": POD.replace("name: front, image", f"name: front, {env}"),
        "over/kustomization.yaml": HEAD + "resources: [../base]\npatches: [{path: p.yaml}]\n",
        "over/p.yaml": patch,
    }

    (found,) = run(tmp_path, files, "one-of").findings

    assert found.file.endswith("over/p.yaml")


def test_a_kustomization_of_an_unknown_version_is_said_to_be_one(tmp_path: Path) -> None:
    head = HEAD.replace("v1beta1", "v1")
    files = {"a/kustomization.yaml": head + "resources: [a.yaml]\n", "a/a.yaml": SETTINGS}

    (found,) = run(tmp_path, files, "removed-api").findings

    assert found.message.endswith(
        "the apiVersion of its Kustomization is to be kustomize.config.k8s.io/v1beta1"
    )


def test_an_annotation_that_is_there_already_is_not_proposed(tmp_path: Path) -> None:
    hooks = "argocd.argoproj.io/hook: Sync, argocd.argoproj.io/hook-weight: '1'"
    text = SETTINGS.replace("{name: settings,", f"{{name: settings, annotations: {{{hooks}}},")

    (found,) = run(tmp_path, {"a.yaml": text}, "sync-annotation-unknown").findings

    assert found.fix == "Write argocd.argoproj.io/sync-wave."


@pytest.mark.parametrize(
    ("page", "text", "found"),
    [
        ("README.md", "helm upgrade --install front \\\n  ./chart --namespace shop\n", 0),
        ("up.sh", "helm install front ./chart -n shop\n", 0),
        ("up.sh", 'SPACE="shop"\nhelm install front ./chart -n "$SPACE"\n', 0),
        ("up.sh", "SPACE=other\nhelm install front ./chart -n ${SPACE}\n", 1),
        ("up.sh", "helm install front ./chart -n other\n", 1),
        ("up.sh", "helm list -n shop\n", 1),
        ("notes.txt", "helm install front ./chart -n shop\n", 1),
    ],
)
def test_a_script_installs_charts_that_bring_more(
    page: str, text: str, found: int, tmp_path: Path
) -> None:
    names = rules(tmp_path, {"a.yaml": IN_SHOP, page: text}, "service-selects-nothing")

    assert names == ["service-selects-nothing"] * found


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("kubectl create configmap front --from-file=a", 0),
        ("kubectl -n shop create configmap -n $ns front", 0),
        ("kubectl create configmap other", 1),
        ("kubectl create secret generic front", 1),
    ],
)
def test_what_a_script_creates_is_not_missed(command: str, found: int, tmp_path: Path) -> None:
    pod = POD.replace("front, image", "front, envFrom: [{configMapRef: {name: front}}], image")

    report = run(tmp_path, {"a.yaml": pod, "up.sh": f"{command}\n"}, "config-missing")

    assert [each.rule for each in report.findings] == ["config-missing"] * found
    assert any("up.sh makes ConfigMap front" in each for each in report.unknown) == (not found)


@pytest.mark.parametrize(("namespace", "found"), [("argocd", 0), ("shop", 1)])
@pytest.mark.parametrize("installed", [True, False])
def test_argo_cd_itself_is_where_its_applications_are(
    namespace: str, found: int, installed: bool, tmp_path: Path
) -> None:
    """Unless the tree has its Deployment: then what is missing there is known."""
    files = {
        "apps/a.yaml": application("a", "front"),
        "front/a.yaml": IN_SHOP.replace("namespace: shop", f"namespace: {namespace}"),
    }
    if installed:
        server = POD.replace(
            "{name: front}\nspec", "{name: argocd-server, namespace: argocd}\nspec"
        )
        files["front/b.yaml"] = server.replace("app: front", "app: server")

    names = rules(tmp_path, files, "service-selects-nothing")

    assert names == ["service-selects-nothing"] * (found or installed)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("metadata: {labels: {a: b}}\nspec: {name: a}", 0),
        ("metadata: {slug: a}\nspec: {size: 1}", 0),
        ("metadata: {labels: {a: b}}\nspec: {size: 1}", 1),
        ("spec: {size: 1}", 1),
    ],
)
def test_a_kind_of_a_program_has_its_name_elsewhere(body: str, found: int, tmp_path: Path) -> None:
    text = f"apiVersion: ai.example.com/v1\nkind: Assistant\n{body}\n"

    assert rules(tmp_path, {"a.yaml": text}, "nameless-manifest") == ["nameless-manifest"] * found


def test_a_template_of_terraform_is_not_yaml_yet(tmp_path: Path) -> None:
    text = "a: 1\n%{ if enabled }\nb: ${name}\n%{ endif }\n"

    report = run(tmp_path, {"a.yaml": text}, "not-yaml")

    assert report.findings == []
    assert any("a.yaml is a template with %{ }" in each for each in report.unknown)


@pytest.mark.parametrize(("folder", "found"), [("bootstrap", 0), ("base", 1)])
def test_what_a_bootstrap_needs_is_applied_by_hand(folder: str, found: int, tmp_path: Path) -> None:
    files = {
        f"{folder}/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        f"{folder}/a.yaml": SETTINGS,
        f"{folder}/b.yaml": SETTINGS.replace("settings", "age"),
    }

    assert rules(tmp_path, files, "manifest-unlisted") == ["manifest-unlisted"] * found


@pytest.mark.parametrize("listed", [True, False])
def test_a_repeated_key_says_who_refuses_it(listed: bool, tmp_path: Path) -> None:
    files = {"a/a.yaml": SETTINGS + "data: {a: b}\ndata: {a: c}\n"}
    files |= {"a/kustomization.yaml": HEAD + "resources: [a.yaml]\n"} if listed else {}

    (found,) = run(tmp_path, files, "duplicate-key").findings

    assert ("kustomize refuses the file" in found.message) == listed
