"""Unquoted values that YAML reads as something else than text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.blame import written
from treecheck.conformance import is_unquoted
from treecheck.kube.pages import YAML_TYPES
from treecheck.kube.secrets import is_secret
from treecheck.model import Problem, Severity, show_path
from treecheck.registry import Family, Scope, rule
from treecheck.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.facts import Facts
    from treecheck.files import SourceFile
    from treecheck.model import FieldPath, Resource


@rule(
    "unquoted-value",
    source=YAML_TYPES,
)
def unquoted_value(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A number or boolean where text belongs, for want of quotes.

    YAML reads `on`, `yes` and `true` as booleans, `0644` as 420, `1e3` as 1000 and `1.10` as 1.1.
    Environment variables, annotations, labels and the data of a ConfigMap are text: the API server
    can't read the manifest, and where a tool turns the value into text, it is another one.
    """
    for error in resource.schema_errors:
        if error.keyword == "type" and is_unquoted(error):
            is_hidden = str(error.value) in resource.hidden
            text = "" if is_hidden else written(resource, error.path, error.value)
            read = shown(error.value)
            reading = f"{text} without quotes is {read}" if text else f"{read} is not text"
            quoted = f'"{text or error.value}"'
            replaced = f"Write {quoted}; where a replacement sets it, quote the value it replaces."
            yield Problem(
                f"{show_path(error.path)}: {reading}, and text belongs there: the API server can't "
                "read the manifest",
                fix=f"Put it in quotes: {quoted}." if text or is_hidden else replaced,
                path=error.path,
            )


# A number of base 60 to a reader that keeps to YAML 1.1.
_SEXAGESIMAL = re.compile(r"[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+\Z")
_TEXT_FIELDS = frozenset({"data", "stringData", "annotations", "labels", "matchLabels", "value"})


@rule(
    "ambiguous-text",
    family=Family.POLICY,
    source=YAML_TYPES,
    severity=Severity.WARNING,
    scope=Scope.FILE,
)
def ambiguous_text(source: SourceFile, _facts: Facts) -> Iterator[Problem]:
    """Text without quotes that some readers of YAML take for something else.

    `12:30` is 750 to a reader of YAML 1.1; `on`, `off`, `yes` and `no` are booleans to kubectl and
    text to kustomize. What a cluster gets depends on the tool that somebody happens to use.
    """
    for document in source.documents:
        body = document.value
        if not isinstance(body, dict) or "kind" not in body or source.is_kustomization:
            continue
        for each in document.plain:
            word = isinstance(each.value, bool) and each.text.lower() not in {"true", "false"}
            base60 = _SEXAGESIMAL.match(each.text) is not None
            if (base60 or (word and source.merged)) and _is_text(each.path):
                other = "a number to base 60" if base60 else "a boolean"
                text = "(hidden)" if is_secret(str(each.path[-1]), each.text) else each.text
                yield Problem(
                    f"{show_path(each.path)}: {text} without quotes is {other} to some "
                    "readers of YAML, and text to others",
                    fix=f'Put it in quotes: "{text}".',
                    file=source.path,
                    line=each.line,
                )


def _is_text(path: FieldPath) -> bool:
    return path[-1] == "value" or (len(path) > 1 and path[-2] in _TEXT_FIELDS)


@rule(
    "decimal-file-mode",
    source="https://kubernetes.io/docs/concepts/storage/volumes/ (modes are octal in YAML)",
    severity=Severity.WARNING,
    scope=Scope.FILE,
)
def decimal_file_mode(source: SourceFile, _facts: Facts) -> Iterator[Problem]:
    """A file mode that is written like an octal number and read as a decimal one.

    `defaultMode: 400` is 0620 in octal: the group may write and nobody else may read. The modes
    that people mean start with 0.
    """
    for document in source.documents:
        for each in document.plain:
            if each.path[-1:] in {("defaultMode",), ("mode",)} and each.text in _OCTAL_LOOKING:
                yield Problem(
                    f"the mode {each.text} is read as a decimal number, which is "
                    f"0{int(each.text):o} in octal",
                    fix=f"Write 0{each.text}.",
                    file=source.path,
                    line=each.line,
                )


# Accepted (at most 0777, 511) and hardly ever meant.
_OCTAL_LOOKING = frozenset({"400", "440", "444", "500"})
_IMAGE_FIELDS = frozenset({"newTag", "newName", "digest"})


@rule(
    "unquoted-tag",
    source="https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/images/",
    scope=Scope.FILE,
)
def unquoted_tag(source: SourceFile, _facts: Facts) -> Iterator[Problem]:
    """An image tag in a kustomization that YAML reads as a number.

    `1.10` becomes 1.1, `12345e6` a large number, and kustomize refuses the build.
    """
    for document in source.documents if source.is_kustomization else ():
        for each in document.plain:
            if each.path[:1] == ("images",) and each.path[-1] in _IMAGE_FIELDS:
                yield Problem(
                    f"the tag {each.text} without quotes is {shown(each.value)}, and kustomize "
                    "refuses it",
                    fix=f'Put it in quotes: "{each.text}".',
                    file=source.path,
                    line=each.line,
                )
