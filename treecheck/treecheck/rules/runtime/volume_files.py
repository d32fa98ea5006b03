"""The files in a pod's volumes: is each where a variable says, and may the container read it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from treecheck.kube.mounts import mounts
from treecheck.kube.pages import SECURITY_CONTEXT, VOLUMES
from treecheck.kube.pod_security import context_of, on_windows
from treecheck.kube.variables import variables_of
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, each
from treecheck.registry import Family, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.mounts import Mount
    from treecheck.model import FieldPath, Manifest, Resource

SECRETS = "https://kubernetes.io/docs/concepts/configuration/secret/"
# Nothing in an image lies there: what a variable names in such a folder comes from a mount.
RUN_TIME = ("/run/secrets", "/var/run/secrets", "/mnt/secrets", "/etc/secrets")
# `/conf/app.conf`, `--config=/conf/app.conf`, `config_file=/conf/app.conf`: with a dot in the name,
# since without one it may be a folder or a socket that the program makes.
PATH_ARGUMENT = re.compile(r"(?:-{0,2}[\w.-]+=)?(?:file:(?://)?)?(/[\w./-]*\w\.\w+)")
SETTINGS_ENDS = frozenset(
    {".cfg", ".conf", ".ini", ".json", ".properties", ".toml", ".yaml", ".yml"}
)
SECRET_NAME = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIALS?|API_?KEY)_FILE$")
# Where images have files of their own, or programs write them.
OF_PROGRAMS = ("/lib", "/opt", "/tmp", "/usr")  # noqa: S108
# What an admission webhook mounts (EKS, Azure, Vault), in a folder named after its domain.
INJECTED = re.compile(r"/(var/)?run/secrets/[^/]+\.|/(var/)?run/secrets/azure/|/vault/")
MODE, OTHERS, GROUP = 0o644, 0o004, 0o040
ROOT_GROUP = 0


@rule("mounted-file-missing", source=SECRETS, unless=("config-missing", "mount-without-volume"))
def mounted_file_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A variable or an argument that names a file which the pod's volumes do not have.

    DB_PASSWORD_FILE says where the password lies. Misspelt, or with the Secret mounted elsewhere,
    the program finds no file and ends. Looked at are variables that end in _FILE, and the paths of
    command and args (`/conf/app.conf`, `--config=/conf/app.conf`): a path below a mounted ConfigMap
    or Secret has to be one of its files, and a variable's that can come from a mount only has to
    lie below one. What came with all of a ConfigMap (`envFrom`) may be another workload's, if that
    one mounts the path. A path in no mount is wrong where another mount has a file of settings of
    that name: `--config /etc/nats/nats.conf`, and `/etc/nats-config` is mounted. Pods into which a
    webhook injects more are left alone.
    """
    pod = resource.pod
    if pod is None or any("inject" in key for key in pod.annotations):
        return
    for path, container in pod.containers("containers"):
        mine = [each for each in mounts(resource, cluster) if each.container is container]
        variables = variables_of(cluster, pod, path, container).named
        for name, variable in variables.items():
            value = variable.value or ""
            if not name.endswith("_FILE") or not value.startswith("/") or "$(" in value:
                continue
            if variable.loaded and _is_anothers(PurePosixPath(value), resource, cluster):
                continue
            wrong = _not_there(PurePosixPath(value), name, mine)
            if wrong:
                yield Problem(
                    f"{name} of container {container.get('name')} is {value}, and {wrong[0]}: the "
                    "program finds no file there",
                    fix=wrong[1],
                    path=variable.path,
                    resource=variable.resource,
                    related=(resource,),
                    cause=f"{wrong[0]} {value}",
                )
        yield from _missing_arguments(path, container, mine)


def _is_anothers(file: PurePosixPath, resource: Resource, cluster: Cluster) -> bool:
    """Whether another workload of the namespace mounts a file that came by envFrom alone."""
    return any(
        file.is_relative_to(mount.place)
        for pod in cluster.pods(resource.namespace)
        if pod.owner is not resource
        for mount in mounts(pod.owner, cluster)
    )


