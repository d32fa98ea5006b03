"""Cases of trees that strangers judged: what a tree leaves out, and what it does not make so."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from test_strangers_trees import SETTINGS, rules, run
from test_unknown import HEAD, POD, write

from treecheck.engine import check
from treecheck.facts import Facts
from treecheck.inputs import gather

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("entry", "found"),
    [("# - ../../shop", 0), ("# - ../../shop  # not yet", 0), ("# ../../shop comes later", 1)],
)
def test_a_folder_that_a_kustomization_names_in_a_comment_is_taken_out(
    entry: str, found: int, tmp_path: Path
) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: shop}\n"
    files = {
        "clusters/one/kustomization.yaml": HEAD + f"resources:\n  - a.yaml\n  {entry}\n",
        "clusters/one/a.yaml": SETTINGS,
        "shop/kustomization.yaml": HEAD + "resources: [service.yaml]\n",
        "shop/service.yaml": service + "spec: {selector: {app: shop}, ports: [{port: 80}]}\n",
    }

    assert len(rules(tmp_path, files, "service-selects-nothing")) == found

    files["shop/kustomization.yaml"] = HEAD + "resources: [gone.yaml]\n"

    assert len(rules(tmp_path, files, "folder-unbuildable")) == found


@pytest.mark.parametrize(("name", "found"), [("rules.yaml", 0), ("values.yaml", 1)])
def test_what_a_generator_takes_as_it_is_may_have_a_key_twice(
    name: str, found: int, tmp_path: Path
) -> None:
    files = {
        "kustomization.yaml": HEAD + f"configMapGenerator: [{{name: a, files: [{name}]}}]\n",
        name: "allow:\n  group: here\n  group: there\n",
    }

    assert len(rules(tmp_path, files, "duplicate-key")) == found


@pytest.mark.parametrize(
    ("page", "kept", "found"),
    [
        ("kubectl create secret generic other --from-literal=a=b\n", "other", 0),
        ("kubectl create secret generic other --from-literal=a=b\n", "shop", 1),
        ("kubectl create configmap other --from-literal=a=b\n", "other", 1),
    ],
)
def test_a_page_that_makes_a_secret_says_that_people_make_them(
    page: str, kept: str, found: int, tmp_path: Path
) -> None:
    pod = POD.replace("{name: front}\nspec", "{name: front, namespace: shop}\nspec")
    sealed = "kind: SealedSecret\napiVersion: bitnami.com/v1alpha1\n"
    files = {
        "a.yaml": pod.replace("name: front, image", "name: front, envFrom: [FROM], image").replace(
            "FROM", "{secretRef: {name: token}}"
        ),
        "b.yaml": sealed + f"metadata: {{name: c, namespace: {kept}}}\n",
        "README.md": page,
    }

    assert len(rules(tmp_path, files, "config-missing")) == found


@pytest.mark.parametrize(
    ("metadata", "found"), [('metadata:\n  resourceVersion: ""\n', 0), ("metadata: {}\n", 1)]
)
def test_lists_that_kubectl_printed_one_after_the_other_are_a_record(
    metadata: str, found: int, tmp_path: Path
) -> None:
    printed = "apiVersion: v1\nitems: []\nkind: List\n" + metadata

    found_here = rules(tmp_path, {"backup.yaml": printed * 2}, "glued-documents")

    assert len(found_here) == found


@pytest.mark.parametrize(("argument", "found"), [("service-node-port-range", 0), ("v", 1)])
def test_the_tree_may_set_the_range_of_node_ports(
    argument: str, found: int, tmp_path: Path
) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"
    files = {
        "web.yaml": service
        + "spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 8080}]}\n",
        "install.sh": f"kube-apiserver --{argument}=1025-32767\n",
    }

    assert len(rules(tmp_path, files, "node-port-range")) == found


@pytest.mark.parametrize(("named", "found"), [("web", 0), ("../other", 1)])
def test_a_folder_that_nothing_names_beside_named_ones_is_left_over(
    named: str, found: int, tmp_path: Path
) -> None:
    files = {
        "apps/kustomization.yaml": HEAD + f"resources: [{named}]\n",
        "apps/web/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "apps/web/a.yaml": SETTINGS,
        "apps/late/kustomization.yaml": HEAD + "resources: [gone.yaml]\n",
        "other/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "other/a.yaml": SETTINGS,
    }

    assert len(rules(tmp_path, files, "folder-unbuildable")) == found


def test_an_overlay_beside_its_base_is_not_left_over(tmp_path: Path) -> None:
    files = {
        "web/base/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "web/base/a.yaml": SETTINGS,
        "web/dev/kustomization.yaml": HEAD + "resources: [../base]\n",
        "web/prod/kustomization.yaml": HEAD + "resources: [../base, gone.yaml]\n",
    }

    assert len(rules(tmp_path, files, "folder-unbuildable")) == 1


@pytest.mark.parametrize(
    ("listed", "page", "found"),
    [("a.yaml", "", 0), ("a.yaml", "kubectl apply -f web/late.yaml\n", 1), ("../other", "", 1)],
)
def test_a_file_that_nothing_names_beside_listed_ones_is_left_over(
    listed: str, page: str, found: int, tmp_path: Path
) -> None:
    files = {
        "web/kustomization.yaml": HEAD + f"resources: [{listed}]\n",
        "web/a.yaml": SETTINGS,
        "web/late.yaml": "a:\n  b: 1\n c: 2\n",
        "other/kustomization.yaml": HEAD + "resources: [b.yaml]\n",
        "other/b.yaml": SETTINGS.replace("settings", "others"),
        "notes.md": page,
    }

    assert len(rules(tmp_path, files, "not-yaml")) == found


SHARED = """\
- source: {kind: ConfigMap, name: settings, fieldPath: metadata.name}
  targets: [{select: {kind: ConfigMap, name: NAME}, fieldPaths: [data.a]}]
