"""The file that the pipeline writes the deployed version to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.model import Problem, as_list, as_mapping
from treecheck.registry import Family, Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.facts import Facts
    from treecheck.files import SourceFile

ALLOWED = {"apiVersion", "kind", "images"}


@rule(
    "image-file-with-more",
    family=Family.POLICY,
    scope=Scope.FILE,
    source="https://argo-cd.readthedocs.io/en/release-3.4/user-guide/ci_automation/",
)
def image_file_with_more(source: SourceFile, facts: Facts) -> Iterator[Problem]:
    """A person's setting in the file that machines write.

    A Component with `images:` alone, in a folder `image`, is what the pipeline edits, what a
    promotion copies and what a rollback reverts. Anything else in it travels along unseen.
    """
    if not source.is_kustomization or source.path.parent.name != "image" or not source.documents:
        return
    body = as_mapping(source.documents[0].value)
    if body.get("kind") != "Component" or not as_list(body.get("images")):
        return
    for key in body:
        if key not in ALLOWED:
            yield Problem(
                f"{key} stands in the file that the pipeline writes; promotions and rollbacks "
                "carry it along",
                fix=f"Move {key} to the kustomization above.",
                file=source.path,
                line=_line(source.text, str(key)),
            )


def _line(text: str, key: str) -> int:
    lines = enumerate(text.splitlines(), 1)
    return next((number for number, line in lines if line.startswith(f"{key}:")), 1)
