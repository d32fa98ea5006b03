"""Manifests that a kustomization completes, and the projects of several Argo CDs in one tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_strangers_trees import SETTINGS, rules
from test_unknown import HEAD

if TYPE_CHECKING:
    from pathlib import Path

SHOP = "https://git.example.com/shop.git"
PATCH = (
    "patches:\n- target: {group: argoproj.io, kind: Application, labelSelector: 'layer=shop'}\n"
    "  patch: '[{op: add, path: /spec/source/repoURL, value: https://git.example.com/b.git}]'\n"
)


def application(name: str, source: str, layer: str = "shop", project: str = "default") -> str:
    return (
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\n"
        f"metadata: {{name: {name}, labels: {{layer: {layer}}}}}\nspec:\n"
        f"  project: {project}\n  source: {{{source}}}\n"
        "  destination: {server: https://kubernetes.default.svc, namespace: shop}\n"
    )


def project(name: str, source: str) -> str:
    return (
        "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\n"
        f"metadata: {{name: {name}}}\nspec:\n  sourceRepos: ['{source}']\n"
        "  destinations: [{server: https://kubernetes.default.svc, namespace: '*'}]\n"
    )


@pytest.mark.parametrize(
    ("patch", "layer", "found"),
    [(PATCH, "shop", False), (PATCH, "other", True), ("", "shop", True)],
)
def test_what_a_kustomization_above_has_a_patch_for_is_not_judged_as_written(
    patch: str, layer: str, found: bool, tmp_path: Path
) -> None:
    files = {
        "layers/kustomization.yaml": HEAD + "resources: [a.yaml]\n" + patch,
        "layers/a.yaml": application("a", f"repoURL: {SHOP}, path: web"),
        "layers/more/deep/b.yaml": application("b", "path: elsewhere", layer),
        "web/a.yaml": SETTINGS,
    }

    assert ("required-field" in rules(tmp_path, files, "required-field")) is found


@pytest.mark.parametrize(("comment", "found"), [("# - one/two/three/four/b.yaml\n", 0), ("", 1)])
def test_what_is_commented_out_lies_several_folders_below(
    comment: str, found: int, tmp_path: Path
) -> None:
    files = {
        "layers/kustomization.yaml": HEAD + "resources:\n- a.yaml\n" + comment,
        "layers/a.yaml": application("a", f"repoURL: {SHOP}, path: web"),
        "layers/one/two/three/four/b.yaml": application("b", f"repoURL: {SHOP}, path: gone"),
        "web/a.yaml": SETTINGS,
    }

    names = rules(tmp_path, files, "application-path-missing")

    assert names == ["application-path-missing"] * found


def test_the_application_of_its_own_folder_is_left_out_with_its_project(tmp_path: Path) -> None:
    own = project("two", SHOP) + "---\n" + application("own", f"repoURL: {SHOP}, path: layers/two")
    files = {
        "layers/one/kustomization.yaml": HEAD + "resources:\n- a.yaml\n",
        "layers/one/a.yaml": project("one", SHOP)
        + "---\n"
        + application("a", f"repoURL: {SHOP}, path: web", project="one"),
        "layers/two/kustomization.yaml": HEAD + "resources: [b.yaml]\n",
        "layers/two/b.yaml": SETTINGS,
        "layers/two/own.yaml": own.replace("project: default", "project: two"),
        "layers/kustomization.yaml": HEAD + "resources:\n- one\n# - two/own.yaml\n",
        "web/a.yaml": SETTINGS.replace("settings", "more"),
    }

    assert rules(tmp_path, files, "project-missing") == []


def test_an_application_is_of_the_project_that_comes_with_it(tmp_path: Path) -> None:
    files: dict[str, str] = {}
    for name in ("one", "two"):
        app = application(f"app-{name}", f"repoURL: https://git.example.com/{name}.git, path: web")
        files |= {
            f"{name}/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
            f"{name}/a.yaml": project("infra", f"https://git.example.com/{name}.git")
            + "---\n"
            + app.replace("project: default", "project: infra"),
            f"roots/{name}.yaml": application(f"root-{name}", f"repoURL: {SHOP}, path: {name}"),
        }
    files["web/a.yaml"] = SETTINGS

    assert rules(tmp_path, files, "project-forbids-source") == []
    wrong = files["two/a.yaml"].replace(
        "repoURL: https://git.example.com/two", "repoURL: https://git.example.com/one"
    )
    found = rules(tmp_path, files | {"two/a.yaml": wrong}, "project-forbids-source")
    assert found == ["project-forbids-source"]


@pytest.mark.parametrize(
    ("place", "shared", "found"),
    [
        ("NAME/root.yaml", "infra", 0),
        ("roots/NAME.yaml", "infra", 1),
        ("NAME/root.yaml", "settings", 1),
    ],
)
def test_the_first_applications_of_two_argo_cds_share_no_project(
    place: str, shared: str, found: int, tmp_path: Path
) -> None:
    files: dict[str, str] = {}
    for name in ("one", "two"):
        own = project("infra", SHOP) if shared == "infra" else SETTINGS
        files |= {
            f"{name}/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
            f"{name}/a.yaml": own,
            place.replace("NAME", name): application(name, f"repoURL: {SHOP}, path: {name}"),
        }

    assert rules(tmp_path, files, "shared-resource").count("shared-resource") == found