def _missing_arguments(
    path: FieldPath, container: Manifest, mine: list[Mount]
) -> Iterator[Problem]:
    """The files that a command line names below a mounted ConfigMap or Secret without them."""
    for field in ("command", "args"):
        for index, word in enumerate(as_list(container.get(field))):
            named = PATH_ARGUMENT.fullmatch(as_text(word))
            file = PurePosixPath(named[1]) if named else None
            if file is None:
                continue
            below = any(mount.place in file.parents for mount in mine)
            wrong = _not_there(file, "", mine) if below else _strayed(file, container, mine)
            if wrong and not _is_folder(file, mine):
                yield Problem(
                    f"{field} of container {container.get('name')} names {file}, and {wrong[0]}: "
                    "the program finds no file there",
                    fix=wrong[1],
                    path=(*path, field, index),
                    cause=f"{wrong[0]} {file}",
                )


def _strayed(file: PurePosixPath, container: Manifest, mine: list[Mount]) -> tuple[str, str] | None:
    """The same for a file of settings in no mount, if one of its name lies in another mount.

    Not where images have files of their own (`/usr/share`), and not where that other one is named
    too, so that both are intended, or lies where programs look by themselves (`.docker`).
    """
    own = any(file.is_relative_to(folder) for folder in OF_PROGRAMS)
    if own or file.suffix not in SETTINGS_ENDS or any(mount.place == file for mount in mine):
        return None
    twin = {".yaml": ".yml", ".yml": ".yaml"}.get(file.suffix, file.suffix)
    for mount in mine:
        part = as_text(mount.body.get("subPath"))
        stored = {"configMap", "secret", "projected"} & set(mount.volume)
        for name in sorted(mount.files or ()) if stored else ():
            there = mount.place if part else mount.place / name
            hidden = any(folder.startswith(".") for folder in there.parts)
            if part not in {"", name} or hidden or _is_named(mount.place, container):
                continue
            if there.name in {file.name, file.with_suffix(twin).name}:
                return f"the one of volume {mount.body.get('name')} is {there}", f"Name {there}."
    return None


def _is_named(place: PurePosixPath, container: Manifest) -> bool:
    """Whether a container's command line or variables name where something is mounted."""
    told = [*as_list(container.get("command")), *as_list(container.get("args"))]
    told += [as_mapping(entry).get("value") for entry in as_list(container.get("env"))]
    whole = re.compile(rf"(?<![\w./-]){re.escape(str(place))}(?![\w.-])")
    return any(whole.search(as_text(text)) for text in told)


def _is_folder(path: PurePosixPath, mine: list[Mount]) -> bool:
    """Whether a path is the folder of a file, or of a mount, below a mount."""
    files = [mount.place / name for mount in mine for name in mount.files or ()]
    return any(path in each.parents for each in (*files, *(mount.place / "_" for mount in mine)))


def _not_there(file: PurePosixPath, name: str, mine: list[Mount]) -> tuple[str, str] | None:
    """(what is there instead, how to fix it) when no mount brings a file."""
    holders = [mount for mount in mine if file.is_relative_to(mount.place)]
    if not holders:
        secret = SECRET_NAME.search(name) or any(file.is_relative_to(each) for each in RUN_TIME)
        places = [str(mount.place) for mount in mine]
        if not secret or not mine or INJECTED.match(str(file)):
            return None
        return (
            f"nothing is mounted there (but at {', '.join(places)})",
            "Name a file in one of the mounts, or mount the volume there.",
        )
    mount = max(holders, key=lambda each: len(each.place.parts))
    known = mount.files
    if not known or "emptyDir" in mount.volume:
        return None
    part = as_text(mount.body.get("subPath"))
    if part:
        by_itself = part in known and file != mount.place
        wrong = f"{mount.place} is the file {part} itself, by subPath"
        return (wrong, f"Name {mount.place}, or leave subPath out.") if by_itself else None
    there = f"volume {mount.body.get('name')} has the files {', '.join(sorted(known))}"
    fix = f"Write {mount.place}/ and one of these, or add the key."
    return (there, fix) if str(file.relative_to(mount.place)) not in known else None


