"""The Applications that an ApplicationSet generates, as far as the tree can tell.

Expanded are the generators list, git (directories and files), matrix and merge, and templates of
plain names and the few functions that people use. Clusters, pull requests, SCM providers and
plugins are known to Argo CD alone.
Source: https://argo-cd.readthedocs.io/en/release-3.4/operator-manual/applicationset/.
"""

from __future__ import annotations

import fnmatch
import itertools
import json
import re
from typing import TYPE_CHECKING, Any

from treecheck.errors import InputError
from treecheck.files import load_text
from treecheck.model import as_list, as_mapping, as_text, at
from treecheck.reading import read_documents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from treecheck.model import Manifest, Resource

Parameters = dict[str, Any]
LIMIT = 500  # Applications of one set; what makes more is not a tree that people write
PLACE = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")
QUOTED = re.compile(r"""(['"])(.*?)\1""")


class NotKnown(Exception):  # noqa: N818 - it is an answer, not an error
    """Only Argo CD could expand this; the message says what."""


def generated(resource: Resource, root: Path) -> list[Manifest]:
    """The Applications that an ApplicationSet makes of a repository whose root is `root`.

    Raises:
        NotKnown: a generator or a function is one that only Argo CD can expand.
    """
    spec = resource.spec
    go = spec.get("goTemplate") is True
    found: list[Manifest] = []
    for generator in map(as_mapping, as_list(spec.get("generators"))):
        own = as_mapping(as_mapping(next(iter(generator.values()), {})).get("template"))
        template = _merged(as_mapping(spec.get("template")), own)
        for parameters in _parameters(generator, root, go=go):
            found.append(_application(resource, template, parameters, go=go))
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
        if re.search(r"\{\{-?\s*(if|range|with|end|else)\b", patch):
            raise NotKnown("has a templatePatch with conditions")
        filled = _text(patch, parameters, go=go)
        try:
            body = _merged(body, as_mapping(read_documents(filled, "templatePatch")[0].value))
        except (InputError, IndexError) as error:
            raise NotKnown("has a templatePatch that is not plain YAML") from error
    metadata = {**as_mapping(body.get("metadata")), "namespace": resource.namespace}
    return {**body, "metadata": metadata}


def _parameters(generator: Manifest, root: Path, *, go: bool) -> list[Parameters]:
    """The sets of parameters of one generator."""
    makers: dict[str, Callable[[Manifest], list[Parameters]]] = {
        "list": lambda entry: _list(entry, go=go),
        "git": lambda entry: _git(entry, root, go=go),
        "matrix": lambda entry: _matrix(entry, root, go=go),
        "merge": lambda entry: _merge(entry, root, go=go),
    }
    kind = next((key for key in generator if key != "selector"), "")
    if kind not in makers:
        raise NotKnown(f"has a {kind or 'nameless'} generator")
    if "selector" in generator:
        raise NotKnown("selects among what a generator makes")
    return makers[kind](as_mapping(generator[kind]))


def _list(entry: Manifest, *, go: bool) -> list[Parameters]:
    if "elementsYaml" in entry:
        raise NotKnown("has a list of elements made by a template")
    elements = [as_mapping(each) for each in as_list(entry.get("elements"))]
    return elements if go else [_flat(each) for each in elements]


def _git(entry: Manifest, root: Path, *, go: bool) -> list[Parameters]:
    prefix = as_text(entry.get("pathParamPrefix"))
    values = as_mapping(entry.get("values"))
    found: list[Parameters] = []
    for path, more in _git_matches(entry, root):
        place = _path_parameters(path, go=go)
        place = {prefix: place} if go and prefix else place
        if prefix and not go:
            place = {f"{prefix}.{key}": value for key, value in place.items()}
        parameters = {**(more if go else _flat(more)), **place}
        if values:
            filled = {key: _text(as_text(v), parameters, go=go) for key, v in values.items()}
            parameters |= (
                {"values": filled} if go else {f"values.{k}": v for k, v in filled.items()}
            )
        found.append(parameters)
    return found


def _git_matches(entry: Manifest, root: Path) -> Iterator[tuple[str, Parameters]]:
    """(folder, what its file says) of each folder or file that a git generator finds."""
    wanted = [as_mapping(each) for each in as_list(entry.get("directories"))]
    out = [as_text(each.get("path")) for each in wanted if each.get("exclude") is True]
    for each in wanted:
        pattern = as_text(each.get("path"))
        if each.get("exclude") is True or not pattern:
            continue
        for folder in sorted(root.glob(pattern)):
            path = folder.relative_to(root).as_posix()
            hidden = any(part.startswith(".") for part in path.split("/"))
            if folder.is_dir() and not hidden and not any(fnmatch.fnmatch(path, o) for o in out):
                yield path, {}
    for each in map(as_mapping, as_list(entry.get("files"))):
        if each.get("exclude") is True:
            raise NotKnown("excludes files")
        for file in sorted(root.glob(as_text(each.get("path")) or "?")):
            if file.is_file():
                for parameters in _file_parameters(file):
                    yield file.parent.relative_to(root).as_posix(), parameters


