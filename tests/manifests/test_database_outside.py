"""Prod with its database outside the cluster by a setting: what is there, and what left."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ci.run import execute, run
from ci.tree import outside, rotation
from tests.manifests import put_outside
from tests.manifests.conftest import Resource, Tree
from treecheck.kustomize import kubectl

ROOT = Path(__file__).parents[2]
OF_THE_SERVICE = ("coworking", "coworking-migrate")
CA_FOLDER = "/etc/coworking/database-ca"


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put_outside.make(tmp_path_factory.mktemp("outside"))


def render(root: Path, folder: str = "overlays/prod") -> Tree:
    return Tree(list(yaml.safe_load_all(run([kubectl(), "kustomize", str(root / folder)]))))


def names(tree: Tree) -> set[str]:
    return {f"{each['kind']}/{each['metadata']['name']}" for each in tree.resources}


def test_the_setting_alone_moves_the_database_and_git_says_so(moved: Path) -> None:
    assert not outside.is_on("prod", ROOT)
    assert outside.is_on("prod", moved)
    assert not outside.is_on("dev", moved)


@pytest.mark.parametrize("bucket", ["", "coworking-backups-111122223333"])
def test_the_server_its_claim_backups_and_policy_left_and_the_password_stayed(
    tmp_path: Path, bucket: str
) -> None:
    root = put_outside.make(tmp_path, backup_bucket=bucket)
    assert names(render(root, "overlays/prod/postgres")) == {
        "SealedSecret/coworking-secret",
        "ConfigMap/database-ca",
    }
    (secret,) = render(root, "overlays/prod/postgres").all("SealedSecret")
    assert secret["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == (
        "Prune=false,Delete=false"
    )
    assert "StatefulSet/postgresql" in names(render(root, "overlays/dev/postgres"))


def test_the_service_finds_it_by_host_port_and_authority_and_takes_no_other(tmp_path: Path) -> None:
    root = put_outside.make(tmp_path, database_port="5433")
    prod = render(root)
    found = {key: value for key, value in prod.settings().items() if key.startswith("DB_")}
    assert found == {
        "DB_HOST": put_outside.HOST,
        "DB_NAME": "coworking",
        "DB_PORT": "5433",
        "DB_SSLMODE": "verify-full",
        "DB_SSLROOTCERT": f"{CA_FOLDER}/ca.pem",
        "DB_USERNAME": "coworking",
    }
    for name in OF_THE_SERVICE:
        assert mounts(prod.pods()[name])[CA_FOLDER] == {"name": "database-ca"}
    (authority,) = [each for each in prod.all("ConfigMap") if "-ca" in each["metadata"]["name"]]
    assert outside.has_certificates(authority["data"]["ca.pem"])
    assert render(root, "overlays/dev").settings()["DB_HOST"] == "postgresql-service"


def mounts(pod: Resource) -> dict[str, Resource]:
    """The ConfigMaps of a pod's only container, by where it has them."""
    (container,) = pod["spec"]["containers"]
    volumes = {each["name"]: each.get("configMap") for each in pod["spec"]["volumes"]}
    return {each["mountPath"]: volumes[each["name"]] for each in container["volumeMounts"]}


def test_its_pods_may_connect_to_the_network_of_the_database_and_to_no_pod(tmp_path: Path) -> None:
    root = put_outside.make(tmp_path, database_network="10.20.0.0/16", database_port="5433")
    policy = render(root).one("NetworkPolicy", "coworking-egress-outside")["spec"]
    assert policy["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "coworking"}
    database, names_of_hosts = policy["egress"]
    assert database == {
        "to": [{"ipBlock": {"cidr": "10.20.0.0/16"}}],
        "ports": [{"protocol": "TCP", "port": 5433}],
    }
    assert {each["port"] for each in names_of_hosts["ports"]} == {53}


def test_a_switch_changes_no_policy_so_that_the_pods_before_it_keep_their_way(moved: Path) -> None:
    # Argo CD applies policies before the migration, and prunes them when the last pod is new.
    before, after = (names(render(each)) for each in (ROOT, moved))
    assert before - after >= {"NetworkPolicy/coworking-egress"}
    assert {each for each in after - before if each.startswith("NetworkPolicy/")} == {
        "NetworkPolicy/coworking-egress-outside"
    }
    application = yaml.safe_load((ROOT / "argocd/apps/coworking-prod.yaml").read_text())
    assert "PruneLast=true" in application["spec"]["syncPolicy"]["syncOptions"]
    assert application["spec"]["syncPolicy"]["automated"]["prune"]


def test_a_rotation_changes_the_password_in_the_database_that_the_service_uses(
    tmp_path: Path,
) -> None:
    root = put_outside.make(tmp_path)
    path = root / rotation.SecretFiles.of("prod").rotation
    path.write_text(rotation.with_job("prod", root))
    tree = render(root)
    job = tree.pods()["coworking-change-password"]
    variables = {each["name"]: each["value"] for each in job["spec"]["containers"][0]["env"]}
    service = tree.settings()
    for name in ("DB_HOST", "DB_NAME", "DB_PORT", "DB_SSLMODE", "DB_SSLROOTCERT", "DB_USERNAME"):
        assert variables[name] == service[name], name
    assert mounts(job)[CA_FOLDER] == {"name": "database-ca"}
    policy = tree.one("NetworkPolicy", "coworking-egress-outside")
    allowed = policy["spec"]["podSelector"]["matchLabels"]
    assert allowed.items() <= job["metadata"]["labels"].items()


@pytest.mark.thorough
def test_the_way_back_is_the_setting_too(tmp_path: Path, moved: Path) -> None:
    back = put_outside.make(tmp_path, database_host="")
    for part in ("coworking", "postgres"):
        folder = f"overlays/prod/{part}"
        assert render(back, folder).resources == render(ROOT, folder).resources
        assert render(moved, folder).resources != render(ROOT, folder).resources


@pytest.mark.thorough
def test_the_checker_finds_nothing_and_without_certificates_names_the_file(moved: Path) -> None:
    path = moved / outside.CA_FILE
    certificate = path.read_text()
    assert "Nothing found" in validate(moved)
    path.write_text((ROOT / outside.CA_FILE).read_text())
    try:
        assert f"Put the authority's certificates into {outside.CA_FILE}" in validate(moved)
    finally:
        path.write_text(certificate)


def validate(root: Path) -> str:
    return execute([ROOT / ".venv/bin/python", "-m", "ci", "validate", root]).stdout.decode()
