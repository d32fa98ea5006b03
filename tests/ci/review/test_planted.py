"""Secrets in more places than a reviewer would think of: no command prints one, in no format.

All are planted in one tree, so that what one place lets through another can't hide.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from ci.review.diff import command as diff
from ci.review.markdown import write_markdown
from ci.review.report import Comparison, as_data, make_report
from ci.review.trees import read_tree
from ci.review.validate import command as validate
from ci.review.versions import NewVersion

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
BEFORE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: shop}\n"
PLANTED = {
    "secret-number": "73318842",
    "secret-generator": "gen-Horse-1001",
    "config-generator": "gen-Horse-1002",
    "config-number": "48151601",
    "config-url": "url-Horse-1003",
    "config-query": "url-Horse-1004",
    "config-signature": "urlHorse1005xyz",
    "config-json-number": "48151602",
    "config-netrc": "net-Horse-1006",
    "config-connection": "con-Horse-1007",
    "config-openssh": "b3BlbnNzaC1rZXktdjEAAAAA",
    "binary-data": "UGxhbnRlZEhvcnNlMTAwOA==",
    "annotation-url": "ann-Horse-1009",
    "label": "lab-Horse-1010",
    "argument-number": "48151603",
    "argument-licence": "ABCD-1011-EFGH-5678",
    "argument-apart": "9f8e7d6c5b4a3930",
    "variable-number": "48151604",
    "variable-patched": "pat-Horse-1012",
    "probe-header": "Basic cGxhbnRlZDpIb3JzZTEwMTM=",
    "sealed-template": "sea-Horse-1014",
    "finding-text": "ghp_" + "b2C3d4E5f6G7" * 3,
    "resource-name": "glpat-planted0123456789abcd",
    "file-name": "xoxb-planted-1015-horse",
    "repository-url": "rep-Horse-1016",
    "remote-base": "rem-Horse-1017",
    "helm-values": "val-Horse-1018",
    "helm-values-object": "48151605",
    "helm-parameter": "par-Horse-1019",
    "unbuildable": "unb-Horse-1020",
    "unreadable": "unr-Horse-1021",
    "commit-message": "com-Horse-1022",
    "commit-token": "ghp_" + "c3D4e5F6g7H8" * 3,
}
P = PLANTED
FILES = {
    "one.yaml": BEFORE,
    "secret.yaml": (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: shop}\n"
        f"stringData:\n  PIN: {P['secret-number']}\n"
    ),
    "made/kustomization.yaml": HEAD
    + f"""namespace: shop
resources: [pod.yaml]
secretGenerator:
  - {{name: made, literals: [ANY={P["secret-generator"]}]}}
configMapGenerator:
  - {{name: made, literals: [DB_PASSWORD={P["config-generator"]}]}}
patches:
  - patch: |
      apiVersion: v1
      kind: Pod
      metadata: {{name: web}}
      spec:
        containers:
          - name: web
            env: [{{name: DB_PASSWORD, value: {P["variable-patched"]}}}]
""",
    "made/pod.yaml": f"""apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations: {{note: "amqp://shop:{P["annotation-url"]}@queue/1"}}
  labels: {{token: {P["label"]}}}
spec:
  containers:
    - name: web
      image: registry.example.com/web:1.0.0
      imagePullPolicy: {P["finding-text"]}
      args: [--pin-password={P["argument-number"]}, --license-key, {P["argument-licence"]},
             --auth-key, {P["argument-apart"]}]
      env:
        - {{name: API_TOKEN, value: {P["variable-number"]}}}
      livenessProbe:
        httpGet:
          path: /
          port: 80
          httpHeaders: [{{name: Authorization, value: {P["probe-header"]}}}]
""",
    "config.yaml": f"""apiVersion: v1
kind: ConfigMap
metadata: {{name: c, namespace: shop}}
data:
  PASSWORD: {P["config-number"]}
  a: "postgres://shop:{P["config-url"]}@db/shop"
  b: "https://files.example.com/a?access_token={P["config-query"]}"
  c: "https://files.example.com/a?sig={P["config-signature"]}&x=1"
  d: '{{"password": {P["config-json-number"]}}}'
  netrc: "machine git.example.com login shop password {P["config-netrc"]}"
  e: "Server=db;User Id=shop;Password={P["config-connection"]};"
  f: |
    -----BEGIN OPENSSH PRIVATE KEY-----
    {P["config-openssh"]}
    -----END OPENSSH PRIVATE KEY-----
