"""What people do outside of git: they load images, keep ConfigMaps, and fill in forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_meant_so import WEB
from test_strangers_trees import rules
from test_unknown import POD

if TYPE_CHECKING:
    from pathlib import Path

IN_SHOP = POD.replace("{name: front}\nspec", "{name: front, namespace: shop}\nspec")


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("kind load docker-image web:1\n", 0),
        ("sudo k3s ctr -n k8s.io images import /tmp/web.tar\n", 0),
        ("docker save web:1\n", 1),
    ],
)
def test_a_script_loads_images_into_the_nodes(script: str, found: int, tmp_path: Path) -> None:
    pod = IN_SHOP.replace("image: ", "imagePullPolicy: Never, image: registry.example.com/")
    files = {"a.yaml": pod, "load.sh": script}

    assert rules(tmp_path, files, "image-never-pulled") == ["image-never-pulled"] * found


@pytest.mark.parametrize(
    ("names", "kept", "found"), [("ab", "other", 0), ("a", "other", 1), ("ab", "shop", 2)]
)
def test_a_namespace_without_its_config_maps_has_them_from_elsewhere(
    names: str, kept: str, found: int, tmp_path: Path
) -> None:
    asked = ", ".join(f"{{configMapRef: {{name: {each}}}}}" for each in names)
    pod = IN_SHOP.replace("name: front, image", f"name: front, envFrom: [{asked}], image")
    settings = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: {kept}}}\n"

    names_found = rules(tmp_path, {"a.yaml": pod, "b.yaml": settings}, "config-missing")

    assert names_found == ["config-missing"] * found


@pytest.mark.parametrize(("file", "found"), [("web-template.yaml", 0), ("web.yaml", 1)])
def test_a_template_leaves_its_name_empty(file: str, found: int, tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name:\n  namespace: shop\ndata: {a: b}\n"

    assert rules(tmp_path, {file: text}, "nameless-manifest") == ["nameless-manifest"] * found


@pytest.mark.parametrize(
    ("secret", "found"), [("web-your_domain-tls", 0), ("web-Your-tls", 1), ("on_four_domains", 1)]
)
def test_a_person_puts_a_domain_of_theirs_in(secret: str, found: int, tmp_path: Path) -> None:
    ingress = (
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\n"
        "spec: {defaultBackend: {service: {name: web, port: {number: 80}}}, "
        f"tls: [{{hosts: [a.example.com], secretName: {secret}}}]}}\n"
    )

    assert rules(tmp_path, {"a.yaml": ingress}, "malformed-text") == ["malformed-text"] * found


def test_a_workload_that_leaves_containers_out_is_a_patch(tmp_path: Path) -> None:
    web = WEB.replace("NOTES", "{}").replace("  selector: {matchLabels: {app: web}}\n", "")
    head, _, _ = web.partition("    spec:")
    text = head + "    spec:\n      nodeSelector: {disk: fast}\n"

    assert rules(tmp_path, {"a.yaml": text}, "required-field") == []


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    text = "\ufeffapiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n"

    assert rules(tmp_path, {"a.yaml": text}, "yaml-encoding") == ["yaml-encoding"]


@pytest.mark.parametrize(("spaces", "found"), [("{any: true}", 0), ("{matchNames: [shop]}", 1)])
def test_a_monitor_of_all_namespaces_lists_a_port_for_each_program(
    spaces: str, found: int, tmp_path: Path
) -> None:
    monitor = (
        "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\n"
        "metadata: {name: all, namespace: shop}\n"
        "spec:\n  selector: {matchLabels: {scraped: all}}\n"
        f"  namespaceSelector: {spaces}\n"
        "  endpoints: [{port: metrics}, {port: https}]\n"
    )
    service = (
        "apiVersion: v1\nkind: Service\n"
        "metadata: {name: web, namespace: shop, labels: {scraped: all}}\n"
        "spec: {selector: {app: web}, ports: [{name: metrics, port: 80}]}\n"
    )

    names = rules(tmp_path, {"a.yaml": monitor, "b.yaml": service}, "monitor-port-unknown")
    assert names == ["monitor-port-unknown"] * found
