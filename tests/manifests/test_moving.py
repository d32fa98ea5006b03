"""The folder of docs/grow.md that lets the old database publish fits the tree as it is."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import yaml

from tests.postgres.claim import ROOT
from tests.postgres.move_page import PAGE, blocks
from treecheck.kustomize import render

if TYPE_CHECKING:
    from pathlib import Path


def test_the_pages_manifests_let_the_two_databases_reach_each_other() -> None:
    component, network = (list(yaml.safe_load_all(each)) for each in blocks("yaml"))
    ((operation,),) = (yaml.safe_load(each["patch"]) for each in component[0]["patches"])
    service, policy = network
    (stateful_set,) = yaml.safe_load_all((ROOT / "base/postgres/statefulset.yaml").read_text())
    (own,) = yaml.safe_load_all((ROOT / "base/postgres/backups/statefulset.yaml").read_text())
    labels = stateful_set["spec"]["template"]["metadata"]["labels"]
    (args,) = (c["args"] for c in own["spec"]["template"]["spec"]["containers"] if "args" in c)

    assert component[0]["resources"] == ["network.yaml"]
    assert operation["path"] == "/spec/template/spec/containers/0/args"
    assert "args" not in stateful_set["spec"]["template"]["spec"]["containers"][0]
    assert operation["value"] == ["postgres", "-c", "wal_level=logical"]
    assert f"[{', '.join([*args, '-c', 'wal_level=logical'])}]" in PAGE.read_text("utf-8")
    assert service["spec"]["selector"].items() <= labels.items()
    (selected,) = policy["spec"]["podSelector"]["matchExpressions"]
    assert labels[selected["key"]] in selected["values"]
    assert {"Ingress", "Egress"} == set(policy["spec"]["policyTypes"])


def test_the_pages_folder_is_built_with_the_server(tmp_path: Path) -> None:
    for name in ("base", "overlays"):
        shutil.copytree(ROOT / name, tmp_path / name)
    moving, server = (tmp_path / "overlays/prod/postgres" / name for name in ("moving", "server"))
    moving.mkdir()
    component, network = blocks("yaml")
    (moving / "kustomization.yaml").write_text(component, encoding="utf-8")
    (moving / "network.yaml").write_text(network, encoding="utf-8")
    (line,) = re.findall(
        r"Add `(components: .*?)` to `overlays/prod/postgres/server", PAGE.read_text("utf-8")
    )
    with (server / "kustomization.yaml").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")

    built = render(tmp_path / "overlays/prod/postgres")

    found = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(built)}
    (container,) = found["StatefulSet", "postgresql"]["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["postgres", "-c", "wal_level=logical"]
    assert {("Service", "postgresql-move"), ("NetworkPolicy", "postgresql-move")} <= set(found)
