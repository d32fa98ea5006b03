"""An Application is a renderer: what its sources make of their folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from treecheck.blame import forget
from treecheck.engine import Report, check
from treecheck.facts import Facts
from treecheck.inputs import gather

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION = """
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: shop, namespace: argocd}
spec:
  project: default
  source: {repoURL: https://git.example.com/shop.git, targetRevision: main, path: shop, MORE}
  destination: {server: https://kubernetes.default.svc, namespace: shop}
  syncPolicy: {syncOptions: [CreateNamespace=true]}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


def run(folder: Path, options: str, files: dict[str, str]) -> Report:
    tree = files | {"argocd/shop.yaml": APPLICATION.replace("MORE", options)}
    for name, text in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    forget()
    only = ["label-syntax", "selectors-overlap", "service-selects-nothing"]
    return check(gather([str(folder)], Facts()), Facts(), (1, 32), only=only)


@pytest.mark.parametrize(
    ("options", "read"),
    [
        ("directory: {}", {"a"}),
        ("directory: {recurse: true}", {"a", "b", "c"}),
        ("directory: {recurse: true, exclude: 'deep/*'}", {"a"}),
        ("directory: {recurse: true, include: '{a,deep/b}.yaml'}", {"a", "b"}),
    ],
)
def test_a_directory_source_reads_the_files_that_argo_cd_reads(
    options: str, read: set[str], tmp_path: Path
) -> None:
    files = {
        f"shop/{place}.yaml": SERVICE.replace("NAME", place[-1])
        for place in ("a", "deep/b", "deep/deeper/c")
    }

    found = {each.resource for each in run(tmp_path, options, files).findings}
    assert {f"Service shop/{name}" for name in read} <= found
    assert not {f"Service shop/{name}" for name in {"a", "b", "c"} - read} & found


def test_what_a_plugin_renders_is_not_judged_as_it_is_written(tmp_path: Path) -> None:
    text = SERVICE.replace("NAME", "web").replace("app: web", 'app: "${APP}"')

    report = run(tmp_path, "plugin: {name: envsubst}", {"shop/web.yaml": text})
    assert report.findings == []
    plain = run(tmp_path, "directory: {}", {"shop/web.yaml": text})
    assert "label-syntax" in {each.rule for each in plain.findings}


def test_a_folder_that_an_application_renders_is_not_there_a_second_time(tmp_path: Path) -> None:
    pod = "{metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}"
    web = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
        f"spec: {{selector: {{matchLabels: {{app: web}}}}, template: {pod}}}\n"
    )
    files = {"shop/kustomization.yaml": "resources: [web.yaml]\nnamespace: shop\n"}

    report = run(tmp_path, "kustomize: {namePrefix: eu-}", files | {"shop/web.yaml": web})
    assert report.findings == []


@pytest.mark.parametrize(
    ("others", "such_as"),
    [
        ({"dev": "overlays/dev/web"}, ", such as overlays/prod/web"),
        # That folder is another Application's.
        ({"dev": "overlays/dev/web", "other": "overlays/prod/web"}, ""),
    ],
)
def test_a_missing_path_is_compared_with_the_folders_beside_it(
    others: dict[str, str], such_as: str, tmp_path: Path
) -> None:
    application = (
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\n"
        "metadata: {name: NAME, namespace: argocd}\nspec:\n  project: default\n"
        "  source: {repoURL: https://git.example.com/shop.git, path: PATH}\n"
        "  destination: {server: https://kubernetes.default.svc, namespace: shop}\n"
    )
    for name, path in {**others, "prod": "overlays/production/web"}.items():
        file = tmp_path / "apps" / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(application.replace("NAME", name).replace("PATH", path), encoding="utf-8")
    for name in ("dev", "prod"):
        (tmp_path / "overlays" / name / "web").mkdir(parents=True)
        (tmp_path / "overlays" / name / "web" / "empty.yaml").write_text("", encoding="utf-8")

    inputs = gather([str(tmp_path)], Facts())
    (finding,) = check(inputs, Facts(), (1, 32), only=["application-path-missing"]).findings

    assert finding.fix == f"Name the folder of its manifests{such_as}."