"""


@pytest.mark.parametrize(("name", "found"), [("extra", 0), ("extras", 1)])
def test_a_shared_replacement_has_its_target_in_one_of_its_folders(
    name: str, found: int, tmp_path: Path
) -> None:
    uses = HEAD + "resources: [a.yaml]\nreplacements: [{path: ../shared/names.yaml}]\n"
    settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}\n"
    files = {
        "notes.md": "kustomize build --load-restrictor LoadRestrictionsNone one\n",
        "shared/names.yaml": SHARED.replace("NAME", name),
        "one/kustomization.yaml": uses,
        "one/a.yaml": settings + "---\n" + settings.replace("settings", "extra"),
        "two/kustomization.yaml": uses,
        "two/a.yaml": settings,
    }

    assert len(rules(tmp_path, files, "replacement-hits-nothing")) == 2 * found


def test_a_folder_that_is_empty_on_purpose_is_not_blamed_for_its_patches(tmp_path: Path) -> None:
    patch = "patches: [{target: {kind: Deployment, name: web}, path: patch.yaml}]\n"
    files = {
        "later/kustomization.yaml": HEAD + "resources: []\ncomponents: [../names]\n" + patch,
        "later/patch.yaml": "- {op: add, path: /metadata/labels, value: {a: b}}\n",
        "names/kustomization.yaml": HEAD.replace("v1beta1", "v1alpha1").replace(
            "Kustomization", "Component"
        )
        + "resources: [a.yaml]\n",
        "names/a.yaml": SETTINGS,
    }

    assert [each.message for each in run(tmp_path, files, "patch-hits-nothing").findings] == []


@pytest.mark.parametrize(
    ("body", "found"),
    [("name: trial\nspec: {size: 1}", 0), ("metadata: {labels: {a: b}}\nspec: {size: 1}", 1)],
)
def test_a_program_s_own_file_has_no_metadata(body: str, found: int, tmp_path: Path) -> None:
    text = f"apiVersion: trials.example.org/v1\nkind: Trial\n{body}\n"

    assert len(rules(tmp_path, {"a.yaml": text}, "nameless-manifest")) == found

    named = text.replace("spec", "metadata: {name: a}\nspec") if not found else text
    files = {"a.yaml": text, "b.yaml": named}

    assert len(rules(tmp_path, files, "nameless-manifest")) == (found or 1) * (2 if found else 1)


SPREAD = """\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: shops, namespace: argocd}
spec:
  goTemplate: true
  generators: [{list: {elements: [{env: dev, limit: 3}, {env: prod, limit: 5}]}}]
  template:
    metadata: {name: 'shop-{{ .env }}'}
    spec:
      project: default
      source: {repoURL: 'https://git.example.com/a/shop.git', path: 'envs/{{ .env }}'}
      destination: {server: 'https://kubernetes.default.svc', namespace: shop}
      syncPolicy: {retry: {limit: LIMIT}, automated: {prune: PRUNE}}
