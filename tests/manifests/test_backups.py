"""Promises about base/postgres/backups, which an overlay has where its data is backed up.

`with_backups` is such an overlay, in the state that a restore leaves behind.
"""

from __future__ import annotations

import copy
import re
import shutil
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import yaml

from ci.run import run
from tests.manifests.conftest import Tree
from treecheck.kustomize import kubectl

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# What stands beside a database in its namespace: without it the checker misses the service's pods,
# the tag of the base, which this overlay replaces, and the cluster's storage.
BESIDE = "image-entry-unused,network-policy-peer-unknown,class-missing"

SECRET = "coworking-secret"


def render(folder: Path) -> Tree:
    return Tree(list(yaml.safe_load_all(run([kubectl(), "kustomize", str(folder)]))))


@pytest.fixture(scope="module")
def tree() -> Tree:
    return render(HERE / "with_backups")


@pytest.fixture
def changed(tmp_path: Path):
    """Render the overlay with one text replaced by another."""

    def change(file: str, old: str, new: str) -> Tree:
        for part in ("base", "tests/manifests/with_backups"):
            shutil.copytree(ROOT / part, tmp_path / part)
        path = tmp_path / "tests/manifests/with_backups" / file
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))
        return render(path.parent if path.parent.name == "with_backups" else path.parents[1])

    return change


def pod(tree: Tree) -> dict:
    return tree.pods()["postgresql"]["spec"]


def proof(tree: Tree) -> dict:
    return tree.one("CronJob", "postgresql-proof")["spec"]["jobTemplate"]["spec"]["template"]


def every_container(tree: Tree) -> dict[str, dict]:
    """The containers of the database's pod and of the proof's."""
    specs = [pod(tree), proof(tree)["spec"]]
    every = [
        each for spec in specs for each in [*spec.get("initContainers", []), *spec["containers"]]
    ]
    return {each["name"]: each for each in every}


def test_the_checker_finds_nothing():
    run([ROOT / ".venv/bin/python", "-m", "treecheck", "--ignore", BESIDE, HERE / "with_backups"])


def test_the_claim_is_a_resource_that_git_names_and_no_template(tree):
    claim = tree.one("PersistentVolumeClaim", "data-postgresql-1")
    statefulset = tree.one("StatefulSet", "postgresql")
    assert "volumeClaimTemplates" not in statefulset["spec"]
    (data,) = [each for each in pod(tree)["volumes"] if each["name"] == "data"]
    assert data == {"name": "data", "persistentVolumeClaim": {"claimName": "data-postgresql-1"}}
    annotations = claim["metadata"]["annotations"]
    assert annotations["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
    assert annotations["argocd.argoproj.io/compare-options"] == "IgnoreExtraneous"


def test_the_first_claim_has_the_name_that_the_template_gave_it():
    claim = yaml.safe_load((ROOT / "base/postgres/backups/claim.yaml").read_text())
    assert claim["metadata"]["name"] == "data-postgresql-0"


def test_another_claim_or_moment_replaces_the_pod(tree, changed):
    moved = changed(
        "claim/kustomization.yaml", "RESTORE_TO=2026-11-28 10", "RESTORE_TO=2026-11-28 11"
    )
    assert pod(moved) != pod(tree)
    assert moved.one("StatefulSet", "postgresql")["spec"]["podManagementPolicy"] == "Parallel"


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("claim/kustomization.yaml", "RESTORE_TO=2026-11-28 10", "RESTORE_TO=2026-11-28 11"),
        ("claim/kustomization.yaml", "data-postgresql-1", "data-postgresql-2"),
    ],
)
def test_what_a_restore_leaves_behind_is_no_difference_to_argo_cd(tree, changed, file, old, new):
    # postgres-prod prunes nothing: on a cluster it was OutOfSync for good.
    there = {(r["kind"], r["metadata"]["name"]) for r in changed(file, old, new).resources}

    left = [r for r in tree.resources if (r["kind"], r["metadata"]["name"]) not in there]

    assert len(left) == 1
    for resource in left:
        options = resource["metadata"]["annotations"]["argocd.argoproj.io/compare-options"]
        assert options == "IgnoreExtraneous"


