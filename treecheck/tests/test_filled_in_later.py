"""What another tool fills in, decrypts or fetches is not known, and the rest is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_unknown import HEAD, IN_SHOP, OWN, POD, run, write

from treecheck.facts import Facts
from treecheck.inputs import gather
from treecheck.placeholders import MARKS, template_of

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\n"
BROKEN = SETTINGS + "data: {LOG_LEVEL: [}\n"


@pytest.mark.parametrize(
    ("name", "text", "mark"),
    [
        ("go.yaml", SETTINGS + "data: {LOG_LEVEL: {{ .Values.level }} }\n", "{{ }}"),
        ("helm.yaml", "{{- if .Values.on }}\n" + SETTINGS + "{{- end }}\n", "{{ }}"),
        ("jinja.yml", SETTINGS + "data:\n{% for a in b %}\n  {{ a }}: 1\n{% endfor %}\n", "{% %}"),
        ("three.yaml", "{{{- if .on }}}\n" + SETTINGS + "{{{- end }}}\n", "{{{ }}}"),
        ("more.yaml", SETTINGS + "data: {LOG_LEVEL: {{{ .level }}} }\n", "{{{ }}}"),
        (
            "words.yaml",
            SETTINGS.replace("shop}", "shop}\n<LABELS>").replace("<LABELS>", "<MORE_OF_IT>"),
            "<NAME>",
        ),
        ("env.yaml", SETTINGS + "data: [a, b${TAIL]}, {${MORE}: 1}]\n", "${ }"),
    ],
)
def test_a_template_is_not_known_and_the_rest_is_judged(
    name: str, text: str, mark: str, tmp_path: Path
) -> None:
    service = IN_SHOP.replace("namespace: shop", "namespace: other")
    report = run(tmp_path, {name: text, "front.yaml": service, "pod.yaml": POD})

    assert [each.rule for each in report.findings] == ["service-selects-nothing"]
    assert report.failures == []
    assert [each for each in report.unknown if f"{name} is a template with {mark}" in each] != []


def test_a_broken_file_is_one_finding_and_the_rest_is_judged(tmp_path: Path) -> None:
    report = run(tmp_path, {"broken.yaml": BROKEN, "front.yaml": IN_SHOP})

    assert {(each.rule, each.file[-11:], each.line) for each in report.findings} == {
        ("not-yaml", "broken.yaml", 4),
        ("service-selects-nothing", "/front.yaml", 6),
    }
    assert (report.failures, report.unknown) == ([], [])


ESCAPED = SETTINGS + 'data: {text: "{{"{{inputs.text}}"}}"}\n'


@pytest.mark.parametrize(
    ("place", "text", "found"),
    [
        ("templates/a.yaml", ESCAPED, 0),
        ("templates/deep/a.yaml", ESCAPED, 0),
        ("templates/a.yaml", BROKEN, 1),
        ("values.yaml", ESCAPED, 1),
    ],
)
def test_only_helm_knows_what_its_templates_become(
    place: str, text: str, found: int, tmp_path: Path
) -> None:
    report = run(tmp_path, {"web/Chart.yaml": "name: web\n", f"web/{place}": text})

    assert [each.rule for each in report.findings] == ["not-yaml"] * found
    assert [each for each in report.unknown if f"web/{place} is a template" in each] != [] or found


@pytest.mark.parametrize(
    "text",
    [
        '#@ load("@ytt:data", "data")\n' + BROKEN,
        "#@ if data.values.on:\n" + SETTINGS + "#@ end\n" + BROKEN,
        BROKEN + "replicas: #@ data.values.replicas\n",
    ],
)
def test_only_ytt_knows_what_its_templates_become(text: str, tmp_path: Path) -> None:
    report = run(tmp_path, {"k8s/settings.yaml": text})

    assert report.findings == []
    assert [each for each in report.unknown if "is a template of ytt" in each] != []


@pytest.mark.parametrize("text", [BROKEN, SETTINGS + "data: {LOG_LEVEL: {{ .Values.level }} }\n"])
def test_what_an_application_applies_as_it_is_must_be_yaml(text: str, tmp_path: Path) -> None:
    report = run(tmp_path, {"argocd/own.yaml": OWN, "front/settings.yaml": text})

    assert [each.rule for each in report.findings] == ["not-yaml"]


@pytest.mark.parametrize("place", ["${{ values.name }}", "${NAME}", "name"])
def test_a_folder_that_names_a_file_to_fill_in_is_not_known(place: str, tmp_path: Path) -> None:
    named = {"app/kustomization.yaml": HEAD + f"resources: ['{place}.yaml']\n"}

    for files in (named, named | {"more/a.yaml": SETTINGS}):
        report = run(tmp_path, files)
        assert [each.rule for each in report.findings] == ["folder-unbuildable"] * (place == "name")
        told = [each for each in report.unknown if "which another program fills in" in each]
        assert len(told) == (place != "name")


def test_what_kustomize_reads_must_be_yaml(tmp_path: Path) -> None:
    files = {"kustomization.yaml": HEAD + "resources: [a.yaml]\n", "a.yaml": BROKEN}
    for name in ("one", "two"):  # a folder of its own, and one of several
        report = run(tmp_path / name, {f"{name}/{file}": text for file, text in files.items()})
        assert [each.rule for each in report.findings] == ["not-yaml"]


def test_a_link_to_a_file_that_is_not_there_is_one_finding(tmp_path: Path) -> None:
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")

    report = run(tmp_path, {"front.yaml": IN_SHOP})

    found = {each.rule: each.message for each in report.findings}
    assert found["not-yaml"] == f"it is a link to {tmp_path / 'nowhere'}, which is not there"
    assert set(found) == {"not-yaml", "service-selects-nothing"}


def test_a_template_may_bring_what_is_missing_where_it_lands(tmp_path: Path) -> None:
    pod = POD.replace("{name: front}", "\n  name: {{ .Values.name }}\n  namespace: shop")

    report = run(tmp_path, {"front.yaml": IN_SHOP, "pod.yaml": pod})

    assert report.findings == []
    assert any("pod.yaml is a template" in each for each in report.unknown)


@pytest.mark.parametrize("field", ["sops: {mac: x}\n", "sops: {version: 3.9.0}\n"])
def test_encrypted_values_are_not_known(field: str, tmp_path: Path) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: shop}\n" + field
    text = secret + "data: {a: 'ENC[AES256_GCM,data:x]'}\n"

    report = run(tmp_path, {"a.yaml": text}, "not-base64")

    assert report.findings == []
    assert report.unknown == ["SOPS encrypted Secret shop/a, so what is in them can't be known"]


def test_a_variable_of_flux_is_not_known_where_flux_runs(tmp_path: Path) -> None:
    flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: a}\n"
    service = IN_SHOP.replace("name: http", "name: '${PORT_NAME}'")

    alone = run(tmp_path / "alone", {"front.yaml": service}, "malformed-text")
    filled = run(tmp_path / "flux", {"front.yaml": service, "flux.yaml": flux}, "malformed-text")

    assert [each.rule for each in alone.findings] == ["malformed-text"]
    assert filled.findings == []


FLUX = (
    "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: NAME}\n"
    "spec: {path: ./app, targetNamespace: NAME}\n"
)
ACCOUNT = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}\n"
BINDING = (
    "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: web}\n"
    "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\n"
    "subjects: [{kind: ServiceAccount, name: web, namespace: shop}]\n"
)
APP = {
    "app/kustomization.yaml": HEAD + "resources: [a.yaml, b.yaml]\n",
    "app/a.yaml": ACCOUNT,
    "app/b.yaml": BINDING,
}


@pytest.mark.parametrize(
    ("namespaces", "found"), [([], 1), (["shop"], 0), (["office"], 1), (["shop", "office"], 1)]
)
def test_flux_puts_a_folder_into_its_target_namespace(
    namespaces: list[str], found: int, tmp_path: Path
) -> None:
    flux = {f"{each}.yaml": FLUX.replace("NAME", each) for each in namespaces}

    report = run(tmp_path, APP | flux, "role-missing")

    assert [each.rule for each in report.findings] == ["role-missing"] * found


@pytest.mark.parametrize("flux", ["./app", "./cluster/app", ""])
def test_only_flux_reads_what_is_outside_of_a_folder(flux: str, tmp_path: Path) -> None:
    files = {"app/kustomization.yaml": HEAD + "resources: [../one/a.yaml]\n"}
    files["one/a.yaml"] = ACCOUNT.replace("{name: web}", "{name: web, namespace: a}")
    if flux:
        files["flux.yaml"] = FLUX.replace("NAME", "shop").replace("./app", flux)
    files = {f"apps/cluster/{name}" if "cluster" in flux else name: files[name] for name in files}

    report = run(tmp_path, files)

    assert [each.rule for each in report.findings] == ["folder-unbuildable"] * (not flux)


@pytest.mark.parametrize(
    "text",
    [
        "data:\n  name: &name front\n  list: {*name : 1}\n",
        "data: {&name front: a, other: *name }\n",
        "data: {on: &on 'yes', x: {*on : 1}}\n",
    ],
)
def test_an_anchor_or_an_alias_may_be_a_key(text: str, tmp_path: Path) -> None:
    report = run(tmp_path, {"a.yaml": SETTINGS + text})

    assert [each for each in report.findings if each.rule == "not-yaml"] == []
    assert report.failures == []


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("README.md", "Then: `kubectl apply -f app/once.yaml`\n", 0),
        ("deploy.sh", "kubectl apply -f ./app/once.yaml\n", 0),
        ("README.md", "There is a file once.yaml, and another/once.yaml.\n", 1),
        ("app/more/kustomization.yaml", "# - ../app/once.yaml\nresources: []\n", 1),
        # Somebody took it out of the kustomization beside it.
        ("app/kustomization.yaml", HEAD + "resources:\n- a.yaml\n# - once.yaml\n", 0),
        ("app/kustomization.yaml", HEAD + "resources:\n  - a.yaml\n  #- ./once.yaml\n", 0),
        ("app/kustomization.yaml", HEAD + "resources:\n- a.yaml\n# - twice.yaml\n", 1),
        ("app/kustomization.yaml", HEAD + "# once.yaml is new\nresources: [a.yaml]\n", 1),
    ],
)
def test_a_file_that_others_name_with_its_folder_is_applied_by_hand(
    name: str, text: str, found: int, tmp_path: Path
) -> None:
    files = {"app/kustomization.yaml": HEAD + "resources: [a.yaml]\n", "app/a.yaml": IN_SHOP}

    report = run(tmp_path, {**files, "app/once.yaml": SETTINGS, name: text}, "manifest-unlisted")

    listed = [each.rule for each in report.findings if each.rule == "manifest-unlisted"]
    assert listed == ["manifest-unlisted"] * found


def test_a_file_that_is_fetched_keeps_its_key(tmp_path: Path) -> None:
    generator = "configMapGenerator: [{name: a, files: [https://example.com/x/run.sh]}]\n"

    inputs = gather([str(write(tmp_path, {"kustomization.yaml": HEAD + generator}))], Facts())

    bodies = [each.body for found in inputs.sets.values() for each in found]
    assert [each["data"] for each in bodies] == [{"run.sh": ""}]
    assert inputs.notes == [
        "https://example.com/x/run.sh is not fetched, so what it brings is not checked"
    ]


@pytest.mark.parametrize("text", ["$patch: delete\n", "spec: {$patch: replace, ports: []}\n"])
def test_a_loose_patch_is_not_judged_as_a_manifest(text: str, tmp_path: Path) -> None:
    head = "apiVersion: v1\nkind: Service\nmetadata: {name: front, namespace: shop}\n"

    report = run(tmp_path, {"remove.yaml": head + text}, "unknown-field")

    assert report.findings == []


@pytest.mark.parametrize("mark", sorted(MARKS))
def test_places_that_follow_one_another_are_read_at_once(mark: str) -> None:
    """Were each of them read in two ways, these would be read in 2 to the power of 2,000."""
    found = template_of(f"a: [\n{mark.replace(' ', 'b') * 2000} c\n")
    assert found == ("a template with {{ }}" if mark == "{% %}" else "")  # a line of commands
