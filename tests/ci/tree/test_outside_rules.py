"""A database outside the cluster: what the checker says where a server could pretend to be it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

import ci.platform.rules  # noqa: F401  # its rules are registered by importing them
from treecheck.engine import check
from treecheck.facts import Facts
from treecheck.inputs import gather
from treecheck.schemas import versions

if TYPE_CHECKING:
    from pathlib import Path

HOST = "db.abc123.us-east-1.rds.amazonaws.com"
FOLDER = "/etc/coworking/database-ca"
GOOD = {"DB_HOST": HOST, "DB_SSLMODE": "verify-full", "DB_SSLROOTCERT": f"{FOLDER}/ca.pem"}
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"


def config(name: str, data: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "coworking-prod"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def workload(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "coworking-prod"},
        "spec": {
            "selector": {"matchLabels": labels},
            **({"serviceName": name} if kind == "StatefulSet" else {}),
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def found(
    tmp_path: Path, variables: dict[str, str], *more: dict[str, Any], ca: str = CERTIFICATE
) -> dict[str, list[str]]:
    """The messages of the two rules about a Deployment with these variables, by rule."""
    service = workload(
        "Deployment",
        "coworking",
        {
            "containers": [
                {
                    "name": "coworking",
                    "image": "registry.example.com/coworking:1",
                    "envFrom": [{"configMapRef": {"name": "settings"}}],
                    "volumeMounts": [{"name": "ca", "mountPath": FOLDER}],
                }
            ],
            "volumes": [{"name": "ca", "configMap": {"name": "database-ca"}}],
        },
    )
    file = tmp_path / "all.yaml"
    bodies = [service, config("settings", variables), config("database-ca", {"ca.pem": ca}), *more]
    file.write_text(yaml.safe_dump_all(bodies), encoding="utf-8")
    report = check(gather([str(file)], Facts()), Facts(), versions()[-1])
    messages: dict[str, list[str]] = {}
    for each in report.findings:
        if each.rule in ("database-unverified", "database-twice"):
            messages.setdefault(each.rule, []).append(each.message)
    return messages


def test_a_checked_server_is_well(tmp_path: Path) -> None:
    assert found(tmp_path, GOOD) == {}


@pytest.mark.parametrize("host", ["postgresql-service", "pg.db.svc", "pg.db.svc.cluster.local"])
def test_a_database_in_the_cluster_needs_no_certificate(tmp_path: Path, host: str) -> None:
    assert found(tmp_path, {"DB_HOST": host}) == {}


def test_a_service_by_its_namespace_is_in_the_cluster(tmp_path: Path) -> None:
    metadata = {"name": "pg", "namespace": "coworking-prod"}
    spec = {"ports": [{"port": 5432}], "selector": {"app": "coworking"}}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    assert found(tmp_path, {"DB_HOST": "pg.coworking-prod"}, service) == {}


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_a_weaker_mode_is_a_finding(tmp_path: Path, mode: str) -> None:
    (message,) = found(tmp_path, {**GOOD, "DB_SSLMODE": mode})["database-unverified"]
    assert f"DB_SSLMODE is {mode}, so the password goes to whoever answers" in message


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("DB_SSLMODE", "DB_SSLMODE is not set, so the password goes"),
        ("DB_SSLROOTCERT", "DB_SSLROOTCERT is not set, so no certificate can be checked"),
    ],
)
def test_a_missing_variable_is_a_finding(tmp_path: Path, without: str, said: str) -> None:
    variables = {name: value for name, value in GOOD.items() if name != without}
    (message,) = found(tmp_path, variables)["database-unverified"]
    assert said in message


def test_a_file_without_a_certificate_is_a_finding(tmp_path: Path) -> None:
    (message,) = found(tmp_path, GOOD, ca="No certificates yet.")["database-unverified"]
    assert f"ca.pem has no certificate, so the service can't check the one of {HOST}" in message


def test_a_server_beside_a_database_outside_is_a_finding(tmp_path: Path) -> None:
    image = "registry.example.com/postgres:15"
    server = workload(
        "StatefulSet", "postgresql", {"containers": [{"name": "postgresql", "image": image}]}
    )
    (message,) = found(tmp_path, GOOD, server)["database-twice"]
    assert message == (
        f"coworking-prod has this PostgreSQL, and its service uses another one, at {HOST}"
    )
    assert found(tmp_path, {"DB_HOST": "postgresql-service"}, server) == {}
