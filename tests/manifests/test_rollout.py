"""Promises about how a new version arrives, fails, and scales."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coworking.cli import group
from coworking.config import Config

ROOT = Path(__file__).parents[2]
WAVE = "argocd.argoproj.io/sync-wave"
HOOK = "argocd.argoproj.io/hook"


def wave(resource) -> int:
    return int(resource["metadata"].get("annotations", {}).get(WAVE, "0"))


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.startswith(("DB_", "APP_")):
            monkeypatch.delenv(name)
    return monkeypatch


def test_a_rollout_takes_no_pod_away_before_its_successor_is_ready(both):
    strategy = both.one("Deployment", "coworking")["spec"]["strategy"]
    assert strategy == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }


def test_a_version_that_does_not_get_ready_fails_within_three_minutes(both):
    spec = both.one("Deployment", "coworking")["spec"]
    probe = both.service_container()["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < spec["progressDeadlineSeconds"]
    assert spec["progressDeadlineSeconds"] <= 180


def test_the_deployment_declares_every_command_that_the_service_has(both):
    annotations = both.one("Deployment", "coworking")["metadata"]["annotations"]
    assert sorted(annotations["declare.validate/commands"].split()) == sorted(group.commands)


def test_pods_stay_in_their_service_through_a_short_outage_as_the_page_says(both):
    """The worst case: the first failing probe is at the outage's begin, the next good one late."""
    page = " ".join((ROOT / "docs" / "service.md").read_text(encoding="utf-8").split())
    probe = both.service_container()["readinessProbe"]
    period, failures = probe["periodSeconds"], probe["failureThreshold"]
    stays, answered = period * (failures - 1), 1  # an answer takes less than a second

    def refused(away: int, failures: int) -> int:
        left_after = period * (failures - 1)
        return away - left_after + period if away > left_after else 0

    assert failures == 6
    assert f"For longer than {stays} seconds" in page
    assert f"takes {stays} to {stays + period + answered} s, leaves" in page
    assert f"for up to {stays + period + answered} s and not {2 * period + answered}." in page
    for away in (10, 20, 30, 60):
        assert f"| {away} s | {refused(away, 2)} | {refused(away, failures)} |" in page


def test_a_pod_has_time_to_drain_and_to_finish(both, clean_environment):
    grace = both.pods()["coworking"]["spec"]["terminationGracePeriodSeconds"]
    drain = float(both.settings()["DRAIN_SECONDS"])
    statement = Config.model_fields["db_statement_timeout"].default
    assert grace > drain + 2 * statement


