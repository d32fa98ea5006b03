"""Cases of trees that strangers judged: what a tree leaves out, and what it does not make so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_strangers_trees import SETTINGS, rules
from test_unknown import HEAD, POD

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
