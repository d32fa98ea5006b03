"""Prod's database is outside by commits of `make configure`, with TLS; a wrong one is refused.

The page's lines are typed as they are. Two are left out: `curl`, since RDS's authority is not this
one's, and `make validate`, which refuses the copy's shorter limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from ci.tree import outside, settings
from tests.e2e.harness.cluster import uids, until
from tests.e2e.harness.load import load, nobody_noticed
from tests.e2e.harness.outside import HOST, OTHER_NAME, PLAIN, OutsideDatabase, go_back
from tests.e2e.harness.upstream import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.harness.world import World

pytestmark = pytest.mark.long
REPORT = "/api/reports/daily_usage"
SECONDS = 60.0  # from the merge until prod serves from the new database


@pytest.fixture(scope="module")
def database(world: World) -> Iterator[OutsideDatabase]:
    """The second PostgreSQL; afterwards prod is served by its own again."""
    found = OutsideDatabase(world)
    yield found
    world.repo.reset()
    if settings.read(world.repo.folder).database_host:
        go_back(world)
    found.end()


class Fault(NamedTuple):
    """A database that must be refused.

    Attributes:
        host: what DATABASE_HOST names.
        is_trusted: whether ca.pem has the authority of the certificate.
        said: the words of the refusal.
    """

    host: str
    is_trusted: bool
    said: str


FAULTS = {
    "by_another_authority": Fault(
        HOST, is_trusted=False, said="certificate is not signed by an authority of"
    ),
    "for_another_name": Fault(
        OTHER_NAME, is_trusted=True, said=f"certificate is for '{HOST}', and DB_HOST is"
    ),
    "without_tls": Fault(
        PLAIN, is_trusted=True, said=f"the database at '{PLAIN}' speaks no TLS"
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_23_a_server_is_refused(world: World, database: OutsideDatabase, fault: Fault) -> None:
    pods = uids(world.prod.ready_pods())
    authority = database.authority if fault.is_trusted else Authority(world.scratch)

    database.name_it(world, fault.host, authority)
    world.repo.push()
    world.measure(
        f"until status says {fault.said!r}",
        lambda: until("status names the cause", lambda: _names(world, fault), within=120, poll=2),
    )

    # Connections that the service makes from now on reach the old one too.
    world.prod.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = 'coworking' AND pid <> pg_backend_pid()"
    )
    until("prod answers again", lambda: world.get("prod", REPORT), within=30)
    assert uids(world.prod.ready_pods()) == pods
    assert database.clients() == set()

    world.measure(f"the way back from {fault.host}", lambda: go_back(world))
    assert uids(world.prod.ready_pods()) == pods


def _names(world: World, fault: Fault) -> bool:
    said = " ".join(world.repo.ci("status", "prod", status=None).split())
    if fault.said in said and "prod: NEEDS A PERSON" in said:
        sentence = said[max(0, said.index(fault.said) - 60) :].partition(". ")[0]
        world.figure(f"          …{sentence}")
        return True
    return False


def test_23_it_serves_by_verify_full_a_minute_after_the_merge(
    world: World, database: OutsideDatabase
) -> None:
    old = uids(world.prod.ready_pods())
    database.name_it(world)

    with load(world.client, "coworking.coworking-prod") as running:
        world.repo.push()
        seconds = world.measure(
            "from the merge until prod serves from the database outside, by verify-full",
            lambda: until("it serves", lambda: database.serves(world, old), within=120),
        )

    world.settle("coworking-prod")
    nobody_noticed(world, running)
    assert seconds <= SECONDS
    name = world.prod.pods()[0]["metadata"]["name"]
    assert world.prod.execute(name, "printenv", "DB_SSLMODE").strip() == "verify-full"
    version = database.sql("SELECT DISTINCT version FROM pg_stat_ssl WHERE ssl")
    world.figure(f"          {database.sql('SHOW server_version')}, by {version}")


def test_23_status_says_where_the_database_is(world: World, database: OutsideDatabase) -> None:
    until("status is well", lambda: "prod: well" in _status(world), within=60, poll=2)

    said = _status(world)
    assert f"outside the cluster, with the database ({outside.PAGE})" in said
    world.figure(world.repo.ci("status", "prod", status=None))


def _status(world: World) -> str:
    return world.repo.ci("status", "prod", status=None)


def test_23_the_way_back_is_a_commit_and_what_was_in_the_cluster_is_served(
    world: World, database: OutsideDatabase
) -> None:
    before = uids(world.prod.ready_pods())
    rows = world.prod.sql("SELECT count(*) FROM tokens")
    with load(world.client, "coworking.coworking-prod") as running:
        world.measure("the way back: from the merge until prod is settled", lambda: go_back(world))

    nobody_noticed(world, running)
    assert not uids(world.prod.ready_pods()) & before
    assert world.prod.sql("SELECT count(*) FROM tokens") == rows
    assert not world.prod.exists("networkpolicy", "coworking-egress-outside")
    assert world.get("prod", REPORT)
