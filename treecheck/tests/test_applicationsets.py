"""What an ApplicationSet generates, as far as the tree can tell."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from treecheck.blame import forget
from treecheck.engine import Report, check
from treecheck.facts import Facts
from treecheck.inputs import gather
from treecheck.kube.applicationsets import PLACE, generated
from treecheck.kube.renderers import image_override, kustomize_options
from treecheck.kube.templates import NotKnown, unreadable
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
ROOT = """
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: root, namespace: argocd}
spec:
  project: default
  source: {repoURL: https://git.example.com/shop.git, path: apps}
  destination: {server: https://kubernetes.default.svc, namespace: argocd}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


def names(
    folder: Path,
    generators: list[Any],
    name: str = "{{.env}}",
    facts: Facts | None = None,
    **more: Any,
) -> list[str]:
    """The names of what a set of these generators makes of a repository."""
    template = {"metadata": {"name": name}, "spec": {"project": "default"}}
    spec = {"goTemplate": True, "generators": generators, "template": template} | more
    body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "spec": spec}
    body["metadata"] = {"name": "set", "namespace": "argocd"}
    resource = Resource(body, Part("set", "set"), Origin(None, 0))
    return [each["metadata"]["name"] for each in generated(resource, folder, facts or Facts())]


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


def test_a_git_generator_names_the_file(repository: Path) -> None:
    git = {"git": {"files": [{"path": "envs/dev/*.yaml"}]}}

    assert names(repository, [git], "{{.path.filenameNormalized}}") == ["config.yaml"]
    assert names(repository, [git], "{{path.filename}}", goTemplate=False) == ["config.yaml"]


def test_a_matrix_makes_each_with_each(tmp_path: Path) -> None:
    both = [elements({"env": "dev"}, {"env": "prod"}), elements({"zone": "a-{{.env}}"})]

    made = names(tmp_path, [{"matrix": {"generators": both}}], "{{.env}}-{{.zone}}")
    assert made == ["dev-a-dev", "prod-a-prod"]


def test_a_merge_joins_by_key(tmp_path: Path) -> None:
    both = [elements({"env": "dev", "size": "s"}, {"env": "prod", "size": "s"})]
    both += [elements({"env": "prod", "size": "l"}, {"env": "gone", "size": "m"})]

    merge = {"merge": {"mergeKeys": ["env"], "generators": both}}
    assert names(tmp_path, [merge], "{{.env}}-{{.size}}") == ["dev-s", "prod-l"]


ELEMENT = {"env": "Dev_1", "path": {"segments": ["envs", "eu", "dev"]}, "labels": {"a/b": "c"}}


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("{{ .env | lower }}", "dev_1"),
        ("{{ normalize .env }}", "dev-1"),
        ('{{ .env | replace "_" "." }}', "Dev.1"),
        ('{{ default "none" .gone }}', "none"),
        ('{{ trimPrefix "Dev" .env }}', "_1"),
        ('{{ printf "%s-%02d" (lower .env) 7 }}', "dev_1-07"),
        ("{{ index .path.segments (sub (len .path.segments) 1) }}", "dev"),
        ("{{ index .labels `a/b` }}", "c"),
        ("{{ (index .path.segments 1) | upper }}", "EU"),
        ('{{ .path.segments | join "-" | trunc 7 }}', "envs-eu"),
        ('{{ dig "a" "b" "none" .labels }}', "none"),
        ('{{ ternary "yes" "no" (hasKey . "env") }}', "yes"),
        ('{{ if eq .env "Dev_1" }}dev{{ else }}prod{{ end }}', "dev"),
        ("{{- if .gone -}} a {{- else if .env -}} b {{- end -}}", "b"),
        ("{{ range .path.segments }}{{ . }}.{{ end }}", "envs.eu.dev."),
        ("{{ range .path.segments }}{{ $.env }}{{ end }}", "Dev_1Dev_1Dev_1"),
        ("{{ with .labels }}{{ toJson . }}{{ end }}", '{"a/b":"c"}'),
        ("{{/* a note */}}x", "x"),
    ],
)
def test_it_knows_the_functions_that_people_use(tmp_path: Path, name: str, made: str) -> None:
    assert names(tmp_path, [elements(ELEMENT)], name) == [made]


@pytest.mark.parametrize(
    "name",
    [
        "{{ .gone }}",
        "{{ $x := .env }}{{ $x }}",
        "{{ sha256sum .env }}",
        "{{ if .env }}",
        "{{ len 1 }}",
    ],
)
def test_a_template_of_what_it_does_not_know_is_not_known(name: str, tmp_path: Path) -> None:
    with pytest.raises(NotKnown):
        names(tmp_path, [elements(ELEMENT)], name)


CLUSTERS = Facts(
    clusters=(
        {"name": "EU_1", "server": "https://eu.example.com", "labels": {"env": "prod"}},
        {"name": "us-1", "server": "https://us.example.com", "annotations": {"zone": "us"}},
    ),
    known=frozenset({"clusters"}),
)


@pytest.mark.parametrize(
    ("entry", "name", "made"),
    [
        ({}, "{{.nameNormalized}}", ["eu-1", "us-1", "in-cluster"]),
        ({"selector": {"matchLabels": {"env": "prod"}}}, "{{.metadata.labels.env}}", ["prod"]),
        (
            {"selector": {"matchExpressions": [{"key": "env", "operator": "DoesNotExist"}]}},
            "{{.server}}",
            ["https://us.example.com"],
        ),
        (
            {"selector": {"matchLabels": {"env": "prod"}}, "values": {"a": "x-{{.name}}"}},
            "{{.values.a}}",
            ["x-EU_1"],
        ),
        ({"flatList": True}, "{{ len .clusters }}", ["3"]),
    ],
)
def test_a_cluster_generator_takes_the_facts(
    entry: Any, name: str, made: list[str], tmp_path: Path
) -> None:
    assert names(tmp_path, [{"clusters": entry}], name, CLUSTERS) == made


