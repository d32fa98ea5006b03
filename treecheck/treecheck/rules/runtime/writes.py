"""Where a container's script writes, and whether it may."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from treecheck.kube.pages import VOLUMES
from treecheck.kube.pod_security import on_windows
from treecheck.model import Problem, as_list, as_mapping, as_text
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, PodTemplate, Resource

SHELL = re.compile(r"(?:\S*/)?(?:sh|bash|ash|dash)")
# What the kubelet mounts for reading only, whatever the mount says.
READ_ONLY = {"configMap", "downwardAPI", "projected", "secret"}
# What is writable in every container.
OPEN = ("/dev", "/proc")
TARGET = re.compile(r"[>|]?\s*[\"']?(/[^\s\"';&|)$`]*)")
COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
# A command that writes to the last of its words, and the word.
WRITES = re.compile(r"(?:^|[;&|(\n]\s*|\s)(?:tee(?: -a)?|touch|mkdir(?: -p)?) (/[^\s;&|)'\"]+)")


@rule("write-to-read-only", source=VOLUMES, unless=("mount-without-volume", "unwritable-folder"))
def write_to_read_only(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A script that writes where the container can only read.

    What a shell's `>`, tee, touch or mkdir names lies on a mount with readOnly: true, in a
    ConfigMap's or a Secret's volume, or on no volume beside a root file system that is read-only.
    The command fails each time: read-only file system.
    """
    pod = resource.pod
    if pod is None or on_windows(pod):
        return
    for path, container in pod.containers():
        for field, index, script in _scripts(container):
            for file in written(script):
                wrong = _read_only(pod, container, PurePosixPath(file))
                if wrong:
                    yield Problem(
                        f"container {container.get('name')} writes to {file}, and {wrong}: the "
                        "command fails each time",
                        fix="Mount a volume there that can be written to.",
                        path=(*path, field, index),
                    )
                    break


def _scripts(container: Manifest) -> Iterator[tuple[str, int, str]]:
    """(field, index, text) of what a shell of a container runs: `sh -c TEXT`."""
    words = [
        (field, index, as_text(word))
        for field in ("command", "args")
        for index, word in enumerate(as_list(container.get(field)))
    ]
    texts = [word for _, _, word in words]
    if not texts or not SHELL.fullmatch(texts[0]):
        return
    options = next((i for i, t in enumerate(texts) if re.fullmatch(r"-\w*c", t)), None)
    if options is not None and options + 1 < len(words):
        yield words[options + 1]


def written(script: str) -> Iterator[str]:
    """The absolute paths that a shell's script writes to, by `>` or by a command.

    >>> list(written("echo 'a > /b' > \\"/c/$(date).txt\\"; touch /d"))
    ['/c/', '/d']
    """
    script = COMMENT.sub("", script)
    quote, plain = "", ""
    for index, letter in enumerate(script):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == ">" and script[index - 1 : index] not in {"=", "-", "\\", "<"}:
            target = TARGET.match(script, index + 1)
            if target:
                yield target[1]
        plain += " " if quote or letter in "\"'" else letter
    yield from (found[1] for found in WRITES.finditer(plain))


def _read_only(pod: PodTemplate, container: Manifest, file: PurePosixPath) -> str:
    """Why a container can't write a file, or ""."""
    held = [
        mount
        for mount in map(as_mapping, as_list(container.get("volumeMounts")))
        if file.is_relative_to(as_text(mount.get("mountPath")) or "/-")
    ]
    if not held:
        context = as_mapping(container.get("securityContext"))
        open_here = any(file.is_relative_to(folder) for folder in OPEN)
        closed = context.get("readOnlyRootFilesystem") is True and not open_here
        return "the root file system is read-only there" if closed else ""
    mount = max(held, key=lambda each: len(as_text(each.get("mountPath"))))
    name = as_text(mount.get("name"))
    if mount.get("readOnly") is True:
        return f"volume {name} is mounted there read-only"
    volumes = map(as_mapping, as_list(pod.spec.get("volumes")))
    kinds = {key for each in volumes if each.get("name") == name for key in each} & READ_ONLY
    return f"volume {name} is a {kinds.pop()}, which can only be read" if kinds else ""
