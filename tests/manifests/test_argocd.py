"""Promises about what Argo CD syncs, what it may sync, and who may ask it to."""

from __future__ import annotations

import fnmatch
from pathlib import Path

import yaml

from ci.tree import overlays, reach, settings
from tests.manifests.environments import ALL, LIKE_DEV, LIKE_PROD
from treecheck.kustomize import render_objects

ROOT = Path(__file__).parents[2]
CHILDREN = [f"{part}-{name}" for part in ("coworking", "postgres") for name in ALL]
KEPT = {f"postgres-{name}" for name in LIKE_PROD}


def children(tree):
    return [app for app in tree.all("Application") if app["metadata"]["name"] != "root"]


def project(tree, name):
    return tree.one("AppProject", name)["spec"]


def test_there_is_a_root_and_one_application_for_each_part(argocd):
    names = [app["metadata"]["name"] for app in children(argocd)]
    assert sorted(names) == sorted(CHILDREN)
    for app in children(argocd):
        part, _, environment = app["metadata"]["name"].partition("-")
        assert app["spec"]["source"]["path"] == f"overlays/{environment}/{part}"
        assert app["spec"]["destination"]["namespace"] == f"coworking-{environment}"
        assert app["spec"]["project"] == f"coworking-{environment}"


def test_everything_comes_from_the_repository_of_settings_yaml(argocd):
    url = settings.read().git_url
    for app in argocd.all("Application"):
        assert app["spec"]["source"]["repoURL"] == url
        assert app["spec"]["source"]["targetRevision"] == "main"
    for found in argocd.all("AppProject"):
        assert found["spec"]["sourceRepos"] in ([], [url])


def test_a_rollback_in_the_ui_sticks(argocd):
    # A child that writes `enabled`, or a root that watches it, would undo what the UI writes.
    for app in children(argocd):
        assert "enabled" not in app["spec"]["syncPolicy"]["automated"]
    root = argocd.one("Application", "root")["spec"]
    assert root["ignoreDifferences"] == [
        {
            "group": "argoproj.io",
            "kind": "Application",
            "jsonPointers": ["/spec/syncPolicy/automated/enabled"],
        }
    ]
    assert "RespectIgnoreDifferences=true" in root["syncPolicy"]["syncOptions"]


def test_drift_is_healed_and_what_git_drops_is_removed(argocd):
    for app in argocd.all("Application"):
        keeps = app["metadata"]["name"] in KEPT
        assert app["spec"]["syncPolicy"]["automated"] == {"prune": not keeps, "selfHeal": True}


def test_the_next_commit_mends_a_failed_sync(argocd):
    for app in argocd.all("Application"):
        assert app["spec"]["syncPolicy"]["retry"]["refresh"] is True


def test_removing_an_application_removes_what_it_deployed_but_never_prods_data(argocd):
    for app in children(argocd):
        keeps = app["metadata"]["name"] in KEPT
        assert bool(app["metadata"].get("finalizers")) is not keeps


def test_only_prods_service_waits_for_a_confirmation_before_it_is_removed(argocd):
    """Never on a Deployment or Service: the sync that waits would be that of every deployment."""
    option = "argocd.argoproj.io/sync-options"
    waits = [
        resource["metadata"]["name"]
        for resource in argocd.resources
        if "confirm" in resource["metadata"].get("annotations", {}).get(option, "")
    ]
    assert sorted(waits) == sorted(f"coworking-{name}" for name in LIKE_PROD)
    for environment in ALL:
        for resource in render_objects(ROOT / "overlays" / environment):
            assert "confirm" not in resource["metadata"].get("annotations", {}).get(option, "")


def test_argo_cds_own_pods_meet_pod_security_restricted(argocd):
    labels = argocd.one("Namespace", "argocd")["metadata"]["labels"]
    of_dev = children(argocd)[0]["spec"]["syncPolicy"]["managedNamespaceMetadata"]["labels"]
    assert labels == of_dev


def test_argo_cds_address_is_an_option_that_settings_yaml_closes(argocd):
    assert argocd.all("Service") == []
    (service,) = render_objects(ROOT / "argocd/address")
    values = settings.read()
    found = reach.door(service)
    assert found == reach.Door(
        values.argocd_internal, values.argocd_cidrs, values.argocd_certificate
    )
    assert service["spec"]["ports"] == [{"name": "https", "port": 443, "targetPort": 8080}]
    assert service["metadata"]["annotations"][f"{reach.PREFIX}backend-protocol"] == "ssl"


def test_a_removed_config_map_outlives_the_pods_that_read_it(argocd):
    for app in children(argocd):
        if app["metadata"]["name"].startswith("coworking-"):
            assert "PruneLast=true" in app["spec"]["syncPolicy"]["syncOptions"]


def test_claim_templates_are_not_applied_server_side(argocd):
    for app in children(argocd):
        assert "ServerSideApply=true" not in app["spec"]["syncPolicy"]["syncOptions"]