binaryData:
  password: {P["binary-data"]}
""",
    "sealed.yaml": f"""apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata: {{name: s2, namespace: shop}}
spec:
  encryptedData: {{A: AgBx}}
  template:
    data: {{ANY: {P["sealed-template"]}}}
""",
    "named.yaml": BEFORE.replace("one", P["resource-name"]),
    f"{P['file-name']}.yaml": BEFORE.replace("one", "Not_A_Name"),
    "application.yaml": f"""apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: chart, namespace: argocd}}
spec:
  project: default
  destination: {{server: "https://kubernetes.default.svc", namespace: shop}}
  source:
    repoURL: https://shop:{P["repository-url"]}@git.example.com/charts
    chart: redis
    targetRevision: 1.2.3
    helm:
      values: |
        auth:
          password: {P["helm-values"]}
      valuesObject: {{auth: {{password: {P["helm-values-object"]}}}}}
      parameters: [{{name: auth.rootPassword, value: {P["helm-parameter"]}}}]
""",
    "remote/kustomization.yaml": HEAD
    + f"resources: ['https://shop:{P['remote-base']}@git.example.com/all.yaml']\n",
    "broken/kustomization.yaml": HEAD + f"resources: [password={P['unbuildable']}.yaml]\n",
    "unreadable.yaml": f"kind: ConfigMap\ndata: {{PASSWORD: {P['unreadable']}\n  x: [\n",
}


def planted(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root.resolve()


@pytest.fixture(scope="module", params=["added", "removed"])
def said(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Everything that is said when the tree is added, and when it is removed."""
    root = tmp_path_factory.mktemp("planted")
    without = planted(root / "without", {"one.yaml": BEFORE})
    trees = [read_tree(without), read_tree(planted(root / "with", FILES))]
    report = make_report(*(trees if request.param == "added" else reversed(trees)))
    commits = [f"0a1b2c3d Set the password: {P['commit-message']} (Ann)", P["commit-token"]]
    promoted = [NewVersion("coworking", "1", "2", commits)]
    section = type(report.sections[0])("overlays/prod", versions=promoted)
    both = [report, Comparison([section], [], [], live="")]
    section.changes = report.sections[0].changes[:1]
    return "".join(write_markdown(each) + json.dumps(as_data(each)) for each in both)


@pytest.mark.parametrize("place", PLANTED)
def test_no_planted_secret_is_said(place: str, said: str) -> None:
    assert PLANTED[place] not in said


def test_what_the_places_hold_is_looked_at(said: str) -> None:
    for title in ("ConfigMap shop/c", "Pod shop/web", "Secret shop/s", "Application argocd/chart"):
        assert title in said
    assert said.count("(redacted") > 40


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose files, but not its commit, have every secret."""
    root = planted(tmp_path_factory.mktemp("repository"), {"one.yaml": BEFORE})
    for arguments in (["init", "--quiet", "--template="], ["add", "."], ["commit", "-qm", "one"]):
        identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.com"]
        subprocess.run(["git", *identity, *arguments], cwd=root, check=True)
    return planted(root, FILES)


@pytest.mark.parametrize("style", ["text", "json", "sarif", "junit"])
def test_the_checker_prints_no_planted_secret(style: str, repository: Path) -> None:
    """Neither to standard output nor to standard error: `output` is both."""
    result = CliRunner().invoke(validate, [str(repository), "--format", style])

    assert result.exit_code == 1
    assert [place for place, secret in PLANTED.items() if secret in result.output] == []
    assert result.output.count("(hidden)") > 4


def test_no_report_of_the_checker_has_a_planted_secret(repository: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"report.{ending}" for ending in ("sarif", "xml", "json")]
    options = [option for file in files for option in ("--report", str(file))]

    CliRunner().invoke(validate, [str(repository), *options])

    for file in files:
        said = file.read_text(encoding="utf-8")
        assert [place for place, secret in PLANTED.items() if secret in said] == []
        assert "(hidden)" in said


@pytest.mark.parametrize("style", ["markdown", "json"])
def test_the_difference_prints_no_planted_secret(
    style: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)

    result = CliRunner().invoke(diff, ["--base", "HEAD", "--format", style])

    assert "redacted" in result.output
    assert [place for place, secret in PLANTED.items() if secret in result.output] == []
