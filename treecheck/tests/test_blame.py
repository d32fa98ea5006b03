"""Which file and line a finding points at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from treecheck.blame import blame, written
from treecheck.facts import Facts
from treecheck.inputs import gather

if TYPE_CHECKING:
    from pathlib import Path

    from treecheck.model import FieldPath, Resource

WEB = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  ports:
    - port: 80
      targetPort: first
    - port: 81
      targetPort: second
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      hostAliases:
        - ip: 10.0.0.1
          hostnames: [one]
        - ip: 10.0.0.2
          hostnames: [two]
      topologySpreadConstraints:
        - topologyKey: zone
          maxSkew: 1
        - topologyKey: host
          maxSkew: 2
      tolerations:
        - key: a
          effect: NoSchedule
        - key: b
          effect: NoExecute
      containers:
        - name: log
          image: registry.example.com/log:1
          args:
            - one
            - two  # of all
        - name: web
          image: registry.example.com/web:1
          args: [serve, --threads, "4", 5]
          ports:
            - containerPort: 8000
              protocol: TCP
            - containerPort: 9000
              protocol: UDP
          volumeMounts:
            - mountPath: /a
              readOnly: true
            - mountPath: /b
              readOnly: false
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
    - host: a.example.com
      http: {paths: [{path: /a, pathType: Exact}]}
    - host: b.example.com
      http: {paths: [{path: /b, pathType: Exact}]}
"""
OVERLAY = """\
namespace: shop
resources: [../base]
images:
  - name: registry.example.com/other
    newTag: "7"
  - name: registry.example.com/web
    newTag: "2"
  - name: registry.example.com/log
    digest: sha256:1111111111111111111111111111111111111111111111111111111111111111
replicas:
  - name: web
    count: 3
patches:
  - path: patch.yaml
  - patch: |-
      apiVersion: networking.k8s.io/v1
      kind: Ingress
      metadata: {name: web}
      spec:
        ingressClassName: alb
  # Each of these moves what follows by one: an item is not found by its place.
  - target: {kind: Service}
    patch: '- {op: add, path: /spec/ports/0, value: {port: 79}}'
  - target: {kind: Ingress}
    patch: '- {op: add, path: /spec/rules/0, value: {host: z.example.com}}'
  - target: {kind: Deployment}
    patch: |-
      - {op: add, path: /spec/template/spec/hostAliases/0, value: {ip: 10.0.0.3}}
      - op: add
        path: /spec/template/spec/topologySpreadConstraints/0
        value: {topologyKey: rack}
      - {op: add, path: /spec/template/spec/tolerations/0, value: {key: z}}
      - {op: add, path: /spec/template/spec/containers/0/ports/0, value: {containerPort: 1}}
      - {op: add, path: /spec/template/spec/containers/0/volumeMounts/0, value: {mountPath: /z}}
      - {op: add, path: /spec/template/spec/containers/1/args/0, value: zero}
configMapGenerator:
  - name: first
    literals: [A=1]
  - name: settings
    literals:
      - LEVEL=info
      - COLOUR=red
secretGenerator:
  - name: hidden
    files:
      - words=words.txt
"""
PATCH = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
        - name: web
          workingDir: /srv
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Resource]:
    """What an overlay of a base renders to."""
    folder = tmp_path_factory.mktemp("tree")
    for name, text in {
        "base/kustomization.yaml": "resources: [web.yaml]\n",
        "base/web.yaml": WEB,
        "top/kustomization.yaml": OVERLAY,
        "top/patch.yaml": PATCH,
        "top/words.txt": "x",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (rendered,) = gather([str(folder / "top")], Facts()).sets.values()
    return rendered


def find(found: list[Resource], kind: str, name: str) -> Resource:
    return next(each for each in found if each.kind == kind and each.name.startswith(name))


def line(resource: Resource, path: FieldPath) -> str:
    """`file: text` of the line that is blamed."""
    file, number = blame(resource, path)
    assert file is not None
    return f"{file.name}: {file.read_text(encoding='utf-8').splitlines()[number - 1].strip()}"


# A patch puts the container that it names first: web is 0 and log 1, other than in the file.
POD: FieldPath = ("spec", "template", "spec")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((*POD, "hostAliases", 2, "hostnames"), "web.yaml: hostnames: [two]"),
        ((*POD, "topologySpreadConstraints", 2, "maxSkew"), "web.yaml: maxSkew: 2"),
        ((*POD, "tolerations", 2, "effect"), "web.yaml: effect: NoExecute"),
        ((*POD, "containers", 1, "args", 2), "web.yaml: - two  # of all"),
        ((*POD, "containers", 0, "ports", 2, "protocol"), "web.yaml: protocol: UDP"),
        ((*POD, "containers", 0, "volumeMounts", 2, "readOnly"), "web.yaml: readOnly: false"),
        # What nothing wrote is blamed on what surrounds it.
        ((*POD, "containers", 0, "resources", "limits"), "web.yaml: - name: web"),
        (("status", "replicas"), "web.yaml: apiVersion: apps/v1"),
        # A patch names the container only to say which one it changes.
        ((*POD, "containers", 0, "name"), "web.yaml: - name: web"),
        ((*POD, "containers", 0, "workingDir"), "patch.yaml: workingDir: /srv"),
        ((*POD, "containers", 0, "image"), 'kustomization.yaml: newTag: "2"'),
        ((*POD, "containers", 1, "image"), f"kustomization.yaml: digest: sha256:{'1' * 64}"),
        (("spec", "replicas"), "kustomization.yaml: count: 3"),
        (("metadata", "namespace"), "kustomization.yaml: namespace: shop"),
        (("metadata", "labels"), "web.yaml: labels: {app: web}"),
    ],
)
def test_a_field_of_a_deployment_is_blamed_on_the_line_that_wrote_it(
    found: list[Resource], path: FieldPath, text: str
) -> None:
    assert line(find(found, "Deployment", "web"), path) == text


