"""Keys written twice, documents glued together, tabs: what the parser stumbles over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.pages import YAML_TEXT
from treecheck.model import Problem, as_mapping, show_path
from treecheck.reading import Fault
from treecheck.registry import Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.facts import Facts
    from treecheck.files import SourceFile
    from treecheck.model import FieldPath
    from treecheck.reading import Document, Duplicate

_SOURCE = YAML_TEXT
ANNOTATIONS = ("metadata", "annotations")
MANY = 3  # keys that a file has twice by mistake; one with more was put together of two


def _is_glued(document: Document) -> bool:
    repeated = {each.path[0] for each in document.duplicates if len(each.path) == 1}
    return {"apiVersion", "kind"} <= repeated


def _is_output(document: Document) -> bool:
    """Whether a document is a list as kubectl prints it, which nobody writes so."""
    metadata = as_mapping(as_mapping(document.value).get("metadata"))
    return as_mapping(document.value).get("kind") == "List" and "resourceVersion" in metadata


@rule("duplicate-key", source=_SOURCE, scope=Scope.FILE)
def duplicate_key(source: SourceFile, _facts: Facts) -> Iterator[Problem]:
    """A key that is written twice in one mapping.

    kustomize refuses a manifest with one, but joins two mappings of annotations and takes the last
    of a key in them; kubectl and Helm take the second value and drop the first in silence, which
    loses nothing where both are the same. What a generator puts into a ConfigMap, its program may
    read in another way, and Azure Pipelines take `${{ if … }}:` for a condition. Of a file with
    many the first is reported, with their number.
    """
    found = [each for document in source.documents for each in _doubled(source, document)]
    shown = found[:1] if len(found) > MANY else found
    for each in shown:
        more = len(found) - len(shown)
        others = f", and so are {more} other keys of this file" if more else ""
        yield Problem(
            f"{show_path(each.path)} is there already, in line {each.first_line}{others}: "
            f"{_effect_of_two(each.path, merged=source.merged)}",
            fix="Remove one of the two, or join them.",
            file=source.path,
            line=each.line,
        )


def _doubled(source: SourceFile, document: Document) -> list[Duplicate]:
    """The keys that a document has twice, where that matters."""
    if source.opaque or _is_glued(document):
        return []
    return [
        each
        for each in document.duplicates
        if each.path[-1] != "_"  # a name for what nobody reads
        if not str(each.path[-1]).startswith("${{ ")  # of Azure Pipelines
        if ((source.merged and each.path[:2] != ANNOTATIONS) or not each.same)
    ]


def _effect_of_two(path: FieldPath, *, merged: bool) -> str:
    """What becomes of a key that is there twice, in a file that kustomize reads or another one."""
    if not merged or (path[:2] == ANNOTATIONS and len(path) > len(ANNOTATIONS)):
        return "the first value is dropped"
    if path == ANNOTATIONS:
        return "kustomize joins the two, and others drop the first"
    return "kustomize refuses the file, and others drop the first value"


@rule("glued-documents", source=_SOURCE, scope=Scope.FILE)
def glued_documents(source: SourceFile, _facts: Facts) -> Iterator[Problem]:
    """Two manifests without `---` between them.

    They are read as one, in which every key of the second replaces that of the first: the first
    resource is never made. What `kubectl get -o yaml` wrote one after the other is a record.
    """
    for document in source.documents:
        if _is_glued(document) and not _is_output(document):
            second = min(each.line for each in document.duplicates if len(each.path) == 1)
            yield Problem(
                "a second manifest starts here without `---` before it, so the first is lost",
                fix="Put a line with --- between the two.",
                file=source.path,
                line=second,
            )


@rule("tab-indentation", source=_SOURCE, scope=Scope.FILE)
def tab_indentation(source: SourceFile, _facts: Facts) -> Iterator[Problem]:
    """A tab where YAML indents by spaces.

    No reader of YAML takes the file.
    """
    if source.error is None or source.error.fault is not Fault.SYNTAX:
        return
    lines = source.text.splitlines()
    for number in range(max(source.error.line - 2, 1), min(source.error.line + 1, len(lines)) + 1):
        indentation = lines[number - 1][: len(lines[number - 1]) - len(lines[number - 1].lstrip())]
        if "\t" in indentation:
            yield Problem(
                "the line is indented by a tab, and so nothing can read the file",
                fix="Indent by spaces.",
                file=source.path,
                line=number,
            )
            return
