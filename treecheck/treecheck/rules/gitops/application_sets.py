"""ApplicationSets that make no Applications, or other ones than were meant."""

from __future__ import annotations

import fnmatch
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from treecheck.files import git_root
from treecheck.kube.applications import applications, sources
from treecheck.kube.applicationsets import Asked, generated, parameters_of
from treecheck.kube.templates import NotKnown, Unfilled, unreadable
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, each
from treecheck.registry import rule
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

DOCS = "https://argo-cd.readthedocs.io/en/release-3.4/operator-manual/applicationset/"
GO_TEMPLATE = DOCS + "GoTemplate/"
OPTIONS = {f"missingkey={word}" for word in ("default", "error", "invalid", "zero")}
KEEPERS = {".gitignore", ".gitkeep", ".keep"}  # files that keep an empty folder in git
_MANY = re.compile(r"[*?\[{]")
# Policies under which Argo CD deletes none of a set's Applications.
KEEPING = {"create-only", "create-update"}


@rule("application-set-unfilled", kinds=("ApplicationSet",), source=GO_TEMPLATE)
def application_set_unfilled(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A place of a template that one of its generators' results does not fill.

    With `missingkey=error` Argo CD then makes and changes none of the set's Applications. Without
    that option the place becomes the text `<no value>`, and without goTemplate it stays as it is:
    both are reported in the fields that no such text can be right in, an Application's name, source
    and destination. What only Argo CD can expand is left alone.
    """
    if resource.spec.get("goTemplate") is not True:
        yield from _left_over(resource, cluster)
        return
    strict = "missingkey=error" in as_list(resource.spec.get("goTemplateOptions"))
    try:
        _expand(resource if strict else _vital(resource), cluster)
    except Unfilled as error:
        after = "with missingkey=error Argo CD makes none of the Applications"
        if not strict:
            after = "the text <no value> takes its place, and no such Application can be"
        yield Problem(
            f"its template {error}, which one of its generators' results does not have: {after}",
            fix="Give every element the field, or read it with `dig`, which takes a default.",
            path=("spec", "template"),
        )
    except NotKnown:
        return


def _left_over(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """The places that a template without goTemplate keeps."""
    leaves = [leaf for _, one in each(resource, "spec", "generators") for leaf in _leaves(one)]
    if not all(kind in {"git", "list"} and "template" not in entry for kind, entry in leaves):
        return  # what else the parameters of a cluster or a plugin are is not known
    for path, text in _texts(_template(_vital(resource)), ("spec", "template")):
        if "{{" not in text:
            continue
        left = [place for place in _places(resource, text, cluster) if "{{" in place]
        if left:
            yield Problem(
                f"{shown(text)} asks for what one of its generators' results does not have: Argo "
                "CD leaves it as it is, and no such Application can be",
                fix="Name a parameter of the generator; {{.name}} and functions need goTemplate: "
                "true.",
                path=path,
            )
            return


def _places(resource: Resource, text: str, cluster: Cluster) -> list[str]:
    """A text with the parameters of each of a set's results."""
    spec = {**resource.spec, "template": {"metadata": {"name": text}}, "templatePatch": ""}
    try:
        made = _expand(replace(resource, body={**resource.body, "spec": spec}), cluster)
    except NotKnown:
        return []
    return [as_text(as_mapping(one.get("metadata")).get("name")) for one in made]


def _template(resource: Resource) -> Manifest:
    return as_mapping(resource.spec.get("template"))


def _vital(resource: Resource) -> Resource:
    """A set whose template has only the fields that every Application needs."""
    template = _template(resource)
    spec = as_mapping(template.get("spec"))
    kept: Manifest = {"destination": spec.get("destination"), "project": spec.get("project")}
    for key in ("source", "sources"):
        several = as_list(spec.get(key)) or [spec.get(key)]
        part = [
            {name: one.get(name) for name in ("chart", "path", "repoURL", "targetRevision")}
            for one in map(as_mapping, several)
        ]
        kept[key] = part if key == "sources" else part[0]
    name = as_mapping(template.get("metadata")).get("name")
    vital = {"metadata": {"name": name}, "spec": kept}
    changed = {**resource.spec, "template": vital, "templatePatch": ""}
    return replace(resource, body={**resource.body, "spec": changed})


def _expand(resource: Resource, cluster: Cluster) -> list[Manifest]:
    file = resource.origin.file
    if file is None:
        raise NotKnown("lies in no repository")
    return generated(resource, git_root(file.parent) or file.parent, cluster.facts)


@rule("application-set-function-unknown", kinds=("ApplicationSet",), source=GO_TEMPLATE)
def application_set_function_unknown(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Go template with a function or option that neither Go, sprig nor Argo CD has.

    Argo CD can't read such a template: the set makes none of its Applications, and changes none.
    `{{env}}` without the dot is a function too; those of sprig that read the controller's own
    surroundings (env, expandenv, getHostByName) are taken out.
    """
    if resource.spec.get("goTemplate") is not True:
        return
    for index, option in enumerate(as_list(resource.spec.get("goTemplateOptions"))):
        if option not in OPTIONS:
            yield Problem(
                f"Go's templates have no option {option!r}: Argo CD makes none of the Applications",
                fix="Write missingkey=error, or leave the option out.",
                path=("spec", "goTemplateOptions", index),
            )
            return
    fields: list[tuple[FieldPath, Any]] = [
        (("spec", name), resource.spec.get(name)) for name in ("template", "templatePatch")
    ]
    for place, generator in each(resource, "spec", "generators"):
        fields += [
            ((*place, key, name), as_mapping(generator[key]).get(name))
            for key in generator
            for name in ("template", "values")
        ]
    for field, value in fields:
        for path, text in _texts(value, field):
            wrong, word = unreadable(text)
            fix = (
                f"Write {{{{.{word}}}}} if it is a parameter, use a function of sprig, or quote "
                "what another program is to read: {{`{{ … }}`}}."
            )
            if wrong:
                yield Problem(
                    f"{wrong}: Argo CD can't read the template, and makes none of the Applications",
                    fix=fix if word else "Close it.",
                    path=path,
                )
                return


def _texts(value: Any, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    """(place, text) of every text in a value."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key, path)
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


@rule("application-set-makes-nothing", kinds=("ApplicationSet",), source=DOCS + "Generators-Git/")
def application_set_makes_nothing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A generator of an ApplicationSet that finds nothing.

    A pattern that no folder or file of the repository matches, or a list without elements, is not a
    mistake to Argo CD: the set makes no Applications, and those that it made before are deleted. An
    empty list of a base is left alone, since overlays fill it, and so is `elements: []`. A
    repository counts as this one when an Application of the same revision has its folder here.
    """
    file = resource.origin.file
    if file is None:
        return
    for place, generator in each(resource, "spec", "generators"):
        leaves = list(_leaves(generator))
        homes = {_home(entry, file, cluster) for kind, entry in leaves if kind == "git"}
        root = homes.pop() if len(homes) == 1 else None if homes else file.parent
        if not all(kind in {"git", "list"} for kind, _ in leaves):
            continue
        if root is None or not _finds_nothing(generator, resource, root, cluster):
            continue
        if any(is_meant(each, root) for _, each in leaves for is_meant in MEANT):
            continue
        empty = any(kind == "list" and not _elements(entry) for kind, entry in leaves)
        if empty and resource.part.folder not in {None, file.parent}:
            continue  # a base's list, which each overlay fills, or this one leaves empty
        if any(kind == "list" and entry.get("elements") == [] for kind, entry in leaves):
            continue  # whoever writes `elements: []` means it
        patterns = [] if empty else [path for _, each in leaves for path in _patterns(each)]
        if any("${" in pattern for pattern in patterns):
            continue  # another program fills it in
        what = f"nothing in the repository is chosen by {', '.join(patterns)}"
        yield Problem(
            f"{what if patterns else 'its list has no elements'}: {_loss(resource)}",
            fix="Name what is there." if patterns else "Add an element, or remove the set.",
            path=place,
            severity=None if patterns else Severity.WARNING,
        )


def _elements(entry: Manifest) -> bool:
    """Whether a list generator has elements, or makes them of a text."""
    return bool(as_list(entry.get("elements")) or entry.get("elementsYaml"))


def _loss(resource: Resource) -> str:
    policy = as_mapping(resource.spec.get("syncPolicy")).get("applicationsSync")
    if policy in KEEPING:
        return "the set makes no Application of it"
    return "the set makes no Application of it, and Argo CD deletes those that it made before"


def _leaves(generator: Manifest) -> Iterator[tuple[str, Manifest]]:
    """(kind, entry) of the generators in a generator that hold no others."""
    for kind, value in generator.items():
        entry = as_mapping(value)
        if kind in {"matrix", "merge"}:
            for inner in map(as_mapping, as_list(entry.get("generators"))):
                yield from _leaves(inner)
        elif kind != "selector":
            yield kind, entry


def _finds_nothing(generator: Manifest, resource: Resource, root: Path, cluster: Cluster) -> bool:
    go = resource.spec.get("goTemplate") is True
    try:
        return not parameters_of(generator, Asked(root, cluster.facts, go=go))
    except NotKnown:
        return False


def _home(entry: Manifest, file: Path, cluster: Cluster) -> Path | None:
    """The root of what a git generator looks through; None where the tree does not show it."""
    own = git_root(file.parent)
    bases = [base for base in (own, *file.parents) if base is not None]
    revision = as_text(entry.get("revision")) or "HEAD"
    paths = [
        as_text(source.get("path"))
        for application in applications(cluster)
        for source in sources(application)
        if source.get("repoURL") == entry.get("repoURL")
        and (as_text(source.get("targetRevision")) or "HEAD") == revision
    ]
    # Every folder has a folder ".": such a path tells the root of a git checkout alone.
    told = [p for p in paths if p.strip("./") or own is not None]
    found = {base: sum((base / p).is_dir() for p in told) for base in bases}
    best = max(found.values(), default=0)  # a folder inside may have one of them too: `apps`
    return next((base for base, count in found.items() if count == best and count), None)


def _matches_deeper(entry: Manifest, root: Path) -> bool:
    """Whether a pattern of files means some for git, whose `*` crosses folders."""
    patterns = [
        as_text(one.get("path"))
        for one in map(as_mapping, as_list(entry.get("files")))
        if one.get("exclude") is not True
    ]
    return any(
        "{{" in one or fnmatch.fnmatch(path, one)
        for path in (_files_below(root) if patterns else ())
        for one in patterns
    )


def _excludes(entry: Manifest, root: Path) -> bool:
    """Whether patterns take out folders on purpose, and one of those is there: all are off."""
    patterns = [
        as_text(one.get("path"))
        for one in map(as_mapping, as_list(entry.get("directories")))
        if one.get("exclude") is True
    ]
    return any(next(root.glob(one), None) for one in patterns if one and one[0] not in "/{")


def _waits(entry: Manifest, root: Path) -> bool:
    """Whether a pattern's folder has a page alone, and waits for others: `apps/README.md`."""
    for one in map(as_mapping, as_list(entry.get("directories"))):
        above, _, last = as_text(one.get("path")).rpartition("/")
        folder = root / above
        if last == "*" and above and not _MANY.search(above) and folder.is_dir():
            names = [each.name.casefold() for each in folder.iterdir()]
            if all(name.startswith("readme") or name in KEEPERS for name in names):
                return True
    return False


# Why a generator of git may find nothing, and be right.
MEANT = (_matches_deeper, _excludes, _waits)


def _patterns(entry: Manifest) -> Iterator[str]:
    """The paths that a generator of git chooses by."""
    for key in ("directories", "files"):
        for one in map(as_mapping, as_list(entry.get(key))):
            if one.get("exclude") is not True:
                yield as_text(one.get("path"))


def _files_below(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (os.path.relpath(f"{folder}/{name}", root) for name in files)
