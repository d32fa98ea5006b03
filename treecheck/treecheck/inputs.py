"""Turns what the command line names into clusters: rendered resources that run together."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treecheck.errors import InputError
from treecheck.files import (
    SourceFile,
    git_root,
    kustomization_file,
    parse_source,
    read_source,
    yaml_files,
)
from treecheck.kube.applications import cluster_of, sources
from treecheck.model import Origin, Part, Resource, as_list, as_mapping, as_text, at
from treecheck.rendering import closure, items, remote_sources, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from treecheck.facts import Facts

ARGO = "argoproj.io"


@dataclass(slots=True)
class Inputs:
    """What is to be checked.

    Attributes:
        root: the folder that printed paths are relative to.
        sets: name -> the resources that share a cluster.
        files: the YAML files as they were written, for the rules on text.
        failures: what could not be rendered or read, a sentence each.
        notes: what was left out on purpose, a sentence each.
        whole: whether everything in the repository is looked at.
    """

    root: Path
    sets: dict[str, list[Resource]] = field(default_factory=dict)
    files: dict[Path, SourceFile] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    whole: bool = False


def gather(paths: Sequence[str], facts: Facts) -> Inputs:
    """Read and render everything that `paths` name; nothing named means the whole repository.

    Raises:
        InputError: a path is missing, or is not a folder, YAML file or `-`.
    """
    here = Path.cwd()
    root = git_root(here) or here
    inputs = Inputs(root=root, whole=not paths)
    loose: list[Resource] = []
    for name in paths or [str(root)]:
        path = Path(name)
        if name == "-":
            loose += _from_text(inputs, parse_source(Path("<stdin>"), _read_stdin()))
        elif path.is_dir():
            if kustomization_file(path) is not None:
                _add_kustomization(inputs, path.resolve())
            else:
                _Tree(inputs, path.resolve(), facts).add()
        else:
            loose += _from_text(inputs, read_source(path))
    if loose:
        inputs.sets["the manifests"] = loose
    return inputs


def _read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not UTF-8: {error.reason}") from error


def _from_text(inputs: Inputs, source: SourceFile) -> list[Resource]:
    """The resources of a file of rendered manifests."""
    source.merged = False
    inputs.files[source.path] = source
    part = Part(str(source.path), str(source.path), file=source.path)
    return _resources_of(inputs, source, part, strict=True)


def _resources_of(
    inputs: Inputs, source: SourceFile, part: Part, *, strict: bool
) -> list[Resource]:
    found: list[Resource] = []
    for document in source.documents:
        manifests = items(document.value)
        if strict and not manifests:
            inputs.failures.append(
                f"{source.path}:{document.line}: no manifest: it is not a mapping"
            )
        origin = Origin(source.path, document.line)
        found += [Resource(body, part, origin) for body in manifests if strict or is_manifest(body)]
    return found


def is_manifest(body: Any) -> bool:
    """Whether a document is meant for Kubernetes."""
    return isinstance(body, dict) and "apiVersion" in body and "kind" in body


def _render_part(inputs: Inputs, part: Part) -> list[Resource]:
    assert part.folder is not None  # noqa: S101 - only parts with a folder are rendered
    for address in remote_sources(part.folder):
        note = f"{address} is not fetched, so what it brings is not checked"
        if note not in inputs.notes:
            inputs.notes.append(note)
    main = kustomization_file(part.folder)
    return [
        Resource(each.body, part, Origin(each.file or main, 1, each.generated))
        for each in render(part.folder)
    ]


def _add_kustomization(inputs: Inputs, folder: Path) -> None:
    """One rendered folder; the kustomization around it, if any, is what it may refer to."""
    name = show(folder, inputs.root)
    for kustomization in closure(folder):
        for path in (kustomization.file, *kustomization.files):
            _add_file(inputs, path)
    try:
        resources = _render_part(inputs, Part(name, name, folder=folder))
        outer = _outermost(folder)
        keys = {each.key for each in resources}
        if outer is not None:
            for each in _render_part(inputs, Part(name, name, folder=outer)):
                if each.key not in keys:
                    each.checked = False
                    resources.append(each)
    except InputError as error:
        inputs.failures.append(str(error))
        return
    inputs.sets[name] = resources


def _outermost(folder: Path) -> Path | None:
    """The outermost kustomization in the parent folders that builds on this one."""
    stop = git_root(folder) or folder
    found = None
    for parent in folder.parents:
        if not parent.is_relative_to(stop):
            break
        if kustomization_file(parent) is not None and any(
            each.folder == folder for each in closure(parent)
        ):
            found = parent
    return found


def _add_file(inputs: Inputs, path: Path) -> None:
    if path not in inputs.files and path.suffix in {".yaml", ".yml"}:
        inputs.files[path] = read_source(path)


def show(path: Path, root: Path) -> str:
    """A path as it is printed: relative to the repository where it lies in it."""
    resolved = path.resolve() if str(path) != "<stdin>" else path
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else str(path)


class _Tree:
    """A folder of kustomizations, Applications and plain manifests, taken as one repository."""

    def __init__(self, inputs: Inputs, folder: Path, facts: Facts) -> None:
        self.inputs = inputs
        self.folder = folder
        self.facts = facts
        self.clusters: dict[str, list[Resource]] = {}
        self.seen: set[tuple[str, str, str]] = set()
        self.groups: dict[Path, str] = {}
        self.failed: dict[Path, str] = {}

    def add(self) -> None:
        """Render everything below the folder and sort it into clusters."""
        paths = list(yaml_files(self.folder, self.facts.ignore))
        kustomizations = {
            each.folder: each
            for path in paths
            if (path.parent / path.name) == kustomization_file(path.parent)
            for each in closure(path.parent)
        }
        inner = {sub for each in kustomizations.values() for sub in each.folders}
        roots = [
            folder
            for folder, each in kustomizations.items()
            if folder not in inner and each.body.get("kind") != "Component"
        ]
        for root in sorted(roots, key=str):
            for each in closure(root):
                self.groups.setdefault(each.folder, show(root, self.inputs.root))
        used = {f for each in kustomizations.values() for f in (each.file, *each.files)}
        plain = self._read_files([*paths, *sorted(used - set(paths), key=str)], used)
        rendered = self._render([self._part(folder) for folder in roots])
        self._follow_applications(rendered, plain)
        self._place_the_rest(rendered, plain)
        self.inputs.sets.update({k: v for k, v in self.clusters.items() if v})
        told: dict[str, list[str]] = {}
        for folder, message in self.failed.items():
            inside = {each.folder for each in closure(folder)} - {folder}
            if not inside & set(self.failed):  # otherwise that one says where the mistake is
                _, _, why = message.replace(str(folder), ".").partition(": ")
                told.setdefault(why, []).append(show(folder, self.inputs.root))
        for why, folders in told.items():
            self.inputs.failures.append(f"{' and '.join(folders)} can't be rendered: {why}")

    def _part(self, folder: Path, name: str = "", namespace: str = "") -> Part:
        shown = show(folder, self.inputs.root)
        group = self.groups.get(folder, shown)
        return Part(name or shown, group, folder=folder, namespace=namespace)

    def _read_files(self, paths: Iterable[Path], used: set[Path]) -> list[Resource]:
        """Read every file; returns the manifests in those that no kustomization names."""
        plain: list[Resource] = []
        for path in paths:
            if path.suffix not in {".yaml", ".yml"}:
                continue
            source = read_source(path)
            if source.error is not None and path not in used and "{{" in source.text:
                continue  # a template of another tool, not YAML yet
            self.inputs.files[path] = source
            if path not in used or source.error is not None:
                group = show(path.parent, self.inputs.root)
                part = Part(show(path, self.inputs.root), group, file=path)
                source.merged = False
                plain += _resources_of(self.inputs, source, part, strict=False)
        return plain

    def _render(self, parts: list[Part]) -> dict[Part, list[Resource]]:
        def attempt(part: Part) -> list[Resource] | InputError:
            try:
                return _render_part(self.inputs, part)
            except InputError as error:
                return error

        rendered: dict[Part, list[Resource]] = {}
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
            for part, outcome in zip(parts, pool.map(attempt, parts), strict=True):
                if isinstance(outcome, InputError):
                    self.failed[part.folder or Path()] = str(outcome)
                else:
                    rendered[part] = outcome
        return rendered

    def _follow_applications(
        self, rendered: dict[Part, list[Resource]], plain: list[Resource]
    ) -> None:
        """Render what Applications point at, and what the Applications found there point at."""
        pending = [each for found in (*rendered.values(), plain) for each in found]
        while pending:
            wanted: dict[Part, str] = {}
            for each in pending:
                if each.group == ARGO and each.kind == "Application":
                    wanted.update(self._targets(each))
            pending = []
            built = self._render(
                [part for part in wanted if kustomization_file(part.folder or Path())]
            )
            for part, cluster in wanted.items():
                rendered_here = kustomization_file(part.folder or Path()) is not None
                resources = (
                    built.get(part, []) if rendered_here else self._plain_folder(part, plain)
                )
                self.clusters.setdefault(cluster, []).extend(resources)
                pending += resources

    def _targets(self, application: Resource) -> dict[Part, str]:
        """Part -> cluster, for each of an Application's sources that lies in this tree."""
        destination = as_mapping(application.spec.get("destination"))
        cluster = cluster_of(application)
        sources = [application.spec.get("source"), *as_list(application.spec.get("sources"))]
        targets: dict[Part, str] = {}
        for source in sources:
            path = as_text(at(source, "path"))
            folder = self._find(path) if path else None
            if folder is None:
                continue
            key = (cluster, application.name, str(folder))
            if key not in self.seen:
                self.seen.add(key)
                namespace = as_text(destination.get("namespace"))
                targets[self._part(folder, application.name, namespace)] = cluster or "the cluster"
        return targets

    def _find(self, path: str) -> Path | None:
        for base in (git_root(self.folder), self.folder, *self.folder.parents):
            if base is not None and (base / path).is_dir():
                return (base / path).resolve()
        return None

    def _plain_folder(self, part: Part, plain: list[Resource]) -> list[Resource]:
        """The manifests of an Application's folder without a kustomization."""
        assert part.folder is not None  # noqa: S101 - Applications' parts have one
        return [
            Resource(each.body, part, each.origin)
            for each in plain
            if each.origin.file is not None and each.origin.file.parent == part.folder
        ]

    def _is_unlisted(self, resource: Resource) -> bool:
        """Whether a manifest lies beside a kustomization that does not name it; notes it if so.

        The Application that syncs its own folder is applied by hand, once, and may.
        """
        file = resource.origin.file
        if file is None or kustomization_file(file.parent) is None:
            return False
        if resource.group == ARGO and resource.kind == "Application":
            paths = [as_text(source.get("path")) for source in sources(resource)]
            if any(self._find(path) == file.parent.resolve() for path in paths if path):
                return False
        self.inputs.files[file].unlisted = True
        return True

    def _place_the_rest(self, rendered: dict[Part, list[Resource]], plain: list[Resource]) -> None:
        """What no Application deploys joins the one cluster there is, or stands for itself."""
        taken = {each.key for found in self.clusters.values() for each in found}
        # Without a namespace of its own a resource goes where its Application says.
        placed = {
            (each.group, each.kind, each.name) for found in self.clusters.values() for each in found
        }
        deployed = {each.origin.file for found in self.clusters.values() for each in found}
        left = [
            each
            for each in plain
            if each.origin.file not in deployed and not self._is_unlisted(each)
        ]
        sets = [[*found] for found in rendered.values()] + ([left] if left else [])
        names = [part.name for part in rendered] + ["the manifests"]
        for name, found in zip(names, sets, strict=False):
            new = [
                each
                for each in found
                if each.key not in taken
                and (
                    "namespace" in each.metadata or (each.group, each.kind, each.name) not in placed
                )
            ]
            if len(self.clusters) == 1 and new:
                next(iter(self.clusters.values())).extend(new)
            elif new or not self.clusters:
                self.clusters.setdefault(name, []).extend(found if not taken else new)