def _file_parameters(file: Path) -> list[Parameters]:
    try:
        documents = read_documents(load_text(file), str(file))
    except (InputError, OSError) as error:
        raise NotKnown(f"reads {file.name}, which can't be read") from error
    value = documents[0].value if documents else {}
    return [as_mapping(each) for each in (value if isinstance(value, list) else [value])]


def _path_parameters(path: str, *, go: bool) -> Parameters:
    segments = path.split("/")
    name = segments[-1]
    plain = re.sub(r"[^a-zA-Z0-9-]", "-", name).lower()
    if go:
        details = {"path": path, "basename": name, "basenameNormalized": plain}
        return {"path": {**details, "segments": segments}}
    found: Parameters = {"path": path, "path.basename": name, "path.basenameNormalized": plain}
    return found | {f"path[{index}]": part for index, part in enumerate(segments)}


def _matrix(entry: Manifest, root: Path, *, go: bool) -> list[Parameters]:
    """Each of the first generator's with each of the second's, which may use the first's."""
    inner = [as_mapping(each) for each in as_list(entry.get("generators"))]
    if len(inner) != 2:
        raise NotKnown("has a matrix of other than two generators")
    found: list[Parameters] = []
    for one in _parameters(inner[0], root, go=go):
        second = _filled(inner[1], one, go=go, partly=True)
        found += [{**one, **two} for two in _parameters(second, root, go=go)]
    return found


def _merge(entry: Manifest, root: Path, *, go: bool) -> list[Parameters]:
    """The first generator's, each with what the others say of the same keys."""
    inner = [
        _parameters(as_mapping(each), root, go=go) for each in as_list(entry.get("generators"))
    ]
    keys = [as_text(key) for key in as_list(entry.get("mergeKeys"))]
    if not inner or not keys:
        raise NotKnown("has a merge without keys")
    merged = {_keyed(each, keys): dict(each) for each in inner[0]}
    for each in itertools.chain(*inner[1:]):
        if _keyed(each, keys) in merged:
            merged[_keyed(each, keys)] |= each
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
            found[f"{before}{key}"] = _shown(item)
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
    def place(found: re.Match[str]) -> str:
        value = _expression(found[1], parameters) if go else parameters.get(found[1])
        if value is None:
            if partly or not go:
                return found[0]  # Argo CD leaves an unknown place as it is
            raise NotKnown(f"uses {found[1]}")
        return _shown(value)

    return PLACE.sub(place, text)


def _expression(expression: str, parameters: Parameters) -> Any:
    """The value of a Go template's expression: a field, and the functions that people use."""
    value: Any = None
    for step in (each.strip() for each in expression.split("|")):
        words = re.findall(r"""[^\s"']+|"[^"]*"|'[^']*'""", step)
        if not words:
            raise NotKnown(f"uses {expression}")
        value = _step(words, value, parameters, expression)
    return value


def _step(words: list[str], piped: Any, parameters: Parameters, expression: str) -> Any:
    name, *rest = words
    if name.startswith(".") and not rest:
        return _argument(name, parameters)
    arguments = [_argument(word, parameters) for word in rest]
    arguments += [piped] if piped is not None else []
    least, function = FUNCTIONS.get(name, (0, None))
    if function is None or len(arguments) < least or arguments[-1] is None:
        raise NotKnown(f"uses {expression}")
    return function(arguments)


def _index(arguments: list[Any]) -> Any:
    key = str(arguments[1])
    return at(arguments[0], int(key) if key.isdecimal() else key)


# Name -> (the least number of arguments, what it makes of them; the piped one is the last).
FUNCTIONS: dict[str, tuple[int, Callable[[list[Any]], Any]]] = {
    "default": (1, lambda each: each[1] if len(each) > 1 and each[1] else each[0]),
    "index": (2, _index),
    "lower": (1, lambda each: _shown(each[0]).lower()),
    "normalize": (
        1,
        lambda each: re.sub(r"[^a-z0-9.-]", "-", _shown(each[0]).lower())[:253].strip("-."),
    ),
    "quote": (1, lambda each: f'"{_shown(each[0])}"'),
    "replace": (3, lambda each: _shown(each[2]).replace(str(each[0]), str(each[1]))),
    "toString": (1, lambda each: _shown(each[0])),
    "trim": (1, lambda each: _shown(each[0]).strip()),
    "trimPrefix": (2, lambda each: _shown(each[1]).removeprefix(str(each[0]))),
    "trimSuffix": (2, lambda each: _shown(each[1]).removesuffix(str(each[0]))),
    "upper": (1, lambda each: _shown(each[0]).upper()),
}


def _argument(word: str, parameters: Parameters) -> Any:
    quoted = QUOTED.fullmatch(word)
    if quoted:
        return quoted[2]
    if not word.startswith("."):
        return word
    return at(parameters, *[part for part in word.split(".") if part]) if word != "." else None


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)


def _merged(one: Manifest, other: Manifest) -> Manifest:
    """Two mappings, the second over the first."""
    found = dict(one)
    for key, value in other.items():
        mine = found.get(key)
        both = isinstance(mine, dict) and isinstance(value, dict)
        found[key] = _merged(mine, value) if both and isinstance(mine, dict) else value
    return found
