"""A database outside the cluster, as rules of the checker: it is verified, and the only one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ci.tree import outside
from treecheck.kube.hosts import CLUSTER_SUFFIX
from treecheck.kube.variables import Variables, variables_of
from treecheck.model import Problem, as_mapping, as_text
from treecheck.registry import Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.variables import Variable
    from treecheck.model import FieldPath, Manifest, Resource

HOST, MODE, AUTHORITIES = "DB_HOST", "DB_SSLMODE", "DB_SSLROOTCERT"
SAFE = "verify-full"  # the only mode that looks whom the certificate is for
SERVER = "postgresql"  # the StatefulSet of base/postgres
_LIBPQ = "https://www.postgresql.org/docs/15/libpq-ssl.html#LIBPQ-SSL-PROTECTION"


class Client(NamedTuple):
    """A container that connects to a database outside the cluster.

    Attributes:
        resource: what makes its pod.
        path: of the container in it.
        container: the container itself.
        host: the variable that names the database.
        variables: all that it gets.
    """

    resource: Resource
    path: FieldPath
    container: Manifest
    host: Variable
    variables: Variables

    def value(self, name: str) -> str:
        """A variable's value; empty without one."""
        found = self.variables.named.get(name)
        return (found.value or "") if found else ""


def clients(cluster: Cluster) -> Iterator[Client]:
    """The containers that connect to a database outside the cluster."""
    for pod in cluster.pods():
        for path, container in pod.containers():
            variables = variables_of(cluster, pod, path, container)
            host = variables.named.get(HOST)
            if host is not None and host.value and _is_outside(cluster, host.value):
                yield Client(pod.owner, path, container, host, variables)


def _is_outside(cluster: Cluster, host: str) -> bool:
    """Whether a host is not a Service: `postgresql-service`, `postgresql-service.coworking-dev`."""
    name, *rest = host.split(".")
    if not rest or CLUSTER_SUFFIX.search(host):
        return False
    return cluster.get("Service", rest[0], name) is None


@rule("database-unverified", layer="security", scope=Scope.CLUSTER, source=_LIBPQ)
def database_unverified(cluster: Cluster) -> Iterator[Problem]:
    """A database outside the cluster that anybody between could pretend to be.

    Only `verify-full` checks that the server's certificate is signed by a trusted authority and
    names the host. In every weaker mode the password goes to whoever answers at that address.
    Without a file of authorities, or without a certificate in it, no server is accepted at all.
    """
    for client in clients(cluster):
        host, mode = client.host.value, client.value(MODE)
        if mode != SAFE and client.variables.complete:
            said = f"{MODE} is {mode}" if mode else f"{MODE} is not set"
            yield client.host.problem(
                MODE,
                f"the database {host} is outside the cluster and {said}, so the password goes to"
                " whoever answers there",
                fix=f"Set {MODE} to {SAFE} beside {HOST} ({outside.PAGE}).",
            )
        elif problem := _authorities(cluster, client):
            yield problem


def _authorities(cluster: Cluster, client: Client) -> Problem | None:
    """What is wrong with the file of authorities; None where it is well, or not known."""
    file = client.value(AUTHORITIES)
    if not file:
        if not client.variables.complete:
            return None
        return client.host.problem(
            AUTHORITIES,
            f"the database {client.host.value} is outside the cluster and {AUTHORITIES} is not set,"
            " so no certificate can be checked and no connection is made",
            fix=f"Name the mounted file of the authorities in {AUTHORITIES} ({outside.PAGE}).",
        )
    config = _mounted(cluster, client, file)
    if config is None:
        return None
    key = file.rpartition("/")[2]
    text = as_text(as_mapping(config.body.get("data")).get(key))
    if outside.has_certificates(text):
        return None
    return Problem(
        f"{key} has no certificate, so the service can't check the one of {client.host.value} and"
        " makes no connection",
        fix=f"Put the authority's certificates into {outside.CA_FILE} ({outside.PAGE}).",
        path=("data", key),
        resource=config,
        cause=f"{config.title} {key}",
    )


def _mounted(cluster: Cluster, client: Client, file: str) -> Resource | None:
    """The ConfigMap of the tree that a file of the container comes from."""
    folder = file.rpartition("/")[0]
    pod = client.resource.pod
    mounted = [
        as_text(each.get("name"))
        for each in map(as_mapping, client.container.get("volumeMounts") or ())
        if as_text(each.get("mountPath")).rstrip("/") == folder
    ]
    for volume in map(as_mapping, (pod.spec.get("volumes") if pod else None) or ()):
        if as_text(volume.get("name")) in mounted:
            name = as_text(as_mapping(volume.get("configMap")).get("name"))
            return cluster.get("ConfigMap", client.resource.namespace, name)
    return None


@rule(
    "database-twice",
    layer="references",
    scope=Scope.CLUSTER,
    source="https://www.postgresql.org/docs/15/high-availability.html",
)
def database_twice(cluster: Cluster) -> Iterator[Problem]:
    """An environment with a server of its own and a database outside.

    The service reads one of them. What other systems still write into the other one is in no
    report, and its backups and alarms look as if all were well.
    """
    for client in clients(cluster):
        server = cluster.get("StatefulSet", client.resource.namespace, SERVER)
        if server is None:
            continue
        yield Problem(
            f"{server.namespace} has this PostgreSQL, and its service uses another one, at"
            f" {client.host.value}",
            fix="Keep one: `make configure DATABASE_HOST=` with its host takes this one out of the"
            f" tree, and with none the other one ({outside.PAGE}).",
            path=("metadata", "name"),
            resource=server,
            cause=server.title,
        )
