"""Versions of the service's real image, made in a second: the archive, with other configurations.

A docker archive is a tar of layers, one configuration an image, and a manifest that names them. A
version here is the same layers under another configuration, so nothing is built again.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Json = dict[str, Any]


class Version(NamedTuple):
    """A version of the image.

    Attributes:
        tag: its tag.
        script: Python that runs in place of the service, as `ENTRYPOINT python -c script`; it finds
            the service's own arguments in `sys.argv[1:]`, and `service()` goes on as the real one.
            Empty for the real image.
        files: files to add, by path, each with its text.
    """

    tag: str
    script: str = ""
    files: tuple[tuple[str, str], ...] = ()


def make_archive(source: Path, target: Path, name: str, versions: Iterable[Version]) -> None:
    """Write an archive with all versions of the image in `source`, as `name:tag`."""
    with tarfile.open(source) as original, tarfile.open(target, "w") as archive:
        manifest = json.load(_member(original, "manifest.json"))[0]
        configuration = json.load(_member(original, manifest["Config"]))
        for layer in dict.fromkeys(manifest["Layers"]):
            member = original.getmember(layer)
            while member.issym() or member.islnk():
                folder = layer.rpartition("/")[0]
                member = original.getmember(_resolve(folder, member.linkname))
            content = original.extractfile(member)
            copy = tarfile.TarInfo(layer)
            copy.size = member.size
            archive.addfile(copy, content)
        entries = [
            _add_version(archive, manifest, configuration, name, version) for version in versions
        ]
        _add(archive, "manifest.json", json.dumps(entries).encode())


def load(command: tuple[str, ...], archive: Path) -> None:
    """Make an archive's images available to pods, by the environment's own command."""
    done = subprocess.run([*command, archive], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} {archive}: {done.stderr[-1000:]}"


def _add_version(
    archive: tarfile.TarFile, manifest: Json, original: Json, name: str, version: Version
) -> Json:
    configuration = json.loads(json.dumps(original))
    layers = list(manifest["Layers"])
    settings = configuration["config"]
    settings["Labels"] = {**(settings.get("Labels") or {}), "e2e.version": version.tag}
    if version.script:
        program = settings["Entrypoint"]
        settings["Entrypoint"] = [
            "python",
            "-c",
            _PROLOGUE.format(program=program) + version.script,
        ]
    if version.files:
        layer = _layer(version.files)
        digest = hashlib.sha256(layer).hexdigest()
        layers.append(f"{digest}/layer.tar")
        configuration["rootfs"]["diff_ids"].append(f"sha256:{digest}")
        configuration.setdefault("history", []).append({"created_by": "e2e"})
        _add(archive, layers[-1], layer)
    data = json.dumps(configuration).encode()
    path = f"{hashlib.sha256(data).hexdigest()}.json"
    _add(archive, path, data)
    return {"Config": path, "RepoTags": [f"{name}:{version.tag}"], "Layers": layers}


_PROLOGUE = """\
import os, sys
def service():
    program = {program!r}
    os.execvp(program[0], [*program, *sys.argv[1:]])
"""


def _layer(files: Iterable[tuple[str, str]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for path, text in files:
            _add(layer, path.lstrip("/"), text.encode())
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, path: str, data: bytes) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode = len(data), 0o644
    archive.addfile(member, io.BytesIO(data))


def _member(archive: tarfile.TarFile, path: str) -> Any:
    found = archive.extractfile(path)
    assert found is not None, f"the archive has no {path}"
    return found


def _resolve(folder: str, link: str) -> str:
    """A link's target: the engine writes a layer that two images share once, and links to it."""
    parts = folder.split("/") if folder else []
    for part in link.split("/"):
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)
