"""The database hears the service alone, and the service speaks to the database alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.harness.cluster import Cluster, Refused, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.harness.world import World

CONNECT = (
    "import socket, sys\n"
    "socket.create_connection((sys.argv[1], int(sys.argv[2])), 4)\n"
    "print('open')"
)
STRANGER = "stranger"


def _connect(cluster: Cluster, pod: str, host: str, port: int) -> str:
    """Try to connect from a pod; `open`, or the refusal's last line."""
    try:
        return cluster.execute(pod, "python", "-c", CONNECT, host, str(port)).strip()
    except Refused as refusal:
        lines = [line for line in str(refusal).splitlines() if "Error" in line or "timed" in line]
        return lines[-1] if lines else str(refusal)


@pytest.fixture(scope="module")
def stranger(world: World) -> Iterator[str]:
    """A pod in prod's namespace that is not a part of the service."""
    world.prod.apply(world.pod(STRANGER, "import time; time.sleep(1e6)"))
    until("the stranger runs", lambda: _phase(world) == "Running", within=60)
    yield STRANGER
    world.prod.delete("pod", STRANGER)


def _phase(world: World) -> str:
    return str(world.prod.get("pod", STRANGER)["status"]["phase"])


def test_09_the_service_reaches_its_database(world: World) -> None:
    assert _connect(world.prod, "deployment/coworking", "postgresql-service", 5432) == "open"


def test_09_no_other_pod_reaches_the_database(world: World, stranger: str) -> None:
    host = "postgresql-service.coworking-prod.svc.cluster.local"
    address = world.prod.get("service", "postgresql-service")["spec"]["clusterIP"]

    assert _connect(world.client, "client", host, 5432) != "open"
    assert _connect(world.prod, stranger, address, 5432) != "open"


def test_09_the_service_reaches_nothing_else(world: World) -> None:
    api = world.all.get("service", "kubernetes", "--namespace=default")["spec"]["clusterIP"]
    dev = world.dev.get("service", "postgresql-service")["spec"]["clusterIP"]

    # The client, which no policy holds, shows that the address would answer.
    assert _connect(world.client, "client", api, 443) == "open"
    assert _connect(world.prod, "deployment/coworking", api, 443) != "open"
    assert _connect(world.prod, "deployment/coworking", dev, 5432) != "open"
