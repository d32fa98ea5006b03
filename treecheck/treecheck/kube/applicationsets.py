"""The Applications that an ApplicationSet generates, as far as the tree and the facts can tell.

Expanded are the generators list, git (directories and files), clusters (those of the facts), matrix
and merge, and templates (`templates.py`). Pull requests, SCM providers and plugins are known to
Argo CD alone.
Source: https://argo-cd.readthedocs.io/en/release-3.4/operator-manual/applicationset/.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from treecheck.cluster import matches
from treecheck.errors import InputError
from treecheck.files import load_text
from treecheck.kube.applications import IN_CLUSTER, IN_CLUSTER_NAME
from treecheck.kube.projects import glob
from treecheck.kube.template_functions import FUNCTIONS, as_shown
from treecheck.kube.templates import NotKnown, filled
from treecheck.model import as_list, as_mapping, as_text, at
from treecheck.reading import read_documents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from treecheck.facts import Facts
    from treecheck.model import Manifest, Resource

Parameters = dict[str, Any]
LIMIT = 500  # Applications of one set; what makes more is not a tree that people write
PLACE = re.compile(r"\{\{((?:(?!\{\{|\}\}).)*)\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a set's generators are asked of.

    Attributes:
        root: the repository's root.
        facts: what exists outside of it.
        go: whether the set's templates are Go's.
    """

    root: Path
    facts: Facts
    go: bool


def generated(resource: Resource, root: Path, facts: Facts) -> list[Manifest]:
    """The Applications that an ApplicationSet makes of a repository whose root is `root`.

    Raises:
        NotKnown: a generator or a function is one that only Argo CD can expand.
    """
    spec = resource.spec
    asked = Asked(root, facts, go=spec.get("goTemplate") is True)
    found: list[Manifest] = []
    for generator in map(as_mapping, as_list(spec.get("generators"))):
        own = as_mapping(as_mapping(next(iter(generator.values()), {})).get("template"))
        template = _merged(as_mapping(spec.get("template")), own)
        for parameters in parameters_of(generator, asked):
            found.append(_application(resource, template, parameters, go=asked.go))
            if not asked.go and PLACE.search(json.dumps(found[-1].get("spec"))):
                raise NotKnown("has places that its parameters don't fill")
            if len(found) > LIMIT:
                raise NotKnown(f"makes more than {LIMIT} Applications")
    return found


def _application(
    resource: Resource, template: Manifest, parameters: Parameters, *, go: bool
) -> Manifest:
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"}
    body: Manifest = {**kind, **_filled(template, parameters, go=go)}
    patch = as_text(resource.spec.get("templatePatch"))
    if patch:
        text = _text(patch, parameters, go=go)
        try:
            documents = read_documents(text, "templatePatch")
        except InputError as error:
            raise NotKnown("has a templatePatch that is not plain YAML") from error
        body = _merged(body, as_mapping(documents[0].value) if documents else {})
    metadata = {**as_mapping(body.get("metadata")), "namespace": resource.namespace}
    return {**body, "metadata": metadata}


def parameters_of(generator: Manifest, asked: Asked) -> list[Parameters]:
    """The sets of parameters of one generator."""
    makers: dict[str, Callable[[Manifest, Asked], list[Parameters]]] = {
        "clusters": _clusters,
        "git": _git,
        "list": _list,
        "matrix": _matrix,
        "merge": _merge,
    }
    kind = next((key for key in generator if key != "selector"), "")
    if kind not in makers:
        raise NotKnown(f"has a {kind or 'nameless'} generator")
    found = makers[kind](as_mapping(generator[kind]), asked)
    selector = as_mapping(generator.get("selector"))
    return [each for each in found if not selector or matches(selector, _flat(each))]


