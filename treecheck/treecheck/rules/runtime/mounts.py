"""Volumes that are mounted in the wrong place: over a program, or as a folder instead of a file."""

from __future__ import annotations

import difflib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from treecheck.kube.images import facts_of
from treecheck.kube.mounts import Mount, mounts
from treecheck.kube.pages import POSTGRES_IMAGE, VOLUMES
from treecheck.model import Problem, as_list, as_mapping, as_text, containers
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

SYSTEM_FOLDERS = {
    "/", "/bin", "/etc", "/lib", "/lib64", "/sbin", "/usr", "/usr/bin", "/usr/lib", "/usr/local",
    "/usr/local/bin", "/usr/sbin",
}  # fmt: skip


@rule("mount-hides-program", source=VOLUMES)
def mount_hides_program(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A volume that is mounted over files which the container needs.

    A mount hides what the image has in that folder. Over /etc or /usr, over the folder of the
    program that `command` starts, or over a server's own configuration folder, what is hidden is
    missing. An emptyDir that an init container fills is left alone.
    """
    filled = {
        as_mapping(mount).get("name")
        for _, each in containers(resource, "initContainers")
        for mount in as_list(each.get("volumeMounts"))
    }
    for mount in mounts(resource, cluster):
        if mount.files is None or "subPath" in mount.body or mount.body.get("name") in filled:
            continue
        hidden = _hidden(mount)
        if hidden:
            yield Problem(
                f"volume {mount.body.get('name')} is mounted over {mount.place} of container "
                f"{mount.container.get('name')} and hides {hidden}",
                fix="Mount it in a folder of its own, or a single file with subPath.",
                path=(*mount.path, "mountPath"),
            )


def _hidden(mount: Mount) -> str:
    """What a mount hides that the container needs, or an empty text."""
    files = mount.files or frozenset()
    if str(mount.place) in SYSTEM_FOLDERS:
        return "what the image has there: whatever is started or read from there is missing"
    words = as_list(mount.container.get("command"))
    program = PurePosixPath(as_text(words[0]) if words else "-")
    if program.is_relative_to(mount.place) and program.name not in files:
        return f"its program {program}: it does not start"
    image = facts_of(as_text(mount.container.get("image")))
    if image.settings and str(mount.place) == image.settings[0] and image.settings[1] not in files:
        return f"{image.settings[1]}, without which its server does not start"
    return ""


@rule("start-scripts-elsewhere", source=POSTGRES_IMAGE)
def start_scripts_elsewhere(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """Scripts for a new database in a folder that its image does not look into.

    The official images of databases run what lies in /docker-entrypoint-initdb.d itself, over new
    data. In a folder of a similar name, or in a folder below it, nothing is run: the database
    starts without its roles and tables.
    """
    for mount in mounts(resource, cluster):
        folder = facts_of(as_text(mount.container.get("image"))).scripts
        place = mount.place
        is_file = "subPath" in mount.body and "." in place.name
        if not folder or str(place) == folder or (is_file and str(place.parent) == folder):
            continue
        meant = str(place.parent if is_file else place)
        below = PurePosixPath(meant).is_relative_to(folder)
        if below or difflib.get_close_matches(meant, [folder], cutoff=0.8):
            yield Problem(
                f"container {mount.container.get('name')} mounts {mount.body.get('name')} at "
                f"{place}, and its image runs the scripts in {folder} alone: they are not run",
                fix=f"Mount it at {folder}.",
                path=(*mount.path, "mountPath"),
            )


@rule("mount-file-as-folder", source=VOLUMES + "#using-subpath")
def mount_file_as_folder(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A volume that is mounted as a folder where a file is expected.

    Without subPath a ConfigMap becomes a folder: mounted at /etc/app/app.yaml, the file is
    /etc/app/app.yaml/app.yaml, and the program finds a folder where it expects its settings.
    """
    for mount in mounts(resource, cluster):
        name = mount.place.name
        if "." in name and name in (mount.files or ()) and "subPath" not in mount.body:
            yield Problem(
                f"{mount.place} becomes a folder with the file {name} in it: container "
                f"{mount.container.get('name')} can't read it as a file",
                fix=f"Add subPath: {name}, or mount the volume at {mount.place.parent}.",
                path=(*mount.path, "mountPath"),
            )


@rule("sub-path-missing", source=VOLUMES + "#using-subpath")
def sub_path_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A subPath that is none of the files which a volume's items make.

    The kubelet makes an empty folder of that name, and the program finds it instead of its file.
    """
    for mount in mounts(resource, cluster):
        items = [
            as_list(as_mapping(mount.volume.get(field)).get("items"))
            for field in ("configMap", "secret")
        ]
        wanted = as_text(mount.body.get("subPath"))
        heads = {each.partition("/")[0] for each in mount.files or ()}
        if any(items) and wanted and wanted not in {*(mount.files or ()), *heads}:
            yield Problem(
                f"volume {mount.body.get('name')} has the files "
                f"{', '.join(sorted(mount.files or ()))}, and container "
                f"{mount.container.get('name')} mounts {wanted} of it: it finds an empty folder",
                fix="Let subPath be the `path` of one of the volume's items.",
                path=(*mount.path, "subPath"),
            )
