"""The password is the database's: rolling the app back leaves it, and pods follow a new one."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING

from tests.e2e.harness.cluster import uids, until
from tests.e2e.harness.world import GOOD

if TYPE_CHECKING:
    from tests.e2e.harness.world import World

NEW = GOOD[3].tag
FILE = "/run/secrets/coworking/DB_PASSWORD"


def test_04_running_pods_follow_a_changed_password_without_a_restart(world: World) -> None:
    world.release("prod", NEW)
    password = secrets.token_urlsafe(24)
    pods = uids(world.prod.pods())

    world.repo.pull()
    world.repo.ci("seal", "prod", "--stdin", stdin=f"{password}\n")
    world.repo.commit("Change prod's database password")
    commit = world.repo.push()
    world.prod.sql(f"ALTER ROLE coworking PASSWORD '{password}'")
    world.settle("postgres-prod", commit=commit)
    until("the Secret has the new password", lambda: _secret(world) == password, within=60)
    world.measure(
        "until the pods see the new password (the kubelet's own period)",
        lambda: until("the pods see it", lambda: _seen_by_pods(world, password), within=150),
    )
    # Connections that are open stay; new ones need the new password.
    world.prod.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = 'coworking' AND pid <> pg_backend_pid()"
    )

    until("prod answers again", lambda: world.get("prod", "/api/reports/daily_usage"), within=30)
    until("prod is ready", lambda: world.prod.serving(NEW), within=30)
    assert uids(world.prod.pods()) == pods
    restarts = [p["status"]["containerStatuses"][0]["restartCount"] for p in world.prod.pods()]
    assert set(restarts) == {0}


def test_04_rolling_the_app_back_does_not_bring_the_old_password_back(world: World) -> None:
    password = _secret(world)

    world.repo.ci("rollback", "prod")

    assert world.tag("prod") != NEW
    assert _secret(world) == password
    world.get("prod", "/api/reports/daily_usage")  # refused, it raises
    world.repo.ci("resume", "prod")


def _secret(world: World) -> str:
    encoded = world.prod.get("secret", "coworking-secret")["data"]["DB_PASSWORD"]
    return base64.b64decode(encoded).decode()


def _seen_by_pods(world: World, password: str) -> bool:
    names = [pod["metadata"]["name"] for pod in world.prod.pods()]
    return all(world.prod.execute(name, "cat", FILE).strip() == password for name in names)
