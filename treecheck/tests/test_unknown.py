"""What can't be known is not a fault: the checker says nothing of it, and says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from treecheck.blame import forget
from treecheck.cli import command
from treecheck.engine import Report, check
from treecheck.facts import Facts
from treecheck.inputs import gather

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
FRONT = """
apiVersion: v1
kind: Service
metadata: {name: front}
spec:
  selector: {app: front}
  ports: [{name: http, port: 80, targetPort: 8080}]
"""
IN_SHOP = FRONT.replace("{name: front}", "{name: front, namespace: shop}")
POD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: front}
spec:
  replicas: 1
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front}}
    spec:
      containers:
        - {name: front, image: "registry.example.com/front:1.4.2", ports: [{containerPort: 8081}]}
"""
APPLICATION = """
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: NAME, namespace: argocd}
spec:
  project: default
  source: SOURCE
  destination: {server: https://kubernetes.default.svc, namespace: shop}
"""


def application(name: str, source: str) -> str:
    return APPLICATION.replace("NAME", name).replace("SOURCE", source)


CHART = application("db", "{repoURL: https://charts.example.com, chart: postgresql}")
ELSEWHERE = application("db", "{repoURL: https://git.example.com/other.git, path: gone/db}")
OWN = application("front", "{repoURL: https://git.example.com/shop.git, path: front}")
UNSEEN = {
    "a chart of a kustomization": {
        "kustomization.yaml": HEAD + "resources: [front.yaml]\n"
        "helmCharts: [{name: web, repo: https://charts.example.com, version: 1.0.0}]\n",
        "front.yaml": FRONT,
    },
    "a remote base": {
        "kustomization.yaml": HEAD + "namespace: shop\n"
        "resources: [front.yaml, https://git.example.com/team/web//base?ref=v1]\n",
        "front.yaml": FRONT,
    },
    "a generator that is a program": {
        "kustomization.yaml": HEAD + "resources: [front.yaml]\ngenerators: [secrets.yaml]\n",
        "secrets.yaml": "apiVersion: viaduct.ai/v1\nkind: ksops\nmetadata: {name: secrets}\n",
        "front.yaml": FRONT,
    },
    "an address that a generator reads": {
        "kustomization.yaml": HEAD + "namespace: shop\nresources: [front.yaml]\n"
        "configMapGenerator: [{name: a, files: [run.sh=https://example.com/run.sh]}]\n",
        "front.yaml": FRONT,
    },
    "a chart of an Application": {
        "argocd/chart.yaml": CHART, "argocd/own.yaml": OWN, "front/front.yaml": FRONT,
    },
    "another repository": {
        "argocd/other.yaml": ELSEWHERE, "argocd/own.yaml": OWN, "front/front.yaml": FRONT,
    },
    "an operator": {
        "front.yaml": IN_SHOP,
        "made.yaml": "apiVersion: apps.example.com/v1\nkind: Website\n"
        "metadata: {name: front, namespace: shop}\n",
    },
    "a folder that can't be built": {
        "one/kustomization.yaml": HEAD + "resources: [gone.yaml]\n",
        "two/kustomization.yaml": HEAD + "resources: [front.yaml]\n",
        "two/front.yaml": FRONT,
    },
}  # fmt: skip


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def run(folder: Path, files: dict[str, str], only: str = "service-selects-nothing") -> Report:
    write(folder, files)
    forget()
    return check(gather([str(folder)], Facts()), Facts(), (1, 32), only=[only])


@pytest.mark.parametrize("name", UNSEEN)
def test_it_is_silent_where_something_else_may_bring_the_pods_and_says_why(
    name: str, tmp_path: Path
) -> None:
    report = run(tmp_path, UNSEEN[name])

    assert [each for each in report.findings if each.rule != "folder-unbuildable"] == []
    assert report.failures == []
    assert [each for each in report.unknown if "can't be known" in each] != []


def test_it_speaks_where_nothing_else_may_bring_them(tmp_path: Path) -> None:
    report = run(tmp_path, {"argocd/own.yaml": OWN, "front/front.yaml": FRONT})

    assert [each.rule for each in report.findings] == ["service-selects-nothing"]
    assert report.unknown == []


def test_a_chart_in_another_namespace_changes_nothing(tmp_path: Path) -> None:
    chart = CHART.replace("namespace: shop", "namespace: databases")

    report = run(tmp_path, {"a/chart.yaml": chart, "a/own.yaml": OWN, "front/front.yaml": FRONT})

    assert [each.rule for each in report.findings] == ["service-selects-nothing"]


def test_what_is_there_is_judged_beside_a_chart(tmp_path: Path) -> None:
    files = UNSEEN["a chart of a kustomization"] | {"pod.yaml": POD}
    files["kustomization.yaml"] = files["kustomization.yaml"].replace("[f", "[pod.yaml, f")

    report = run(tmp_path, files, "service-port-unknown")

    assert [each.rule for each in report.findings] == ["service-port-unknown"]
    assert report.findings[0].file.endswith("front.yaml")


