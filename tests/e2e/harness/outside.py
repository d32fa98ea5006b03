"""A PostgreSQL outside the service's namespaces, as RDS is: by TLS, with a role of few rights.

Three Services stand before two servers. The certificate names the first alone; the second one has
no TLS. Prod is switched to it, and back, by the lines of docs/database.md.
"""

from __future__ import annotations

import base64
import ipaddress
import secrets
import shutil
from typing import TYPE_CHECKING, Any

from ci.tree import outside
from tests.e2e.harness import bootstrap
from tests.e2e.harness.cluster import Cluster, Refused, is_ready, uids, until
from tests.e2e.harness.upstream import Authority

if TYPE_CHECKING:
    from tests.e2e.harness.world import World

PAGE = bootstrap.ROOT / outside.PAGE
EXAMPLE = "DATABASE_HOST=coworking-prod.abc123.us-east-1.rds.amazonaws.com"
NAMESPACE = "coworking-database"
HOST, OTHER_NAME, PLAIN = (f"{name}.{NAMESPACE}" for name in ("database", "alias", "plain"))
IMAGE = "postgres:15.20-bookworm"
SERVERS = {"database": "tls", "alias": "tls", "plain": "plain"}  # each Service's server
TLS = (
    *("ssl=on", "ssl_cert_file=/tls/server.pem", "ssl_key_file=/tls/server.pem"),
    "wal_level=logical",
)
ROLE = """\
\\set password `cat`
CREATE ROLE coworking LOGIN PASSWORD :'password';
CREATE DATABASE coworking OWNER coworking;
"""


class OutsideDatabase:
    """The servers, which last as long as the namespace.

    Args:
        world: the cluster.
        has_role: whether the service's role owns the database, as docs/database.md wants it; if
            not, the database is as a new RDS instance has it.

    Attributes:
        authority: who signed the certificate.
        password: the password of its administrator, `postgres`.
        network: the range of addresses that the servers are in.
    """

    def __init__(self, world: World, *, has_role: bool = True) -> None:
        self.password = secrets.token_hex(16)
        self._cluster = Cluster(NAMESPACE)
        self.authority = Authority(world.scratch)
        self._start(world)
        address = self._cluster.get("pod", "tls")["status"]["podIP"]
        self.network = str(ipaddress.ip_network(f"{address}/16", strict=False))
        if has_role:
            self._give_it_the_role(world)
        else:
            self.sql("CREATE DATABASE coworking", "postgres")

    def sql(self, statement: str, database: str = "coworking") -> str:
        """Ask the server with TLS as its superuser."""
        command = ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database)
        return self._cluster.execute("tls", *command, "-c", statement).strip()

    def clients(self) -> set[str]:
        """The addresses that the service's role is connected from, by TLS."""
        found = self.sql(
            "SELECT DISTINCT host(client_addr) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)"
            " WHERE usename = 'coworking' AND ssl"
        )
        return set(found.split())

    # --- the switch of prod -----------------------------------------------------------------------

    def name_it(self, world: World, host: str = HOST, authority: Authority | None = None) -> None:
        """Type the page's lines in the copy, for this host."""
        world.repo.pull()
        curl, commit, configure, _ = bootstrap.lines(page=PAGE)
        assert curl.startswith(f"curl --fail --output {outside.CA_FILE} ")
        shutil.copy((authority or self.authority).file, world.repo.folder / outside.CA_FILE)
        if world.repo.git("status", "--porcelain"):
            world.type_line(commit)
        wanted = f"DATABASE_HOST={host} DATABASE_NETWORK={self.network}"
        assert EXAMPLE in configure
        world.type_line(configure.replace(EXAMPLE, wanted))

    def serves(self, world: World, old: set[str]) -> bool:
        """Whether each pod of prod is new, ready, and connected here by TLS."""
        pods = world.prod.ready_pods()
        addresses = {str(pod["status"]["podIP"]) for pod in pods}
        new = len(pods) > 1 and len(pods) == len(world.prod.pods()) and not uids(pods) & old
        return new and self.clients() >= addresses and bool(world.get("prod", "/readiness_check"))

    def end(self) -> None:
        """Remove all of it."""
        self._cluster.delete("namespace", NAMESPACE, "--timeout=170s")

    def _start(self, world: World) -> None:
        there = self._cluster
        self.end()
        there.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        until("it has an account", lambda: there.exists("serviceaccount", "default"), within=30)
        pem = self.authority.issue(HOST).read_bytes()
        there.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "certificate"},
                "data": {"server.pem": base64.b64encode(pem).decode()},
            },
            *(_service(name, server) for name, server in SERVERS.items()),
            _server("tls", self.password, *TLS),
            _server("plain", self.password),
        )
        for name in ("tls", "plain"):
            until(f"{name} is ready", lambda n=name: self._is_ready(n), within=90)

    def _is_ready(self, name: str) -> bool:
        try:
            return is_ready(self._cluster.get("pod", name))
        except Refused:
            return False

    def _give_it_the_role(self, world: World) -> None:
        """As docs/database.md wants it: a database that the role owns; it has prod's password."""
        password = base64.b64decode(
            world.prod.get("secret", "coworking-secret")["data"]["DB_PASSWORD"]
        ).decode()
        script = "psql -XAtq -v ON_ERROR_STOP=1 -U postgres -f /tmp/role.sql"
        for name in ("tls", "plain"):
            self._cluster.execute(name, "sh", "-c", "cat > /tmp/role.sql", stdin=ROLE)
            self._cluster.execute(name, "sh", "-c", script, stdin=password)


def _service(name: str, server: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"server": server}, "ports": [{"port": 5432}]},
    }


def _server(name: str, password: str, *settings: str) -> dict[str, Any]:
    options = [word for setting in settings for word in ("-c", setting)]
    mounts = [{"name": "certificate", "mountPath": "/tls", "readOnly": True}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"server": name}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsUser": 999, "runAsGroup": 999, "fsGroup": 999},
            # 0440 of root and the group: what PostgreSQL takes a key from, beside its own file.
            "volumes": [
                {"name": "certificate", "secret": {"secretName": "certificate", "defaultMode": 288}}
            ],
            "containers": [
                {
                    "name": "postgresql",
                    "image": IMAGE,
                    "args": ["postgres", *options],
                    "env": [{"name": "POSTGRES_PASSWORD", "value": password}],
                    "volumeMounts": mounts,
                    # As prod's own. Without a request the kernel gives it 2 shares where a server
                    # in the cluster has 204: on a busy node it then answers nobody for seconds.
                    "resources": {"requests": {"cpu": "200m"}},
                    # By TCP, which the server of the initialisation does not answer.
                    "readinessProbe": {
                        "exec": {"command": ["pg_isready", "-h", "127.0.0.1", "-U", "postgres"]},
                        "periodSeconds": 1,
                    },
                }
            ],
        },
    }


def go_back(world: World) -> None:
    """Type the line of the page's way back, push, and wait until prod is settled."""
    world.repo.pull()
    (line,) = bootstrap.lines("The way back", PAGE)
    world.type_line(line)
    commit = world.repo.push()
    for name in ("postgres-prod", "coworking-prod"):
        world.settle(name, commit=commit, within=240)
