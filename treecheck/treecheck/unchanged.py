"""Folders whose kustomizations only list files: what kustomize makes of them, without running it.

A process of kustomize costs more than all else that is done for a small folder, and many trees have
hundreds of them. Whatever is not certain here is left to kustomize: `listed_only` answers None.
The tests compare each answer with kustomize's own.
"""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treecheck.errors import InputError
from treecheck.files import kustomization_file, load_text, parse
from treecheck.kinds import BUILT_IN_GROUPS
from treecheck.model import as_mapping, as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from treecheck.reading import Document

Made = tuple[dict[str, Any], Path]

_VERSION = "kustomize.config.k8s.io/v1beta1"
_FIELDS = {"apiVersion", "kind", "resources", "namespace"}
# What readers may take for something else than each other: keys to merge, times, directives, folded
# texts, and ends of lines that are not everybody's.
_MARKED = re.compile(
    r"(?:^|[:,\[{-]|&\S{1,99}\s)\s*\d{4}-\d|<<[\"']?\s*:|^%"
    r"|[:-][ ]+(?:&\S+[ ]+)?>[-+\d]*[ ]*(?:#.*)?$|[\r\t\x85\u2028\u2029\ufeff]",
    re.MULTILINE,
)
_FLOW = re.compile(r"\{[^{}]")  # of `{a: }` kustomize makes an empty text, of `a:` alone null
_NUMBER = re.compile(r"(?:0|-?[1-9]\d{0,14}|0[0-7]{1,9}|\d{1,9}\.\d{1,6})\Z")
_OURS = re.compile(r"config\.(?:kubernetes|k8s)\.io/")  # annotations that kustomize itself reads
# Kinds of Kubernetes whose namespace is all that kustomize's `namespace` sets.
_PLACED = frozenset(
    {"ConfigMap", "CronJob", "DaemonSet", "Deployment", "Ingress", "Job", "NetworkPolicy"}
    | {"PersistentVolumeClaim", "PodDisruptionBudget", "Role", "Secret", "Service"}
    | {"ServiceAccount", "StatefulSet"}
)
# https://github.com/kubernetes-sigs/kustomize/blob/master/api/internal/builtins/SortOrderTransformer.go
_FIRST = (
    "Namespace", "ResourceQuota", "StorageClass", "CustomResourceDefinition", "ServiceAccount",
    "PodSecurityPolicy", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ConfigMap",
    "Secret", "Endpoints", "Service", "LimitRange", "PriorityClass", "PersistentVolume",
    "PersistentVolumeClaim", "Deployment", "StatefulSet", "CronJob", "PodDisruptionBudget",
)  # fmt: skip
_LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_ORDER = {
    **{kind: index - len(_FIRST) for index, kind in enumerate(_FIRST)},
    **{kind: index + 1 for index, kind in enumerate(_LAST)},
}


class _NotPlainError(Exception):
    """Only kustomize itself knows what it makes of something."""


def listed_only(folder: Path, namespace: str = "", *, restricted: bool = True) -> list[Made] | None:
    """What kustomize makes of a folder, each with its file; None where that is not certain.

    Args:
        folder: the folder.
        namespace: the `namespace` of a kustomization around it, or "".
        restricted: whether kustomize may read only what is in or below each folder.
    """
    try:
        made = _placed(list(_listed(folder, (), restricted=restricted)), namespace)
    except (_NotPlainError, InputError, OSError):
        return None
    return sorted(made, key=_rank) if made else None


def _listed(folder: Path, above: tuple[Path, ...], *, restricted: bool) -> Iterator[Made]:
    file = kustomization_file(folder)
    if file is None or folder in above or len(above) > 50:
        raise _NotPlainError
    documents = parse(load_text(file), str(file))
    body = as_mapping(documents[0].value) if len(documents) == 1 else {}
    names, namespace = body.get("resources"), body.get("namespace", "")
    is_own = body.get("kind", "Kustomization") == "Kustomization" and (
        body.get("apiVersion", _VERSION) == _VERSION
    )
    if not is_own or not isinstance(names, list) or set(body) - _FIELDS or _is_marked(file):
        raise _NotPlainError
    if documents[0].duplicates:
        raise _NotPlainError
    if not isinstance(namespace, str) or "$" in namespace or documents[0].tagged:
        raise _NotPlainError
    made: list[Made] = []
    for name in names:
        path = Path(os.path.normpath(folder / as_text(name)))
        if not as_text(name) or path != path.resolve():
            raise _NotPlainError  # a link
        if path.is_dir():
            made += _listed(path, (*above, folder), restricted=restricted)
        elif path.is_file() and (not restricted or path.is_relative_to(folder)):
            found = manifests(path)
            if found is None:
                raise _NotPlainError
            made += [(each, path) for each in found]
        else:
            raise _NotPlainError
    yield from _placed(made, namespace)


