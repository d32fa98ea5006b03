"""How far the steps are that AWS knows about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.aws.client import AwsError
from ci.platform.plan.names import UNKNOWN_CONNECTION
from ci.platform.plan.step import done, still_open, unknown

if TYPE_CHECKING:
    from ci.platform.plan.checks.outside import Outside
    from ci.platform.plan.step import Mark

# https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html: no control plane there.
WITHOUT_EKS = frozenset({"use1-az3", "usw1-az2", "cac1-az3"})
# What says that nobody is logged in, and not that AWS is away: botocore's exceptions, AWS's codes.
NOT_LOGGED_IN = frozenset(
    {
        *("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"),
        *("UnauthorizedSSOTokenError", "SSOTokenLoadError", "TokenRetrievalError"),
        *("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "AuthFailure"),
    }
)


def login(outside: Outside) -> Mark:
    """Whether AWS knows us, in the right account."""
    account = outside.names.settings.account
    try:
        answer = outside.aws("sts", "get_caller_identity") or {}
    except AwsError as error:
        if {error.kind, type(error.__cause__).__name__} & NOT_LOGGED_IN:
            return still_open(f"nobody is logged in to AWS here: {error.__cause__}")
        raise
    if answer["Account"] != account:
        return still_open(
            f"you are in account {answer['Account']}, and settings.yaml says {account}"
        )
    return done(f"you are {answer['Arn']}")


def zones(outside: Outside) -> Mark:
    """Whether the zones of the cluster file are there and can hold it."""
    cluster = outside.names.cluster
    answer = outside.aws("ec2", "describe_availability_zones") or {}
    known = {
        zone["ZoneName"]: zone["ZoneId"]
        for zone in answer["AvailabilityZones"]
        if zone["State"] == "available"
        and zone.get("ZoneType", "availability-zone") == "availability-zone"
    }
    fit = sorted(name for name, number in known.items() if number not in WITHOUT_EKS)
    change = f"make configure ZONES={','.join(fit[:2])}"
    for zone in cluster.zones:
        if zone not in known:
            return still_open(f"the account has no zone {zone}; it has {', '.join(fit)}: {change}")
        if known[zone] in WITHOUT_EKS:
            return still_open(f"EKS can't use {zone} ({known[zone]}): {change}")
    for group in cluster.groups:
        sold = outside.aws(
            "ec2",
            "describe_instance_type_offerings",
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": [group.instance_type]}],
        )
        where = {one["Location"] for one in (sold or {})["InstanceTypeOfferings"]}
        if not where & set(group.zones):
            return still_open(
                f"{' and '.join(group.zones)} has no {group.instance_type}; it is in"
                f" {', '.join(sorted(where)) or 'no zone'}"
            )
    return done(f"{', '.join(f'{zone} is {known[zone]}' for zone in cluster.zones)}")


def find_connection(outside: Outside) -> dict[str, Any] | None:
    """The connection of our name, or None."""
    found = outside.connections()
    return next(
        (one for one in found if one["ConnectionName"] == outside.names.connection_name), None
    )


def find_connection_arn(outside: Outside) -> str:
    """The connection's ARN for the stack: empty when a token is used instead, or a placeholder."""
    one = find_connection(outside)
    if one is not None:
        return str(one["ConnectionArn"])
    return "" if _has_credential(outside) else UNKNOWN_CONNECTION


def connection(outside: Outside) -> Mark:
    """Whether CodeBuild can read the repository."""
    one = find_connection(outside)
    if one is None:
        if _has_credential(outside):
            return done("CodeBuild has a token for GitHub, which is used instead of a connection")
        return still_open(f"there is no connection {outside.names.connection_name}")
    if one["ConnectionStatus"] != "AVAILABLE":
        return still_open(
            f"the connection {one['ConnectionName']} is {one['ConnectionStatus']}: complete it on"
            " AWS's web page; the command is done"
        )
    return done(f"the connection {one['ConnectionName']} is AVAILABLE")


