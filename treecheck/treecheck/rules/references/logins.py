"""The role and database that clients of PostgreSQL name, against those that its pod makes."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from treecheck.kube.hosts import dependencies
from treecheck.kube.images import facts_of, is_official, repository
from treecheck.kube.mounts import text_files
from treecheck.kube.pages import POSTGRES_IMAGE
from treecheck.kube.services import selected_pods
from treecheck.kube.variables import variables_of
from treecheck.model import as_text
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import PodTemplate, Problem, Resource

ALIKE = 0.7  # the ratio of difflib from which a name is taken for another one, misspelt
# `CREATE ROLE web`, `CREATE USER "web"`, `CREATE DATABASE web`
_MADE = re.compile(r"\bCREATE\s+(ROLE|USER|DATABASE)\s+\"?([a-z_][\w-]*)", re.IGNORECASE)
# What a client names: the rest of the variable's name after `DB_`, say.
NAMES = {
    "role": frozenset({"USER", "USERNAME"}),
    "database": frozenset({"DATABASE", "DB", "DBNAME", "NAME"}),
}


@rule(
    "database-login-unknown",
    source=POSTGRES_IMAGE,
    unless=("host-unknown", "config-missing", "config-key-missing"),
)
def database_login_unknown(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A role or database of PostgreSQL that its pod doesn't make, and very nearly another one.

    The image makes POSTGRES_USER and POSTGRES_DB, and what its scripts create; a client with
    another name is refused: role does not exist, or password authentication failed. Looked at is a
    host of the tree in DB_HOST, say, with DB_USER and DB_NAME beside it. Names that are like none
    of them somebody may have made later.
    """
    if resource.pod is None:
        return
    for needed in dependencies(cluster, resource.pod):
        service = needed.target(cluster)
        family = needed.name.removesuffix("HOST") if needed.name.endswith("_HOST") else ""
        made = _made(service, cluster) if service is not None and family else {}
        for path, container in resource.pod.containers() if made else ():
            named = variables_of(cluster, resource.pod, path, container).named
            for name, variable in named.items():
                what = _what(name.removeprefix(family)) if name.startswith(family) else ""
                known = made.get(what, set())
                value = variable.value or ""
                near = difflib.get_close_matches(value, known, n=1, cutoff=ALIKE)
                if near and value not in known:
                    yield variable.problem(
                        name,
                        f"{name} is {value}, and {needed.host} has the {what} "
                        f"{', '.join(sorted(known))}: it lets nobody in under another name",
                        fix=f"Write {near[0]}.",
                    )


def _what(rest: str) -> str:
    return next((what for what, names in NAMES.items() if rest in names), "")


def _made(service: Resource, cluster: Cluster) -> dict[str, set[str]]:
    """The roles and databases that the PostgreSQL behind a Service makes; {} where it is none."""
    for pod in selected_pods(service, cluster):
        for path, container in pod.containers("containers"):
            image = as_text(container.get("image"))
            if repository(image).rpartition("/")[2] == "postgres" and is_official(image):
                named = variables_of(cluster, pod, path, container).named
                user = named["POSTGRES_USER"].value if "POSTGRES_USER" in named else "postgres"
                name = named["POSTGRES_DB"].value if "POSTGRES_DB" in named else user
                text = "\n".join(_scripts(pod, cluster, facts_of(image).scripts))
                if user is None or name is None or "$" in user + name:
                    return {}
                made = {"role": {user}, "database": {name, "postgres"}}
                for kind, called in _MADE.findall(text):
                    made["database" if kind.upper() == "DATABASE" else "role"].add(called)
                return made
    return {}


def _scripts(pod: PodTemplate, cluster: Cluster, folder: str) -> Iterator[str]:
    """The scripts that ConfigMaps bring to the folder which the image runs at its first start."""
    for file in text_files(pod, cluster) if folder else ():
        if file.place.is_relative_to(folder):
            yield file.text
