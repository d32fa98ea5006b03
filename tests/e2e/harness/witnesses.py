"""A writer and a reader, each with a log of its own of what it did and when."""

from __future__ import annotations

import contextlib
import time
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from tests.e2e.harness.cluster import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.harness.cluster import Cluster
    from tests.e2e.harness.world import World

# Each token is a number, so that a lost one is known whatever ids a restored table gives. A failed
# insert may have been committed: its number is not used again.
# It writes to the host that `/tmp/host` names, also if another comes to stand there.
WRITER = """\
import psycopg2, sys, time
number, connection, host = int({first}), None, "postgresql-service"
while True:
    begun = time.time()
    try:
        with open("/tmp/host") as file:
            named = file.read()
    except FileNotFoundError:
        named = host
    try:
        if connection is None or named != host:
            host = named
            with open("/run/secrets/coworking/DB_PASSWORD") as file:
                password = file.read()
            connection = psycopg2.connect(
                host=host, dbname="coworking", user="coworking", password=password,
                connect_timeout=3, tcp_user_timeout=3000, options="-c statement_timeout=5000")
            connection.autocommit = True
            cursor = connection.cursor()
        cursor.execute("INSERT INTO tokens (user_id, token, used_at)"
                       " SELECT min(id), %s, now() FROM users", (f"{{number:06d}}",))
        print("ok", number, begun, time.time(), flush=True)
    except psycopg2.Error as error:
        print("no", number, begun, time.time(), " ".join(str(error).split()), flush=True)
        connection = None
        time.sleep(0.2)
    number += 1
    time.sleep(0.05)
"""
READER = """\
import sys, time, urllib.request
number = 0
while True:
    begun = time.time()
    try:
        urllib.request.urlopen("{url}", timeout=5).read()
        print("ok", number, begun, time.time(), flush=True)
    except OSError as error:
        print("no", number, begun, time.time(), " ".join(str(error).split()), flush=True)
    number += 1
    time.sleep(0.2)
"""


class Deed(NamedTuple):
    """One line of a log: whether it succeeded, its number, when it began and ended (epoch)."""

    ok: bool
    number: int
    begun: float
    ended: float
    said: str = ""

    @classmethod
    def parse(cls, line: str) -> Deed:
        """Read a line."""
        word, number, begun, ended, *said = line.split(" ", 4)
        return cls(word == "ok", int(number), float(begun), float(ended), "".join(said))


class Failing(NamedTuple):
    """Deeds that failed in a row: from when to when (epoch), how many, and what was said."""

    begun: float
    ended: float
    deeds: int
    said: set[str]

    @property
    def seconds(self) -> float:
        """How long nothing succeeded."""
        return self.ended - self.begun


class Witness:
    """A pod that writes, or reads, until it is ended."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._name = name

    def deeds(self) -> list[Deed]:
        """All that it has done until now."""
        text = self._cluster.run("logs", self._name)
        return [Deed.parse(line) for line in text.splitlines() if line[:3] in ("ok ", "no ")]

    def write_to(self, host: str) -> None:
        """Have the writer write to another host, from its next row on."""
        script = 'printf %s "$1" > /tmp/host.new && mv /tmp/host.new /tmp/host'
        self._cluster.execute(self._name, "sh", "-c", script, "sh", host)

    def goes_on(self) -> None:
        """Wait until it has succeeded ten times more."""
        begun = time.time()
        until(
            f"{self._name} goes on",
            lambda: sum(deed.ok and deed.begun > begun for deed in self.deeds()) >= 10,
            within=60,
        )

    def failures(self) -> list[Failing]:
        """The times in which it failed: each from its first failure's begin to the next success."""
        found: list[Failing] = []
        failing: list[Deed] = []
        for deed in self.deeds():
            if not deed.ok:
                failing.append(deed)
            elif failing:
                said = {each.said for each in failing}
                found.append(Failing(failing[0].begun, deed.ended, len(failing), said))
                failing = []
        assert not failing, f"{self._name} fails to the end: {failing[-1].said}"
        return found

    def acknowledged(self, until: float) -> dict[int, float]:
        """The numbers that had succeeded by a moment, and when each did (epoch)."""
        return {deed.number: deed.ended for deed in self.deeds() if deed.ok and deed.ended <= until}

    def longest_wait(self, since: float = 0) -> float:
        """The longest time in seconds between two successes, the second of which was after."""
        ended = [deed.ended for deed in self.deeds() if deed.ok]
        return max(after - before for before, after in pairwise(ended) if after >= since)


@contextlib.contextmanager
def writer(world: World, first: int) -> Iterator[Witness]:
    """Write tokens into prod, numbered from `first`, about fifteen in a second.

    A token has six digits at most.
    """
    pod = world.pod(
        "e2e-writer",
        WRITER.format(first=first),
        **{"app.kubernetes.io/name": "coworking", "app.kubernetes.io/component": "e2e-writer"},
    )
    spec = pod["spec"]
    spec["securityContext"]["fsGroup"] = 10001
    spec["volumes"] = [{"name": "password", "secret": {"secretName": "coworking-secret"}}]
    mount = {"name": "password", "mountPath": "/run/secrets/coworking", "readOnly": True}
    spec["containers"][0]["volumeMounts"] = [mount]
    with _witness(world.prod, pod) as found:
        yield found


@contextlib.contextmanager
def reader(world: World) -> Iterator[Witness]:
    """Ask prod for a report, through its Service, four times in a second."""
    url = "http://coworking.coworking-prod:5153/api/reports/daily_usage"
    with _witness(world.client, world.pod("e2e-reader", READER.format(url=url))) as found:
        yield found


@contextlib.contextmanager
def _witness(cluster: Cluster, pod: dict[str, object]) -> Iterator[Witness]:
    name = str(pod["metadata"]["name"])  # type: ignore[index]
    cluster.apply(pod)
    found = Witness(cluster, name)
    try:
        until(f"{name} succeeds", lambda: any(d.ok for d in found.deeds()), within=60)
        yield found
    finally:
        cluster.delete("pod", name)


def begin(world: World) -> None:
    """Give prod a member, whose tokens the writer writes."""
    world.prod.sql(
        "INSERT INTO users (first_name, last_name, joined_at, is_active)"
        " SELECT 'End', 'To-End', now(), true WHERE NOT EXISTS (SELECT FROM users)"
    )
