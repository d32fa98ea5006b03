"""Folders that variables name for a program's data, against the volumes that are meant for them."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from treecheck.kube.mounts import mounts
from treecheck.kube.pages import VOLUMES
from treecheck.kube.variables import variables_of
from treecheck.model import as_mapping
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.mounts import Mount
    from treecheck.model import Problem, Resource

# `MEDIA_PATH`, `DATA_DIR`, `UPLOAD_FOLDER`
_FOLDER = re.compile(
    r"(?:^|_)(?:DATA|FILES?|MEDIA|STORAGE|UPLOADS?)_?(?:DIR(?:ECTORY)?|FOLDER|PATH|ROOT)$"
)


@rule("folder-outside-volume", source=VOLUMES, unless=("mount-without-volume", "claim-missing"))
def folder_outside_volume(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A folder for data that lies beside the claim which is mounted for it.

    The program writes where its root file system can only be read, and fails; the volume stays
    empty. Looked at are variables such as MEDIA_PATH and DATA_DIR of a container with a read-only
    root file system and one claim, whose mount has the same last folder and no variable's value.
    """
    pod = resource.pod
    for path, container in pod.containers("containers") if pod else ():
        context = as_mapping(container.get("securityContext"))
        mine = [one for one in mounts(resource, cluster) if one.container is container]
        claims = [one for one in mine if "persistentVolumeClaim" in one.volume or not one.volume]
        if pod is None or context.get("readOnlyRootFilesystem") is not True or len(claims) != 1:
            continue
        named = variables_of(cluster, pod, path, container).named
        used = [PurePosixPath(one.value) for one in named.values() if one.value]
        if any(folder.is_relative_to(claims[0].place) for folder in used):
            continue
        for name, variable in named.items():
            folder = PurePosixPath(variable.value or "")
            if _FOLDER.search(name) and _is_meant(folder, claims[0], mine):
                yield variable.problem(
                    name,
                    f"{name} of container {container.get('name')} is {folder}, which no volume "
                    f"holds and can't be written to; the claim is mounted at {claims[0].place}",
                    fix=f"Write {claims[0].place}, or mount the claim at {folder}.",
                )


def _is_meant(folder: PurePosixPath, claim: Mount, mine: list[Mount]) -> bool:
    """Whether a folder that no mount holds has the last word of the claim's."""
    held = any(folder.is_relative_to(one.place) for one in mine)
    return folder.is_absolute() and not held and folder.name == claim.place.name