"""


@pytest.mark.parametrize(
    ("limit", "prune", "fix"),
    [
        ("'{{ .limit }}'", "'{{ .limit }}'", "in spec.templatePatch"),
        ("'3'", "true", "Write a whole number."),
        ("3", "true", ""),
    ],
)
def test_a_wrong_type_in_a_template_is_a_fault_of_the_application_set(
    limit: str, prune: str, fix: str, tmp_path: Path
) -> None:
    text = SPREAD.replace("LIMIT", limit).replace("PRUNE", prune)

    findings = run(tmp_path, {"set.yaml": text}, "wrong-type").findings

    assert [each.resource for each in findings] == ["ApplicationSet argocd/shops"] * bool(fix)
    assert all(
        fix in each.fix and "refuses the ApplicationSet" in each.message for each in findings
    )


SERVES = """\
apiVersion: v1
kind: Service
metadata: {name: front-PROTOCOL, namespace: shop}
spec:
  selector: {app: front}
  ports: [{port: NUMBER, protocol: PROTOCOL}]
"""


@pytest.mark.parametrize(("number", "found"), [("8080", 0), ("80", 0)])
def test_two_services_may_split_a_port_by_its_protocol(
    number: str, found: int, tmp_path: Path
) -> None:
    tcp = SERVES.replace("NUMBER", number).replace("-PROTOCOL", "-one").replace("PROTOCOL", "TCP")
    udp = SERVES.replace("NUMBER", "8080").replace("-PROTOCOL", "-two").replace("PROTOCOL", "UDP")
    container = "{name: front, image: a, ports: [{containerPort: 8080}]}"
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop, labels: {app: front}}\n"
    files = {"a.yaml": f"{tcp}---\n{udp}---\n{pod}spec: {{containers: [{container}]}}\n"}

    lines = [each.resource for each in run(tmp_path, files, "service-port-unknown").findings]

    assert lines.count("Service shop/front-two") == found


@pytest.mark.parametrize(("claim", "found"), [("data-web-0", 0), ("data-shop-0", 1)])
def test_a_claim_that_a_stateful_set_once_made_is_not_looked_for(
    claim: str, found: int, tmp_path: Path
) -> None:
    template = "{metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: a}]}}"
    text = (
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: web, namespace: shop}\nspec:\n"
        f"  selector: {{matchLabels: {{app: web}}}}\n  template: {template}\n---\n"
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\nspec:\n"
        "  containers: [{name: a, image: a}]\n"
        f"  volumes: [{{name: old, persistentVolumeClaim: {{claimName: {claim}}}}}]\n"
    )

    assert len(rules(tmp_path, {"a.yaml": text}, "claim-missing")) == found


def test_a_migration_s_own_database_comes_before_it(tmp_path: Path) -> None:
    wave = "annotations: {argocd.argoproj.io/sync-wave: 'WAVE'}"
    pod = "{name: a, image: 'store:1', env: [{name: STORE_HOST, value: NAME}]}"
    files = {
        "a.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: Application\n"
        "metadata: {name: a, namespace: argocd}\nspec:\n  project: default\n"
        "  destination: {server: 'https://kubernetes.default.svc', namespace: shop}\n"
        "  source: {repoURL: 'https://git.example.com/a/b.git', path: shop}\n",
        "shop/store.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: store}\n"
        "spec: {selector: {app: store}, ports: [{port: 9000}]}\n---\n"
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: store, {wave}}}\nspec:\n"
        "  selector: {matchLabels: {app: store}}\n  template:\n"
        "    metadata: {labels: {app: store}}\n"
        "    spec: {containers: [{name: a, image: 'store:1'}]}\n".replace("WAVE", "0"),
        "shop/job.yaml": "apiVersion: batch/v1\nkind: Job\n"
        f"metadata: {{name: migrate, {wave}}}\nspec:\n  template:\n    spec:\n"
        f"      restartPolicy: Never\n      containers: [{pod}]\n",
    }
    files = {
        name: text.replace("'WAVE'", "'0'" if "store" in name else "'1'")
        for name, text in files.items()
    }
    rule = "workload-before-migration"

    for name, found in (("store", 0), ("other", 1)):
        files["shop/job.yaml"] = files["shop/job.yaml"].replace("NAME", name)
        assert len(rules(tmp_path, files, rule)) == found
        files["shop/job.yaml"] = files["shop/job.yaml"].replace(f"value: {name}", "value: NAME")


@pytest.mark.parametrize(("least", "found"), [(2, 0), (1, 1)])
def test_an_autoscaler_pinned_to_the_number_in_git_does_not_fight_it(
    least: int, found: int, tmp_path: Path
) -> None:
    template = "{metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: a}]}}"
    text = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n"
        f"  replicas: 2\n  selector: {{matchLabels: {{app: web}}}}\n  template: {template}\n---\n"
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\n"
        "metadata: {name: web, namespace: shop}\nspec:\n"
        "  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n"
        f"  minReplicas: {least}\n  maxReplicas: 2\n"
    )

    assert len(rules(tmp_path, {"a.yaml": text}, "replicas-fight-autoscaler")) == found


@pytest.mark.parametrize(("file", "found"), [("values.yaml", 0), ("notes.yaml", 1)])
def test_values_beside_a_kustomization_are_those_of_a_chart_that_something_installs(
    file: str, found: int, tmp_path: Path
) -> None:
    backend = "{service: {name: front, port: {number: 80}}}"
    path = f"{{path: /, pathType: Prefix, backend: {backend}}}"
    files = {
        "web/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "web/a.yaml": "apiVersion: networking.k8s.io/v1\nkind: Ingress\n"
        "metadata: {name: web, namespace: shop}\n"
        f"spec: {{rules: [{{host: web.example.com, http: {{paths: [{path}]}}}}]}}\n---\n"
        "apiVersion: v1\nkind: Service\nmetadata: {name: other, namespace: shop}\n"
        "spec: {clusterIP: None, ports: [{port: 80}]}\n",
        f"web/{file}": "image: {tag: '2'}\n",
    }

    assert len(rules(tmp_path, files, "ingress-backend-missing")) == found


@pytest.mark.parametrize(("variable", "found"), [("FRONT_HOSTNAME", 0), ("STORE_HOSTNAME", 1)])
def test_a_workload_s_own_host_name_is_not_looked_for(
    variable: str, found: int, tmp_path: Path
) -> None:
    pod = POD.replace("{name: front}\nspec", "{name: front, namespace: shop}\nspec")
    text = pod.replace("image:", f"env: [{{name: {variable}, value: rack-one}}], image:", 1)
    assert variable in text

    assert len(rules(tmp_path, {"a.yaml": text}, "host-unknown")) == found


@pytest.mark.parametrize("paths", [[], ["."]])
def test_a_repository_whose_root_is_a_kustomization_is_looked_at_whole(
    paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.chdir(tmp_path)
    files = {
        "kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "a.yaml": SETTINGS,
        "web/kustomization.yaml": HEAD + "resources: [gone.yaml]\n",
    }
    write(tmp_path, files)

    report = check(gather(paths, Facts()), Facts(), (1, 32), only=["folder-unbuildable"])

    assert [each.file for each in report.findings] == ["web/kustomization.yaml"]


@pytest.mark.parametrize(("other", "found"), [("b", 0), ("c", 1)])
@pytest.mark.parametrize("merged", [False, True])
def test_only_kustomize_minds_the_same_value_twice(
    other: str, found: int, merged: bool, tmp_path: Path
) -> None:
    data = f"data: {{a: b, a: {other}}}\n"
    files = {"a.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\n{data}"}
    if merged:
        files["kustomization.yaml"] = HEAD + "resources: [a.yaml]\n"

    assert len(rules(tmp_path, files, "duplicate-key")) == (1 if merged else found)
