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
        # The new name has its tag with it.
        ({"image/kustomization.yaml": IMAGE.replace("/web, newTag: '7'", "/web:7")}, 0),
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


JOB = "apiVersion: v1\nkind: Pod\nmetadata: {name: job}\n"
DELETE = JOB + "$patch: delete\n"
# The base names the images of two pods, and the overlay deletes one of them.
DELETED = {
    "base/kustomization.yaml": HEAD + "resources: [web.yaml, job.yaml]\n"
    "images: [{name: web, newTag: '7'}, {name: job, newTag: '8'}]\n",
    "base/web.yaml": POD.replace("NAME", "web"),
    "base/job.yaml": POD.replace("NAME", "job"),
    "prod/kustomization.yaml": HEAD + "resources: [../base]\npatches: [{path: gone.yaml}]\n",
    "prod/gone.yaml": DELETE,
}
INLINE = "resources: [../base]\npatches:\n  - patch: |\n      " + DELETE.replace("\n", "\n      ")
OLD = "resources: [../base]\npatchesStrategicMerge: [gone.yaml]\n"
BY_TARGET = (
    "resources: [../base]\npatches:\n  - target: {kind: Pod, name: job}\n"
    "    patch: '{apiVersion: v1, kind: Pod, metadata: {name: x}, $patch: delete}'\n"
)
IN_COMPONENT = {
    "prod/kustomization.yaml": HEAD + "resources: [../base]\ncomponents: [../less]\n",
    "less/kustomization.yaml": COMPONENT + "patches: [{path: gone.yaml}]\n",
    "less/gone.yaml": DELETE,
}
SIDECAR = POD.replace("NAME", "job").replace("}]", "}, {name: helper, image: helper}]")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, []),
        ({"prod/kustomization.yaml": HEAD + INLINE}, []),
        ({"prod/kustomization.yaml": HEAD + OLD}, []),
        ({"prod/kustomization.yaml": HEAD + BY_TARGET}, []),
        (IN_COMPONENT, []),
        # A folder in between deletes.
        ({"middle/kustomization.yaml": DELETED["prod/kustomization.yaml"],
          "middle/gone.yaml": DELETE,
          "prod/kustomization.yaml": HEAD + "resources: [../middle]\n"}, []),
        # A container is deleted, and not the whole pod.
        ({"base/job.yaml": SIDECAR, "base/kustomization.yaml":
          DELETED["base/kustomization.yaml"].replace("name: job", "name: helper"),
          "prod/gone.yaml": JOB + "spec: {containers: [{name: helper, $patch: delete}]}\n"}, []),
        # Nothing has the image, whatever is deleted.
        ({"base/kustomization.yaml":
          DELETED["base/kustomization.yaml"].replace("name: job", "name: jobs")}, ["jobs"]),
        # Nothing is deleted, and the image is renamed before.
        ({"prod/kustomization.yaml":
          HEAD + "resources: [../base]\nimages: [{name: jbo, newTag: '9'}]\n"}, ["jbo"]),
    ],
)  # fmt: skip
def test_an_entry_of_what_a_folder_around_deletes_is_used(
    change: dict[str, str], found: list[str], tmp_path: Path
) -> None:
    for name, text in (DELETED | change).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    forget()

    report = check(gather([str(tmp_path)], Facts()), Facts(), (1, 32), only=["image-entry-unused"])

    assert report.unbuilt == {}
    assert [each.rule for each in report.findings] == ["image-entry-unused"] * len(found)
    for name, finding in zip(found, report.findings, strict=True):
        assert f"has the image {name}, so" in finding.message


