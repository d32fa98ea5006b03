"""What a program's own runtime makes of its settings: Java's heap, Go's limit, MySQL's start."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.kube.images import is_official, repository
from treecheck.kube.variables import variables_of
from treecheck.model import Problem, Severity, as_list, as_text, at, containers
from treecheck.quantities import quantity
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.variables import Variables
    from treecheck.model import FieldPath, Manifest, Resource

HEAP = re.compile(r"(?<!\S)[\"']?-Xmx(\d+)([kKmMgGtT]?)(?![\w$])")
HEAP_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
# Who wins first: what is on the command line over what the JVM picks up by itself.
JAVA_VARIABLES = ("CATALINA_OPTS", "JAVA_OPTS", "JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS")
GO_LIMIT = re.compile(r"off|\d+(B|[KMGT]iB)?")


@rule(
    "heap-over-limit",
    source="https://docs.oracle.com/en/java/javase/21/docs/specs/man/java.html#extra-options-for-java",
    unless=("resource-unit",),
)
def heap_over_limit(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A heap of Java that may grow as large as its container's memory limit, or larger.

    The JVM lets the heap grow before it collects what it can, and needs memory beside it: the
    kernel kills the container, OOMKilled, before the heap is full. Looked at is -Xmx in
    the command line, JAVA_OPTS, CATALINA_OPTS, JDK_JAVA_OPTIONS and JAVA_TOOL_OPTIONS. A heap that
    is just as large as the limit may never fill: a warning.
    """
    for path, container in containers(resource):
        written = at(container, "resources", "limits", "memory")
        limit = quantity(written) if written is not None else None
        if resource.pod is None or limit is None:
            continue
        variables = variables_of(cluster, resource.pod, path, container)
        for name, text, owner, where in _java_options(resource, path, container, variables):
            number, unit = HEAP.findall(text)[-1]  # the last one counts
            heap = int(number) * HEAP_UNITS[unit.lower()]
            if heap >= limit:
                yield Problem(
                    f"{name} lets the heap of container {container.get('name')} in "
                    f"{resource.title} grow to {number}{unit}, and it may use {written} of memory "
                    "in all: the kernel kills it before the heap is full",
                    fix="Leave a quarter of the limit free, or write -XX:MaxRAMPercentage=70.",
                    path=where,
                    resource=owner,
                    related=(resource,),
                    severity=None if heap > limit else Severity.WARNING,
                )
            break


def _java_options(
    resource: Resource, path: FieldPath, container: Manifest, variables: Variables
) -> Iterator[tuple[str, str, Resource, FieldPath]]:
    """(name, text, resource, field) of what sets -Xmx for a container, who wins first."""
    for field in ("args", "command"):
        for index, word in enumerate(as_list(container.get(field))):
            if HEAP.search(as_text(word)):
                yield f"{field}[{index}]", as_text(word), resource, (*path, field, index)
    for name in JAVA_VARIABLES:
        variable = variables.named.get(name)
        if variable is not None and HEAP.search(variable.value or ""):
            yield name, variable.value or "", variable.resource, variable.path


@rule("go-memory-limit", source="https://pkg.go.dev/runtime#hdr-Environment_Variables")
def go_memory_limit(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A GOMEMLIMIT that Go's runtime can't read.

    It takes a whole number of bytes, with B, KiB, MiB, GiB or TiB behind it or nothing, or `off`.
    With Kubernetes' Mi, or MB, the program ends before its first line: malformed GOMEMLIMIT.
    """
    for path, container in containers(resource):
        named = variables_of(cluster, resource.pod, path, container).named if resource.pod else {}
        variable = named.get("GOMEMLIMIT")
        value = (variable.value if variable else None) or ""
        if variable and value and "$(" not in value and not GO_LIMIT.fullmatch(value):
            yield variable.problem(
                "GOMEMLIMIT",
                f"GOMEMLIMIT of container {container.get('name')} is {value!r}, which Go's runtime "
                "can't read: the program ends at its start",
                fix="Write a whole number with MiB or GiB, such as 100MiB.",
            )


@rule("mysql-user-root", source="https://hub.docker.com/_/mysql")
def mysql_user_root(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A MySQL that is told to make the user root, whom it has.

    The official image makes MYSQL_USER beside root. For root itself it refuses to make the
    database, and ends at each start: MYSQL_USER="root" cannot be used.
    """
    for path, container in containers(resource, "containers"):
        image = as_text(container.get("image"))
        first = as_text(next(iter(as_list(container.get("args"))), ""))
        server = first in {"", "mysqld"} or first.startswith("-")
        official = is_official(image) and repository(image).rpartition("/")[2] == "mysql"
        if resource.pod is None or not official or "command" in container or not server:
            continue
        user = variables_of(cluster, resource.pod, path, container).named.get("MYSQL_USER")
        if user is not None and user.value == "root":
            yield user.problem(
                "MYSQL_USER",
                f"MYSQL_USER of container {container.get('name')} is root, whom MySQL has anyway: "
                "the image refuses to make the database, and ends at each start",
                fix="Leave MYSQL_USER out, or name another user; root has MYSQL_ROOT_PASSWORD.",
            )
