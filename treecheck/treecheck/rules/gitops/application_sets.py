"""ApplicationSets whose templates ask for what their generators don't give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.files import git_root
from treecheck.kube.applicationsets import generated
from treecheck.kube.templates import NotKnown, Unfilled
from treecheck.model import Problem, as_list
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

GO_TEMPLATE = (
    "https://argo-cd.readthedocs.io/en/release-3.4/operator-manual/applicationset/GoTemplate/"
)


@rule("application-set-unfilled", kinds=("ApplicationSet",), source=GO_TEMPLATE)
def application_set_unfilled(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A place of a Go template that one of its generators' results does not fill.

    With `missingkey=error` Argo CD then makes and changes none of the set's Applications. Without
    that option the place becomes the text `<no value>`. What only Argo CD can expand is left alone.
    """
    file = resource.origin.file
    strict = "missingkey=error" in as_list(resource.spec.get("goTemplateOptions"))
    if file is None or not strict or resource.spec.get("goTemplate") is not True:
        return
    try:
        generated(resource, git_root(file.parent) or file.parent, cluster.facts)
    except Unfilled as error:
        yield Problem(
            f"its template {error}, which one of its generators' results does not have: with "
            "missingkey=error Argo CD makes none of the Applications",
            fix="Give every element the field, or read it with `dig`, which takes a default.",
            path=("spec", "template"),
        )
    except NotKnown:
        return