WRONG = "images: [{name: wbe, newTag: '7'}]\n"
CHART = "helmCharts: [{name: web, repo: https://charts.example.com}]\n"
INFLATED = (
    "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: a}\nname: web\n"
)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"web/kustomization.yaml": HEAD + "resources: [pod.yaml]\n" + WRONG}, 1),
        ({"web/kustomization.yaml": HEAD + "resources: [pod.yaml]\n" + CHART + WRONG}, 0),
        ({"web/kustomization.yaml": HEAD + "resources: [pod.yaml]\ngenerators: [chart.yaml]\n"
          + WRONG, "web/chart.yaml": INFLATED}, 0),
        ({"web/kustomization.yaml": HEAD
          + "resources: [pod.yaml, 'https://github.com/example-org/web.git']\n" + WRONG}, 0),
        # A file that is fetched for a ConfigMap has no container.
        ({"web/kustomization.yaml": HEAD + "resources: [pod.yaml]\n" + WRONG
          + "configMapGenerator: [{name: a, files: ['a=https://example.com/a.txt']}]\n"}, 1),
        # The chart is in a folder below.
        ({"web/kustomization.yaml": HEAD + "resources: [pod.yaml, below]\n" + WRONG,
          "web/below/kustomization.yaml": HEAD + CHART}, 0),
        # The chart is in the folder around, which a component changes and a base doesn't.
        ({"web/kustomization.yaml": HEAD + "resources: [pod.yaml]\n" + WRONG,
          "around/kustomization.yaml": HEAD + "resources: [../web]\n" + CHART}, 1),
        ({"web/kustomization.yaml": TREE["web/kustomization.yaml"] + CHART,
          "image/kustomization.yaml": COMPONENT + WRONG}, 0),
    ],
)  # fmt: skip
def test_an_entry_may_be_of_containers_that_nobody_fetches(
    files: dict[str, str], found: int, tmp_path: Path
) -> None:
    for name, text in ({"web/pod.yaml": POD.replace("NAME", "web")} | files).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    forget()

    report = check(gather([str(tmp_path)], Facts()), Facts(), (1, 32), only=["image-entry-unused"])

    assert [each.rule for each in report.findings] == ["image-entry-unused"] * found


@pytest.mark.parametrize(("image", "found"), [("job", 0), ("jobs", 1)])
def test_an_entry_may_wait_for_a_manifest_that_a_script_adds(
    image: str, found: int, tmp_path: Path
) -> None:
    files = {
        "kustomization.yaml": HEAD + "resources: [base]\nimages:\n  - {name: job, newTag: '8'}\n",
        "base/kustomization.yaml": HEAD + "resources: [web.yaml]\n",
        "base/web.yaml": POD.replace("NAME", "web"),
        "base/split/job.yaml": POD.replace("NAME", image),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    forget()

    report = check(gather([str(tmp_path)], Facts()), Facts(), (1, 32), only=["image-entry-unused"])

    assert len(report.findings) == found


def test_the_line_is_that_of_the_entry_and_not_of_another_text_with_its_name(
    tmp_path: Path,
) -> None:
    text = HEAD + (
        "resources: [web.yaml]\nsecretGenerator: [{name: job, literals: [a=b]}]\n"
        "images:\n  - name: web\n    newTag: '7'\n  - name: job\n    newTag: '8'\n"
    )
    (tmp_path / "kustomization.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "web.yaml").write_text(POD.replace("NAME", "web"), encoding="utf-8")
    forget()

    report = check(gather([str(tmp_path)], Facts()), Facts(), (1, 32), only=["image-entry-unused"])

    assert [each.line for each in report.findings] == [8]


def test_an_image_beside_an_entry_of_nearly_its_name_is_told_so(tmp_path: Path) -> None:
    """Who writes shop-front where the entry is of shop-frontend has an image without a tag."""
    entry = "images: [{name: shop-frontend, newName: registry.example.com/front, newTag: 1.4.2}]\n"
    (tmp_path / "kustomization.yaml").write_text(f"{HEAD}resources: [pod.yaml]\n{entry}")
    (tmp_path / "pod.yaml").write_text(POD.replace("NAME", "shop-front"))
    forget()

    report = check(gather([str(tmp_path)], Facts()), Facts(), (1, 32), only=["image-unpinned"])

    assert [each.fix for each in report.findings] == [
        "A kustomization sets the tag of shop-frontend: write shop-frontend here."
    ]