@rule(
    "volume-file-unreadable",
    source=SECURITY_CONTEXT,
    unless=("mount-without-volume", "volume-owned-by-root"),
)
def volume_file_unreadable(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """Files of a ConfigMap or Secret that the container's user may not read.

    They belong to root. With a mode such as 0400 or 0440 another user gets permission denied,
    unless the pod's fsGroup has the kubelet hand them to that group, readable.
    """
    pod = resource.pod
    if pod is None or on_windows(pod) or "fsGroup" in context_of(pod):
        return
    shared = as_list(context_of(pod).get("supplementalGroups"))
    for mount in mounts(resource, cluster):
        mine = {**context_of(pod), **as_mapping(mount.container.get("securityContext"))}
        user, group = mine.get("runAsUser"), mine.get("runAsGroup", ROOT_GROUP)
        if not user:  # root, or the image's own user, who may be root
            continue
        in_root_group = ROOT_GROUP in {group, *shared}
        for place, mode in _modes(mount.volume):
            if not mode & OTHERS and not (in_root_group and mode & GROUP):
                name = mount.body.get("name")
                yield Problem(
                    f"the files of volume {name} belong to root and have the mode {mode:04o}: "
                    f"container {mount.container.get('name')}, user {user}, may not read them",
                    fix=f"Set fsGroup in the pod's securityContext, to {user} say.",
                    path=(*mount.path, "name"),
                    cause=f"{name} {place}",
                )
                break


def _modes(volume: Manifest) -> Iterator[tuple[FieldPath, int]]:
    """(place, mode) of the files of a ConfigMap's or Secret's volume."""
    for field in ("secret", "configMap", "projected"):
        source = as_mapping(volume.get(field))
        default = source.get("defaultMode", MODE)
        if field in volume and isinstance(default, int):
            yield (field, "defaultMode"), default
        for place, item in each(source, "items"):
            mode = item.get("mode", default)
            if isinstance(mode, int):
                yield (field, *place), mode


@rule(
    "volume-unmounted",
    family=Family.POLICY,
    source=VOLUMES,
    severity=Severity.WARNING,
    unless=("mount-without-volume", "duplicate-item", "unwritable-folder", "mounted-file-missing"),
)
def volume_unmounted(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A volume that no container mounts.

    The pod waits for it like for any other, and nothing of it is seen in a container: a Secret's
    files are missing, a folder that was to be writable is not. Most often the mount was lost, or
    the two names differ.
    """
    pod = resource.pod
    if pod is None:
        return
    used = {
        as_mapping(item).get("name")
        for _, container in pod.containers("containers", "initContainers", "ephemeralContainers")
        for field in ("volumeMounts", "volumeDevices")
        for item in as_list(container.get(field))
    }
    for place, volume in each(pod.spec, "volumes"):
        name = as_text(volume.get("name"))
        if name and name not in used:
            yield Problem(
                f"no container mounts the volume {name}",
                fix=f"Mount {name} under a container's volumeMounts, or remove it.",
                path=(*pod.spec_path, *place, "name"),
            )


@rule("volume-medium", source=VOLUMES + "#emptydir")
def volume_medium(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An emptyDir on a medium that does not exist.

    The API server takes any word. The kubelet knows Memory, HugePages with or without a size, and
    no word for the node's disk; with another one it can't set the volume up, and the pod does not
    start.
    """
    pod = resource.pod
    for index, volume in enumerate(
        map(as_mapping, as_list(pod.spec.get("volumes") if pod else []))
    ):
        medium = as_text(as_mapping(volume.get("emptyDir")).get("medium"))
        if pod and medium and not re.fullmatch(r"Memory|HugePages(-\w+)?", medium):
            yield Problem(
                f"volume {volume.get('name')} is on the medium {medium!r}, which does not exist: "
                "the pod does not start",
                fix="Write Memory, or leave the medium out for the node's disk.",
                path=(*pod.spec_path, "volumes", index, "emptyDir", "medium"),
            )
