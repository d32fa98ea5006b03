"""What a finding says to write, and where: a fix that causes another fault is worse than none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rule_cases import case
from test_rules import run

from treecheck.blame import forget
from treecheck.engine import check
from treecheck.facts import Facts
from treecheck.inputs import gather

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: shop, namespace: argocd}
spec:
  project: default
  source: {repoURL: https://git.example.com/shop.git, targetRevision: main, path: shop}
  destination: {server: https://kubernetes.default.svc, namespace: shop}
"""
MISBOUND = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {serviceAccountName: web, containers: [{name: web, image: "example.com/web:1.2.3"}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web-election, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web-election}
subjects: [{kind: ServiceAccount, name: default, namespace: shop}]
"""
COMMON = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: each}
spec:
  syncPolicy:
    automated:
      selfheal: true
"""
PATCHED = """\
resources: [shop.yaml]
patches:
  - path: common.yaml
    target: {kind: Application}
"""


@pytest.mark.parametrize(
    ("rule", "name", "fix"),
    [
        ("node-label-unknown", "shortened.shorter", "Write kubernetes.io/hostname."),
        ("node-label-unknown", "shortened.hyphened", "Write kubernetes.io/hostname."),
        ("node-label-unknown", "shortened.longer", "Write topology.kubernetes.io/zone."),
        (
            "unknown-field",
            "in-an-application.in-a-mapping",
            "Write 'selfHeal' in place of 'self-heal'.",
        ),
        (
            "unknown-field",
            "in-an-application.deeper",
            "Write 'maxDuration' in place of 'maxduration'.",
        ),
        (
            "unknown-field",
            "in-an-application.behind-a-reference",
            "Write 'exclude' in place of 'exlude'.",
        ),
        ("role-missing", "kind.a-role-as-a-cluster-role", "Set roleRef.kind to Role."),
        ("role-missing", "kind.a-cluster-role-as-a-role", "Set roleRef.kind to ClusterRole."),
        ("argocd-time", "plain", "Write 1m."),
        ("argocd-time", "of-a-cache", "Write 24h."),
        ("service-port-strays", "plain", "Set targetPort to http."),
    ],
)
def test_a_fix_names_what_is_meant(rule: str, name: str, fix: str, tmp_path: Path) -> None:
    assert [each.fix for each in run(case(rule, name), tmp_path).findings] == [fix]


def test_a_field_is_blamed_on_the_patch_whose_target_means_the_resource(tmp_path: Path) -> None:
    files = {"kustomization.yaml": PATCHED, "common.yaml": COMMON, "shop.yaml": APPLICATION}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    forget()

    inputs = gather([str(tmp_path)], Facts())
    report = check(inputs, Facts(), (1, 32), only=["unknown-field"])

    places = [(each.file.rpartition("/")[2], each.line) for each in report.findings]
    assert places == [("common.yaml", 7)]


def test_a_token_without_rights_names_the_binding_of_another_account(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(MISBOUND, encoding="utf-8")
    facts = Facts()

    report = check(gather([str(tmp_path)], facts), facts, (1, 32), only=("token-mounted",))

    assert [each.fix for each in report.findings] == [
        (
            "If RoleBinding web-election is meant for web, name it there in place of default; "
            "if not, set automountServiceAccountToken: false on the pod."
        )
    ]
