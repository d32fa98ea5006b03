"""Prod is closed: the load balancer to other addresses, the service to requests without a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

import pytest

from tests.e2e.harness.cluster import until
from tests.e2e.harness.door import (
    METRICS_PORT,
    REPORT,
    ask,
    ask_from_here,
    balancer,
    own_address,
    pod_addresses,
    push_and_settle,
    seal_key,
    until_each_pod,
)
from tests.e2e.harness.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.harness.world import World

ELSEWHERE = "192.0.2.0/24"  # RFC 5737: nobody's
MONITORING = "monitoring"
SERVICE = "coworking.coworking-prod"


class Keys(NamedTuple):
    """Prod's access keys while two count."""

    old: str
    new: str


@pytest.fixture(scope="module")
def ranges(world: World) -> Iterator[None]:
    """Take the ranges away afterwards."""
    yield
    world.repo.pull()
    world.repo.ci("configure", "--prod-cidrs", "none")
    push_and_settle(world, "Let the VPC in", "coworking-prod")


@pytest.fixture(scope="module")
def keys(world: World) -> Iterator[Keys]:
    """Prod with two keys, made as docs/secrets.md says; afterwards it is open again."""
    world.repo.pull()
    old = seal_key(world, "--access-key")
    until_each_pod(world, "each pod asks for a key", 401)
    new = seal_key(world, "--access-key")
    until_each_pod(world, "each pod takes the new key", 200, new)
    yield Keys(old, new)
    world.repo.pull()
    world.repo.edit("overlays/prod/postgres/sealedsecret.yaml", r"^ +ACCESS_KEY.*\n", "")
    push_and_settle(world, "Open prod's door again", "postgres-prod")
    until("the Secret has no key", lambda: not _sealed_keys(world), within=60)
    world.prod.run("rollout", "restart", "deployment/coworking")
    world.prod.run("rollout", "status", "deployment/coworking", "--timeout=120s", timeout=130)
    until("prod answers without a key", lambda: ask(world, SERVICE).status == 200, within=60)


def _sealed_keys(world: World) -> list[str]:
    data = world.prod.get("secret", "coworking-secret")["data"]
    return [name for name in data if name.startswith("ACCESS_KEY")]


def _configure(world: World, cidr: str) -> None:
    world.repo.pull()
    world.repo.ci("configure", "--prod-cidrs", cidr)
    push_and_settle(world, "Change who reaches prod", "coworking-prod")


def test_14_the_load_balancer_refuses_addresses_outside_the_ranges(
    world: World, ranges: None
) -> None:
    address = balancer(world)
    _configure(world, f"{own_address(address)}/32")
    until("it lets us in", lambda: ask_from_here(address, "/health_check").status, within=60)

    _configure(world, ELSEWHERE)

    until("it refuses us", lambda: not ask_from_here(address, "/health_check").status, within=60)
    service = world.prod.get("service", "coworking")
    assert service["spec"]["loadBalancerSourceRanges"] == [ELSEWHERE]


def test_14_metrics_are_not_behind_the_load_balancer(world: World, ranges: None) -> None:
    address = balancer(world)
    _configure(world, f"{own_address(address)}/32")
    until("it lets us in", lambda: ask_from_here(address, "/health_check").status, within=60)

    assert ask_from_here(address, "/metrics").status == 404
    assert ask_from_here(address, "/metrics", port=METRICS_PORT).status == 0


def test_14_metrics_answer_the_monitoring_namespace_alone(world: World) -> None:
    try:
        world.start_client(MONITORING)
        for host in pod_addresses(world):
            inside = ask(world, host, "/metrics", port=METRICS_PORT, namespace=MONITORING)
            outside = ask(world, host, "/metrics", port=METRICS_PORT)
            assert inside.status == 200
            assert "coworking_" in inside.body
            assert outside.status == 0
            assert ask(world, host, "/metrics").status == 404
    finally:
        world.all.delete("namespace", MONITORING)


def test_14_without_a_key_the_answer_is_a_sentence_and_probes_stay_open(
    world: World, keys: Keys
) -> None:
    for host in pod_addresses(world):
        refused = ask(world, host)
        assert refused.status == 401
        assert refused.body.startswith("An access key is needed: send it in the header")
        assert ask(world, host, "/").status == 401  # the login
        assert ask(world, host, "/health_check").body.strip() == "ok"
        assert ask(world, host, "/readiness_check").status == 200
        assert ask(world, host, key="x" * 43).status == 401


def test_14_either_of_two_keys_opens_every_pod(world: World, keys: Keys) -> None:
    answers = [ask(world, host, key=key) for host in pod_addresses(world) for key in keys]

    assert len(answers) >= 4
    assert {answer.status for answer in answers} == {200}


def test_14_who_logged_in_at_one_pod_is_served_by_another(world: World, keys: Keys) -> None:
    first, second = pod_addresses(world)[:2]

    entered = ask(world, first, "/login", form=urlencode({"key": keys.new, "goal": "/"}))
    cookie = entered.headers["set-cookie"]

    assert entered.status == 303
    assert {"HttpOnly", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}
    session = cookie.partition(";")[0]
    assert ask(world, second, "/", cookie=session).status == 200
    assert ask(world, second, REPORT, cookie=session).status == 200


def test_14_a_key_is_replaced_under_load_and_no_request_fails(world: World, keys: Keys) -> None:
    # Clients go over from the old key to the new one while both count; then the old one is dropped.
    with load(world.client, SERVICE, key=keys.old) as before:
        until_each_pod(world, "each pod takes the new key", 200, keys.new)
    with load(world.client, SERVICE, key=keys.new) as after:
        world.repo.pull()
        seal_key(world, "--drop-old")
        until_each_pod(world, "no pod takes the old key", 401, keys.old)
        third = seal_key(world, "--access-key")
        until_each_pod(world, "each pod takes a third key", 200, third)

    assert before.seen.failures == ()
    assert after.seen.failures == ()
    assert after.seen.requests > 100