def test_every_container_of_the_pod_meets_pod_security_restricted(tree):
    for container in every_container(tree).values():
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        for amounts in (container["resources"]["requests"], container["resources"]["limits"]):
            assert amounts.keys() == {"cpu", "memory"}


def test_all_of_the_pod_is_one_image(tree):
    assert len({container["image"] for container in every_container(tree).values()}) == 1


def test_the_key_is_a_file_and_nothing_names_a_key_of_aws(tree):
    assert "BACKUP_KEY" in tree.one("SealedSecret", "coworking-secret")["spec"]["encryptedData"]
    (key,) = [each for each in pod(tree)["volumes"] if each["name"] == "key"]
    assert key["secret"]["items"] == [{"key": "BACKUP_KEY", "path": "key.conf"}]
    text = yaml.safe_dump(tree.resources)
    assert not re.search(r"(?i)s3[-_]key[-_]secret|aws_secret|cipher[-_]pass", text)
    role = tree.one("ServiceAccount", "postgresql")["metadata"]["annotations"]
    assert role["eks.amazonaws.com/role-arn"].startswith("arn:aws:iam::")
    assert pod(tree)["serviceAccountName"] == "postgresql"


def test_the_backups_container_reads_the_data_and_not_the_password(tree):
    mounts = {each["name"]: each for each in every_container(tree)["backups"]["volumeMounts"]}
    assert mounts["data"]["readOnly"] is True
    assert "password" not in mounts


@pytest.mark.parametrize("address", ["169.254.170.23", "10.100.0.1", "192.168.12.3", "172.20.0.1"])
def test_nothing_inside_is_reached_by_way_of_the_backups_rule(tree, address):
    (policy,) = [
        p for p in tree.all("NetworkPolicy") if p["metadata"]["name"] == "postgresql-backups"
    ]
    outside, dns = policy["spec"]["egress"]
    (block,) = outside["to"]
    assert outside["ports"] == [{"protocol": "TCP", "port": 443}]
    assert any(ip_address(address) in ip_network(each) for each in block["ipBlock"]["except"])
    assert {port["port"] for port in dns["ports"]} == {53}
    (who,) = policy["spec"]["podSelector"]["matchExpressions"]
    assert who["values"] == ["postgresql", "postgresql-proof"]


def test_the_server_and_the_restore_read_one_file_of_settings(tree):
    containers = every_container(tree)
    (given,) = [e["value"] for e in containers["fill-claim"]["env"] if e["name"] == "SERVER_CONFIG"]
    assert {"name": "SERVER_CONFIG", "value": given} in containers["proof"]["env"]
    assert containers["postgresql"]["args"] == ["postgres", "-c", f"config_file={given}"]
    for container in containers.values():
        mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        assert Path(given).parent == Path(mounts["settings"])
        assert f"{mounts['settings']}/conf.d" == mounts["key"]


def test_the_proofs_pod_is_none_that_readers_are_sent_to(tree):
    labels = proof(tree)["metadata"]["labels"]
    selector = tree.one("Service", "postgresql-service")["spec"]["selector"]
    assert not selector.items() <= labels.items()


def test_the_proof_works_on_a_volume_of_its_own_that_goes_with_it(tree):
    (scratch,) = [v for v in proof(tree)["spec"]["volumes"] if v["name"] == "scratch"]
    assert scratch.keys() == {"name", "ephemeral"}
    asked = scratch["ephemeral"]["volumeClaimTemplate"]["spec"]
    claim = tree.one("PersistentVolumeClaim", "data-postgresql-1")["spec"]
    assert asked["resources"] == claim["resources"]


def test_the_proofs_pod_meets_pod_security_restricted(tree):
    context = proof(tree)["spec"]["securityContext"]
    assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 999)
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert proof(tree)["spec"]["automountServiceAccountToken"] is False
    assert "password" not in {volume["name"] for volume in proof(tree)["spec"]["volumes"]}