def test_the_three_probes_ask_different_questions(both):
    container = both.service_container()
    paths = {
        name: container[name]["httpGet"]["path"]
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert paths == {
        "startupProbe": "/health_check",
        "livenessProbe": "/health_check",
        "readinessProbe": "/readiness_check",
    }


def test_a_database_that_refuses_for_now_is_not_restarted(both):
    container = both.database_container()
    assert container["livenessProbe"]["exec"]["command"][-1].endswith("test $? -ne 2")
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 300


def test_the_new_pods_come_last(both):
    others = [r for r in both.resources if r["metadata"]["name"] != "coworking"]
    deployment = both.one("Deployment", "coworking")
    assert wave(deployment) > max(wave(resource) for resource in others)
    assert wave(both.one("Service", "coworking")) == wave(deployment)


def test_a_load_balancer_or_an_autoscaler_holds_no_sync_up(prod):
    last = max(wave(resource) for resource in prod.resources)
    for kind in ("Service", "HorizontalPodAutoscaler"):
        assert wave(prod.one(kind, "coworking")) == last


def test_the_schema_is_migrated_in_every_sync_before_the_pods(both):
    job = both.one("Job", "coworking-migrate")
    annotations = job["metadata"]["annotations"]
    assert annotations[HOOK] == "Sync"
    assert annotations["argocd.argoproj.io/hook-delete-policy"] == "BeforeHookCreation"
    assert 0 < wave(job) < wave(both.one("Deployment", "coworking"))
    image = job["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == both.service_container()["image"]


def test_a_job_that_cannot_end_is_ended(both):
    for job in both.all("Job"):
        assert job["spec"]["activeDeadlineSeconds"] <= 300
        assert job["spec"]["backoffLimit"] <= 2
        assert "ttlSecondsAfterFinished" not in job["spec"], "Argo CD would not see its end"


def test_no_hook_runs_outside_of_the_sync(both):
    for resource in both.resources:
        hook = resource["metadata"].get("annotations", {}).get(HOOK, "Sync")
        assert hook == "Sync"


def test_the_settings_are_those_that_the_service_reads(both, clean_environment, tmp_path):
    container = both.service_container()
    names = {variable["name"] for variable in container["env"]}
    for name, value in both.settings().items():
        clean_environment.setenv(name, value)
    assert names == {"ACCESS_KEY_FILE", "DB_PASSWORD_FILE"}
    for name in names:
        clean_environment.setenv(name, str(tmp_path / name))
    assert both.settings().keys() <= {
        str(field.validation_alias) for field in Config.model_fields.values()
    }
    config = Config.read()
    service = both.one("Service", config.db_host)
    assert config.db_port == service["spec"]["ports"][0]["port"]
    ports = [port["containerPort"] for port in container["ports"]]
    assert [config.app_port, config.metrics_port] == ports


def test_the_database_is_the_one_that_the_service_asks_for(both):
    (script,) = both.one("ConfigMap", "postgresql-init")["data"].values()
    name, user = both.settings()["DB_NAME"], both.settings()["DB_USERNAME"]
    assert f"CREATE ROLE {user} LOGIN PASSWORD :'password';" in script
    assert f"CREATE DATABASE {name} OWNER {user};" in script


def secrets_of(volume):
    """The Secrets of a volume: name, keys that become files, whether they may be missing."""
    sources = volume["projected"]["sources"] if "projected" in volume else [volume]
    return [
        {
            "name": secret.get("name") or secret.get("secretName"),
            "keys": [item["key"] for item in secret.get("items", ())],
            "optional": secret.get("optional", False),
        }
        for secret in (source["secret"] for source in sources)
    ]


def logins(pod) -> list[dict]:
    """A pod's volumes of secrets, without the backups' key (test_backups.py)."""
    volumes = pod["spec"]["volumes"]
    return [
        each for each in volumes if {"secret", "projected"} & set(each) and each["name"] != "key"
    ]


def test_the_password_is_a_file_from_the_sealed_secret(both):
    (sealed,) = both.all("SealedSecret")
    key = "DB_PASSWORD"
    assert key in sealed["spec"]["encryptedData"]
    for pod in both.pods().values():
        (volume,) = logins(pod)
        (required, *_) = secrets_of(volume)
        assert required == {"name": sealed["metadata"]["name"], "keys": [key], "optional": False}
        container = pod["spec"]["containers"][0]
        (mount,) = [m for m in container["volumeMounts"] if m["name"] == volume["name"]]
        assert "subPath" not in mount, "a file mounted by subPath never changes"
        files = [v["value"] for v in container["env"] if v["name"].endswith("PASSWORD_FILE")]
        assert files == [f"{mount['mountPath']}/{key}"]


def test_a_changed_setting_rolls_the_pods(both):
    name = both.one("ConfigMap", "coworking-configmap")["metadata"]["name"]
    assert name != "coworking-configmap", "the hash of the content is part of the name"
    for workload, pod in both.pods().items():
        if workload != "postgresql":
            (container,) = pod["spec"]["containers"]
            assert container["envFrom"] == [{"configMapRef": {"name": name}}]


def test_prod_scales_from_two_to_five_by_cpu(prod):
    spec = prod.one("HorizontalPodAutoscaler", "coworking")["spec"]
    (metric,) = spec["metrics"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)
    assert metric["resource"] == {
        "name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": 70},
    }
    assert "replicas" not in prod.one("Deployment", "coworking")["spec"], "Argo CD would fight it"


def test_the_database_has_a_connection_for_every_pod_at_its_most(prod):
    pods = prod.one("HorizontalPodAutoscaler", "coworking")["spec"]["maxReplicas"] + 1  # a surge
    # As DB_POOL_SIZE says: a process opens its pool and one for checks, and one of all one more.
    wanted = pods * (Config.model_fields["db_pool_size"].default + 1) + 1
    # PostgreSQL's own defaults: 100, of which 3 are kept for a superuser.
    assert wanted <= 97


def test_prod_serves_while_its_nodes_are_drained(prod):
    budget = prod.one("PodDisruptionBudget", "coworking")["spec"]
    pod = prod.pods()["coworking"]
    assert budget["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    least = prod.one("HorizontalPodAutoscaler", "coworking")["spec"]["minReplicas"]
    assert 0 < budget["maxUnavailable"] < least
    (spread,) = pod["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"


def test_dev_is_one_pod_that_stops_no_drain(dev):
    assert dev.one("Deployment", "coworking")["spec"]["replicas"] == 1
    assert dev.all("HorizontalPodAutoscaler", "PodDisruptionBudget") == []


def test_only_dev_has_demo_data(prod):
    assert [job["metadata"]["name"] for job in prod.all("Job")] == ["coworking-migrate"]


def test_dev_is_filled_after_its_migration_and_only_when_empty(dev):
    job = dev.one("Job", "coworking-seed")
    assert wave(dev.one("Job", "coworking-migrate")) < wave(job)
    assert "--if-empty" in job["spec"]["template"]["spec"]["containers"][0]["args"]


def test_pods_of_a_lost_node_are_given_up_soon(both):
    """By default 300 s; docs/lost-node.md says why 30."""
    for name in ("coworking", "postgresql"):
        tolerations = both.pods()[name]["spec"]["tolerations"]
        assert {one["key"].rpartition("/")[2]: one["tolerationSeconds"] for one in tolerations} == {
            "not-ready": 30,
            "unreachable": 30,
        }
        assert {one["effect"] for one in tolerations} == {"NoExecute"}
