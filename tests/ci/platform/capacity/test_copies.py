"""A tree that brings copies of upstream's files, which `infra/addons.yaml` stands for as well."""

from __future__ import annotations

import shutil
from pathlib import Path

import ci.platform.capacity.rules  # noqa: F401  # its rules are registered by importing them
from treecheck.engine import Report, check
from treecheck.facts import Facts
from treecheck.inputs import gather

EXAMPLE = Path(__file__).parent / "rules" / "nodes-too-small"
ADDONS = "upstream: {tool: ../install}\naddons: {}\n"
PATCH = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: tool}
spec:
  template:
    spec:
      containers:
        - name: tool
          resources:
            requests: {cpu: 100m, memory: 800Mi}
"""
COPY = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: tool}
spec:
  replicas: REPLICAS
  selector:
    matchLabels: {app: tool}
  template:
    metadata:
      labels: {app: tool}
    spec:
      containers:
        - name: tool
          image: registry.example.com/shop/tool:1.4.2
          resources:
            requests: {cpu: 100m, memory: 800Mi}
"""
KUSTOMIZATION = "namespace: shop\nresources: [copy.yaml]\npatches:\n  - path: resources.yaml\n"


def found(tree: Path, workload: str) -> Report:
    """What the rule says of a tree with a copy of upstream's file that calls itself `workload`."""
    infra, install = tree / "infra", tree / "install"
    shutil.copytree(EXAMPLE / "eksctl", infra / "eksctl")
    shutil.copy(EXAMPLE / "prices.yaml", infra)
    (infra / "addons.yaml").write_text(ADDONS)
    (infra / "facts.yaml").write_text("{}\n")
    install.mkdir()
    (install / "kustomization.yaml").write_text(KUSTOMIZATION)
    (install / "resources.yaml").write_text(PATCH)
    copy = COPY.replace("REPLICAS", "1")
    other = COPY.replace("tool", workload).replace("REPLICAS", "2")
    (install / "copy.yaml").write_text(copy if workload == "tool" else f"{copy}---\n{other}")
    facts = Facts(file=infra / "facts.yaml")
    report = check(gather([str(install)], facts), facts, (1, 32), only={"nodes-too-small"})
    assert report.failures == []
    return report


def test_a_copy_of_upstreams_file_is_counted_once(tmp_path: Path) -> None:
    assert found(tmp_path, "tool").findings == []


def test_another_workload_beside_the_copy_is_counted(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, "worker").findings

    assert "no node has room" in finding.message
