"""One fault, one finding: through two overlays, through two names of a cluster, on one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from treecheck.blame import forget
from treecheck.engine import Report, check
from treecheck.facts import Facts
from treecheck.inputs import gather

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
POD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: web
          image: registry.example.com/web:1.4.2
          args: [serve, --threads, "4"]
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            - {name: settings, mountPath: /etc/web}
          resources:
            requests: {cpu: 100m, memory: 128Mi}
            limits: {memory: 128Mi}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
      volumes:
        - name: tmp
          emptyDir: {}
        - name: settings
          configMap: {name: settings}
"""
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {LEVEL: info}\n"
WITHOUT_TMP = HEAD + (
    "namespace: dev\nresources: [../base]\npatches:\n  - patch: |-\n"
    "      apiVersion: apps/v1\n      kind: Deployment\n      metadata: {name: web}\n"
    "      spec:\n        template:\n          spec:\n            containers:\n"
    "              - name: web\n                volumeMounts:\n"
    "                  - {$patch: delete, mountPath: /tmp}\n"
    "            volumes:\n              - {$patch: delete, name: tmp}\n"
)
APPLICATION = """
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: web, namespace: argocd}
spec:
  project: default
  source: {repoURL: https://example.com/shop.git, path: dev}
  destination: {server: https://kubernetes.default.svc, namespace: dev}
  syncPolicy: {syncOptions: [CreateNamespace=true]}
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A base and two overlays, of which dev has a volume less."""
    for file, text in {
        "base/kustomization.yaml": HEAD + "resources: [web.yaml, settings.yaml]\n",
        "base/web.yaml": POD,
        "base/settings.yaml": SETTINGS,
        "dev/kustomization.yaml": WITHOUT_TMP,
        "prod/kustomization.yaml": HEAD + "namespace: prod\nresources: [../base]\n",
    }.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def run(tree: Path) -> Report:
    forget()
    return check(gather([str(tree)], Facts()), Facts(), (1, 32))


def test_it_finds_nothing_in_the_tree_as_it_is(tree: Path) -> None:
    report = run(tree)

    assert (report.findings, report.failures) == ([], [])


def test_it_tells_a_fault_of_the_base_once_though_its_place_differs(tree: Path) -> None:
    change(tree / "base/web.yaml", "configMap: {name: settings}", "configMap: {name: setting}")

    report = run(tree)

    assert [each.rule for each in report.findings] == ["config-missing"]
    assert sorted(report.findings[0].groups) == ["dev", "prod"]


MISREAD = "base/kustomization.yaml has a field resource, which kustomize does not know there"


def test_it_tells_once_and_shortly_what_kustomize_refuses(tree: Path) -> None:
    change(tree / "base/kustomization.yaml", "resources:", "resource:")

    report = run(tree)

    assert [(each.rule, each.message) for each in report.findings] == [
        ("folder-unbuildable", f"dev and prod can't be built: {MISREAD}")
    ]
    assert report.failures == []


def test_it_names_each_folder_that_can_not_be_built_with_the_reason(tree: Path) -> None:
    change(tree / "base/kustomization.yaml", "resources:", "resource:")

    assert run(tree).unbuilt == dict.fromkeys(("dev", "prod"), MISREAD)
    inputs = gather([str(tree)], Facts())
    assert sorted(inputs.failed) == ["dev", "prod"]
    assert inputs.sets == {}


def test_it_counts_the_resources_and_the_clusters(tree: Path) -> None:
    report = run(tree)

    assert (report.resources, report.clusters) == (4, 2)
    assert (report.unbuilt, report.notes) == ({}, [])


def test_findings_come_in_the_order_of_their_folders_and_lines(tree: Path) -> None:
    change(tree / "base/web.yaml", "image: registry.example.com/web:1.4.2", "image: web:latest")
    change(tree / "base/web.yaml", '"4"', "4")
    change(tree / "prod/kustomization.yaml", "namespace: prod", "namespace: Prod")

    report = run(tree)

    places = [(each.groups, each.file, each.line) for each in report.findings]
    assert places == sorted(places)
    assert len(set(places)) > 2


def test_it_quotes_the_word_of_a_list_in_one_line(tree: Path) -> None:
    change(tree / "base/web.yaml", '"4"', "4")

    finding = run(tree).findings[0]

    assert "args[2]: 4 without quotes is 4" in finding.message
    assert finding.fix == 'Put it in quotes: "4".'