def source_credentials(outside: Outside) -> Mark:
    """Whether CodeBuild has a token for GitHub."""
    if _has_credential(outside):
        return done("CodeBuild has a token for GitHub")
    return still_open("CodeBuild has no token for GitHub; a connection needs none")


def _has_credential(outside: Outside) -> bool:
    found = outside.aws("codebuild", "list_source_credentials") or {}
    return any(one["serverType"] == "GITHUB" for one in found.get("sourceCredentialsInfos") or ())


def find_stack(outside: Outside) -> dict[str, Any] | None:
    """The pipeline's stack, or None."""
    answer = outside.aws("cloudformation", "describe_stacks", StackName=outside.names.stack)
    return answer["Stacks"][0] if answer and answer["Stacks"] else None


def _parameters(found: dict[str, Any]) -> dict[str, str]:
    return {one["ParameterKey"]: one["ParameterValue"] for one in found.get("Parameters") or ()}


def stack(outside: Outside) -> Mark:
    """Whether the pipeline's stack is there, whole, and made with our values."""
    names = outside.names
    found = find_stack(outside)
    if found is None:
        return still_open(f"there is no stack {names.stack}")
    status = str(found["StackStatus"])
    if status.endswith("_IN_PROGRESS"):
        return still_open(f"the stack {names.stack} is {status}: wait for it")
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
        return still_open(
            f"the stack {names.stack} is {status}: `aws cloudformation describe-stack-events"
            f" --stack-name {names.stack}` says why; one that could not be created must be deleted"
            " first"
        )
    has = _parameters(found)
    for key, value in names.parameters.items():
        # What was not asked for this time may have been given another time.
        if value not in ("", UNKNOWN_CONNECTION) and has.get(key, "") != value:
            return still_open(f"the stack has {key} {has.get(key) or 'empty'} and not {value}")
    return done(f"the stack {names.stack} is {status}")


def bot(outside: Outside) -> Mark:
    """Whether the stack knows a bot."""
    found = find_stack(outside)
    number = _parameters(found).get("BotActorId", "0") if found else "0"
    if number == "0":
        return still_open("the pipeline has no bot; it writes as the token's owner")
    return done(f"the pipeline's bot is account {number}")


def token(outside: Outside) -> Mark:
    """Whether the git token is in its secret."""
    return _filled(outside, "git-token")


def comment_token(outside: Outside) -> Mark:
    """Whether the comment token is in its secret."""
    return _filled(outside, "comment-token")


def signing(outside: Outside) -> Mark:
    """Whether the pipeline signs, and has the key for it."""
    if not outside.names.settings.signer:
        return still_open("settings.yaml names no signer; the pipeline does not sign")
    return _filled(outside, "signing-key")


def _filled(outside: Outside, name: str) -> Mark:
    secret = outside.names.secret(name)
    found = outside.aws("secretsmanager", "describe_secret", SecretId=secret)
    if found is None:
        return still_open(f"there is no secret {secret}; the stack makes it")
    stages = (found.get("VersionIdsToStages") or {}).values()
    if any("AWSCURRENT" in one for one in stages):
        return done(f"the secret {secret} has a value")
    return still_open(f"the secret {secret} is empty")


def colleagues(outside: Outside) -> Mark:
    """Whether the cluster lets others in than its maker and its nodes."""
    if outside.eks() is None:
        return still_open(f"there is no cluster {outside.names.cluster.name} yet")
    answer = outside.aws("eks", "list_access_entries", clusterName=outside.names.cluster.name)
    entries = (answer or {})["accessEntries"]
    people = [one for one in entries if "/aws-service-role/" not in one and "NodeInst" not in one]
    if len(people) > 1:
        return done(f"{len(people)} people or roles may enter the cluster")
    if not people:
        return unknown("the cluster names nobody who may enter it")
    return still_open(f"only {people[0]} may enter the cluster")
