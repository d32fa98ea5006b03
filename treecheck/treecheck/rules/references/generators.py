"""What a generator reads from files, as it ends up in the ConfigMap or Secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.errors import InputError
from treecheck.files import load_text
from treecheck.model import Problem, as_list, as_mapping, as_text
from treecheck.registry import rule
from treecheck.rendering import read_kustomization

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

FIELDS = {"ConfigMap": "configMapGenerator", "Secret": "secretGenerator"}
QUOTED = re.compile(r"""(['"]).*\1""")


@rule(
    "env-file-quotes",
    kinds=("ConfigMap", "Secret"),
    source="https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/configmapgenerator/",
)
def env_file_quotes(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A value in quotes in an env file of a generator.

    A shell and docker compose take the quotes off; kustomize does not. They become part of the
    value: a host of that name is unknown, a port is not a number, a level is not one.
    """
    for file in _env_files(resource):
        for number, (key, value) in _settings(file):
            if QUOTED.fullmatch(value):
                yield Problem(
                    f"kustomize keeps the quotes around {key} in {file.name}: they become part of "
                    "the value",
                    fix=f"Write {key} without quotes.",
                    path=("data", key),
                    resource=resource,
                    file=file,
                    line=number,
                )


def _env_files(resource: Resource) -> Iterator[Path]:
    """The env files that a generated ConfigMap or Secret is made of."""
    main = resource.origin.file
    kustomization = read_kustomization(main.parent) if main and resource.origin.generated else None
    if kustomization is None:
        return
    entries = as_list(kustomization.body.get(FIELDS[resource.kind]))
    for entry in map(as_mapping, entries):
        if as_text(entry.get("name")) and as_text(entry.get("name")) in resource.name:
            for name in (*as_list(entry.get("envs")), entry.get("env")):
                file = kustomization.folder / as_text(name)
                if as_text(name) and file.is_file():
                    yield file


def _settings(file: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    """(line, (key, value)) of an env file."""
    try:
        text = load_text(file)
    except InputError:
        return
    for number, line in enumerate(text.splitlines(), 1):
        key, equals, value = line.partition("=")
        if equals and not key.lstrip().startswith("#"):
            yield number, (key.strip(), value.strip())
