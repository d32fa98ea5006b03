"""Redis and Valkey by the configuration that is mounted for them, against their container."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from treecheck.kube.images import repository
from treecheck.kube.mounts import mounts, text_files
from treecheck.kube.ports import container_ports, shown
from treecheck.model import Problem, as_list, as_text, at
from treecheck.quantities import quantity
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.mounts import Mount
    from treecheck.model import Manifest, Resource

SERVERS = frozenset({"redis", "valkey"})
LOOPBACK = frozenset({"127.0.0.1", "-127.0.0.1", "::1", "-::1", "localhost"})
# `maxmemory 100mb`: https://raw.githubusercontent.com/redis/redis/7.4/redis.conf
UNITS = {
    "": 1, "b": 1, "k": 1000, "kb": 1 << 10, "m": 1000**2, "mb": 1 << 20, "g": 1000**3,
    "gb": 1 << 30,
}  # fmt: skip


class RedisConf(NamedTuple):
    """A configuration file: its directives, and where it lies."""

    words: dict[str, list[str]]
    resource: Resource
    key: str
    container: Manifest
    mounts: list[Mount]


@rule(
    "redis-settings",
    source="https://redis.io/docs/latest/operate/oss_and_stack/management/config/",
    unless=("config-missing", "config-key-missing", "listens-on-loopback", "resource-unit"),
)
def redis_settings(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Redis whose mounted configuration contradicts its container.

    It listens on a port that the container doesn't declare, or only on 127.0.0.1, where no Service
    reaches it; it may grow to the container's memory limit, at which the kernel kills it; or it
    keeps its files outside of every volume, though the pod has a claim for them.
    """
    for settings in _settings(resource, cluster):
        for directive, effect, fix in _wrong(settings):
            yield Problem(
                f"{settings.key} says {directive} {' '.join(settings.words[directive])} to "
                f"container {settings.container.get('name')} of {resource.title}, {effect}",
                fix=fix,
                path=("data", settings.key),
                resource=settings.resource,
                related=(resource,),
            )


def _settings(resource: Resource, cluster: Cluster) -> Iterator[RedisConf]:
    """The files of ConfigMaps that servers of a pod are started with."""
    for file in text_files(resource.pod, cluster) if resource.pod else ():
        image = repository(as_text(file.container.get("image"))).rpartition("/")[2]
        started = [*as_list(file.container.get("command")), *as_list(file.container.get("args"))]
        if image in SERVERS and str(file.place) in started and file.place.suffix == ".conf":
            lines = [line.split() for line in file.text.splitlines()]
            words = {line[0].lower(): line[1:] for line in lines if line and line[0][0] != "#"}
            own = [one for one in mounts(resource, cluster) if one.container is file.container]
            yield RedisConf(words, file.resource, file.key, file.container, own)


def _wrong(settings: RedisConf) -> Iterator[tuple[str, str, str]]:
    """(directive, what follows, how to fix it) of each that contradicts the container."""
    words, ports = settings.words, container_ports(settings.container)
    port = next(iter(words.get("port", ())), "")
    if port.isdecimal() and port != "0" and ports and all(p.number != int(port) for p in ports):
        yield (
            *("port", f"which declares only {shown(ports)}: nobody answers there"),
            "Let `port` and containerPort be the same number.",
        )
    if "bind" in words and ports and LOOPBACK.issuperset(words["bind"]):
        effect = "where only its own pod reaches it: connection refused"
        yield "bind", effect, "Write bind * -::*, and protected-mode no or a password."
    limit = quantity(at(settings.container, "resources", "limits", "memory") or "")
    most = _bytes(next(iter(words.get("maxmemory", ())), ""))
    if limit is not None and most and most >= limit:
        effect = "which may use no more than that: the kernel kills it before it evicts anything"
        yield "maxmemory", effect, "Leave a quarter of the limit free, or raise the limit."
    folder = next(iter(words.get("dir", ())), "").strip('"')
    claims = [one for one in settings.mounts if _is_claim(one.volume)]
    inside = [one for one in settings.mounts if PurePosixPath(folder).is_relative_to(one.place)]
    if folder.startswith("/") and claims and not inside:
        effect = f"which no volume holds; {claims[0].place} is mounted: its data is lost"
        yield "dir", effect, f"Write dir {claims[0].place}."


def _is_claim(volume: Manifest) -> bool:
    """Whether a mount's volume is a claim, or one of a StatefulSet's templates."""
    return not volume or "persistentVolumeClaim" in volume


def _bytes(text: str) -> int:
    """A number of bytes as Redis writes it; 0 if it is none, or no limit."""
    number = text.rstrip("bkmgBKMG")
    unit = UNITS.get(text[len(number) :].lower(), 0)
    return int(number) * unit if number.isdecimal() else 0
