"""An `images:` entry is unused when no folder that builds on it uses it, in the whole tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from treecheck.blame import forget
from treecheck.engine import check
from treecheck.facts import Facts
from treecheck.inputs import gather

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
COMPONENT = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
IMAGE = COMPONENT + "images: [{name: web, newName: registry.example.com/web, newTag: '7'}]\n"
POD = """
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec: {containers: [{name: main, image: NAME}]}
"""
APPLICATION = """
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: NAME, namespace: argocd}
spec:
  project: default
  source: {repoURL: https://git.example.com/shop.git, path: PATH}
  destination: {server: https://kubernetes.default.svc, namespace: shop}
"""


def application(name: str, path: str) -> str:
    return APPLICATION.replace("NAME", name).replace("PATH", path)


# The component with the image is of both parts, and the image in the container of one.
TREE = {
    "apps/web.yaml": application("web", "web"),
    "apps/db.yaml": application("db", "db"),
    "web/kustomization.yaml": HEAD + "resources: [pod.yaml]\ncomponents: [../image]\n",
    "web/pod.yaml": POD.replace("NAME", "web"),
    "db/kustomization.yaml": HEAD + "resources: [pod.yaml]\ncomponents: [../image]\n",
    "db/pod.yaml": POD.replace("NAME", "db"),
    "image/kustomization.yaml": IMAGE,
}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, 0),
        # web is rendered, and by no Application: it is a cluster of its own.
        ({"apps/web.yaml": application("web", "wbe")}, 0),
        # Whether web uses it can't be known.
        ({"web/kustomization.yaml": HEAD + "resources: [gone.yaml]\ncomponents: [../image]\n"}, 0),
        # Another folder that can't be built has nothing to do with it.
        ({"other/kustomization.yaml": HEAD + "resources: [gone.yaml]\n"}, 0),
        ({"image/kustomization.yaml": IMAGE.replace("name: web,", "name: wbe,")}, 1),
        ({"web/pod.yaml": POD.replace("NAME", "wbe"), "other/kustomization.yaml":
          HEAD + "resources: [gone.yaml]\n"}, 1),
    ],
)  # fmt: skip
def test_an_entry_is_unused_when_no_folder_uses_it(
    change: dict[str, str], found: int, tmp_path: Path
) -> None:
    for name, text in (TREE | change).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    forget()

    report = check(gather([str(tmp_path)], Facts()), Facts(), (1, 32), only=["image-entry-unused"])

    rules = [each.rule for each in report.findings if each.rule == "image-entry-unused"]
    assert rules == ["image-entry-unused"] * found