def test_resources_without_a_namespace_go_where_their_application_says(tree: Path) -> None:
    change(tree / "dev/kustomization.yaml", "namespace: dev\n", "")
    (tree / "application.yaml").write_text(APPLICATION, encoding="utf-8")

    assert run(tree).findings == []


SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8081}]
"""
# How many pods may be away, given by a number that is not one; and a port that no container has.
BUDGET = """
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec:
  minAvailable: 1
  selector:
    matchLabels: {app: web}
"""


def rules_found(tree: Path, resource: str) -> list[str]:
    (tree / "base/more.yaml").write_text(resource, encoding="utf-8")
    change(tree / "base/kustomization.yaml", "[web.yaml", "[more.yaml, web.yaml")
    return sorted({each.rule for each in run(tree).findings})


def ported(tree: Path) -> Path:
    """The Deployment, with a container that listens on 8080."""
    probe = "readinessProbe: {httpGet: {path: /, port: 8080}}"
    change(
        tree / "base/web.yaml",
        "          resources:\n",
        f"          ports: [{{containerPort: 8080}}]\n          {probe}\n          resources:\n",
    )
    return tree / "base/web.yaml"


def test_an_error_in_the_replicas_does_not_hide_the_port_of_the_service(tree: Path) -> None:
    change(ported(tree), "replicas: 1", 'replicas: "three"')

    assert rules_found(tree, SERVICE) == ["service-port-unknown", "wrong-type"]


def test_an_error_in_the_port_hides_what_follows_from_it(tree: Path) -> None:
    change(ported(tree), "containerPort: 8080", 'containerPort: "8080"')

    assert rules_found(tree, SERVICE) == ["wrong-type"]


def test_an_error_in_the_replicas_hides_what_counts_them(tree: Path) -> None:
    assert rules_found(tree, BUDGET) == ["drain-blocked"]

    change(tree / "base/web.yaml", "replicas: 1", 'replicas: "three"')

    assert {each.rule for each in run(tree).findings} == {"wrong-type"}


def test_a_word_that_a_message_and_an_error_share_hides_nothing(tree: Path) -> None:
    web = tree / "base/web.yaml"
    change(web, "labels: {app: web}", "labels: {app: web, setting: 1}")
    change(web, "configMap: {name: settings}", "configMap: {name: setting}")

    assert {each.rule for each in run(tree).findings} == {"config-missing", "unquoted-value"}


def test_it_names_the_folder_whose_kustomization_is_empty(tmp_path: Path) -> None:
    (tmp_path / "outer/inner").mkdir(parents=True)
    (tmp_path / "outer/kustomization.yaml").write_text("resources: [inner]\n", encoding="utf-8")
    (tmp_path / "outer/inner/kustomization.yaml").write_text("# nothing yet\n", encoding="utf-8")

    report = run(tmp_path)

    assert [each.message.rpartition("/")[2] for each in report.findings] == [
        "outer can't be built: the kustomization of inner is empty"
    ]


LET_IN = """
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {selector: {app: db}, ports: [{port: 5432, targetPort: 5432}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, labels: {app: db}}
spec: {containers: [{name: db, image: db, ports: [{containerPort: 5432}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: migrate, labels: {app: migrate}}
spec: {containers: [{name: migrate, image: web, env: [{name: DB_HOST, value: db}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{podSelector: {matchLabels: {client: "true"}}}]}]
"""
DUMP = """
apiVersion: v1
kind: Pod
metadata: {name: dump, labels: {client: "true"}}
spec: {containers: [{name: dump, image: dump}]}
"""


def test_a_peer_that_one_namespace_lacks_hides_nothing_in_another(tmp_path: Path) -> None:
    files = {
        "base/kustomization.yaml": HEAD + "resources: [all.yaml]\n",
        "base/all.yaml": LET_IN,
        "dev/kustomization.yaml": HEAD + "namespace: dev\nresources: [../base]\n",
        "prod/kustomization.yaml": HEAD + "namespace: prod\nresources: [../base, dump.yaml]\n",
        "prod/dump.yaml": DUMP,
        "kustomization.yaml": HEAD + "resources: [dev, prod]\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    forget()

    report = check(
        gather([str(tmp_path)], Facts()),
        Facts(),
        (1, 32),
        only=["network-blocked", "network-policy-peer-unknown"],
    )

    assert {(each.rule, each.resource) for each in report.findings} == {
        ("network-policy-peer-unknown", "NetworkPolicy dev/db"),
        ("network-blocked", "NetworkPolicy prod/db"),
    }
