"""What is left of a kustomization without the parts that nobody fetches or runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from treecheck.partial import charts, copy_files, fetched_files, leave_out_remote, plugins
from treecheck.rendering import closure

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
CHART = "helmCharts: [{name: web, repo: https://charts.example.com}]\n"
OWN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\n"
CHARTED = OWN.replace("own", "charted")


def left(folder: Path, files: dict[str, str]) -> dict[str, Any]:
    """The body that the copy of a folder's kustomization has."""
    for name, text in files.items():
        (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "tree" / name).write_text(text, encoding="utf-8")
    found = closure(folder / "tree")
    root = copy_files(found, folder / "copy")
    leave_out_remote(found, root, folder / "copy")
    body: dict[str, Any] = yaml.safe_load((folder / "copy/kustomization.yaml").read_text("utf-8"))
    return body


def test_a_chart_has_the_name_and_namespace_that_its_field_gives() -> None:
    body = {
        "helmCharts": [{"name": "web"}, {"namespace": "shop"}],
        "helmChartInflationGenerator": [{"chartName": "db", "name": "x", "releaseNamespace": "y"}],
    }
    assert [*charts(body)] == [("web", ""), ("without a name", "shop"), ("db", "y")]


def test_an_address_of_a_generator_is_a_file_that_is_fetched() -> None:
    body = {
        "configMapGenerator": [{"files": ["https://example.com/a", "b=https://example.com/b"]}],
        "secretGenerator": [{"files": ["local.txt", "c=http://example.com/c", "d=a-https://e"]}],
    }
    assert [*fetched_files(body)] == [
        "https://example.com/a",
        "https://example.com/b",
        "http://example.com/c",
    ]


@pytest.mark.parametrize("field", ["generators", "transformers", "validators"])
def test_a_program_is_a_plugin_and_what_is_built_in_or_a_folder_is_not(
    field: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "run.yaml").write_text("apiVersion: viaduct.ai/v1\nkind: ksops\n", "utf-8")
    (tmp_path / "in.yaml").write_text("apiVersion: builtin\nkind: LabelTransformer\n", "utf-8")
    inline = "apiVersion: example.com/v1\nkind: Program\n"
    helm = "apiVersion: builtin\nkind: HelmChartInflationGenerator\nname: a\n"
    (tmp_path / "helm.yaml").write_text(helm, "utf-8")
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs/kustomization.yaml").write_text("resources: [../run.yaml]\n", "utf-8")
    (tmp_path / "folder/kustomization.yaml").write_text("resources: [../in.yaml]\n", "utf-8")
    body = {field: ["folder", "in.yaml", "run.yaml", "apiVersion: builtin\nkind: A\n", inline]}
    body[field] += ["helm.yaml", "programs"]

    assert [*plugins(tmp_path, body)] == ["run.yaml", field, "helm.yaml", "programs"]


@pytest.mark.parametrize("field", ["generators", "transformers", "validators"])
def test_a_plugin_goes_and_the_rest_of_its_field_stays(field: str, tmp_path: Path) -> None:
    files = {
        "run.yaml": "apiVersion: viaduct.ai/v1\nkind: ksops\nmetadata: {name: a}\n",
        "in.yaml": "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: b}\n",
        "own.yaml": OWN,
    }
    lines = HEAD + f"resources: [own.yaml]\n{field}: [in.yaml, run.yaml]\n"
    assert left(tmp_path, files | {"kustomization.yaml": lines})[field] == ["in.yaml"]


def test_patches_of_what_the_tree_has_stay(tmp_path: Path) -> None:
    """Of a file with several patches one is enough; one with a target says itself what it is of."""
    patches: list[Any] = [
        {"path": "own.yaml"},
        {"path": "charted.yaml"},
        {"path": "both.yaml"},
        {"patch": OWN},
        {"patch": CHARTED},
        {"target": {"kind": "Deployment"}, "patch": "- {op: remove, path: /spec/a}\n"},
    ]
    body = {"resources": ["base.yaml"], "patches": patches}
    body["patchesStrategicMerge"] = ["own.yaml", "charted.yaml", OWN, CHARTED]
    files = {
        "kustomization.yaml": HEAD + CHART + yaml.safe_dump(body),
        "base.yaml": OWN,
        "own.yaml": OWN,
        "charted.yaml": CHARTED,
        "both.yaml": CHARTED + "---\n" + OWN,
    }

    found = left(tmp_path, files)

    assert "helmCharts" not in found
    assert found["patches"] == [each for i, each in enumerate(patches) if i not in (1, 4)]
    assert found["patchesStrategicMerge"] == ["own.yaml", OWN]


def test_a_fetched_file_leaves_its_key(tmp_path: Path) -> None:
    made = "configMapGenerator:\n- name: a\n  literals: [Z=1]\n  files: [own.yaml, "
    made += "k=https://example.com/b.txt, 'https://example.com/c.txt']\n"
    files = {"kustomization.yaml": HEAD + made, "own.yaml": OWN}

    (entry,) = left(tmp_path, files)["configMapGenerator"]

    assert entry["files"] == ["own.yaml"]
    assert entry["literals"] == ["Z=1", "k=", "c.txt="]


def test_what_is_left_with_nothing_has_a_placeholder(tmp_path: Path) -> None:
    assert left(tmp_path, {"kustomization.yaml": HEAD + CHART})["resources"] == [
        "treecheck-placeholder.yaml"
    ]
    assert (tmp_path / "copy/treecheck-placeholder.yaml").is_file()
