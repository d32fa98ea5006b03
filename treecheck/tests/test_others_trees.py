"""What other people's trees mean: templates, copies to fill in, patches for other tools."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from test_strangers_trees import FLUX, SETTINGS, rules
from test_unknown import APPLICATION, HEAD, OWN, run

from treecheck.engine import check
from treecheck.facts import Facts
from treecheck.inputs import gather

if TYPE_CHECKING:
    from pathlib import Path

DEPLOYED = {"live/settings.yaml": SETTINGS}
SERVICE = (
    "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"
    "spec: {selector: {app: web}, ports: [PORTS]}\n"
)
SERVER = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\n"
    "spec: {containers: [{name: web, image: 'registry.example.com/web:1', ports: [PORTS]}]}\n"
)
HOST = (
    "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, namespace: shop}\n"
    "spec: {rules: [{host: 'HOST'}], defaultBackend: {service: {name: web, port: {number: 80}}}}\n"
)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.ftl.yaml", "<#if a>\nkind: ${kind\n</#if>\n  b: [", 0),
        ("a.yaml", "<#if config.wanted>\nkind: A\n<#else>\nkind: B\n</#if>\n", 0),
        ("a.yaml", "web:\n  port: %(port)d\n  name: web-%(name)s\n", 0),
        ("a.yaml", "kind: A\n  b: [\n", 1),
    ],
)
def test_a_template_of_freemarker_is_not_yaml_yet(
    name: str, text: str, found: int, tmp_path: Path
) -> None:
    assert rules(tmp_path, {f"t/{name}": text}, "not-yaml") == ["not-yaml"] * found


def test_a_file_of_a_chart_beside_its_templates_may_be_one(tmp_path: Path) -> None:
    files = {
        "web/Chart.yaml": "name: web\n",
        "web/files/a.yaml": "groups:\n{{- each }}\n  - x: [\n",
    }

    assert rules(tmp_path, files, "not-yaml") == []


@pytest.mark.parametrize(
    ("host", "folder", "found"),
    [
        ("<your-domain>", "live", 0),
        ("Your Domain", "live", 1),
        ("<your-domain>", "app", 0),
        ("<your-domain>", "front", 1),  # which an Application brings
    ],
)
def test_what_a_person_fills_in_is_not_judged_before(
    host: str, folder: str, found: int, tmp_path: Path
) -> None:
    files = {f"{folder}/web.yaml": HOST.replace("HOST", host), "apps/front.yaml": OWN}
    if folder != "live":
        files[f"{folder}/kustomization.yaml"] = HEAD + "resources: [web.yaml]"

    assert rules(tmp_path, files, "ingress-rules") == ["ingress-rules"] * found


@pytest.mark.parametrize(
    ("folder", "word", "found"),
    [("samples", "a key!", 0), ("live", "your key!", 0), ("live", "a key!", 1)],
)
def test_a_word_for_a_secret_is_right_in_a_sample(
    folder: str, word: str, found: int, tmp_path: Path
) -> None:
    secret = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\ndata: {{key: '{word}'}}\n"

    names = rules(tmp_path, DEPLOYED | {f"{folder}/a.yaml": secret}, "not-base64")
    assert names == ["not-base64"] * found


@pytest.mark.parametrize(("change", "found"), [("patch: '{}'\n", 0), ("", 1)])
def test_a_patch_of_hive_needs_no_name(change: str, found: int, tmp_path: Path) -> None:
    text = "apiVersion: operator.openshift.io/v1\nkind: Console\nname: cluster\n" + change

    names = rules(tmp_path, {"a.yaml": text}, "nameless-manifest")
    assert names == ["nameless-manifest"] * found


@pytest.mark.parametrize(("kind", "found"), [("Template", 0), ("Tempalte", 1)])
def test_the_core_group_of_openshift_has_more_kinds(kind: str, found: int, tmp_path: Path) -> None:
    text = f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: a}}\nobjects: []\n"

    assert rules(tmp_path, {"a.yaml": text}, "unknown-kind") == ["unknown-kind"] * found


@pytest.mark.parametrize(
    ("beside", "found"), [("web.clusterserviceversion.yaml", 0), ("b.yaml", 1)]
)
def test_a_release_of_an_operator_may_have_old_kinds(
    beside: str, found: int, tmp_path: Path
) -> None:
    old = "apiVersion: apiextensions.k8s.io/v1beta1\nkind: CustomResourceDefinition\n"
    files = {"0.1.0/crd.yaml": old + "metadata: {name: a.b.c}\n", f"0.1.0/{beside}": SETTINGS}

    assert rules(tmp_path, files, "removed-api") == ["removed-api"] * found


def test_what_an_old_version_had_is_not_missed(tmp_path: Path) -> None:
    old = "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: a}\n"
    text = old + "spec: {backend: {serviceName: web, servicePort: 80}}\n"

    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")

    only = ["ingress-rules", "removed-api"]
    found = check(gather([str(tmp_path)], Facts()), Facts(), (1, 32), only=only).findings
    assert [each.rule for each in found] == ["removed-api"]


@pytest.mark.parametrize(
    ("ports", "declared", "found"),
    [
        ("{port: 80}", "{containerPort: 8080}", 1),
        ("{port: 80}", "{containerPort: 8080}, {containerPort: 9102}", 0),
        ("{port: 8081}", "{containerPort: 8080}, {containerPort: 9102}", 1),
        ("{name: a, port: 8080}, {name: b, port: 81}", "{containerPort: 8080}", 0),
        ("{port: 53, protocol: UDP}", "{containerPort: 8080}", 0),
        ("{port: 53, protocol: UDP}", "{containerPort: 53}, {containerPort: 8080}", 0),
        ("{port: 80, targetPort: http}", "{containerPort: 8080}, {containerPort: 9102}", 1),
    ],
)
def test_a_server_may_have_ports_that_it_does_not_declare(
    ports: str, declared: str, found: int, tmp_path: Path
) -> None:
    files = {
        "a.yaml": SERVICE.replace("PORTS", ports) + "---\n" + SERVER.replace("PORTS", declared)
    }

    names = rules(tmp_path, files, "service-port-unknown")
    assert names == ["service-port-unknown"] * found


@pytest.mark.parametrize(("tool", "found"), [("kubectl apply -k", 1), ("envsubst", 0)])
def test_a_script_may_fill_in_variables(tool: str, found: int, tmp_path: Path) -> None:
    pod = SERVER.replace("registry.example.com/web:1", "${IMAGE}").replace("PORTS", "")
    files = {"a.yaml": pod, "Makefile": f"all:\n\t{tool} < a.yaml\n"}

    names = rules(tmp_path, files, "image-name-invalid")
    assert names == ["image-name-invalid"] * found


@pytest.mark.parametrize(("components", "found"), [("components: [../../more]", 0), ("", 1)])
def test_flux_may_bring_what_a_patch_is_for(components: str, found: int, tmp_path: Path) -> None:
    spec = "spec:\n  path: ./app\n  " + components + "\n"
    files = {
        "clusters/one/app.yaml": FLUX.partition("spec")[0] + spec,
        "app/kustomization.yaml": HEAD + "patches: [{path: p.yaml}]\nresources: [a.yaml]\n",
        "app/p.yaml": SETTINGS.replace("settings", "other") + "data: {a: b}\n",
        "app/a.yaml": SETTINGS,
    }

    assert rules(tmp_path, files, "folder-unbuildable") == ["folder-unbuildable"] * found


@pytest.mark.parametrize(("ignored", "found"), [("base/kustomization.yaml\n", 0), ("", 1)])
def test_a_kustomization_that_git_ignores_is_not_known(
    ignored: str, found: int, tmp_path: Path
) -> None:
    tmp_path.joinpath("tree").mkdir()
    subprocess.run(["git", "init", "-q", str(tmp_path / "tree")], check=True)
    files = {
        "app/kustomization.yaml": HEAD + "resources: [../base]\n",
        "base/a.yaml": SETTINGS,
        ".gitignore": ignored,
    }

    report = run(tmp_path / "tree", files)

    assert [each.rule for each in report.findings] == ["folder-unbuildable"] * found
    assert all("../base has no kustomization.yaml" in e.message for e in report.findings)


def test_a_text_with_two_paths_is_there_once(tmp_path: Path) -> None:
    files = {"live/a.yaml": SETTINGS}
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "b.yaml").symlink_to("a.yaml")

    assert rules(tmp_path, files, "duplicate-resource") == []


@pytest.mark.parametrize(
    ("name", "found"), [("shop_editor_role", 0), ("shop_viewer_role", 0), ("shop_role", 1)]
)
def test_roles_of_kubebuilder_are_for_people(name: str, found: int, tmp_path: Path) -> None:
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\n"
    files = {
        "config/rbac/kustomization.yaml": HEAD + "resources: [settings.yaml]\n",
        "config/rbac/settings.yaml": SETTINGS,
        f"config/rbac/{name}.yaml": role + "rules: []\n",
    }

    assert rules(tmp_path, files, "manifest-unlisted") == ["manifest-unlisted"] * found


@pytest.mark.parametrize(("metric", "found"), [("External", 0), ("Resource", 1)])
def test_a_gate_lets_an_autoscaler_go_to_none(metric: str, found: int, tmp_path: Path) -> None:
    text = (
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\n"
        "spec: {minReplicas: 0, maxReplicas: 2, scaleTargetRef: {kind: Deployment, name: a}, "
        f"metrics: [{{type: {metric}}}]}}\n"
    )

    names = rules(tmp_path, {"a.yaml": text}, "number-out-of-range")
    assert names == ["number-out-of-range"] * found


def test_an_image_of_a_remote_base_is_not_known(tmp_path: Path) -> None:
    body = HEAD + "images: [{name: web, newTag: '1'}]\nresources: [https://example.com/a.yaml]\n"

    assert rules(tmp_path, {"app/kustomization.yaml": body}, "image-entry-unused") == []


@pytest.mark.parametrize(("enabled", "found"), [("true", 1), ("false", 0)])
def test_a_rollback_leaves_what_is_off_as_it_is(enabled: str, found: int, tmp_path: Path) -> None:
    source = "{repoURL: https://git.example.com/shop.git, path: PATH}"
    text = APPLICATION.replace("SOURCE", source) + "  syncPolicy: {automated: {POLICY}}\n"
    root = text.replace("NAME", "root").replace("PATH", "apps").replace("POLICY", "selfHeal: true")
    child = text.replace("NAME", "web").replace("PATH", "web")
    files = {
        "root.yaml": root,
        "apps/web.yaml": child.replace("POLICY", f"enabled: {enabled}"),
        "web/settings.yaml": SETTINGS,
    }

    names = rules(tmp_path, files, "child-owns-enabled")
    assert names == ["child-owns-enabled"] * found


@pytest.mark.parametrize(("key", "found"), [("WEB_SERVICE_HOST", 0), ("WEB_HOST", 1)])
def test_the_kubelet_defines_the_variables_of_services(
    key: str, found: int, tmp_path: Path
) -> None:
    pod = SERVER.replace("name: web, image", f"args: ['$({key})'], name: web, image")

    names = rules(tmp_path, {"a.yaml": pod.replace("PORTS", "")}, "variable-undefined")
    assert names == ["variable-undefined"] * found


@pytest.mark.parametrize(
    ("store", "key", "found"),
    [
        ("keystores: {pkcs12: {create: true}}", "keystore.p12", 0),
        ("keystores: {jks: {create: true}}", "keystore.p12", 1),
        ("additionalOutputFormats: [{type: CombinedPEM}]", "tls-combined.pem", 0),
        ("usages: []", "tls-combined.pem", 1),
    ],
)
def test_a_certificate_may_bring_other_forms_of_its_key(
    store: str, key: str, found: int, tmp_path: Path
) -> None:
    certificate = (
        "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: a, namespace: shop}\n"
        f"spec: {{secretName: web-tls, issuerRef: {{name: a}}, {store}}}\n---\n"
    )
    reads = "env: [{name: A, valueFrom: {secretKeyRef: {name: web-tls, key: KEY}}}], name: web, im"
    pod = SERVER.replace("name: web, im", reads.replace("KEY", key)).replace("PORTS", "")

    names = rules(tmp_path, {"a.yaml": certificate + pod}, "config-key-missing")
    assert names == ["config-key-missing"] * found


@pytest.mark.parametrize(("annotation", "found"), [("helm.sh/hook: post-install", 0), ("a: b", 1)])
def test_a_hook_of_helm_is_one_of_argo_cd(annotation: str, found: int, tmp_path: Path) -> None:
    job = (
        f"apiVersion: batch/v1\nkind: Job\nmetadata: {{name: a, annotations: {{{annotation}}}}}\n"
        "spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: 'a:1'}]}}}\n"
    )
    source = "{repoURL: https://git.example.com/shop.git, path: web}"
    root = APPLICATION.replace("NAME", "web").replace("SOURCE", source)

    names = rules(tmp_path, {"root.yaml": root, "web/job.yaml": job}, "job-not-replaceable")
    assert names == ["job-not-replaceable"] * found


@pytest.mark.parametrize(
    ("name", "found"),
    [("01-assert.yaml", 0), ("00-errors.yaml", 0), ("a-invalid.yaml", 0), ("web.yaml", 1)],
)
def test_what_a_test_expects_is_no_manifest(name: str, found: int, tmp_path: Path) -> None:
    half = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 1}\n"

    names = rules(tmp_path, {f"kuttl/web/{name}": half} | DEPLOYED, "required-field")
    assert sorted({*names}) == ["required-field"] * found


def test_what_is_switched_off_by_its_name_is_not_deployed(tmp_path: Path) -> None:
    half = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 1}\n"

    assert rules(tmp_path, {"web.disabled/a.yaml": half} | DEPLOYED, "required-field") == []


@pytest.mark.parametrize(
    ("value", "found"), [("{{OPERATOR_NAME}}", 0), ("REPLACE_ME", 0), ("the operator", 1)]
)
def test_a_program_fills_in_what_it_installs(value: str, found: int, tmp_path: Path) -> None:
    text = SETTINGS.replace("namespace: shop", f"labels: {{a: '{value}'}}")
    files = {"app/kustomization.yaml": HEAD + "resources: [a.yaml]\n", "app/a.yaml": text}

    assert rules(tmp_path, files, "label-syntax") in ([], ["label-syntax"] * found)


@pytest.mark.parametrize("followed", [False, True])
@pytest.mark.parametrize(("load", "found"), [("LoadRestrictionsNone", 0), ("None", 1)])
def test_a_makefile_may_lift_the_restriction(
    load: str, found: int, followed: bool, tmp_path: Path
) -> None:
    source = "{repoURL: https://git.example.com/shop.git, path: app}"
    root = APPLICATION.replace("NAME", "web").replace("SOURCE", source)
    files = {
        "root.yaml": root if followed else "",
        "Makefile": f"all:\n\tkustomize build --load-restrictor {load} app\n",
        "app/kustomization.yaml": HEAD + "resources: [../shared.yaml]\n",
        "shared.yaml": SETTINGS,
    }

    assert rules(tmp_path, files, "folder-unbuildable") == ["folder-unbuildable"] * found


@pytest.mark.parametrize(("why", "found"), [("  # moved to the other cluster\n", 0), ("", 1)])
def test_a_comment_says_that_a_workload_is_off(why: str, found: int, tmp_path: Path) -> None:
    text = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n"
        f"{why}  replicas: 0\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n"
        "    metadata: {labels: {app: web}}\n    spec: {containers: [{name: a, image: 'a:1'}]}\n"
    )
    files = {"a.yaml": text + "---\n" + SERVICE.replace("PORTS", "{port: 80}")}

    assert rules(tmp_path, files, "replicas-zero") == ["replicas-zero"] * found


@pytest.mark.parametrize(("tool", "found"), [("helmfile.yaml", 0), ("charts.yaml", 1)])
def test_helmfile_brings_what_is_not_here(tool: str, found: int, tmp_path: Path) -> None:
    policy = (
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
        "metadata: {name: a, namespace: shop}\nspec: {podSelector: {matchLabels: {app: gone}}}\n"
    )
    pod = SERVER.replace("PORTS", "")
    files = {"a.yaml": f"{policy}---\n{pod}", tool: "releases: [{name: a, chart: b/c}]\n"}

    names = rules(tmp_path, files, "network-policy-selects-nothing")
    assert names == ["network-policy-selects-nothing"] * found


@pytest.mark.parametrize(("namespace", "found"), [("shop", 1), ("bare", 0)])
def test_of_what_the_tree_does_not_run_the_services_are_not_known(
    namespace: str, found: int, tmp_path: Path
) -> None:
    ingress = HOST.replace("HOST", "example.com").replace("name: web, port", "name: gone, port")
    files = {"a.yaml": ingress.replace("shop", namespace), "b.yaml": SERVER.replace("PORTS", "")}
    files["d.yaml"] = SETTINGS.replace("shop", "bare")

    names = rules(tmp_path, files, "ingress-backend-missing")
    assert names == ["ingress-backend-missing"] * found


@pytest.mark.parametrize(("folder", "found"), [("web.off", 0), ("web", 1)])
def test_a_set_whose_folders_are_all_off_makes_nothing_on_purpose(
    folder: str, found: int, tmp_path: Path
) -> None:
    source = "repoURL: https://git.example.com/shop.git"
    text = (
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: a}\n"
        f"spec:\n  generators:\n    - git: {{{source}, revision: main, directories: "
        "[{path: apps/*.x}, {path: apps/*.off, exclude: true}]}\n"
        "  template: {metadata: {name: '{{path.basename}}'}, spec: {project: default, "
        f"source: {{{source}, path: '{{{{path}}}}'}}, destination: {{name: in-cluster}}}}}}\n"
    )
    files = {"sets/a.yaml": text, f"apps/{folder}/a.yaml": SETTINGS}
    here = "{repoURL: https://git.example.com/shop.git, targetRevision: main, path: sets}"
    files["root.yaml"] = APPLICATION.replace("NAME", "root").replace("SOURCE", here)

    names = rules(tmp_path, files, "application-set-makes-nothing")
    assert names == ["application-set-makes-nothing"] * found


@pytest.mark.parametrize(("namespace", "found"), [("shop", 1), ("kube-system", 0)])
def test_the_platform_runs_pods_of_its_own(namespace: str, found: int, tmp_path: Path) -> None:
    service = SERVICE.replace("PORTS", "{port: 80}").replace("app: web", "app: gone")
    files = {"a.yaml": service, "b.yaml": SERVER.replace("PORTS", "")}
    files = {name: text.replace("shop", namespace) for name, text in files.items()}

    assert rules(tmp_path, files, "service-selects-nothing") == ["service-selects-nothing"] * found