def test_the_transformers_around_a_remote_base_reach_the_manifests_beside_it(
    tmp_path: Path,
) -> None:
    files = UNSEEN["a remote base"]
    files["kustomization.yaml"] += (
        "patches: [{patch: 'apiVersion: apps/v1\n\n    kind: Deployment\n\n"
        "    metadata: {name: of-the-base}\n\n    spec: {replicas: 3}'}]\n"
    )

    run(tmp_path, files)

    found = gather([str(tmp_path)], Facts()).sets
    assert [each.title for part in found.values() for each in part] == ["Service shop/front"]


def test_two_overlays_of_one_namespace_are_judged_each_by_itself(tmp_path: Path) -> None:
    files = {
        "base/kustomization.yaml": HEAD + "resources: [pod.yaml]\n",
        "base/pod.yaml": POD,
        "east/kustomization.yaml": HEAD + "namespace: shop\nresources: [../base]\n",
        "west/kustomization.yaml": HEAD
        + "namespace: shop\nnamePrefix: west-\nresources: [../base]\n",
    }

    assert run(tmp_path, files, "selectors-overlap").findings == []


def test_a_folder_lacks_nothing_that_another_folder_of_the_tree_has(tmp_path: Path) -> None:
    files = {
        "pods/kustomization.yaml": HEAD + "namespace: shop\nresources: [pod.yaml]\n",
        "pods/pod.yaml": POD,
        "front/kustomization.yaml": HEAD + "namespace: shop\nresources: [front.yaml]\n",
        "front/front.yaml": FRONT,
    }
    found = run(tmp_path, files)
    assert found.findings == []

    files["pods/pod.yaml"] = POD.replace("app: front", "app: back")
    assert [each.rule for each in run(tmp_path, files).findings] == ["service-selects-nothing"]


def test_the_summary_does_not_say_nothing_found_of_what_it_did_not_see(tmp_path: Path) -> None:
    run(tmp_path, UNSEEN["another repository"])

    said = CliRunner().invoke(command, [str(tmp_path), "--only", "service-selects-nothing"])

    assert said.exit_code == 0
    assert "not known: path gone/db of Application db is not in this tree" in said.output
    assert "Nothing found in what could be looked at: 3 resources" in said.output


def test_an_empty_folder_is_not_called_faultless(tmp_path: Path) -> None:
    said = CliRunner().invoke(command, [str(tmp_path)])

    assert "Nothing was checked: there are no manifests here." in said.output
    assert "Nothing found" not in said.output


def test_an_unused_patch_below_a_kustomization_is_not_judged_as_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "patches").mkdir()
    (tmp_path / "kustomization.yaml").write_text(HEAD + "resources: []\n", encoding="utf-8")
    patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
    (tmp_path / "patches/web.yaml").write_text(patch, encoding="utf-8")

    report = check(gather([str(tmp_path)], Facts()), Facts(), (1, 32))

    assert [each.rule for each in report.findings if each.rule != "manifest-unlisted"] == []


@pytest.mark.parametrize(("verb", "wrong"), [("impersonate", 0), ("list", 1)])
def test_users_and_groups_are_resources_for_those_who_impersonate(
    verb: str, wrong: int, tmp_path: Path
) -> None:
    rules = f"rules: [{{apiGroups: [''], resources: [users, groups], verbs: [{verb}]}}]\n"
    kind = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: proxy}\n"
    (tmp_path / "role.yaml").write_text(kind + rules, encoding="utf-8")

    inputs = gather([str(tmp_path)], Facts())
    report = check(inputs, Facts(), (1, 32), only=["role-resource-unknown"])

    assert len(report.findings) == wrong


def test_a_patch_of_what_a_generator_makes_is_kept_beside_a_chart(tmp_path: Path) -> None:
    chart = "helmCharts: [{name: web, repo: https://charts.example.com, version: 1.0.0}]\n"
    made = "configMapGenerator: [{name: front, literals: [A=b]}]\n"
    patch = "patches:\n  - path: front.yaml\n"
    front = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: front, labels: {app: -x}}\n"
    files = {"kustomization.yaml": HEAD + chart + made + patch, "front.yaml": front}

    report = run(tmp_path, files, only="label-syntax")

    assert [each.rule for each in report.findings] == ["label-syntax"]


def test_what_lies_around_a_folder_is_not_judged_and_ends_nothing(tmp_path: Path) -> None:
    """The folder's own fault is reported after one of what is around it."""
    port = IN_SHOP.replace("port: 80", "port: 80, nodePort: 30080")
    port = port.replace("spec:", "spec:\n  type: NodePort")
    pods = POD.replace("front}\nspec", "front, namespace: shop}\nspec")
    for name, text in (("a", pods), ("b", port)):
        both = text + "---" + text.replace("{name: front, namespace", "{name: other, namespace")
        inner = {"kustomization.yaml": HEAD + f"resources: [{name}.yaml]\n", f"{name}.yaml": both}
        write(tmp_path / name, inner)
    write(tmp_path, {".git/HEAD": "", "kustomization.yaml": HEAD + "resources: [a, b]\n"})
    forget()

    rules = ["node-port-twice", "selectors-overlap"]
    report = check(gather([str(tmp_path / "a")], Facts()), Facts(), (1, 32), only=rules)

    assert [each.rule for each in report.findings] == ["selectors-overlap"]


