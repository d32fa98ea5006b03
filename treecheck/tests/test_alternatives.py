"""What nobody applies together, or as it is: other forms of something, and templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_unknown import APPLICATION, HEAD, IN_SHOP, OWN, POD, application, run, write

from treecheck.engine import check
from treecheck.facts import Facts
from treecheck.inputs import gather

if TYPE_CHECKING:
    from pathlib import Path

OTHER = POD.replace("metadata: {name: front}", "metadata: {name: other, namespace: shop}")
PLACED = POD.replace("metadata: {name: front}", "metadata: {name: front, namespace: shop}")
ALSO = application("other", "{repoURL: https://git.example.com/shop.git, path: other}")

SHOP = "https://git.example.com/shop.git"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME, namespace: shop}\n"


@pytest.mark.parametrize(("more", "found"), [({"apps/other.yaml": ALSO}, 2), ({}, 0)])
def test_what_no_application_brings_does_not_meet_what_one_does(
    more: dict[str, str], found: int, tmp_path: Path
) -> None:
    files = {
        "apps/front.yaml": OWN,
        "front/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "front/a.yaml": PLACED,
        "other/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "other/a.yaml": OTHER,
    }

    report = run(tmp_path, files | more, "selectors-overlap")

    assert [each.rule for each in report.findings] == ["selectors-overlap"] * found


@pytest.mark.parametrize(("also", "found"), [("", 2), (IN_SHOP, 0)])
def test_files_of_a_folder_that_has_something_twice_are_to_choose_from(
    also: str, found: int, tmp_path: Path
) -> None:
    files = {"k8s/a.yaml": IN_SHOP + "---" + PLACED, "k8s/b.yaml": f"{also}---\n{OTHER}"}

    report = run(tmp_path, files, "selectors-overlap")

    assert [each.rule for each in report.findings] == ["selectors-overlap"] * found


@pytest.mark.parametrize(
    ("name", "found"),
    [("APPNAME", 0), ("NAME-front", 0), ('"<app>-front"', 0), ("Front", 1), ("FRONT", 1)],
)
def test_a_folder_whose_names_are_to_be_filled_in_is_a_template(
    name: str, found: int, tmp_path: Path
) -> None:
    files = {
        "base/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "base/a.yaml": PLACED.replace("{name: front, namespace", f"{{name: {name}, namespace"),
    }

    report = run(tmp_path, files, "resource-name")

    assert [each.rule for each in report.findings] == ["resource-name"] * found
    assert ("base is a template" in " ".join(report.unknown)) == (not found)


@pytest.mark.parametrize(
    ("value", "found"),
    [("|\n    # the file, in base64", 0), ("<base64 of it>", 0), ("your-file", 0), ("it's", 1)],
)
def test_what_a_person_writes_over_is_not_base64_yet(
    value: str, found: int, tmp_path: Path
) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: shop}\n"

    report = run(tmp_path, {"k8s/login.yaml": f"{secret}data:\n  file: {value}\n"}, "not-base64")

    assert [each.rule for each in report.findings] == ["not-base64"] * found


@pytest.mark.parametrize(("value", "found"), [("web", 0), ('"<its account>"', 0), ("Web", 1)])
def test_a_value_of_a_folder_that_nothing_brings_may_be_to_fill_in(
    value: str, found: int, tmp_path: Path
) -> None:
    account = f"    spec:\n      serviceAccountName: {value}\n      containers:"
    files = {
        "base/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "base/a.yaml": PLACED.replace("    spec:\n      containers:", account),
    }

    report = run(tmp_path, files, "malformed-text")

    assert [each.rule for each in report.findings] == ["malformed-text"] * found


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("up.sh", "helm install front ./chart -n shop\n", 0),
        ("k8s/values.yaml", "size: 1\n", 0),
        ("other/values.yaml", "size: 1\n", 1),
    ],
)
def test_a_script_counts_where_all_is_one_kustomization(
    name: str, text: str, found: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "kustomization.yaml": HEAD + "resources: [k8s/a.yaml]\n",
        "k8s/a.yaml": IN_SHOP,
        name: text,
    }
    write(tmp_path, files)
    monkeypatch.chdir(tmp_path)

    report = check(gather([], Facts()), Facts(), (1, 32), only=["service-selects-nothing"])

    assert [each.rule for each in report.findings] == ["service-selects-nothing"] * found


@pytest.mark.parametrize(("place", "found"), [("clusters", 0), ("roots", 1)])
def test_two_roots_that_bring_themselves_are_of_two_argo_cds(
    place: str, found: int, tmp_path: Path
) -> None:
    files = {}
    for name in ("one", "two"):
        paths = [f"{{repoURL: {SHOP}, path: {each}/{name}}}" for each in ("apps", "clusters")]
        root = APPLICATION.replace("NAME", f"root-{name}")
        files[f"{place}/{name}/root.yaml"] = root.replace(
            "source: SOURCE", f"sources: [{', '.join(paths)}]"
        )
        files[f"clusters/{name}/a.yaml"] = CONFIG.replace("NAME", name)
        source = f"{{repoURL: {SHOP}, path: argocd/{name}}}"
        files[f"apps/{name}/argocd.yaml"] = application("argocd", source)
        files[f"argocd/{name}/a.yaml"] = CONFIG.replace("NAME", f"argocd-{name}")

    report = run(tmp_path, files, "shared-resource")

    assert [each.rule for each in report.findings] == ["shared-resource"] * found


@pytest.mark.parametrize(("several", "found"), [(False, 0), (True, 1)])
def test_an_overlay_of_a_cluster_rewrites_the_first_application(
    several: bool, found: int, tmp_path: Path
) -> None:
    stack, live = (f"{{repoURL: {SHOP}, path: {each}}}" for each in ("stack", "live"))
    first = application("seed", stack)
    if several:
        first = APPLICATION.replace("NAME", "seed").replace(
            "source: SOURCE", f"sources: [{stack}, {live}]"
        )
    files = {
        "seed.yaml": first,
        "stack/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "stack/a.yaml": CONFIG.replace("NAME", "web"),
        "live/kustomization.yaml": HEAD + "resources: [../stack]\n",
    }
    if not several:
        files["live/kustomization.yaml"] = HEAD + "resources: [../stack, seed.yaml]\n"
        files["live/seed.yaml"] = application("seed", live)

    report = run(tmp_path, files, "duplicate-resource")

    assert [each.rule for each in report.findings] == ["duplicate-resource"] * found