@pytest.fixture
def beside(tree: Tree) -> Tree:
    """All that runs in an environment whose database is backed up: its service, its Jobs."""
    service = render(ROOT / "overlays/prod/coworking").resources
    return Tree(copy.deepcopy([*tree.resources, *service, proof_as_a_pod(tree)]))


def test_nothing_but_the_database_and_the_proof_can_take_the_role_or_read_the_key(beside):
    """AWS gives the role to pods of one service account; the key is mounted by name."""
    assert {"coworking", "postgresql", "postgresql-proof"} < beside.pods().keys()
    assert takers_of(beside) == {"postgresql", "postgresql-proof"}
    assert holders_of_the_key(beside) == {"postgresql", "postgresql-proof"}


@pytest.mark.parametrize(
    "source",
    [
        {"volumes": [{"name": "all", "secret": {"secretName": SECRET}}]},
        {"volumes": [{"name": "p", "projected": {"sources": [{"secret": {"name": SECRET}}]}}]},
        {"initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": SECRET}}]}]},
        {"serviceAccountName": "postgresql"},
    ],
)
def test_a_service_that_could_is_seen(beside, source):
    beside.pods()["coworking"]["spec"].update(source)
    assert "coworking" in takers_of(beside) | holders_of_the_key(beside)


def proof_as_a_pod(tree: Tree) -> dict:
    return {
        "kind": "Job",
        "metadata": {"name": "postgresql-proof"},
        "spec": {"template": proof(tree)},
    }


def takers_of(tree: Tree) -> set[str]:
    """Workloads whose pods run as a service account that names a role of AWS."""
    named = {
        (each["metadata"].get("namespace"), each["metadata"]["name"])
        for each in tree.all("ServiceAccount")
        if "eks.amazonaws.com/role-arn" in each["metadata"].get("annotations", {})
    }
    assert len(named) == 1
    accounts = {name for _, name in named}
    return {
        name
        for name, template in tree.pods().items()
        if template["spec"].get("serviceAccountName", "default") in accounts
    }


def holders_of_the_key(tree: Tree) -> set[str]:
    """Workloads that mount, or have in their environment, the backups' key."""
    return {name for name, template in tree.pods().items() if reads_the_key(template["spec"])}


def reads_the_key(spec: dict) -> bool:
    """Whether any container, or volume, of a pod may have the key: by its name, or with all."""
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    variables = yaml.safe_dump([each.get("env", []) for each in containers])
    whole = [f for each in containers for f in each.get("envFrom", []) if "secretRef" in f]
    mounted = [v["secret"] for v in spec.get("volumes", []) if "secret" in v]
    for volume in spec.get("volumes", []):
        sources = volume.get("projected", {}).get("sources", [])
        mounted += [
            {"secretName": s["secret"]["name"], **s["secret"]} for s in sources if "secret" in s
        ]
    keys = {
        item["key"]
        for each in mounted
        if each["secretName"] == SECRET
        for item in each.get("items", [{"key": "BACKUP_KEY"}])
    }
    return bool(whole) or "BACKUP_KEY" in variables or "BACKUP_KEY" in keys


def test_no_pod_may_ask_the_cluster_for_the_key(beside):
    assert not beside.all("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
    for name, template in beside.pods().items():
        assert template["spec"].get("automountServiceAccountToken") is False, name


def test_git_holds_no_long_lived_key_of_aws():
    """AKIA begins the name of a key that lives until somebody deletes it (AWS IAM, identifiers)."""
    long_lived = re.compile(r"\bAKIA[A-Z0-9]{16}\b|aws_secret_access_key\s*[:=]\s*['\"]?\S{20,}")
    folders = ("apps", "argocd", "base", "ci", "infra", "overlays")
    texts = [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert len(texts) > 100
    assert not [path for path in texts if long_lived.search(path.read_text(errors="replace"))]
    for template in (ROOT / "infra/cloudformation").glob("*.yaml"):
        assert "AWS::IAM::AccessKey" not in template.read_text()
        assert "AWS::IAM::User" not in template.read_text()