def test_an_outer_kustomization_that_does_not_build_on_a_folder_brings_it_nothing(
    tmp_path: Path,
) -> None:
    inner = {"a/kustomization.yaml": HEAD + "resources: [front.yaml]\n", "a/front.yaml": FRONT}
    outer = {"kustomization.yaml": HEAD + "resources: [pod.yaml]\n", "pod.yaml": POD}
    write(tmp_path, inner | outer | {".git/HEAD": ""})
    forget()

    report = check(gather([str(tmp_path / "a")], Facts()), Facts(), (1, 32))

    assert "service-selects-nothing" in {each.rule for each in report.findings}


def test_a_set_that_only_argo_cd_expands_hides_its_own_namespace_alone(tmp_path: Path) -> None:
    template = "{metadata: {name: a}, spec: {project: default, source: SOURCE, destination: TO}}"
    source = "{repoURL: https://git.example.com/shop.git, path: more}"
    to = "{server: https://kubernetes.default.svc, namespace: NAMESPACE}"
    made = (
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\n"
        "metadata: {name: all, namespace: argocd}\nspec:\n"
        "  generators: [{pullRequest: {github: {owner: a, repo: b}}}]\n"
        f"  template: {template.replace('SOURCE', source).replace('TO', to)}\n"
    )
    for namespace, found in (("shop", []), ("other", ["service-selects-nothing"])):
        text = made.replace("NAMESPACE", namespace)
        files = {"argocd/own.yaml": OWN, "argocd/all.yaml": text, "front/front.yaml": FRONT}
        report = run(tmp_path, files)
        assert [each.rule for each in report.findings] == found


JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: install, namespace: kube-system}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: "registry.example.com/install:1.0.0"}]
      volumes: [{name: values, configMap: {name: values}}]
"""


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("cloud/main.tf", 0),
        ("cloud/main.tofu", 0),
        ("cloud/README.md", 1),
        ("other/main.tf", 1),
        ("main.tf", 1),  # a repository with Terraform beside everything else says nothing
    ],
)
def test_what_terraform_makes_beside_its_manifests_is_not_known(
    name: str, found: int, tmp_path: Path
) -> None:
    write(tmp_path, {"cloud/manifests/install.yaml": JOB, name: ""})
    forget()

    report = check(gather([str(tmp_path)], Facts()), Facts(), (1, 32), only=["config-missing"])

    assert [each.rule for each in report.findings] == ["config-missing"] * found
    why = (
        f"Terraform in {tmp_path / 'cloud'} may make more, so what is missing there can't be known"
    )
    assert report.unknown == ([] if found else [why])


SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: web, namespace: shop}\n"
SEALED = SECRET.replace("v1", "bitnami.com/v1alpha1", 1).replace("Secret", "SealedSecret")


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("kubeseal --format yaml < plain.yaml > ../sealed.yaml\n", 0),
        ("kubeseal --format yaml < other.yaml > ../sealed.yaml\n", 1),
        ("kubectl apply -f plain.yaml\n", 1),
    ],
)
def test_a_secret_that_a_script_seals_is_not_applied(
    script: str, found: int, tmp_path: Path
) -> None:
    files = {"sealed.yaml": SEALED, "make/plain.yaml": SECRET, "make/seal.sh": script}
    write(tmp_path, files)
    forget()

    only = ["secret-beside-sealed"]
    report = check(gather([str(tmp_path)], Facts()), Facts(), (1, 32), only=only)

    assert [each.rule for each in report.findings] == only * found


@pytest.mark.parametrize(("namespace", "found"), [("argocd", 0), ("shop", 1)])
def test_a_chart_with_a_namespace_may_bring_what_lacks_there(
    namespace: str, found: int, tmp_path: Path
) -> None:
    chart = "{name: apps, repo: https://charts.example.com, namespace: NS}"
    project = application("web", "{repoURL: https://git.example.com/shop.git, path: web}")
    files = {
        "start/kustomization.yaml": HEAD + f"helmCharts: [{chart.replace('NS', namespace)}]\n",
        "apps/web.yaml": project.replace("project: default", "project: ours"),
        "apps/other.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\n"
        "metadata: {name: other, namespace: argocd}\n",
        "web/front.yaml": FRONT,
    }
    write(tmp_path, files)
    forget()

    report = check(gather([str(tmp_path)], Facts()), Facts(), (1, 32), only=["project-missing"])

    assert [each.rule for each in report.findings] == ["project-missing"] * found