def test_namespaces_are_made_with_pod_security_restricted(argocd):
    for app in children(argocd):
        policy = app["spec"]["syncPolicy"]
        assert "CreateNamespace=true" in policy["syncOptions"]
        labels = policy["managedNamespaceMetadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        # Both parts of an environment write these labels: other values would never come to rest.
        assert (
            labels
            == children(argocd)[0]["spec"]["syncPolicy"]["managedNamespaceMetadata"]["labels"]
        )


def test_a_project_lets_through_what_we_ship_and_nothing_else(argocd):
    made_by_a_deployment = {("apps", "ReplicaSet"), ("", "Pod")}
    # Of base/postgres/backups, which no overlay has yet: the project has to allow them first.
    before_the_merge = {
        overlays.last(): {("batch", "CronJob"), ("", "PersistentVolumeClaim")},
    }
    for environment in ALL:
        spec = project(argocd, f"coworking-{environment}")
        shipped = {
            (resource["apiVersion"].rpartition("/")[0], resource["kind"])
            for resource in render_objects(ROOT / "overlays" / environment)
        }
        allowed = {(entry["group"], entry["kind"]) for entry in spec["namespaceResourceWhitelist"]}
        assert allowed == shipped | made_by_a_deployment | before_the_merge.get(environment, set())
        assert spec["clusterResourceWhitelist"] == [
            {"group": "", "kind": "Namespace", "name": f"coworking-{environment}"}
        ]
        assert [entry["namespace"] for entry in spec["destinations"]] == [
            f"coworking-{environment}"
        ]


def test_the_root_brings_applications_only(argocd):
    spec = project(argocd, "root")
    assert spec["clusterResourceWhitelist"] == []
    assert spec["namespaceResourceWhitelist"] == [{"group": "argoproj.io", "kind": "Application"}]
    assert [entry["namespace"] for entry in spec["destinations"]] == ["argocd"]


def test_the_default_project_is_empty(argocd):
    spec = dict(project(argocd, "default"))
    assert spec.pop("description")
    assert spec == {
        "sourceRepos": [],
        "destinations": [],
        "clusterResourceWhitelist": [],
        "namespaceResourceWhitelist": [],
    }


def test_a_deny_window_would_not_refuse_a_rollback(argocd):
    for found in argocd.all("AppProject"):
        for window in found["spec"].get("syncWindows", []):
            assert window["kind"] == "allow" or window["manualSync"] is True


def test_nobody_is_let_in_without_a_name_and_git_is_asked_every_minute(argocd):
    data = argocd.one("ConfigMap", "argocd-cm")["data"]
    assert data["users.anonymous.enabled"] == "false"
    assert data["timeout.reconciliation"] == "60s"
    assert data["timeout.reconciliation.jitter"] == "0s"


def may(policy: str, who: str, action: str, target: str) -> bool:
    """What Argo CD's own enforcement (casbin) would say about an Application; groups inherit."""
    rows = [[cell.strip() for cell in line.split(",")] for line in policy.splitlines() if line]
    roles = [who]
    for role in roles:
        roles += [row[2] for row in rows if row[0] == "g" and row[1] == role]
    return any(
        row[0] == "p"
        and row[1] in roles
        and row[2] == "applications"
        and fnmatch.fnmatchcase(action, row[3])
        and fnmatch.fnmatchcase(target, row[4])
        and row[5] == "allow"
        for row in rows
    )


def test_only_on_call_changes_prod(argocd):
    data = argocd.one("ConfigMap", "argocd-rbac-cm")["data"]
    assert data["policy.default"] == ""
    policy = data["policy.csv"]
    dev, prod = (
        [f"coworking-{name}/coworking-{name}" for name in names] for names in (LIKE_DEV, LIKE_PROD)
    )
    for action in ("sync", "update"):
        for app in prod:
            assert may(policy, "on-call", action, app)
            assert not may(policy, "developer", action, app)
            assert not may(policy, "stranger", action, app)
        for app in dev:
            assert may(policy, "developer", action, app)
            assert not may(policy, "ci", action, app)
    for who in ("developer", "on-call", "ci"):
        # `override` would let a sync bring files that are not in git.
        for app in prod:
            assert not any(may(policy, who, action, app) for action in ("delete", "override"))
        for app in dev:
            assert not may(policy, who, "override", app)
    assert not any(may(policy, "stranger", "get", app) for app in prod)


def test_a_forgotten_rollback_is_told(argocd):
    data = argocd.one("ConfigMap", "argocd-notifications-cm")["data"]
    (subscription,) = yaml.safe_load(data["subscriptions"])
    assert subscription["recipients"] == ["on-call"]
    for trigger in subscription["triggers"]:
        (condition,) = yaml.safe_load(data[f"trigger.{trigger}"])
        for template in condition["send"]:
            assert yaml.safe_load(data[f"template.{template}"])["webhook"].keys() == {"on-call"}
    assert "auto-sync-off" in subscription["triggers"]
