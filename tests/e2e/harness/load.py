"""A load from inside the cluster, through the Service, that counts every request that fails."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.harness.cluster import Cluster
    from tests.e2e.harness.world import World

import contextlib

CONNECTIONS = 16

# Runs in the client pod; ends when its standard input does, and prints what it saw. Half of the
# connections are kept alive, as a load balancer's are, half are new for each request, as a Service
# spreads them. A kept connection that the server closed between two requests is opened again, which
# is what RFC 9112 (9.3.1) tells clients to do; any other failure counts.
SCRIPT = """\
import http.client, json, sys, threading, time
host, port, path, connections, pause, key = sys.argv[1:7]
headers = {"Authorization": f"Bearer {key}"} if key else {}
stop, lock = threading.Event(), threading.Lock()
seen = {"requests": 0, "reopened": 0, "slowest": 0.0, "failures": []}

def ask(connection):
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise ValueError(f"status {answer.status}: {body[:200]!r}")

def work(kept):
    connection = None
    while not stop.is_set():
        began = time.monotonic()
        was_open = connection is not None
        try:
            if connection is None:
                connection = http.client.HTTPConnection(host, int(port), timeout=10)
            try:
                ask(connection)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                connection.close()
                if not was_open:
                    raise
                with lock:
                    seen["reopened"] += 1
                connection = http.client.HTTPConnection(host, int(port), timeout=10)
                ask(connection)
            failure = None
        except Exception as error:
            failure = f"{time.strftime('%H:%M:%S')} {type(error).__name__}: {error}"
        with lock:
            seen["requests"] += 1
            seen["slowest"] = max(seen["slowest"], time.monotonic() - began)
            if failure:
                seen["failures"].append(failure)
        if failure or not kept:
            connection.close()
            connection = None
        stop.wait(float(pause))

threads = [threading.Thread(target=work, args=(n % 2 == 0,)) for n in range(int(connections))]
for thread in threads: thread.start()
sys.stdin.read()
stop.set()
for thread in threads: thread.join()
seen["failed"] = len(seen["failures"])
seen["seconds"] = sorted({failure.partition(" ")[0] for failure in seen["failures"]})
first = {}
for failure in seen["failures"]:
    first.setdefault(failure.partition(" ")[2], failure)
seen["failures"] = list(first.values())[:20]
print(json.dumps(seen))
"""


class Seen(NamedTuple):
    """What a load saw; it is filled when the load ends.

    Attributes:
        requests: how many it made.
        failed: how many of them failed.
        reopened: how many kept connections the server had closed.
        slowest: the longest request, in seconds.
        failures: the first failure of each kind, with its time.
        seconds: the seconds in which requests failed, as HH:MM:SS.
    """

    requests: int = 0
    failed: int = 0
    reopened: int = 0
    slowest: float = 0.0
    failures: tuple[str, ...] = ()
    seconds: tuple[str, ...] = ()


class Load:
    """A running load; `seen` is known once it has ended."""

    seen = Seen()


@contextlib.contextmanager
def load(
    client: Cluster,
    host: str,
    *,
    path: str = "/api/reports/daily_usage",
    pause: float = 0.1,
    key: str = "",
) -> Iterator[Load]:
    """Keep 16 connections busy while the block runs.

    Args:
        client: the client pod's namespace.
        host: the Service, as the client pod names it.
        path: what is asked for.
        pause: seconds between two requests of a connection.
        key: the access key, where one is needed.
    """
    command = client.command(
        *("exec", "-i", "client", "--", "python", "-c", SCRIPT),
        *(host, "5153", path, str(CONNECTIONS), str(pause), key),
    )
    running = Load()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield running
        finally:
            try:
                output, errors = process.communicate("", timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    assert process.returncode == 0, f"the load itself failed: {errors}"
    answer = json.loads(output)
    answer.update({name: tuple(answer[name]) for name in ("failures", "seconds")})
    running.seen = Seen(**answer)


def nobody_noticed(world: World, running: Load) -> None:
    """No request failed, or some in one pause of a second, which a busy machine makes.

    The other failure of such a pause is the client's own look-up of the Service's name.
    """
    seen = running.seen
    when = f", at {' '.join(seen.seconds)}" if seen.failed else ""
    world.figure(f"          {seen.requests} requests, {seen.failed} failed{when}")
    allowed = ("status 503", "gaierror")
    assert all(any(word in failure for word in allowed) for failure in seen.failures), seen
    assert len(seen.seconds) <= 2, seen
