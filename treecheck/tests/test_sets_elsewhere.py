"""Applications that nobody sees: what they bring, and where, is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_unknown import IN_SHOP, run

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION = (
    "apiVersion: argoproj.io/v1alpha1\nkind: Application\n"
    "metadata: {name: root, namespace: argocd}\n"
    "spec: {project: default, source: SOURCE, destination: {namespace: PLACE}}\n"
)
SET = (
    "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\n"
    "metadata: {name: addons, namespace: argocd}\n"
    "spec: {generators: [{clusters: {}}], template: {metadata: {name: a}, spec: SPEC}}\n"
)
ELSEWHERE = "{repoURL: 'https://git.example.com/apps.git', path: gone}"


@pytest.mark.parametrize(
    ("source", "place", "found"),
    [
        (ELSEWHERE, "argocd", 0),  # more Applications, perhaps
        (ELSEWHERE, "bank", 1),
        ("{repoURL: https://charts.example.com, chart: argocd-apps}", "argocd", 0),
        ("{repoURL: https://charts.example.com, chart: argo-cd}", "argocd", 1),
    ],
)
def test_more_applications_may_come_from_elsewhere(
    source: str, place: str, found: int, tmp_path: Path
) -> None:
    root = APPLICATION.replace("SOURCE", source).replace("PLACE", place)
    report = run(tmp_path, {"root.yaml": root, "front.yaml": IN_SHOP})

    assert [each.rule for each in report.findings] == ["service-selects-nothing"] * found


@pytest.mark.parametrize(("place", "found"), [("argocd", 0), ("'{{name}}'", 0), ("bank", 1)])
def test_a_set_that_nobody_expands_may_make_sets(place: str, found: int, tmp_path: Path) -> None:
    spec = f"{{source: {ELSEWHERE}, destination: {{namespace: {place}}}}}"
    report = run(tmp_path, {"set.yaml": SET.replace("SPEC", spec), "front.yaml": IN_SHOP})

    assert [each.rule for each in report.findings] == ["service-selects-nothing"] * found


@pytest.mark.parametrize(("kind", "found"), [("ApplicationSet", 0), ("Deployment", 1)])
def test_a_chart_that_makes_sets_brings_what_is_not_known(
    kind: str, found: int, tmp_path: Path
) -> None:
    files = {
        "sets/Chart.yaml": "name: sets\n",
        "sets/templates/set.yaml": "{{- range .Values.addons }}\napiVersion: argoproj.io/v1alpha1\n"
        f"kind: {kind}\nmetadata: {{name: {{{{ .name }}}}}}\n{{{{- end }}}}\n",
        "front.yaml": IN_SHOP,
    }

    report = run(tmp_path, files)

    assert [each.rule for each in report.findings] == ["service-selects-nothing"] * found


@pytest.mark.parametrize(("names", "found"), [(("root", "root"), 0), (("root", "top"), 1)])
def test_what_one_of_several_first_applications_brings_is_not_known(
    names: tuple[str, str], found: int, tmp_path: Path
) -> None:
    files = {
        f"{folder}/a.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"
        for folder, name in (("one", "a"), ("two", "b"), ("base", "b"))
    }
    for folder, name in (("one", names[0]), ("two", names[1]), ("base", "base")):
        source = f"{{repoURL: 'https://git.example.com/a.git', path: {folder}}}"
        root = APPLICATION.replace("root", name).replace("SOURCE", source)
        files[f"{folder}/root.yaml"] = root.replace("PLACE", "shop")

    report = run(tmp_path, files, "shared-resource")

    assert [each.rule for each in report.findings] == ["shared-resource"] * found
