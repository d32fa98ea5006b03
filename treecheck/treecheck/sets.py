"""What is to be checked: sets of resources that run together, and the files they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from treecheck.files import SourceFile, kustomization_file, read_source
from treecheck.model import Origin, Part, Resource, as_text
from treecheck.rendering import items, render, unrendered
from treecheck.unseen import Unseen

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable
    from pathlib import Path

    from treecheck.mentions import Mentions


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """Folders that kustomize can't build for one reason, and the line that is at fault."""

    folders: list[str]
    why: str
    file: Path | None
    line: int = 1


@dataclass(slots=True)
class Inputs:
    """What is to be checked.

    Attributes:
        root: the folder that printed paths are relative to.
        sets: name -> the resources that share a cluster.
        files: the YAML files as they were written, for the rules on text.
        apart: the sets that no Application places: each is one folder of the tree, and what it
            shares a cluster with is not known.
        unseen: name of a set -> what may bring more to it; under "", to all of them.
        unbuilt: each reason why kustomize can't build some folders.
        failed: every folder that can't be built, as it is printed, those included that only build
            on such a one.
        failures: what could not be read, a sentence each.
        notes: what was left out on purpose, a sentence each.
        unknown: what nobody can know of the tree, a sentence each.
        named: the files that were asked for by name: where one can't be read, the run fails.
        by_hand: `Secret web` -> the page or script of the tree that says how to make it.
        shown: `Secret web` -> the page or script of the tree that looks at it.
        substituted: whether a script of the tree fills in variables (envsubst) before it applies.
        replaced: (word, name of a file) of what a script of the tree replaces before it applies.
        loads_images: whether a page or script of the tree loads images into the nodes.
        node_ports: whether something of the tree gives the API server its own range of node ports.
        ignored: what the facts leave out of the tree.
        whole: whether everything in the repository is looked at.
        mentions: what the pages and scripts of a tree say, where one is looked at.
        places: the texts of the tree with a variable to fill in (`kube/substitutions.py`), once
            somebody asked.
    """

    root: Path
    sets: dict[str, list[Resource]] = field(default_factory=dict)
    files: dict[Path, SourceFile] = field(default_factory=dict)
    apart: set[str] = field(default_factory=set)
    unseen: dict[str, list[Unseen]] = field(default_factory=dict)
    unbuilt: list[Unbuilt] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    named: set[Path] = field(default_factory=set)
    by_hand: dict[str, Path] = field(default_factory=dict)
    shown: dict[str, Path] = field(default_factory=dict)
    substituted: bool = False
    replaced: frozenset[tuple[str, str]] = frozenset()
    loads_images: bool = False
    node_ports: bool = False
    ignored: tuple[str, ...] = ()
    whole: bool = False
    mentions: Mentions | None = None
    places: dict[str, re.Pattern[str]] | None = None

    def unseen_of(self, name: str) -> list[Unseen]:
        """What may bring more to a set, and was not looked at.

        A set that no Application places may share a cluster with whatever they bring.
        """
        if name in self.apart:
            return [each for found in self.unseen.values() for each in found]
        return [*self.unseen.get("", ()), *self.unseen.get(name, ())]

    def miss(
        self,
        why: str,
        namespaces: Iterable[str] = (),
        name: str = "",
        folder: Path | None = None,
    ) -> None:
        """Take down what may bring more to a set, or to all: into namespaces, or into any.

        Whatever it is, it may bring resources without a namespace too.
        """
        known = self.unseen.setdefault(name, [])
        places: list[str | None] = [*namespaces]
        known += [Unseen(place, why, folder) for place in ([*places, ""] if places else [None])]

    def miss_remote(self, part: Part, resources: Iterable[Resource], name: str) -> None:
        """Take down what nobody fetches of a part; `resources` are those that the rest of it makes.

        It lands where the kustomization or the Application puts all that it makes, else beside
        what the part makes itself; what upstream's own files put elsewhere, nobody else does.
        """
        if part.folder is None or not (found := unrendered(part.folder)):
            return
        beside = {each.namespace for each in resources if each.namespace}
        for what, where in found.items():
            own = where or part.namespace
            self.miss(f"{what} is not fetched", [own] if own else beside or {"default"}, name)


def is_manifest(body: Any) -> bool:
    """Whether a document is meant for Kubernetes, and SOPS has not encrypted all of it."""
    if not isinstance(body, dict) or "apiVersion" not in body:
        return False
    return "kind" in body and not as_text(body["kind"]).startswith("ENC[")


def show(path: Path, root: Path) -> str:
    """A path as it is printed: relative to the repository where it, or a link to it, lies in it."""
    if str(path) == "<stdin>":
        return str(path)
    for place in (path.resolve(), path.parent.resolve() / path.name):
        if place.is_relative_to(root):
            return place.relative_to(root).as_posix()
    return str(path)


def add_file(inputs: Inputs, path: Path) -> None:
    """Read a YAML file, for the rules on text."""
    if path not in inputs.files and path.suffix in {".yaml", ".yml"}:
        inputs.files[path] = read_source(path)


def resources_of(inputs: Inputs, source: SourceFile, part: Part, *, strict: bool) -> list[Resource]:
    """The manifests of a file; `strict` takes whatever is not one for a failure."""
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


def render_part(inputs: Inputs, part: Part) -> list[Resource]:
    """The resources of a part that has a folder; what is not fetched is noted.

    Raises:
        InputError: kustomize refuses the folder.
    """
    assert part.folder is not None  # noqa: S101 - only parts with a folder are rendered
    for what in unrendered(part.folder):
        note = f"{what} is not fetched, so what it brings is not checked"
        if note not in inputs.notes:
            inputs.notes.append(note)
    main = kustomization_file(part.folder)
    return [
        Resource(each.body, part, Origin(each.file or main, 1, each.generated))
        for each in render(part.folder, part.options)
    ]