def _list(entry: Manifest, asked: Asked) -> list[Parameters]:
    elements = [as_mapping(each) for each in as_list(entry.get("elements"))]
    text = as_text(entry.get("elementsYaml"))
    if text:
        if "{{" in text:
            raise NotKnown("has a list of elements made by a template")
        try:
            documents = read_documents(text, "elementsYaml")
        except InputError as error:
            raise NotKnown("has elementsYaml that is not plain YAML") from error
        value = documents[0].value if documents else []
        elements += [as_mapping(each) for each in as_list(value)]
    return elements if asked.go else [_flat(each) for each in elements]


def _clusters(entry: Manifest, asked: Asked) -> list[Parameters]:
    """The clusters of the facts, and Argo CD's own, which no selector chooses."""
    if not asked.facts.knows("clusters"):
        raise NotKnown("has a clusters generator")
    selector = as_mapping(entry.get("selector"))
    known = list(asked.facts.clusters)
    chosen = [each for each in known if matches(selector, as_mapping(each.get("labels")))]
    local = any(each.get("server") == IN_CLUSTER for each in known)
    if not local and not any(selector.values()):
        chosen.append({"name": IN_CLUSTER_NAME, "server": IN_CLUSTER})
    found = [
        _with_values(_cluster_parameters(each, go=asked.go), entry, asked.go) for each in chosen
    ]
    return [{"clusters": found}] if entry.get("flatList") is True else found


def _cluster_parameters(cluster: Manifest, *, go: bool) -> Parameters:
    name = as_text(cluster.get("name"))
    found: Parameters = {
        "name": name,
        "nameNormalized": FUNCTIONS["normalize"](name),
        "server": as_text(cluster.get("server")),
        "project": as_text(cluster.get("project")),
    }
    more = {key: as_mapping(cluster.get(key)) for key in ("annotations", "labels")}
    if go:
        return {**found, "metadata": {key: value for key, value in more.items() if value}}
    return found | {
        f"metadata.{k}.{name}": v for k, each in more.items() for name, v in each.items()
    }


def _with_values(parameters: Parameters, entry: Manifest, go: bool) -> Parameters:
    """A generator's parameters with its `values`, which may use them."""
    values = as_mapping(entry.get("values"))
    made = {key: _text(as_text(value), parameters, go=go) for key, value in values.items()}
    if not made:
        return parameters
    more = {"values": made} if go else {f"values.{key}": value for key, value in made.items()}
    return parameters | more


def _git(entry: Manifest, asked: Asked) -> list[Parameters]:
    prefix, go = as_text(entry.get("pathParamPrefix")), asked.go
    found: list[Parameters] = []
    for path, file, more in _git_matches(entry, asked.root):
        place = _path_parameters(path, file, go=go)
        place = {prefix: place} if go and prefix else place
        if prefix and not go:
            place = {f"{prefix}.{key}": value for key, value in place.items()}
        found.append(_with_values({**(more if go else _flat(more)), **place}, entry, go))
    return found


def _git_matches(entry: Manifest, root: Path) -> Iterator[tuple[str, str, Parameters]]:
    """(folder, file's name or "", what it says) of each folder or file a git generator finds."""
    wanted = [as_mapping(each) for each in as_list(entry.get("directories"))]
    out = [as_text(each.get("path")) for each in wanted if each.get("exclude") is True]
    for each in wanted:
        pattern = as_text(each.get("path"))
        if each.get("exclude") is True or not pattern:
            continue
        for folder in sorted(root.glob(pattern)):
            path = folder.relative_to(root).as_posix()
            hidden = any(part.startswith(".") for part in path.split("/"))
            if (
                folder.is_dir()
                and not hidden
                and not any(glob(o, "/").fullmatch(path) for o in out)
            ):
                yield path, "", {}
    files = [as_mapping(each) for each in as_list(entry.get("files"))]
    left_out = {
        file
        for each in files
        if each.get("exclude") is True
        for file in root.glob(as_text(each.get("path")) or "?")
    }
    for each in files:
        if each.get("exclude") is True:
            continue
        for file in sorted(root.glob(as_text(each.get("path")) or "?")):
            if file.is_file() and file not in left_out:
                for parameters in _file_parameters(file):
                    yield file.parent.relative_to(root).as_posix(), file.name, parameters


