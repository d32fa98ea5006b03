"""Promises about what is kept, and about the names that people know."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from ci.tree import overlays
from tests.manifests.environments import ALL


def test_prod_keeps_its_data_on_an_encrypted_volume(prod):
    """A template's, or with backups a claim of its own, which a restore may replace."""
    spec = prod.one("StatefulSet", "postgresql")["spec"]
    (claim,) = [*spec.get("volumeClaimTemplates", []), *prod.all("PersistentVolumeClaim")]
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "gp3",
        "resources": {"requests": {"storage": "20Gi"}},
    }
    data = [each for each in spec["template"]["spec"]["volumes"] if each["name"] == "data"]
    named = {"name": "data", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
    assert data == ([] if "volumeClaimTemplates" in spec else [named])


def test_the_data_folder_lies_below_its_volume(both):
    container = both.database_container()
    (mount,) = [m for m in container["volumeMounts"] if m["name"] == "data"]
    (folder,) = [v["value"] for v in container["env"] if v["name"] == "PGDATA"]
    assert PurePosixPath(mount["mountPath"]) in PurePosixPath(folder).parents


def test_a_new_database_notices_a_corrupted_page(both):
    pod = both.one("StatefulSet", "postgresql")["spec"]["template"]["spec"]
    variables = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
    assert variables["POSTGRES_INITDB_ARGS"] == "--data-checksums"


def test_nothing_in_git_can_remove_prods_data(prod):
    statefulset = prod.one("StatefulSet", "postgresql")
    (sealed,) = prod.all("SealedSecret")
    for resource in (statefulset, sealed, *prod.all("PersistentVolumeClaim")):
        options = resource["metadata"]["annotations"]["argocd.argoproj.io/sync-options"]
        assert set(options.split(",")) == {"Prune=false", "Delete=false"}
    policy = statefulset["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert policy == {"whenDeleted": "Retain", "whenScaled": "Retain"}


def test_a_change_of_the_first_start_restarts_no_database(both):
    both.one("ConfigMap", "postgresql-init")
    (volume,) = [v for v in both.pods()["postgresql"]["spec"]["volumes"] if v["name"] == "init"]
    assert volume["configMap"]["name"] == "postgresql-init"


def test_dev_says_that_it_does_not_keep_its_data(dev):
    statefulset = dev.one("StatefulSet", "postgresql")
    assert statefulset["metadata"]["annotations"]["declare.validate/data"] == "ephemeral"
    volumes = statefulset["spec"]["template"]["spec"]["volumes"]
    (volume,) = [volume for volume in volumes if volume["name"] == "data"]
    assert volume["emptyDir"].keys() == {"sizeLimit"}
    assert "volumeClaimTemplates" not in statefulset["spec"]


def test_prod_answers_on_the_port_that_people_know(prod):
    spec = prod.one("Service", "coworking")["spec"]
    assert spec["type"] == "LoadBalancer"
    assert [port["port"] for port in spec["ports"]] == [5153]


def test_the_names_are_those_that_people_know(both):
    (namespace,) = {resource["metadata"]["namespace"] for resource in both.resources}
    assert namespace in {overlays.namespace(name) for name in ALL}
    assert both.one("Service", "postgresql-service")["spec"]["ports"][0]["port"] == 5432
    assert both.one("Service", "coworking")["spec"]["ports"][0]["port"] == 5153
    both.one("Deployment", "coworking")
    both.one("ConfigMap", "coworking-configmap")
    both.one("SealedSecret", "coworking-secret")


@pytest.mark.parametrize("label", ["app.kubernetes.io/name", "app.kubernetes.io/part-of"])
def test_everything_carries_the_usual_labels(both, label):
    for resource in both.resources:
        assert label in resource["metadata"]["labels"]


def test_a_service_selects_the_pods_that_serve_and_no_jobs(both):
    selector = both.one("Service", "coworking")["spec"]["selector"]
    selected = {
        name
        for name, pod in both.pods().items()
        if selector.items() <= pod["metadata"]["labels"].items()
    }
    assert selected == {"coworking"}