@pytest.mark.parametrize(
    ("kind", "path", "text"),
    [
        ("Service", ("spec", "ports", 2, "targetPort"), "web.yaml: targetPort: second"),
        (
            "Ingress",
            ("spec", "rules", 2, "http"),
            "web.yaml: http: {paths: [{path: /b, pathType: Exact}]}",
        ),
        ("Ingress", ("spec", "ingressClassName"), "kustomization.yaml: ingressClassName: alb"),
        ("Service", (), "web.yaml: apiVersion: v1"),
    ],
)
def test_an_item_is_found_by_what_tells_it_from_the_others(
    found: list[Resource], kind: str, path: FieldPath, text: str
) -> None:
    assert line(find(found, kind, "web"), path) == text


@pytest.mark.parametrize(
    ("kind", "name", "path", "text"),
    [
        ("ConfigMap", "settings", ("data", "COLOUR"), "- COLOUR=red"),
        ("ConfigMap", "settings", ("data", "LEVEL"), "- LEVEL=info"),
        ("ConfigMap", "settings", ("data", "GONE"), "- name: settings"),
        ("ConfigMap", "settings", ("data",), "- name: settings"),
        ("ConfigMap", "settings", ("metadata", "LEVEL"), "- name: settings"),
        ("Secret", "hidden", ("data", "words"), "- words=words.txt"),
    ],
)
def test_a_generated_key_is_blamed_on_its_literal(
    found: list[Resource], kind: str, name: str, path: FieldPath, text: str
) -> None:
    assert line(find(found, kind, name), path) == f"kustomization.yaml: {text}"


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ((*POD, "containers", 0, "args", 2), "4", '"4"'),
        ((*POD, "containers", 0, "args", 3), 5, "5"),
        ((*POD, "containers", 0, "args", 3), "6", ""),
        ((*POD, "containers", 1, "args", 2), "two", "two"),
        ((*POD, "containers", 0, "workingDir"), "/srv", "/srv"),
    ],
)
def test_a_value_is_quoted_as_its_file_has_it(
    found: list[Resource], path: FieldPath, value: object, text: str
) -> None:
    assert written(find(found, "Deployment", "web"), path, value) == text


def test_rendered_manifests_are_told_apart_by_their_namespace(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    one = "kind: ConfigMap\napiVersion: v1\nmetadata:\n  namespace: {}\n  name: web\ndata: {{{}}}\n"
    file.write_text(one.format("a", "x: '1'") + "---\n" + one.format("b", "x: '2'"), "utf-8")
    (resources,) = gather([str(file)], Facts()).sets.values()

    assert [line(each, ("data", "x")) for each in resources] == [
        "all.yaml: data: {x: '1'}",
        "all.yaml: data: {x: '2'}",
    ]
    assert [line(each, ("metadata", "namespace"))[-1] for each in resources] == ["a", "b"]


def test_what_is_in_a_list_is_blamed_on_its_own_line(tmp_path: Path) -> None:
    item = (
        "  - kind: ConfigMap\n    apiVersion: v1\n    metadata: {{name: {}}}\n    data: {{A: b}}\n"
    )
    file = tmp_path / "all.yaml"
    text = "apiVersion: v1\nkind: List\nitems:\n" + item.format("one") + item.format("two")
    file.write_text(text, "utf-8")

    (resources,) = gather([str(file)], Facts()).sets.values()

    assert [blame(each, ("data", "A")) for each in resources] == [(file, 7), (file, 11)]


def test_what_moves_to_another_namespace_is_blamed_on_the_line_that_wrote_it(
    tmp_path: Path,
) -> None:
    text = (
        "kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: web\n  namespace: old\ndata: {A: b}\n"
    )
    (tmp_path / "web.yaml").write_text("\n" + text, "utf-8")
    listed = "namespace: new\nresources: [web.yaml]\n"
    (tmp_path / "kustomization.yaml").write_text(listed, "utf-8")

    ((resource,),) = gather([str(tmp_path)], Facts()).sets.values()

    assert resource.namespace == "new"
    assert line(resource, ("data", "A")) == "web.yaml: data: {A: b}"


def test_a_prefix_does_not_hide_which_patch_wrote_a_field_and_is_blamed_for_itself(
    tmp_path: Path,
) -> None:
    web = "kind: ConfigMap\napiVersion: v1\nmetadata: {{name: {}}}\ndata:\n  {}: b\n"
    (tmp_path / "base").mkdir()
    both = web.format("web", "A") + "---\n" + web.format("web-admin", "A")
    (tmp_path / "base/web.yaml").write_text(both, "utf-8")
    (tmp_path / "base/kustomization.yaml").write_text("resources: [web.yaml]\n", "utf-8")
    (tmp_path / "patch.yaml").write_text(web.format("web-admin", "B"), "utf-8")
    listed = "namePrefix: Prod-\nresources: [base]\npatches: [{path: patch.yaml}]\n"
    (tmp_path / "kustomization.yaml").write_text(listed, "utf-8")

    (resources,) = gather([str(tmp_path)], Facts()).sets.values()
    admin = next(each for each in resources if each.name == "Prod-web-admin")

    assert blame(admin, ("data", "A")) == (tmp_path / "base/web.yaml", 11)
    assert blame(admin, ("data", "B")) == (tmp_path / "patch.yaml", 5)
    assert blame(admin, ("metadata", "name")) == (tmp_path / "kustomization.yaml", 1)
