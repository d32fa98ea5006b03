"""What a base lacks that nothing here builds on, and roles of add-ons: neither is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_strangers_trees import SETTINGS, rules
from test_unknown import HEAD, run

if TYPE_CHECKING:
    from pathlib import Path

POD = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\n"
    "spec: {containers: [{name: web, image: 'registry.example.com/web:1', args: ['$(BUCKET)'], "
    "env: [{name: KEY, valueFrom: {secretKeyRef: {name: web-keys, key: a}}}]}]}\n"
)
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: other, namespace: shop}\n"
ROLE = (
    "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: reader}\n"
    "rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]\n"
)
BINDING = (
    "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: a}\n"
    "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: NAME}\n"
    "subjects: [{kind: User, name: anna, apiGroup: rbac.authorization.k8s.io}]\n"
)
LISTENER = (
    "apiVersion: triggers.example.com/v1\nkind: EventListener\n"
    "metadata: {name: a, namespace: shop}\n"
)
SET = (
    "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: a, namespace: a}\n"
    "spec: {generators: [{matrix: {generators: [LEAVES]}}], template: {metadata: {name: a}, "
    "spec: {destination: {}, project: a, source: {path: a, repoURL: 'https://example.com/a'}}}}\n"
)
FOLDERS = "{git: {repoURL: 'https://example.com/a', directories: [{path: 'web*'}]}}"


@pytest.mark.parametrize("rule", ["variable-undefined", "config-missing"])
@pytest.mark.parametrize(("folder", "found"), [("backup/base", 0), ("backup/live", 1)])
def test_an_overlay_elsewhere_fills_in_a_base(
    folder: str, found: int, rule: str, tmp_path: Path
) -> None:
    files = {
        f"{folder}/kustomization.yaml": HEAD + "resources: [a.yaml, b.yaml]\n",
        f"{folder}/a.yaml": POD,
        f"{folder}/b.yaml": SECRET,
        "other/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "other/a.yaml": SETTINGS,
    }

    assert rules(tmp_path, files, rule) == [rule] * found


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://github.com/example-org/bases//web/manifests?ref=v1", 0),
        ("https://github.com/example-org/bases//web/others?ref=v1", 1),
    ],
)
def test_a_folder_that_kustomizations_name_by_address_is_a_base(
    address: str, found: int, tmp_path: Path
) -> None:
    files = {
        "web/manifests/kustomization.yaml": HEAD + "resources: [a.yaml, b.yaml]\n",
        "web/manifests/a.yaml": POD.replace("$(BUCKET)", "run"),
        "web/manifests/b.yaml": SECRET,
        "web/example/kustomization.yaml": f"{HEAD}namespace: other\nresources: ['{address}']\n",
    }

    assert rules(tmp_path, files, "config-missing") == ["config-missing"] * found


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("One needs to deploy a `Secret` resource named `web-keys`.\n", 0),
        ("One needs to deploy a Secret named `web-key`.\n", 1),
    ],
)
def test_a_page_asks_for_a_secret(page: str, found: int, tmp_path: Path) -> None:
    files = {
        "app/kustomization.yaml": HEAD + "resources: [a.yaml, b.yaml]\n",
        "app/a.yaml": POD.replace("$(BUCKET)", "run"),
        "app/b.yaml": SECRET,
        "app/README.md": page,
    }

    assert rules(tmp_path, files, "config-missing") == ["config-missing"] * found


@pytest.mark.parametrize(
    ("name", "more", "found"),
    [
        ("listener-roles", {"c.yaml": LISTENER}, 0),
        ("listener-roles", {}, 1),
        ("readers", {"c.yaml": LISTENER}, 1),
    ],
)
def test_an_operator_brings_roles_of_its_own(
    name: str, more: dict[str, str], found: int, tmp_path: Path
) -> None:
    files = {"a.yaml": ROLE, "b.yaml": BINDING.replace("NAME", name), **more}

    assert rules(tmp_path, files, "role-missing") == ["role-missing"] * found


@pytest.mark.parametrize(("overlay", "found"), [(True, 0), (False, 1)])
def test_an_overlay_may_leave_a_list_of_its_base_empty(
    overlay: bool, found: int, tmp_path: Path
) -> None:
    files = {
        "sets/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "sets/a.yaml": SET.replace("LEAVES", "{list: {elements: }}, {list: {elements: [{a: b}]}}"),
    }
    if overlay:
        files["local/kustomization.yaml"] = HEAD + "resources: [../sets]\n"

    names = rules(tmp_path, files, "application-set-makes-nothing")
    assert names == ["application-set-makes-nothing"] * found


@pytest.mark.parametrize(
    ("leaf", "message"),
    [("{list: {elements: }}", "its list has no elements"), (FOLDERS, "is chosen by web*")],
)
def test_the_generator_that_finds_nothing_is_named(leaf: str, message: str, tmp_path: Path) -> None:
    other = FOLDERS.replace("web*", "apps*") if "list" in leaf else "{list: {elements: [{a: b}]}}"
    files = {
        "set.yaml": SET.replace("LEAVES", f"{leaf}, {other}"),
        "apps/a.yaml": SETTINGS,
        "app.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: Application\n"
        "metadata: {name: b, namespace: a}\nspec: {destination: {}, project: a, "
        "source: {repoURL: 'https://example.com/a', path: apps}}\n",
    }

    (found,) = run(tmp_path, files, "application-set-makes-nothing").findings
    assert message in found.message


@pytest.mark.parametrize(("folder", "found"), [("pods", 0), ("rights", 1)])
def test_the_account_of_another_folder_lands_where_somebody_says(
    folder: str, found: int, tmp_path: Path
) -> None:
    account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}\n"
    other = "{kind: ServiceAccount, name: web, namespace: shop}"
    user = "{kind: User, name: anna, apiGroup: rbac.authorization.k8s.io}"
    files = {
        "rights/a.yaml": BINDING.replace("NAME", "view").replace(user, other),
        f"{folder}/b.yaml": account,
    }
    for name in {"rights", folder}:
        listed = [each.rpartition("/")[2] for each in files if each.startswith(f"{name}/")]
        files[f"{name}/kustomization.yaml"] = HEAD + f"resources: [{', '.join(listed)}]\n"

    assert rules(tmp_path, files, "role-missing") == ["role-missing"] * found


FLUX = (
    "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n"
    "metadata: {name: web, namespace: flux-system}\n"
    "spec: {path: ./app, postBuild: {substitute: {APP: web}}}\n"
)


@pytest.mark.parametrize(("name", "found"), [("${APP}-keys", 0), ("${APP}-key", 1), ("${APP}", 1)])
def test_flux_fills_in_a_name(name: str, found: int, tmp_path: Path) -> None:
    files = {
        "flux.yaml": FLUX,
        "app/kustomization.yaml": HEAD + "resources: [a.yaml, b.yaml]\n",
        "app/a.yaml": POD.replace("$(BUCKET)", "run"),
        "app/b.yaml": SECRET.replace("other", f"'{name}'"),
    }

    assert rules(tmp_path, files, "config-missing") == ["config-missing"] * found


CLAIM = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: web-data}\n"
KEYS = "apiVersion: v1\nkind: Secret\nmetadata: {name: web-keys}\n"


def test_a_file_beside_makes_a_claim_that_people_apply(tmp_path: Path) -> None:
    claim = "volumes: [{name: a, persistentVolumeClaim: {claimName: web-data}}], containers"
    files = {
        "app/kustomization.yaml": HEAD + "resources: [a.yaml, b.yaml]\n",
        "app/a.yaml": POD.replace("containers", claim).replace("$(BUCKET)", "run"),
        "app/b.yaml": SECRET,
    }

    assert rules(tmp_path, files, "claim-missing") == ["claim-missing"]
    files["app/claim.yaml"] = CLAIM
    assert rules(tmp_path, files, "claim-missing") == []


def test_a_message_names_the_file_that_no_kustomization_lists(tmp_path: Path) -> None:
    files = {
        "app/kustomization.yaml": HEAD + "resources: [a.yaml, b.yaml]\n",
        "app/a.yaml": POD.replace("$(BUCKET)", "run"),
        "app/b.yaml": SECRET,
        "app/keys.yaml": KEYS,
    }

    (found,) = run(tmp_path, files, "config-missing").findings

    assert "app/keys.yaml (no kustomization lists it) makes" in found.message
    files |= {f"app/{each}.yaml": KEYS.replace("web-keys", each) for each in ("db", "api")}
    assert rules(tmp_path, files, "config-missing") == []


@pytest.mark.parametrize(
    ("file", "found"),
    [("keys.yaml.example", 0), ("keys.example.yaml", 0), ("keys.txt.example", 1)],
)
def test_people_copy_an_example_of_a_secret(file: str, found: int, tmp_path: Path) -> None:
    files = {
        "app/kustomization.yaml": HEAD + "resources: [a.yaml, b.yaml]\n",
        "app/a.yaml": POD.replace("$(BUCKET)", "run"),
        "app/b.yaml": SECRET,
        f"app/{file}": KEYS + "stringData: {a: <your key>}\n",
    }

    assert rules(tmp_path, files, "config-missing") == ["config-missing"] * found