def _file_parameters(file: Path) -> list[Parameters]:
    try:
        documents = read_documents(load_text(file), str(file))
    except (InputError, OSError) as error:
        raise NotKnown(f"reads {file.name}, which can't be read") from error
    value = documents[0].value if documents else {}
    return [as_mapping(each) for each in (value if isinstance(value, list) else [value])]


def _path_parameters(path: str, file: str, *, go: bool) -> Parameters:
    segments = path.split("/")
    names = {"basename": segments[-1]} | ({"filename": file} if file else {})
    details: Parameters = {}
    for key, name in names.items():
        plain = re.sub(r"[^a-z0-9.-]", "-", name.lower()).strip("-.")
        details |= {key: name, f"{key}Normalized": plain}
    if go:
        return {"path": {"path": path, **details, "segments": segments}}
    found: Parameters = {"path": path, **{f"path.{key}": name for key, name in details.items()}}
    return found | {f"path[{index}]": part for index, part in enumerate(segments)}


def _matrix(entry: Manifest, asked: Asked) -> list[Parameters]:
    """Each of the first generator's with each of the second's, which may use the first's."""
    inner = [as_mapping(each) for each in as_list(entry.get("generators"))]
    if len(inner) != 2:
        raise NotKnown("has a matrix of other than two generators")
    found: list[Parameters] = []
    for one in parameters_of(inner[0], asked):
        second = _filled(inner[1], one, go=asked.go, partly=True)
        found += [{**one, **two} for two in parameters_of(second, asked)]
    return found


def _merge(entry: Manifest, asked: Asked) -> list[Parameters]:
    """The first generator's, each with what the others say of the same keys."""
    inner = [parameters_of(as_mapping(each), asked) for each in as_list(entry.get("generators"))]
    keys = [as_text(key) for key in as_list(entry.get("mergeKeys"))]
    if not inner or not keys:
        raise NotKnown("has a merge without keys")
    merged = {_keyed(each, keys): dict(each) for each in inner[0]}
    for each in itertools.chain(*inner[1:]):
        key = _keyed(each, keys)
        if key in merged:
            merged[key] = _merged(merged[key], each)
    return list(merged.values())


def _keyed(parameters: Parameters, keys: list[str]) -> str:
    return json.dumps([at(parameters, *key.split(".")) or parameters.get(key) for key in keys])


def _flat(value: Parameters, before: str = "") -> Parameters:
    """Nested parameters by dotted names, as templates without goTemplate read them."""
    found: Parameters = {}
    for key, item in value.items():
        if isinstance(item, dict):
            found |= _flat(item, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = as_shown(item)
    return found


def _filled(value: Any, parameters: Parameters, *, go: bool, partly: bool = False) -> Any:
    """A template with its parameters; `partly` leaves places that they don't fill."""
    if isinstance(value, dict):
        return {
            _text(k, parameters, go=go, partly=partly): _filled(v, parameters, go=go, partly=partly)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [_filled(each, parameters, go=go, partly=partly) for each in value]
    return _text(value, parameters, go=go, partly=partly) if isinstance(value, str) else value


def _text(text: str, parameters: Parameters, *, go: bool, partly: bool = False) -> str:
    if go:
        return filled(text, parameters, partly=partly) if "{{" in text else text

    def place(found: re.Match[str]) -> str:
        value = parameters.get(found[1].removeprefix("-").removesuffix("-").strip())
        return found[0] if value is None else as_shown(value)  # Argo CD leaves an unknown place

    return PLACE.sub(place, text)


def _merged(one: Manifest, other: Manifest) -> Manifest:
    """Two mappings, the second over the first."""
    found = dict(one)
    for key, value in other.items():
        mine = found.get(key)
        both = isinstance(mine, dict) and isinstance(value, dict)
        found[key] = _merged(mine, value) if both and isinstance(mine, dict) else value
    return found
