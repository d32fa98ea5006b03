"""Classes that no tree brings: what the cluster came with is not called missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from treecheck.blame import forget
from treecheck.engine import Report, check
from treecheck.facts import Facts
from treecheck.inputs import gather
from treecheck.kube.classes import USUAL_CLASSES, is_slip

if TYPE_CHECKING:
    from pathlib import Path

OURS: dict[str, dict[str, Any]] = {
    "StorageClass": {"apiVersion": "storage.k8s.io/v1", "provisioner": "ebs.csi.aws.com"},
    "IngressClass": {"apiVersion": "networking.k8s.io/v1", "spec": {"controller": "a.com/b"}},
    "PriorityClass": {"apiVersion": "scheduling.k8s.io/v1", "value": 10},
    "RuntimeClass": {"apiVersion": "node.k8s.io/v1", "handler": "ours"},
}


def users(kind: str, name: str) -> dict[str, Any]:
    """A resource that names a class."""
    if kind == "StorageClass":
        claim = {
            "storageClassName": name,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        }
        return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": claim}
    if kind == "IngressClass":
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "spec": {"ingressClassName": name},
        }
    field = kind[0].lower() + kind[1:] + "Name"
    pod = {field: name, "containers": [{"name": "web", "image": "web:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "spec": pod}


def report(kind: str, names: list[str], folder: Path) -> Report:
    """What is found where the tree brings the class `internal` and names others."""
    bodies = [OURS[kind] | {"kind": kind, "metadata": {"name": "internal"}}]
    bodies += [
        users(kind, name) | {"metadata": {"name": f"web-{place}", "namespace": "shop"}}
        for place, name in enumerate(names)
    ]
    (folder / "all.yaml").write_text(yaml.safe_dump_all(bodies), encoding="utf-8")
    forget()
    return check(gather([str(folder)], Facts()), Facts(), (1, 32), only=["class-missing"])


@pytest.mark.parametrize("kind", OURS)
def test_it_does_not_call_missing_what_clusters_come_with(kind: str, tmp_path: Path) -> None:
    names = sorted(USUAL_CLASSES[kind])

    found = report(kind, names, tmp_path)

    assert found.findings == []
    for name in names:
        assert any(text.startswith(f"{kind} {name} is not in this tree") for text in found.unknown)


@pytest.mark.parametrize("kind", OURS)
def test_it_reports_a_slip_and_not_another_name(kind: str, tmp_path: Path) -> None:
    found = report(kind, ["internal", "intrenal", "fast"], tmp_path)

    assert [each.rule for each in found.findings] == ["class-missing"]
    assert found.findings[0].message == (f"unknown {kind} intrenal, very likely a slip of internal")
    assert [text.split(",")[0] for text in found.unknown] == [f"{kind} fast is not in this tree"]


@pytest.mark.parametrize(
    ("name", "meant", "slip"),
    [
        ("encrpyted", "encrypted", True),
        ("encryptd", "encrypted", True),
        ("encryptted", "encrypted", True),
        ("encripted", "encrypted", True),
        ("local_path", "local-path", True),
        ("localpath", "local-path", True),
        ("local-pathh", "local-path", True),
        ("encrypted", "encrypted", False),
        ("gp2", "gp3", False),
        ("nfs-1", "nfs-2", False),
        ("worker1", "worker2", False),
        ("worker", "worker2", False),
        ("ceph-ssd", "ceph-hdd", False),
        ("premium-rwo", "premium-rwx", False),
        ("low", "slow", False),
        ("internal", "external", False),
        ("miroir-slow", "miroir-local", False),
        ("", "slow", False),
    ],
)
def test_it_tells_a_slip_from_another_name(name: str, meant: str, slip: bool) -> None:
    assert is_slip(name, meant) is slip
    assert is_slip(meant, name) is slip