def test_a_cluster_generator_fills_plain_templates_too(tmp_path: Path) -> None:
    entry = {"selector": {"matchLabels": {"env": "prod"}}, "values": {"a": "x"}}
    name = "{{name}}-{{metadata.labels.env}}-{{values.a}}-{{gone}}"

    made = names(tmp_path, [{"clusters": entry}], name, CLUSTERS, goTemplate=False)
    assert made == ["EU_1-prod-x-{{gone}}"]


def test_a_place_that_nothing_fills_is_not_known(tmp_path: Path) -> None:
    source = {"repoURL": "https://git.example.com/shop.git", "path": "{{path}}"}
    template = {"metadata": {"name": "{{env}}"}, "spec": {"source": source}}

    known = names(
        tmp_path, [elements({"env": "a", "path": "b"})], goTemplate=False, template=template
    )
    assert known == ["a"]
    with pytest.raises(NotKnown, match="don't fill"):
        names(tmp_path, [elements({"env": "a"})], goTemplate=False, template=template)


def test_a_selector_chooses_among_what_a_generator_makes(tmp_path: Path) -> None:
    generator = elements({"env": "dev", "own": {"team": "red"}}, {"env": "prod"})

    chosen = generator | {"selector": {"matchLabels": {"own.team": "red"}}}
    assert names(tmp_path, [chosen]) == ["dev"]


def test_a_git_generator_leaves_files_out(repository: Path) -> None:
    files = [{"path": "envs/*/config.yaml"}, {"path": "envs/prod/*", "exclude": True}]

    assert names(repository, [{"git": {"files": files}}]) == ["dev"]


def test_a_matrix_makes_the_elements_of_a_list(tmp_path: Path) -> None:
    inner = {"list": {"elementsYaml": "{{ .parts | toJson }}"}}
    both = [elements({"parts": [{"name": "a"}, {"name": "b"}]}), inner]

    assert names(tmp_path, [{"matrix": {"generators": both}}], "{{.name}}") == ["a", "b"]


def test_a_patch_of_the_template_may_have_conditions(tmp_path: Path) -> None:
    patch = "{{- if .prune }}\nmetadata: {name: pruned}\n{{- end }}\n"

    both = elements({"env": "dev", "prune": True}, {"env": "prod", "prune": False})
    assert names(tmp_path, [both], templatePatch=patch) == ["pruned", "prod"]


@pytest.mark.parametrize(
    "generator",
    [
        {"clusters": {}},
        {"scmProvider": {}},
        {"plugin": {}},
        {"list": {"elementsYaml": "{{ .all }}"}},
        {"pullRequest": {}},
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


def test_a_set_in_a_plain_folder_of_an_application_is_expanded_once(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    for env in ("dev", "stage"):
        (tmp_path / "envs" / env).mkdir(parents=True)
        (tmp_path / f"envs/{env}/web.yaml").write_text(SERVICE, encoding="utf-8")
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps/set.yaml").write_text(SET, encoding="utf-8")
    (tmp_path / "root.yaml").write_text(ROOT, encoding="utf-8")

    facts = Facts()
    inputs = gather([str(tmp_path)], facts)
    report = check(inputs, facts, (1, 32))

    assert [each for each in report.findings if each.rule == "duplicate-resource"] == []
    made = [each for found in inputs.sets.values() for each in found if each.maker is not None]
    assert sorted(each.name for each in made) == ["shop-dev", "shop-stage"]


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
    (note,) = report.notes
    assert note.endswith("so its Applications are not known, and not checked")


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


def test_an_application_adds_components(tmp_path: Path) -> None:
    component = (
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [web.yaml]\n"
    )
    kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
    application = SET.split("  template:\n", maxsplit=1)[1].replace("envs/{{.env}}", "envs/dev")
    application = application.replace("{{.env}}", "dev").replace(
        "path: 'envs/dev'}", "path: envs/dev, kustomize: {components: [../../parts/web]}}"
    )
    files = {
        "argocd/app.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: Application\n"
        + dedent(application),
        "envs/dev/kustomization.yaml": kustomization + "resources: []\nnamespace: shop-dev\n",
        "parts/web/kustomization.yaml": component,
        "parts/web/web.yaml": SERVICE,
    }

    found = [(each.rule, each.resource) for each in run(tmp_path, files).findings]
    assert found == [("service-selects-nothing", "Service shop-dev/web")]
    (tmp_path / "parts/web/web.yaml").write_text(SERVICE.replace("web}", "shop}"), encoding="utf-8")
    (again,) = run(tmp_path, {}).findings
    assert again.resource == "Service shop-dev/shop"


def test_an_excluded_pattern_does_not_reach_into_folders(repository: Path) -> None:
    (repository / "envs/dev/web").mkdir()
    folders = [{"path": "envs/*/*"}, {"path": "envs/*", "exclude": True}]

    git = {"git": {"repoURL": "https://git.example.com/shop.git", "directories": folders}}
    assert names(repository, [git], "a-{{.path.basename}}") == ["a-web"]


@pytest.mark.parametrize("text", ["{{ " + "/* a */ " * 2000, "{{ a" + " " * 4000, "{{ " * 2000])
def test_a_place_without_an_end_is_read_at_once(text: str) -> None:
    """Were each comment, or space, read in two ways, these would be read in 2 to the power of n."""
    assert unreadable(text) == ("a {{ has no }}", "")
    assert PLACE.search(text) is None
