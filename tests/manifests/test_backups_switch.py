"""Prod with its backups switched on, by the setting alone: what the checker and the overlay say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ci.run import execute, run
from ci.tree import backups, settings
from tests.manifests import backed_up
from tests.manifests.conftest import Tree
from tests.manifests.environments import ALL
from treecheck.kustomize import kubectl

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def switched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return backed_up.make(tmp_path_factory.mktemp("on"))


def render(root: Path) -> Tree:
    text = run([kubectl(), "kustomize", str(root / "overlays/prod/postgres")])
    return Tree(list(yaml.safe_load_all(text)))


def repository(root: Path) -> dict[str, str]:
    (found,) = [each for each in render(root).all("ConfigMap") if "repository" in named(each)]
    return {key.removeprefix("PGBACKREST_REPO1_"): value for key, value in found["data"].items()}


def named(resource: dict) -> str:
    return resource["metadata"]["name"]


def validate(root: Path) -> str:
    return execute([ROOT / ".venv/bin/python", "-m", "ci", "validate", root]).stdout.decode()


def test_the_setting_alone_switches_and_git_says_so(switched: Path) -> None:
    assert backups.is_on("prod", ROOT) is bool(settings.read(ROOT).backup_bucket)
    assert backups.is_on("prod", switched)
    assert not backups.is_on("dev", switched)


@pytest.mark.thorough
def test_the_checker_finds_nothing_where_a_key_is_sealed_and_names_the_key_where_none_is(
    switched: Path,
) -> None:
    assert "Nothing found" in validate(switched)
    path = switched / "overlays/prod/postgres/sealedsecret.yaml"
    sealed = path.read_text()
    path.write_text(re.sub(r"(?m)^    BACKUP_KEY: .*\n", "", sealed))
    try:
        assert "BACKUP_KEY" in validate(switched / "overlays/prod")
    finally:
        path.write_text(sealed)


def test_both_environments_run_the_image_of_apps_postgres(switched: Path) -> None:
    """dev first, so that a new one is tried where nothing is lost."""
    for environment in ALL:
        folder = switched / "overlays" / environment / "postgres"
        text = run([kubectl(), "kustomize", str(folder)])
        images = set(re.findall(r"image: (\S+postgres\S*)", text))
        assert len(images) == 1
        assert "/coworking-postgres:" in images.pop()


def test_backups_go_to_the_bucket_by_a_role_and_no_key_of_aws(switched: Path) -> None:
    assert repository(switched) == {
        "PATH": "/prod-1",
        "RETENTION_FULL": backed_up.wanted().backup_days,
        "S3_BUCKET": backed_up.BUCKET,
        "S3_ENDPOINT": f"s3.{backed_up.wanted().region}.amazonaws.com",
        "S3_KEY_TYPE": "web-id",
        "S3_REGION": backed_up.wanted().region,
        "S3_URI_STYLE": "host",
    }
    account = render(switched).one("ServiceAccount", "postgresql")
    assert account["metadata"]["annotations"] == {
        "eks.amazonaws.com/role-arn": backups.role(backed_up.wanted())
    }


def test_another_s3_has_its_own_host_and_no_role(tmp_path: Path) -> None:
    root = backed_up.make(
        tmp_path, backup_endpoint="s3.example.com", backup_region="fsn1", backup_days="14"
    )
    found = repository(root)
    assert (found["S3_ENDPOINT"], found["S3_REGION"]) == ("s3.example.com", "fsn1")
    assert (found["S3_KEY_TYPE"], found["S3_URI_STYLE"]) == ("shared", "path")
    assert found["RETENTION_FULL"] == "14"
    account = render(root).one("ServiceAccount", "postgresql")
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": ""}


@pytest.mark.parametrize(
    ("region", "arn", "host"),
    [
        ("eu-central-1", "arn:aws:iam::", "s3.eu-central-1.amazonaws.com"),
        ("cn-north-1", "arn:aws-cn:iam::", "s3.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "arn:aws-us-gov:iam::", "s3.us-gov-west-1.amazonaws.com"),
    ],
)
def test_each_partition_has_its_own_names(region: str, arn: str, host: str) -> None:
    values = backups.values(backed_up.wanted(region=region, backup_region=""))
    assert str(values["prod_backups_role"]).startswith(arn)
    assert values["backup_host"] == host


def test_a_claim_that_git_names_is_the_one_that_the_server_mounts(tmp_path: Path) -> None:
    root = backed_up.make(tmp_path)
    path = root / "overlays/prod/postgres/claim/kustomization.yaml"
    text = path.read_text()
    path.write_text(
        text.replace("RESTORE_TO=", "RESTORE_TO=latest").replace("postgresql-0", "postgresql-7")
    )
    tree = render(root)
    tree.one("PersistentVolumeClaim", "data-postgresql-7")
    volumes = tree.pods()["postgresql"]["spec"]["volumes"]
    (data,) = [each for each in volumes if each["name"] == "data"]
    assert data["persistentVolumeClaim"] == {"claimName": "data-postgresql-7"}
    (restore,) = [each for each in tree.all("ConfigMap") if "restore" in named(each)]
    assert restore["data"] == {"RESTORE_TO": "latest"}
