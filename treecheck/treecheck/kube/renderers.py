"""What an Application or Flux adds to the folder that it renders: kustomize's options.

Source: https://argo-cd.readthedocs.io/en/release-3.4/user-guide/kustomize/.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treecheck.model import as_list, as_mapping, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from treecheck.files import SourceFile
    from treecheck.model import Manifest

# The option by which a folder may read files outside of itself; not a field of kustomizations.
UNRESTRICTED = "unrestricted"
PLAIN = ("namePrefix", "nameSuffix", "namespace", "patches", "commonAnnotations")


def kustomize_options(source: Manifest, folder: Path | None = None, free: bool = False) -> str:
    """The fields of a kustomization around the source's folder, as JSON; "" where it adds none.

    `components` are paths from `folder`, and those in the result from the file system's root.
    `free` says that Argo CD builds without the load restrictor.
    """
    asked = as_mapping(source.get("kustomize"))
    fields: dict[str, Any] = {key: asked[key] for key in PLAIN if asked.get(key)}
    if free:
        fields[UNRESTRICTED] = True
    there: list[str] = []
    for each in map(as_text, as_list(asked.get("components"))):
        place = (folder or Path()) / each
        # Of one that is not there, kustomize says so.
        if place.is_dir() or asked.get("ignoreMissingComponents") is not True:
            there.append(str(place.resolve()))
    if there:
        fields["components"] = there
    images = [image_override(as_text(each)) for each in as_list(asked.get("images"))]
    if images:
        fields["images"] = images
    if asked.get("replicas"):
        fields["replicas"] = [
            {"name": each.get("name"), "count": _number(each.get("count"))}
            for each in map(as_mapping, as_list(asked["replicas"]))
        ]
    if asked.get("commonLabels"):
        plain = asked.get("labelWithoutSelector") is True
        fields["labels"] = [
            {
                "pairs": asked["commonLabels"],
                "includeSelectors": not plain,
                "includeTemplates": plain and asked.get("labelIncludeTemplates") is True,
            }
        ]
    return json.dumps(fields, sort_keys=True) if fields else ""


def flux_options(
    files: Iterable[SourceFile], find: Callable[[str], Path | None]
) -> dict[Path, str]:
    """Folder -> what its Flux Kustomization adds to it, as options of `render`.

    Flux puts everything into the targetNamespace, and reads files outside of the folder too. A
    folder that goes into several namespaces is left as it is written. `find` gives the folder of a
    path of the repository.
    Source: https://fluxcd.io/flux/components/kustomize/kustomizations/#target-namespace
    """
    found: dict[Path, set[str]] = {}
    awake, _ = _by_listing(files)
    for body in (as_mapping(document.value) for file in awake for document in file.documents):
        if not as_text(body.get("apiVersion")).startswith("kustomize.toolkit.fluxcd.io/"):
            continue
        spec = as_mapping(body.get("spec"))
        path, namespace = as_text(spec.get("path")), as_text(spec.get("targetNamespace"))
        folder = find(path) if path and "$" not in namespace else None
        if folder is not None:
            found.setdefault(folder, set()).add(namespace)
    options: dict[Path, str] = {}
    for folder, namespaces in found.items():
        fields: dict[str, Any] = {UNRESTRICTED: True}
        if len(namespaces) == 1 and (only := next(iter(namespaces))):
            fields["namespace"] = only
        options[folder] = json.dumps(fields)
    return options


def flux_dormant(files: Iterable[SourceFile], find: Callable[[str], Path | None]) -> set[Path]:
    """The folders of Flux's Kustomizations that nothing lists, while others beside them are."""
    _, asleep = _by_listing(files)
    bodies = (as_mapping(document.value) for file in asleep for document in file.documents)
    paths = [
        as_text(as_mapping(body.get("spec")).get("path"))
        for body in bodies
        if as_text(body.get("apiVersion")).startswith("kustomize.toolkit.fluxcd.io/")
    ]
    return {folder for path in paths if path and (folder := find(path)) is not None}


def _by_listing(files: Iterable[SourceFile]) -> tuple[list[SourceFile], list[SourceFile]]:
    """(those that count, those left over): `db/ks.yaml`, where `web/ks.yaml` alone is listed."""
    known = list(files)
    listed = {(each.path.name, each.path.parent.parent) for each in known if each.merged}
    out = [
        not each.merged and (each.path.name, each.path.parent.parent) in listed for each in known
    ]
    return (
        [each for each, gone in zip(known, out, strict=True) if not gone],
        [each for each, gone in zip(known, out, strict=True) if gone],
    )


def flux_components(
    files: Iterable[SourceFile], find: Callable[[str], Path | None]
) -> dict[Path, str]:
    """Folder -> the targetNamespace of a Flux Kustomization that adds components to it, or "".

    They are added to the folder's own kustomization, whose patches may be for what they bring.
    Source: https://fluxcd.io/flux/components/kustomize/kustomizations/#components
    """
    found: dict[Path, str] = {}
    for body in (as_mapping(document.value) for file in files for document in file.documents):
        spec = as_mapping(body.get("spec"))
        if as_text(body.get("apiVersion")).startswith("kustomize.toolkit.fluxcd.io/"):
            folder = find(as_text(spec.get("path"))) if as_list(spec.get("components")) else None
            if folder is not None:
                found[folder] = as_text(spec.get("targetNamespace"))
    return found


def beside_flux(*, unrestricted: bool) -> str:
    """The options of a folder that no Flux Kustomization names, in a tree with or without some.

    Flux builds what it does build without the load restrictor, and a base of it so too. So does
    `kustomize build --load-restrictor LoadRestrictionsNone`.
    Source: https://fluxcd.io/flux/faq/#what-is-the-behavior-of-kustomize-used-by-flux
    """
    return json.dumps({UNRESTRICTED: True}) if unrestricted else ""


def image_override(text: str) -> dict[str, str]:
    """An entry of `kustomize.images` (`old=new:tag`, `name:tag`, `name@digest`) as kustomize's.

    >>> image_override("web=registry.example.com/web:1.5")
    {'name': 'web', 'newName': 'registry.example.com/web', 'newTag': '1.5'}
    """
    old, equals, new = text.partition("=")
    new = new if equals else old
    path, at, digest = new.partition("@")
    folder, slash, last = path.rpartition("/")
    last, colon, tag = last.partition(":")
    name = f"{folder}{slash}{last}"
    entry = {"name": old if equals else name}
    if equals:
        entry["newName"] = name
    if at:
        entry["digest"] = digest
    elif colon:
        entry["newTag"] = tag
    return entry


def _number(value: Any) -> Any:
    """A count as a number; Argo CD takes a text too."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value
