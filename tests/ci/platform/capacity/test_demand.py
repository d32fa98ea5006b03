"""Which pods a set of resources asks for, and how much each requests."""

from typing import Any

import pytest

from ci.errors import InputError
from ci.platform.capacity.amounts import Amount, requested
from ci.platform.capacity.demand import Occasion, pod_request, pods_of, surge
from treecheck.quantities import parse_quantity


def container(cpu: str = "100m", memory: str = "64Mi", **more: Any) -> dict[str, Any]:
    return {"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}, **more}


def workload(kind: str, name: str = "app", wave: int = 0, **spec: Any) -> dict[str, Any]:
    template = spec.pop("pod", {"containers": [container()]})
    return {
        "kind": kind,
        "metadata": {
            "name": name,
            "annotations": {"argocd.argoproj.io/sync-wave": str(wave)},
        },
        "spec": {"template": {"spec": template}, **spec},
    }


def autoscaler(low: int, high: int) -> dict[str, Any]:
    return {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "app"},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "app"},
            "minReplicas": low,
            "maxReplicas": high,
        },
    }


def occasions(*resources: dict[str, Any]) -> dict[Occasion, int]:
    counted: dict[Occasion, int] = {}
    for pod in pods_of("dev", resources):
        counted[pod.occasion] = counted.get(pod.occasion, 0) + 1
    return counted


def test_containers_add_up() -> None:
    assert pod_request({"containers": [container(), container("50m", "36Mi")]}) == Amount(150, 100)


def test_a_large_init_container_counts_in_place_of_the_rest() -> None:
    spec = {"initContainers": [container("50m", "512Mi")], "containers": [container()]}
    assert pod_request(spec) == Amount(100, 512)


def test_a_sidecar_counts_beside_the_containers_and_later_init_containers() -> None:
    sidecar = container("10m", "32Mi", restartPolicy="Always")
    spec = {
        "initContainers": [sidecar, container("500m", "16Mi")],
        "containers": [container("100m", "64Mi")],
    }
    assert pod_request(spec) == Amount(510, 96)


def test_a_missing_request_is_the_limit_and_overhead_is_added() -> None:
    spec = {
        "containers": [{"name": "c", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}],
        "overhead": {"memory": "16Mi"},
    }
    assert pod_request(spec) == Amount(1000, 1040)


def test_nothing_requested_is_nothing() -> None:
    assert requested(None) == Amount(0, 0)
    assert requested({"requests": None}) == Amount(0, 0)


@pytest.mark.parametrize(
    ("text", "number"), [("250m", 0.25), ("1", 1), ("1.5", 1.5), ("64Mi", 2**26), ("1e3", 1000)]
)
def test_a_quantity_is_read_exactly(text: str, number: float) -> None:
    assert parse_quantity(text) == number


@pytest.mark.parametrize("text", ["", "64 Mi", "-1", "64MB", "lots", "1e999999999", "0x10"])
def test_what_is_no_quantity_is_refused_with_a_valid_one(text: str) -> None:
    with pytest.raises(InputError, match="valid ones are 250m"):
        parse_quantity(text)


def test_an_autoscaler_gives_a_minimum_and_a_maximum() -> None:
    counted = occasions(workload("Deployment"), autoscaler(2, 5))
    assert counted == {Occasion.ALWAYS: 2, Occasion.SCALED: 3, Occasion.ROLLOUT: 2}


def test_replicas_without_an_autoscaler_stay() -> None:
    assert occasions(workload("StatefulSet", replicas=3)) == {Occasion.ALWAYS: 3}


def test_a_daemon_set_is_on_every_node_and_a_job_runs_during_a_rollout() -> None:
    assert occasions(workload("DaemonSet")) == {Occasion.DAEMON: 1}
    assert occasions(workload("Job", parallelism=2)) == {Occasion.ROLLOUT: 2}
    cron = {"kind": "CronJob", "metadata": {"name": "c"}, "spec": {"jobTemplate": workload("Job")}}
    assert occasions(cron) == {Occasion.ROLLOUT: 1}


def test_of_the_sync_waves_only_the_largest_counts() -> None:
    big = {"containers": [container(memory="512Mi")]}
    pods = pods_of(
        "dev",
        [
            workload("Job", "migrate", wave=1, pod=big),
            workload("Job", "seed", wave=2),
            workload("Deployment", wave=3, replicas=1),
        ],
    )
    assert [pod.name for pod in pods if pod.occasion is Occasion.ROLLOUT] == ["migrate 1"]


@pytest.mark.parametrize(
    ("strategy", "replicas", "expected"),
    [
        ({}, 5, 2),
        ({"rollingUpdate": {"maxSurge": 1}}, 5, 1),
        ({"rollingUpdate": {"maxSurge": "50%"}}, 5, 3),
        ({"rollingUpdate": {"maxSurge": 0}}, 5, 0),
        ({"type": "Recreate"}, 5, 0),
    ],
)
def test_a_rollout_surges_as_its_strategy_says(
    strategy: dict[str, Any], replicas: int, expected: int
) -> None:
    assert surge(strategy, replicas) == expected


def test_a_surge_that_is_no_number_is_refused() -> None:
    with pytest.raises(InputError, match="maxSurge 'some'"):
        surge({"rollingUpdate": {"maxSurge": "some"}}, 2)


def test_a_pod_with_a_claim_is_tied_to_its_zone() -> None:
    claims = [{"spec": {"resources": {"requests": {"storage": "1Gi"}}}}]
    (stateful,) = pods_of("dev", [workload("StatefulSet", volumeClaimTemplates=claims)])
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}
    mounted = {"containers": [container()], "volumes": [volume]}
    deployed = pods_of("dev", [workload("Deployment", pod=mounted)])
    (free, _) = pods_of("dev", [workload("Deployment")])
    assert stateful.zonal
    assert deployed[0].zonal
    assert not free.zonal


def test_other_kinds_ask_for_no_pods() -> None:
    assert pods_of("dev", [{"kind": "Service", "metadata": {"name": "s"}, "spec": {}}]) == []
