"""Prod's password is rotated by one command, under load; the old one is refused afterwards."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.harness.cluster import uids, until
from tests.e2e.harness.load import load
from tests.e2e.harness.world import GOOD
from tests.e2e.test_04_password import _secret

if TYPE_CHECKING:
    from tests.e2e.harness.world import World

pytestmark = pytest.mark.long

KILLS = 3
LOG_IN = (
    "import os, sys, psycopg2\n"
    "try:\n"
    "    psycopg2.connect(host=os.environ['DB_HOST'], user=os.environ['DB_USERNAME'],"
    " dbname=os.environ['DB_NAME'], password=sys.stdin.read())\n"
    "    print('taken')\n"
    "except psycopg2.OperationalError as error:\n"
    "    print('refused' if 'password authentication failed' in str(error) else error)\n"
)


@pytest.mark.timeout(900)
def test_17_the_password_is_rotated_under_load_and_no_request_fails(world: World) -> None:
    world.release("prod", GOOD[3].tag)
    old, pods = _secret(world), uids(world.prod.pods())
    said: list[str] = []

    with load(world.client, "coworking.coworking-prod") as running:
        world.measure(
            "a rotation of prod's password, from the command to its end",
            lambda: said.append(world.repo.ci("rotate", "prod", "password", "--push")),
        )

    assert "prod's password is rotated; the old one is refused." in said[0]
    assert running.seen.failures == ()
    assert running.seen.requests > 500
    world.figure(f"          {running.seen.requests} requests meanwhile, none failed")
    assert uids(world.prod.pods()) == pods
    _is_rotated(world, old)


@pytest.mark.timeout(1800)
def test_17_a_rotation_that_is_killed_goes_on_when_it_is_called_again(world: World) -> None:
    chance = random.Random(20261129)
    for _ in range(KILLS):
        old = _secret(world)
        killed = subprocess.Popen(
            [sys.executable, "-m", "ci", "rotate", "prod", "password", "--push", "--again"],
            cwd=world.repo.folder,
            env={
                **os.environ,
                **world.repo.variables,
                "PYTHONPATH": os.pathsep.join(
                    (str(world.repo.folder), str(world.repo.folder / "treecheck"))
                ),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(2, 60))
        killed.kill()
        killed.wait()
        world.repo.pull()
        again = [] if _begun(world, old) else ["--again"]
        world.repo.ci("rotate", "prod", "password", "--push", *again)
        _is_rotated(world, old)


def _begun(world: World, old: str) -> bool:
    """Whether the killed call had committed anything."""
    sealed = world.repo.folder / "overlays" / "prod" / "postgres" / "sealedsecret.yaml"
    return "DB_PASSWORD_NEXT" in sealed.read_text() or _secret(world) != old


def _is_rotated(world: World, old: str) -> None:
    new = _secret(world)
    assert new != old
    assert "DB_PASSWORD_NEXT" not in world.prod.get("secret", "coworking-secret")["data"]
    assert (_log_in(world, old), _log_in(world, new)) == ("refused", "taken")
    world.prod.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = 'coworking' AND pid <> pg_backend_pid()"
    )
    until("prod answers again", lambda: world.get("prod", "/api/reports/daily_usage"), within=30)
    world.repo.pull()


def _log_in(world: World, password: str) -> str:
    """What PostgreSQL says to a password, over the network as the service's pods come."""
    name = world.prod.pods()[0]["metadata"]["name"]
    command = world.prod.command("exec", "-i", name, "--", "python", "-c", LOG_IN)
    done = subprocess.run(command, input=password, capture_output=True, text=True, check=True)
    return done.stdout.strip()
