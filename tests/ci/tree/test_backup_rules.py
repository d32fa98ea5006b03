"""Two environments whose backups would go to one path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

import ci.platform.rules  # noqa: F401  # its rules are registered by importing them
from treecheck.engine import check
from treecheck.facts import Facts
from treecheck.inputs import gather
from treecheck.schemas import versions

if TYPE_CHECKING:
    from pathlib import Path

BUCKET, PATH = "PGBACKREST_REPO1_S3_BUCKET", "PGBACKREST_REPO1_PATH"
ENDPOINT = "PGBACKREST_REPO1_S3_ENDPOINT"
PROD = {BUCKET: "backups", PATH: "/prod-1"}


def found(tmp_path: Path, *environments: dict[str, str]) -> list[str]:
    """What the rule says of one ConfigMap in each of some namespaces."""
    configs = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "postgresql-repository", "namespace": f"coworking-{number}"},
            "data": data,
        }
        for number, data in enumerate(environments)
    ]
    file = tmp_path / "configs.yaml"
    file.write_text(yaml.safe_dump_all(configs), encoding="utf-8")
    report = check(gather([str(file)], Facts()), Facts(), versions()[-1])
    return [each.message for each in report.findings if each.rule == "backup-path-shared"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PROD, PROD),
        (PROD, {**PROD, PATH: "/prod-1/"}),
        ({BUCKET: "backups"}, {BUCKET: "backups", PATH: "/var/lib/pgbackrest"}),
    ],
)
def test_two_environments_with_one_path_are_a_finding(
    tmp_path: Path, one: dict[str, str], other: dict[str, str]
) -> None:
    (message,) = found(tmp_path, one, other)
    assert "of bucket backups, as those of coworking-0 do" in message


@pytest.mark.parametrize(
    "other",
    [
        {**PROD, PATH: "/prod-2"},
        {**PROD, BUCKET: "others"},
        {**PROD, ENDPOINT: "minio.example.org"},
        {BUCKET: "", PATH: "/prod-1"},
        {},
    ],
)
def test_paths_that_differ_or_no_backups_are_none(tmp_path: Path, other: dict[str, str]) -> None:
    assert found(tmp_path, PROD, other) == []


def test_environments_without_backups_share_nothing(tmp_path: Path) -> None:
    assert found(tmp_path, {BUCKET: ""}, {BUCKET: ""}) == []
