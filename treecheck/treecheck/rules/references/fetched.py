"""What external-secrets fetches, and by which role pods log in at AWS."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from treecheck.model import Problem, as_mapping, as_text, at, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

# `{{ .password }}`, `{{ .password | b64dec }}`
_FIELD = re.compile(r"\{\{-?\s*\.([A-Za-z_]\w*)")
ROLE_ARN = "eks.amazonaws.com/role-arn"
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+\Z")


@rule(
    "secret-template-key",
    kinds=("ExternalSecret",),
    source="https://external-secrets.io/latest/guides/templating/",
)
def secret_template_key(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An ExternalSecret whose template asks for a value that it does not fetch.

    external-secrets reports an error and makes no Secret, so no pod that needs it starts. Looked at
    is one that lists what it fetches (`data`), and has no `dataFrom`.
    """
    template = as_mapping(at(resource.spec, "target", "template", "data"))
    if resource.group != "external-secrets.io" or "dataFrom" in resource.spec:
        return
    fetched = {as_text(one.get("secretKey")) for _, one in each(resource, "spec", "data")}
    for key, text in template.items():
        for name in dict.fromkeys(_FIELD.findall(as_text(text))):
            if fetched and name not in fetched:
                near = difflib.get_close_matches(name, fetched, n=1, cutoff=0)
                yield Problem(
                    f"its template asks for .{name}, and it fetches {', '.join(sorted(fetched))}: "
                    "the Secret is not made",
                    fix=f"Write .{near[0]}, or fetch {name}.",
                    path=("spec", "target", "template", "data", key),
                )


@rule(
    "role-arn-malformed",
    kinds=("ServiceAccount",),
    source="https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html",
)
def role_arn_malformed(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A service account with the name of a role of AWS that can't be one.

    The pods start, and AWS gives them no credentials. It is arn:aws:iam::ACCOUNT:role/NAME: two
    colons before the account's twelve digits.
    """
    written = as_text(resource.annotations.get(ROLE_ARN))
    if written.startswith("arn:") and written.isascii() and not _ROLE.match(written):
        if any(mark in written for mark in "<>${}") or re.search(r"[A-Z]{4}", written):
            return  # somebody fills in the account
        yield Problem(
            f"{written} is not a role of AWS: its pods get no credentials",
            fix="Write arn:aws:iam::ACCOUNT:role/NAME, with an account of twelve digits.",
            path=("metadata", "annotations", ROLE_ARN),
        )
