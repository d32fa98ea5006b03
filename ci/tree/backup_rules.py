"""Where backups go, as a rule of the checker: each environment has a path of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from treecheck.model import Problem, as_mapping, as_text
from treecheck.registry import Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

# base/postgres/backups: pgBackRest's options as environment variables.
BUCKET = "PGBACKREST_REPO1_S3_BUCKET"
ENDPOINT = "PGBACKREST_REPO1_S3_ENDPOINT"
PATH = "PGBACKREST_REPO1_PATH"
DEFAULT_PATH = "/var/lib/pgbackrest"  # https://pgbackrest.org/configuration.html#section-repository


class BackupPath(NamedTuple):
    """A repository of backups."""

    endpoint: str
    bucket: str
    path: str


def backup_path(config: Resource) -> BackupPath | None:
    """The repository that a ConfigMap names; None if it names none."""
    data = as_mapping(config.body.get("data"))
    bucket = as_text(data.get(BUCKET))
    if not bucket:
        return None
    path = as_text(data.get(PATH)) or DEFAULT_PATH
    return BackupPath(as_text(data.get(ENDPOINT)), bucket, "/" + path.strip("/"))


@rule(
    "backup-path-shared",
    layer="references",
    scope=Scope.CLUSTER,
    source="https://pgbackrest.org/configuration.html#section-repository",
)
def backup_path_shared(cluster: Cluster) -> Iterator[Problem]:
    """Two environments with one path for their backups.

    A repository belongs to one database: pgBackRest refuses what another one archives, so one of
    the two environments has no backups. A restore could take the other one's data.
    """
    first: dict[BackupPath, Resource] = {}
    for config in cluster.of_kind("ConfigMap"):
        found = backup_path(config)
        if found is None:
            continue
        other = first.setdefault(found, config)
        if other.namespace == config.namespace:
            continue
        yield Problem(
            f"its backups go to {found.path} of bucket {found.bucket}, as those of"
            f" {other.namespace} do, and only one database can use a path",
            fix=f"Give each environment its own {PATH} in overlays/*/postgres.",
            path=("data", PATH if PATH in as_mapping(config.body.get("data")) else BUCKET),
            resource=config,
            related=(other,),
        )
