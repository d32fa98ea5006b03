"""Ingresses that have one path and do not meet, and what lies in no known namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_beside import application
from test_strangers_trees import SETTINGS, rules
from test_unknown import HEAD, IN_SHOP, POD

if TYPE_CHECKING:
    from pathlib import Path

INGRESS = (
    "apiVersion: networking.k8s.io/v1\nkind: Ingress\n"
    "metadata: {name: NAME, namespace: shop, annotations: {KEY: 'VALUE'}}\n"
    "spec: {rules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, "
    "backend: {service: {name: front, port: {number: 80}}}}]}}]}\n"
)


@pytest.mark.parametrize(
    ("key", "values", "found"),
    [
        ("traefik.ingress.kubernetes.io/router.entrypoints", ("web", "websecure"), 0),
        ("traefik.ingress.kubernetes.io/router.entrypoints", ("web", "web"), 1),
        ("nginx.ingress.kubernetes.io/canary", ("false", "true"), 0),
        ("nginx.ingress.kubernetes.io/canary", ("false", "false"), 1),
    ],
)
def test_two_ingresses_of_one_path_may_differ_in_how_they_are_reached(
    key: str, values: tuple[str, str], found: int, tmp_path: Path
) -> None:
    files = {
        f"k/{name}.yaml": INGRESS.replace("NAME", name).replace("KEY", key).replace("VALUE", value)
        for name, value in zip("ab", values, strict=True)
    }

    assert rules(tmp_path, files, "ingress-path-twice") == ["ingress-path-twice"] * found


@pytest.mark.parametrize(
    ("namespace", "found"), [("", 0), ("namespace: other\n", 1), ("namespace: shop\n", 0)]
)
def test_a_service_without_a_namespace_may_be_the_one_that_is_missed(
    namespace: str, found: int, tmp_path: Path
) -> None:
    env = "front, env: [{name: DB_HOST, value: front.shop.svc.cluster.local}], image"
    files = {
        "a/kustomization.yaml": HEAD + namespace + "resources: [a.yaml, b.yaml]\n",
        "a/a.yaml": POD.replace("front, image", env),
        "a/b.yaml": IN_SHOP.replace(", namespace: shop", ""),
        "b/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "b/a.yaml": SETTINGS,
    }

    assert rules(tmp_path, files, "host-unknown") == ["host-unknown"] * found


@pytest.mark.parametrize(("kind", "found"), [("Application", 0), ("Deployment", 1)])
def test_a_chart_of_applications_brings_what_they_deploy(
    kind: str, found: int, tmp_path: Path
) -> None:
    template = (
        f"kind: {kind}\napiVersion: a/v1\nmetadata: {{name: a}}\n"
        "spec:\n  destination:\n    namespace: shop\n  x: {{ .Values.x }}\n"
    )
    files = {
        "k/a.yaml": IN_SHOP,
        "apps/Chart.yaml": "name: apps\n",
        "apps/templates/a.yaml": template,
    }

    names = rules(tmp_path, files, "service-selects-nothing")

    assert names == ["service-selects-nothing"] * found


@pytest.mark.parametrize(
    ("name", "place", "found"), [("a", "plain", 0), ("b", "plain", 0), ("b", "front", 1)]
)
def test_an_ingress_that_no_application_brings_is_another_form_of_one(
    name: str, place: str, found: int, tmp_path: Path
) -> None:
    other = INGRESS.replace("NAME", name).replace("namespace: shop", "namespace: prod")
    files = {
        "apps/a.yaml": application("a", "front"),
        "front/a.yaml": INGRESS.replace("NAME", "a"),
        f"{place}/b.yaml": other,
    }

    assert rules(tmp_path, files, "ingress-path-twice") == ["ingress-path-twice"] * found


@pytest.mark.parametrize(("line", "found"), [("configurations: [c.yaml]\n", 0), ("", 1)])
def test_configurations_may_say_where_else_images_are(
    line: str, found: int, tmp_path: Path
) -> None:
    entry = "images: [{name: other, newTag: '2'}]\n"
    files = {
        "a/kustomization.yaml": HEAD + "resources: [a.yaml]\n" + entry + line,
        "a/a.yaml": POD,
        "a/c.yaml": "images: [{path: spec/image, kind: Collector}]\n",
    }

    assert rules(tmp_path, files, "image-entry-unused") == ["image-entry-unused"] * found