def _is_marked(file: Path) -> bool:
    return _MARKED.search(load_text(file)) is not None


def manifests(file: Path) -> list[dict[str, Any]] | None:
    """The manifests of a file as kustomize writes them, each key in its order; None if unsure."""
    if _is_marked(file):
        return None
    documents = parse(load_text(file), str(file))
    if _FLOW.search(load_text(file)) and any(_has_null(document.value) for document in documents):
        return None
    try:
        certain = all(map(_is_certain, documents))
        return [_written(document.value) for document in documents] if certain else None
    except _NotPlainError:
        return None


def _has_null(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is None or any(map(_has_null, inner))


def _is_certain(document: Document) -> bool:
    """Whether a document is one manifest, and all readers of YAML agree about its values."""
    body = document.value
    if not isinstance(body, dict) or document.duplicates or document.tagged:
        return False
    metadata = as_mapping(body.get("metadata"))
    annotations, labels = metadata.get("annotations", {}), metadata.get("labels", {})
    names = [body.get("apiVersion"), body.get("kind"), metadata.get("name")]
    names.append(metadata.get("namespace", "default"))
    return (
        all(isinstance(each, str) and each for each in names)
        and not str(body["kind"]).endswith("List")
        and all(_are_texts(each) for each in (annotations, labels))
        and not any(_OURS.search(key) for key in annotations)
        and all(each.text in {"true", "false"} or _is_number(each.text) for each in document.plain)
    )


def _is_number(text: str) -> bool:
    return _NUMBER.match(text) is not None


def _are_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _written(value: Any) -> Any:
    """A copy with the keys in order, and without annotations where there are none."""
    body: dict[str, Any] = _sorted(value)
    if body["metadata"].get("annotations") == {}:
        del body["metadata"]["annotations"]
    return body


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        plain = all(key.isalpha() and key.isascii() for key in value)
        keys = sorted(value) if plain else _in_order(value)
        return {key: _sorted(value[key]) for key in keys}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def _in_order(keys: Iterable[str]) -> list[str]:
    """Keys as Go's YAML sorts them: letters last.

    Numbers of different lengths have an order of their own there.
    https://github.com/go-yaml/yaml/blob/v2.4.0/sorter.go
    """
    found = sorted(keys, key=lambda key: [(each.isalpha(), each) for each in key])
    for one, other in itertools.pairwise(found):
        pairs = zip(one, other, strict=False)
        shared = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
        ends = one[shared:], other[shared:]
        digits = [len(each) - len(each.lstrip("0123456789")) for each in ends]
        if all(ends) and not ends[1][0].isalpha() and digits[0] != digits[1]:
            raise _NotPlainError
    return found


def _placed(made: list[Made], namespace: str) -> list[Made]:
    """What kustomize makes of manifests with a `namespace`; none may be there twice."""
    names = {_key(body) for body, _ in made}
    if len(names) < len(made):
        raise _NotPlainError
    if not namespace:
        return made
    for body, _ in made:
        group, kind, _ = _key(body)
        if ("." not in group or group in BUILT_IN_GROUPS) and kind not in _PLACED:
            raise _NotPlainError
        body["metadata"] = _sorted({**body["metadata"], "namespace": namespace})
    return made


def _key(body: dict[str, Any]) -> tuple[str, str, str]:
    return body["apiVersion"].rpartition("/")[0], body["kind"], body["metadata"]["name"]


def _rank(made: Made) -> tuple[int, str, str]:
    """The place of a manifest in kustomize's order."""
    body = made[0]
    group, _, version = body["apiVersion"].rpartition("/")
    gvk = "_".join((group or "~G", version or "~V", body["kind"]))
    place = body["metadata"].get("namespace", "~X")
    ident = "|".join((gvk, place, body["metadata"]["name"]))
    return _ORDER.get(body["kind"], 0), gvk, ident
