"""A PostgreSQL outside the service's namespaces, as RDS is: by TLS, with a role of few rights.

Three Services stand before two servers. The certificate names the first alone; the third server has
no TLS.
"""

from __future__ import annotations

import base64
import ipaddress
import secrets
from typing import TYPE_CHECKING, Any

from tests.e2e.harness.cluster import Cluster, Refused, is_ready, until
from tests.e2e.harness.upstream import Authority

if TYPE_CHECKING:
    from tests.e2e.harness.world import World

NAMESPACE = "coworking-database"
HOST, OTHER_NAME, PLAIN = (f"{name}.{NAMESPACE}" for name in ("database", "alias", "plain"))
IMAGE = "postgres:15.20-bookworm"
SERVERS = {"database": "tls", "alias": "tls", "plain": "plain"}  # each Service's server
TLS = ("ssl=on", "ssl_cert_file=/tls/server.pem", "ssl_key_file=/tls/server.pem")
ROLE = """\
\\set password `cat`
CREATE ROLE coworking LOGIN PASSWORD :'password';
CREATE DATABASE coworking OWNER coworking;
"""


class OutsideDatabase:
    """The servers, which last as long as the namespace.

    Attributes:
        authority: who signed the certificate.
        network: the range of addresses that the servers are in.
    """

    def __init__(self, world: World) -> None:
        self._cluster = Cluster(NAMESPACE)
        folder = world.scratch / "outside"
        folder.mkdir()
        self.authority = Authority(folder)
        self._start(world)
        address = self._cluster.get("pod", "tls")["status"]["podIP"]
        self.network = str(ipaddress.ip_network(f"{address}/16", strict=False))
        self._give_it_the_role(world)

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
            _server("tls", *TLS),
            _server("plain"),
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


def _server(name: str, *settings: str) -> dict[str, Any]:
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
                    "env": [{"name": "POSTGRES_PASSWORD", "value": secrets.token_hex(16)}],
                    "volumeMounts": mounts,
                    # By TCP, which the server of the initialisation does not answer.
                    "readinessProbe": {
                        "exec": {"command": ["pg_isready", "-h", "127.0.0.1", "-U", "postgres"]},
                        "periodSeconds": 1,
                    },
                }
            ],
        },
    }
