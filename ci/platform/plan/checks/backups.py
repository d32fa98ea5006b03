"""How far prod's backups are: the setting, the stack, the provider, the key, the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.platform.plan import backups as planned
from ci.platform.plan.checks.argocd import tag_on_main
from ci.platform.plan.step import done, still_open, unknown
from ci.tree import backups as tree
from ci.tree import overlays, sealed_file
from ci.tree.backup_place import entry_of
from ci.tree.images import DATABASE_IMAGE

if TYPE_CHECKING:
    from ci.platform.plan.checks.outside import Outside
    from ci.platform.plan.step import Mark


def issuer(outside: Outside) -> str:
    """The cluster's OIDC issuer without https://; empty while there is no cluster."""
    cluster = outside.eks() or {}
    found = ((cluster.get("identity") or {}).get("oidc") or {}).get("issuer") or ""
    return str(found).removeprefix("https://")


def backups(outside: Outside) -> Mark:
    """Whether the last environment will be backed up."""
    environment = tree.environment(outside.names.settings)
    bucket = outside.names.settings.backup_bucket
    if not bucket:
        return still_open(
            f"settings.yaml names no backup_bucket: {environment}'s data is on its volume alone"
        )
    absent = None if outside.names.settings.backup_endpoint else _without_rights(outside)
    if absent:
        return absent
    sealed = sealed_file.read(overlays.sealed_secret_path(environment, outside.root))
    if entry_of(environment, outside.root) not in sealed.entries:
        return still_open(f"no key is sealed: make seal ENV={environment} ARGS=--backup-key")
    for each in outside.names.settings.environments[1:]:
        tag = tag_on_main(outside, each, DATABASE_IMAGE)
        if tag is None:
            return still_open(
                f"{each}'s overlay on main has no build's tag of the database's image:"
                f" python -m ci promote --image {DATABASE_IMAGE.name} --to {each} --push"
            )
    return done(f"{environment}'s backups go to {bucket}, by the database's image {tag}")


def _without_rights(outside: Outside) -> Mark | None:
    """What lacks between the database's pod and the bucket."""
    names = outside.names
    if planned.place(names) != names.settings.region:
        return unknown(f"the bucket is in {planned.place(names)}, and only the region is asked")
    answer = outside.aws("cloudformation", "describe_stacks", StackName=tree.STACK)
    if not answer or not answer["Stacks"]:
        return still_open(f"there is no stack {tree.STACK}")
    stack = answer["Stacks"][0]
    if stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        return still_open(f"the stack {tree.STACK} is {stack['StackStatus']}")
    has = {one["ParameterKey"]: one["ParameterValue"] for one in stack.get("Parameters") or ()}
    cluster = issuer(outside)
    wanted = planned.parameters(names) | {"OidcIssuer": cluster}
    for key, value in wanted.items():
        if value and has.get(key) != value:
            return still_open(f"the stack {tree.STACK} has {key} {has.get(key)} and not {value}")
    listed = outside.aws("iam", "list_open_id_connect_providers") or {}
    arns = [one["Arn"] for one in listed["OpenIDConnectProviderList"]]
    if cluster and not any(arn.endswith(f"/{cluster}") for arn in arns):
        return still_open(
            "the cluster has no OIDC provider, so no pod gets a role: eksctl utils"
            f" associate-iam-oidc-provider --cluster {names.cluster.name} --approve"
        )
    return None
