"""Prod's front door as its users meet it: the load balancer, the access keys, the metrics' port."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from tests.e2e.harness.cluster import until

if TYPE_CHECKING:
    from tests.e2e.harness.world import World

PORT, METRICS_PORT = 5153, 9153
REPORT = "/api/reports/daily_usage"
# Asks in a pod: METHOD HOST PORT PATH HEADERS BODY; prints status, headers and body, or the error.
ASK = """\
import http.client, json, sys
method, host, port, path, headers, body = sys.argv[1:]
connection = http.client.HTTPConnection(host, int(port), timeout=4)
try:
    connection.request(method, path, body or None, json.loads(headers))
    answer = connection.getresponse()
    seen = {name.lower(): value for name, value in answer.getheaders()}
    print(json.dumps([answer.status, seen, answer.read().decode()]))
except OSError as error:
    print(json.dumps([0, {}, f"{type(error).__name__}: {error}"]))
"""


class Answer(NamedTuple):
    """What came back; without a connection the status is 0, and the body says why.

    The names of headers are in small letters.
    """

    status: int
    headers: dict[str, str]
    body: str


def ask(
    world: World,
    host: str,
    path: str = REPORT,
    *,
    key: str = "",
    port: int = PORT,
    cookie: str = "",
    form: str = "",
    namespace: str = "",
) -> Answer:
    """Ask the service from a pod: of the tests' namespace, or of another with such a pod."""
    headers = {
        **({"Authorization": f"Bearer {key}"} if key else {}),
        **({"Cookie": cookie} if cookie else {}),
        **({"Content-Type": "application/x-www-form-urlencoded"} if form else {}),
    }
    where = ["-n", namespace] if namespace else ["-n", world.client.namespace]
    said = world.all.run(
        *(*where, "exec", "client", "--", "python", "-c", ASK),
        *("POST" if form else "GET", host, str(port), path, json.dumps(headers), form),
    )
    return Answer(*json.loads(said))


def ask_from_here(host: str, path: str, *, port: int = PORT, timeout: float = 4) -> Answer:
    """Ask from this machine, which is outside the cluster's pods, as the balancer's users are."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, answer.read().decode())
    except OSError as error:
        return Answer(0, {}, f"{type(error).__name__}: {error}")
    finally:
        connection.close()


def balancer(world: World) -> str:
    """The address of prod's load balancer."""
    ingress = world.prod.get("service", "coworking")["status"]["loadBalancer"]["ingress"]
    return str(ingress[0].get("ip") or ingress[0]["hostname"])


def own_address(towards: str) -> str:
    """The address that this machine has for a host that it talks to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((towards, PORT))
        return str(probe.getsockname()[0])


def pod_addresses(world: World) -> list[str]:
    """The addresses of prod's pods."""
    return [str(pod["status"]["podIP"]) for pod in world.prod.ready_pods()]


def seal_key(world: World, *arguments: str) -> str:
    """Run `make seal` for prod's access key, push, wait for it; returns the key that it printed."""
    said = world.repo.ci("seal", "prod", *arguments)
    found = re.findall(r"^  ([\w-]{43})$", said, re.MULTILINE)
    push_and_settle(world, "Change prod's access keys", "postgres-prod")
    return found[0] if found else ""


def push_and_settle(world: World, message: str, *applications: str) -> None:
    """Commit and push what changed, and wait until Applications are at that commit."""
    if world.repo.git("status", "--porcelain"):
        world.repo.commit(message)
    commit = world.repo.push()
    for name in applications:
        world.settle(name, commit=commit)


def read_secrets_now(world: World) -> None:
    """Have the kubelet look at mounted Secrets at once (docs/secrets.md); else about a minute."""
    moment = f"coworking/secret-read-at={time.time()}"
    world.prod.run("annotate", "pods", "--all", "--overwrite", moment)


def until_each_pod(world: World, what: str, status: int, key: str = "") -> None:
    """Wait until each of prod's pods answers a request with this key with a status."""

    def agreed() -> bool:
        read_secrets_now(world)
        answers = [ask(world, host, key=key).status for host in pod_addresses(world)]
        return len(answers) > 1 and set(answers) == {status}

    until(what, agreed, within=150, poll=2)
