"""Files of the tree that no kustomization names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.kinds import is_of_a_program
from treecheck.model import Problem, Severity, as_mapping, as_text
from treecheck.registry import Family, Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.facts import Facts
    from treecheck.files import SourceFile


@rule(
    "manifest-unlisted",
    family=Family.POLICY,
    scope=Scope.FILE,
    severity=Severity.WARNING,
    source="https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/resources/",
)
def manifest_unlisted(source: SourceFile, _facts: Facts) -> Iterator[Problem]:
    """A manifest or patch beside a kustomization that does not name it.

    Nothing renders it, so nothing applies it: a new file that was forgotten under `resources` or
    `patches`, or one that was to be deleted. With pruning, what it made before is deleted. Most
    often nothing else asks for it, so it is of the family `policy`: where something does, such as a
    pod whose ConfigMap is missing, another rule reports that as a fault. The
    Application that syncs the folder it lies in is applied by hand and left alone. So is a file
    that a page, a script or another file of the repository names with its folder, or a page beside
    it by its name alone, one whose name, or whose folder's, says that it is an example, for
    debugging or for a bootstrap by hand, one that a program reads, such as Backstage, and a
    Namespace that comes from elsewhere. The roles for people that kubebuilder writes beside each
    kind are for whoever installs the operator.
    """
    manifests = [as_mapping(document.value) for document in source.documents]
    first = next((body for body in manifests if as_text(body.get("kind"))), None)
    if first is not None and is_of_a_program(first):
        return
    words = f"{source.path.parent.name}/{source.path.name}"
    if re.search(r"^rbac/\w+_(?:admin|editor|viewer)_role\.yaml$", words):
        return
    is_example = re.search(r"debug|example|sample|template|^bootstrap/", words) is not None
    if first is not None and "generateName" in as_mapping(first.get("metadata")):
        return  # kustomize takes none of those: `kubectl create` makes a new one each time
    if source.unlisted and first is not None and not is_example:
        what = f"{first['kind']} {as_text(as_mapping(first.get('metadata')).get('name'))}"
        text = f"no kustomization names {source.path.name}, so its {what} is neither applied nor "
        text += "patched"
        fix = "Name it under resources or patches of the kustomization beside it, or remove it."
        if source.twin:
            text = f"{what} comes from {source.twin}, and no kustomization names this copy of it"
            fix = "Remove the copy."
        yield Problem(
            text,
            fix=fix,
            file=source.path,
            line=1,
        )
