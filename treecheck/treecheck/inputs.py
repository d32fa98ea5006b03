"""Turns what the command line names into clusters: rendered resources that run together."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from treecheck.beside import made_beside
from treecheck.errors import InputError
from treecheck.files import SourceFile, git_root, kustomization_file, parse_source, read_source
from treecheck.mentions import Mentions, take_commands
from treecheck.model import Part
from treecheck.rendering import closure, reading_once
from treecheck.sets import Inputs, add_file, render_part, resources_of, show
from treecheck.tree import Sorter
from treecheck.unbuilt import made_elsewhere, not_in_git, unbuilt, unfilled
from treecheck.written import mark_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treecheck.facts import Facts
    from treecheck.model import Resource

__all__ = ["Inputs", "gather", "show"]


def gather(paths: Sequence[str], facts: Facts) -> Inputs:
    """Read and render everything that `paths` name; nothing named means the whole repository.

    Raises:
        InputError: a path is missing, or is not a folder, YAML file or `-`.
    """
    here = Path.cwd()
    root = git_root(here) or here
    whole = not paths or any(Path(name).resolve() == root.resolve() for name in paths)
    inputs = Inputs(root=root, ignored=facts.ignore, whole=whole)
    with reading_once():
        loose = [each for name in paths or [str(root)] for each in _added(inputs, name, facts)]
    if loose:
        inputs.sets["the manifests"] = loose
    return inputs


def _added(inputs: Inputs, name: str, facts: Facts) -> list[Resource]:
    """Add what one path names; returns the manifests of a file, which share a cluster."""
    path = Path(name)
    if name == "-":
        return _from_text(inputs, parse_source(Path("<stdin>"), _read_stdin()))
    if not path.is_dir():
        return _from_text(inputs, read_source(path))
    everything = path.resolve() == inputs.root.resolve() and git_root(path) is not None
    if kustomization_file(path) is not None and not everything:
        _add_kustomization(inputs, path.resolve())
    else:
        Sorter(inputs, path.resolve(), facts).add()
    return []


def _read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not UTF-8: {error.reason}") from error


def _from_text(inputs: Inputs, source: SourceFile) -> list[Resource]:
    """The resources of a file of rendered manifests."""
    source.merged = False
    inputs.files[source.path] = source
    inputs.named.add(source.path)
    part = Part(str(source.path), str(source.path), file=source.path)
    return resources_of(inputs, source, part, strict=True)


def _add_kustomization(inputs: Inputs, folder: Path) -> None:
    """One rendered folder; the kustomization around it, if any, is what it may refer to."""
    name = show(folder, inputs.root)
    for kustomization in closure(folder):
        for path in (kustomization.file, *kustomization.files):
            add_file(inputs, path)
    mark_data(closure(folder), inputs.files)
    try:
        resources = render_part(inputs, Part(name, name, folder=folder))
        outer = _outermost(folder)
        keys = {each.key for each in resources}
        if outer is not None:
            for each in render_part(inputs, Part(name, name, folder=outer)):
                if each.key not in keys:
                    each.checked = False
                    resources.append(each)
    except InputError as error:
        inputs.failed.append(name)
        if why := unfilled(str(error), name):
            inputs.unknown.append(why)
        elif made := made_elsewhere(str(error)):
            inputs.unknown.append(not_in_git(made, name, inputs.root))
        else:
            inputs.unbuilt.append(unbuilt(folder, str(error), inputs.root))
        return
    inputs.miss_remote(Part(name, name, folder=folder), resources, name)
    if inputs.whole:
        _take_makers(inputs, folder, resources)
    inputs.sets[name] = resources


def _take_makers(inputs: Inputs, folder: Path, resources: list[Resource]) -> None:
    """Take down what else the repository says of a kustomization that is all of it."""
    for file, place in made_beside(resources):
        inputs.miss(f"{show(file, inputs.root)} makes more", [place])
    take_commands(inputs, Mentions(folder, inputs.files), resources)


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
