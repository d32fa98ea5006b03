"""What an ApplicationSet generates, as far as the tree can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from treecheck.blame import forget
from treecheck.engine import Report, check
from treecheck.facts import Facts
from treecheck.inputs import gather
from treecheck.kube.applicationsets import NotKnown, generated
from treecheck.kube.renderers import image_override, kustomize_options
from treecheck.model import Origin, Part, Resource

if TYPE_CHECKING:
    from pathlib import Path

SET = """
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: shop, namespace: argocd}
spec:
  goTemplate: true
  generators: [{list: {elements: [{env: dev}, {env: stage}]}}]
  template:
    metadata: {name: 'shop-{{.env}}'}
    spec:
      project: default
      source: {repoURL: https://git.example.com/shop.git, path: 'envs/{{.env}}'}
      destination: {server: https://kubernetes.default.svc, namespace: 'shop-{{.env}}'}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


def names(folder: Path, generators: list[Any], name: str = "{{.env}}", **more: Any) -> list[str]:
    """The names of what a set of these generators makes of a repository."""
    template = {"metadata": {"name": name}, "spec": {"project": "default"}}
    spec = {"goTemplate": True, "generators": generators, "template": template} | more
    body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "spec": spec}
    body["metadata"] = {"name": "set", "namespace": "argocd"}
    resource = Resource(body, Part("set", "set"), Origin(None, 0))
    return [each["metadata"]["name"] for each in generated(resource, folder)]


def elements(*values: Any) -> dict[str, Any]:
    return {"list": {"elements": list(values)}}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for file, text in {
        "envs/dev/config.yaml": "env: dev\nowner: {team: red}\n",
        "envs/prod/config.yaml": "env: prod\nowner: {team: blue}\n",
        "envs/old/README.md": "",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_git_generator_finds_folders_less_the_excluded(repository: Path) -> None:
    folders = [{"path": "envs/*"}, {"path": "envs/old", "exclude": True}]

    git = {"git": {"repoURL": "https://git.example.com/shop.git", "directories": folders}}
    assert names(repository, [git], "a-{{.path.basename}}") == ["a-dev", "a-prod"]


def test_a_git_generator_reads_files(repository: Path) -> None:
    git = {"git": {"files": [{"path": "envs/*/config.yaml"}]}}

    made = names(repository, [git], "{{.owner.team}}-{{index .path.segments 1}}")
    assert made == ["red-dev", "blue-prod"]
    plain = names(repository, [git], "{{owner.team}}-{{path.basename}}", goTemplate=False)
    assert plain == made


def test_a_matrix_makes_each_with_each(tmp_path: Path) -> None:
    both = [elements({"env": "dev"}, {"env": "prod"}), elements({"zone": "a-{{.env}}"})]

    made = names(tmp_path, [{"matrix": {"generators": both}}], "{{.env}}-{{.zone}}")
    assert made == ["dev-a-dev", "prod-a-prod"]


def test_a_merge_joins_by_key(tmp_path: Path) -> None:
    both = [elements({"env": "dev", "size": "s"}, {"env": "prod", "size": "s"})]
    both += [elements({"env": "prod", "size": "l"}, {"env": "gone", "size": "m"})]

    merge = {"merge": {"mergeKeys": ["env"], "generators": both}}
    assert names(tmp_path, [merge], "{{.env}}-{{.size}}") == ["dev-s", "prod-l"]


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("{{ .env | lower }}", "dev_1"),
        ("{{ normalize .env }}", "dev-1"),
        ('{{ .env | replace "_" "." }}', "Dev.1"),
        ('{{ default "none" .gone }}', ""),
        ('{{ trimPrefix "Dev" .env }}', "_1"),
    ],
)
def test_it_knows_the_functions_that_people_use(tmp_path: Path, name: str, made: str) -> None:
    if not made:
        with pytest.raises(NotKnown):
            names(tmp_path, [elements({"env": "Dev_1"})], name)
        return
    assert names(tmp_path, [elements({"env": "Dev_1"})], name) == [made]


@pytest.mark.parametrize(
    "generator",
    [
        {"clusters": {}},
        {"scmProvider": {}},
        {"plugin": {}},
        {"list": {"elementsYaml": "{{ .all }}"}},
        {"list": {"elements": []}, "selector": {"matchLabels": {"a": "b"}}},
    ],
)
def test_what_only_argo_cd_can_expand_is_not_known(generator: Any, tmp_path: Path) -> None:
    with pytest.raises(NotKnown):
        names(tmp_path, [generator])


def run(folder: Path, files: dict[str, str]) -> Report:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    forget()
    only = ["application-path-missing", "service-selects-nothing", "unknown-field"]
    return check(gather([str(folder)], Facts()), Facts(), (1, 32), only=only)


def test_what_is_generated_is_rendered_and_checked(tmp_path: Path) -> None:
    files = {"argocd/set.yaml": SET, "envs/dev/web.yaml": SERVICE, "envs/stage/web.yaml": SERVICE}

    found = {(each.rule, each.resource) for each in run(tmp_path, files).findings}
    assert found == {
        ("service-selects-nothing", "Service shop-dev/web"),
        ("service-selects-nothing", "Service shop-stage/web"),
    }


def test_a_missing_folder_is_blamed_on_the_template(tmp_path: Path) -> None:
    (finding,) = [
        each
        for each in run(tmp_path, {"argocd/set.yaml": SET, "envs/dev/empty.yaml": ""}).findings
        if each.rule == "application-path-missing"
    ]

    assert "no folder envs/stage" in finding.message
    assert SET.splitlines()[finding.line - 1].strip().startswith("source:")


def test_a_wrong_field_of_the_template_is_told_once(tmp_path: Path) -> None:
    text = SET + "      syncPolicy: {preserveResourcesOnDeletion: true}\n"

    found = run(tmp_path, {"a/set.yaml": text, "envs/dev/a.yaml": "", "envs/stage/a.yaml": ""})
    assert [each.rule for each in found.findings] == ["unknown-field"]


def test_a_set_that_is_not_known_makes_lacks_unknown(tmp_path: Path) -> None:
    text = SET.replace("[{list: {elements: [{env: dev}, {env: stage}]}}]", "[{clusters: {}}]")
    service = SERVICE.replace("{name: web}", "{name: web, namespace: shop}")

    report = run(tmp_path, {"argocd/set.yaml": text, "other/web.yaml": service})

    assert report.findings == []
    why = "ApplicationSet shop has a clusters generator, which only Argo CD can expand"
    assert report.unknown == [f"{why}, so what is missing there can't be known"]


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("web:1.5", {"name": "web", "newTag": "1.5"}),
        ("localhost:5000/web", {"name": "localhost:5000/web"}),
        ("web=hub.example.com/web@sha256:ab", {
            "name": "web", "newName": "hub.example.com/web", "digest": "sha256:ab",
        }),
    ],
)  # fmt: skip
def test_an_image_is_read_as_argo_cd_reads_it(text: str, entry: dict[str, str]) -> None:
    assert image_override(text) == entry


def test_no_options_change_nothing() -> None:
    assert kustomize_options({"path": "shop"}) == ""
    assert kustomize_options({"kustomize": {"version": "v5"}}) == ""
