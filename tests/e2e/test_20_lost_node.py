"""A node is lost with prod on it: `status` says what to do, and no row is lost."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.e2e.harness.cluster import Refused, is_ready, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.harness.cluster import Json
    from tests.e2e.harness.world import World

pytestmark = pytest.mark.long
ROWS = "1000"
NEIGHBOUR = "e2e-neighbour"
LEASES = "kube-node-lease"


def _node(world: World, *arguments: str) -> None:
    command = [*world.settings.node, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"


@contextlib.contextmanager
def _neighbour(world: World) -> Iterator[None]:
    """A second node, ready and taking no pods.

    Where every node is lost, Kubernetes takes the fault for its own and gives no pod up:
    https://kubernetes.io/docs/concepts/architecture/nodes/#rate-limits-on-eviction
    """
    taint = {"key": "e2e", "value": NEIGHBOUR, "effect": "NoSchedule"}
    metadata = {"name": NEIGHBOUR}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [taint]}}
    ready = {"type": "Ready", "status": "True", "reason": "EndToEnd"}
    conditions = json.dumps({"status": {"conditions": [ready]}})
    enough = threading.Event()

    def renew() -> None:
        while not enough.wait(5):
            with contextlib.suppress(Refused, subprocess.TimeoutExpired):
                world.all.apply(_lease())

    world.all.apply(node, _lease())
    world.all.run("patch", "node", NEIGHBOUR, "--subresource=status", "-p", conditions)
    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        yield
    finally:
        enough.set()
        renewing.join()
        world.all.delete("node", NEIGHBOUR)
        world.all.delete("lease", NEIGHBOUR, "--namespace", LEASES)


def _lease() -> Json:
    """What a kubelet says of itself every 10 s."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": NEIGHBOUR, "namespace": LEASES},
        "spec": {"holderIdentity": NEIGHBOUR, "leaseDurationSeconds": 40, "renewTime": now},
    }


@pytest.fixture(scope="module")
def lost(world: World) -> Iterator[str]:
    """The node's name, while it is lost with prod's pods; afterwards it is back."""
    if not world.settings.node:
        pytest.skip("E2E_NODE names no command that loses a node (docs/e2e.md)")
    world.prod.sql("CREATE TABLE IF NOT EXISTS e2e_rows AS SELECT generate_series(1, 1000) AS n")
    name = world.prod.get("pod", "postgresql-0")["spec"]["nodeName"]
    with _neighbour(world):
        _node(world, "lost", world.prod.namespace)
        yield name
        _node(world, "back")


def test_20_status_says_why_the_database_waits_and_what_to_do(world: World, lost: str) -> None:
    world.measure(
        "from a lost node to prod's database Terminating",
        lambda: until("it is Terminating", lambda: _is_terminating(world), within=240),
    )

    said = " ".join(world.repo.ci("status", "prod", status=None).split())

    assert f"node {lost} is silent since" in said
    assert (
        f"pod postgresql-0 is Terminating on the lost node, and no other starts until Node {lost}"
        in said
    )
    assert "First make sure that its machine is stopped" in said
    assert "docs/lost-node.md" in said


def _is_terminating(world: World) -> bool:
    return "deletionTimestamp" in world.prod.get("pod", "postgresql-0")["metadata"]


def test_20_prod_serves_again_without_the_node_and_no_row_is_lost(world: World, lost: str) -> None:
    # The machine is certainly stopped: its containers are dead and its kubelet is silent.
    world.all.run("delete", "node", lost)
    _node(world, "back")

    world.measure(
        "from the Node object's deletion to prod's database",
        lambda: until("prod's database is ready", lambda: _serves(world), within=240),
    )

    assert world.prod.sql("SELECT count(*) FROM e2e_rows") == ROWS
    world.prod.sql("DROP TABLE e2e_rows")
    until("prod's pods are ready", lambda: len(world.prod.ready_pods()) >= 2, within=120)
    world.access.log_in_again()
    world.settle("coworking-prod", within=180)
    assert "prod: well" in world.repo.ci("status", "prod", status=None)


def _serves(world: World) -> bool:
    pods = world.prod.pods("database")
    return bool(pods) and all(is_ready(pod) for pod in pods)
