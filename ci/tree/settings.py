"""The one settings file: what each value means, which values are valid, and how to read it.

How the rest of the tree carries the values: ci/tree/carried.py.
"""

from __future__ import annotations

import re
import zoneinfo
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ci.errors import InputError
from ci.tree import formats, networks
from ci.tree.formats import Setting, number, pattern

ROOT = Path(__file__).resolve().parents[2]
FILE = "settings.yaml"
NONE = "none"  # what a person writes to clear a value
KEY_FILE = "signing-key"  # where the signer's key is made, and what its secret is called
Value = str | tuple[str, ...]
# The service's name in git and on the cluster: its Deployment, Service, image entry, package and
# database, and the start of each namespace's and Application's name. No fork changes it.
SERVICE = "coworking"

# What Argo CD 3.4 is tested with
# (https://argo-cd.readthedocs.io/en/release-3.4/operator-manual/installation/#tested-versions).
KUBERNETES = tuple(f"1.{minor}" for minor in range(32, 36))

_RANGES = "ranges of IPv4 addresses separated by commas, or none"
_CERTIFICATE_RULE = "the ARN of a certificate in ACM, or none"

SETTINGS: dict[str, Setting] = {
    "account": Setting("the AWS account", "twelve digits", "123456789012", pattern("[0-9]{12}")),
    "region": Setting(
        "where the cluster and the image repository are",
        "an AWS region",
        "eu-central-1",
        pattern(formats.REGION),
    ),
    # https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html takes 256;
    # the database's repository has `-postgres` after it.
    "repository": Setting(
        "the image repository's name in ECR",
        "2 to 247 lower-case letters, digits and . _ - / between them",
        "team/coworking",
        pattern(r"(?=.{2,247}$)(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*"),
    ),
    "git_url": Setting(
        "what Argo CD reads and the pipeline writes to",
        "an https or ssh address without a password in it",
        "https://github.com/your-org/coworking.git",
        pattern(
            r"https?://[\w.-]+(:\d+)?/[\w./~-]+|ssh://\w+@[\w.-]+(:\d+)?/[\w./~-]+|git@[\w.-]+:[\w./~-]+"
        ),
    ),
    "kubernetes": Setting(
        "the cluster's Kubernetes version",
        f"a version that Argo CD 3.4 is tested with: {', '.join(KUBERNETES)}",
        KUBERNETES[-1],
        lambda value: "" if value in KUBERNETES else "?",
    ),
    # https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html: subnets in two zones.
    "zones": Setting(
        "the control plane's availability zones; the nodes are in the first",
        "two or more availability zones of the region, separated by commas",
        "eu-central-1a,eu-central-1b",
        pattern(rf"{formats.REGION}[a-z]"),
        least=2,
    ),
    "environments": Setting(
        "the environments, in the order in which a version is promoted",
        "two or more names of lower-case letters, digits and dashes, separated by commas",
        "dev,staging,prod",
        formats.environment,
        least=2,
    ),
    "prod_cidrs": Setting(
        "who may reach prod; none, or private ranges alone: an internal load balancer",
        _RANGES,
        "203.0.113.0/24,198.51.100.7/32",
        networks.problem,
        least=0,
    ),
    "prod_certificate": Setting(
        "the ACM certificate of prod's load balancer; none: plain HTTP",
        _CERTIFICATE_RULE,
        "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b2c3d",
        formats.certificate,
        optional=True,
    ),
    "argocd_cidrs": Setting(
        "who may reach Argo CD's optional address; none or private: an internal load balancer",
        _RANGES,
        "203.0.113.0/24",
        networks.problem,
        least=0,
    ),
    "argocd_certificate": Setting(
        "the ACM certificate of that address; none: Argo CD's own, self-signed",
        _CERTIFICATE_RULE,
        "arn:aws:acm:eu-central-1:123456789012:certificate/4e5f6a7b",
        formats.certificate,
        optional=True,
    ),
    "place": Setting(
        "the coworking space's name, as its dashboard and its monthly report show it",
        "1 to 60 letters, digits, blanks and . , & ' ( ) -, not at its ends",
        "Harbour Loft",
        pattern(r"(?=.{1,60}$)[^\W_](?:[\w .,&'()-]*[\w.)])?"),
    ),
    # https://data.iana.org/time-zones/tz-link.html
    "time_zone": Setting(
        "the coworking space's time zone, in which its dashboard begins",
        "the name of an IANA time zone",
        "Europe/Berlin",
        lambda value: "" if value in zoneinfo.available_timezones() else "?",
    ),
    "owners": Setting(
        "who is asked to review each pull request; none: nobody in particular",
        "accounts, teams or e-mail addresses that GitHub knows, separated by commas, or none",
        "@your-org/platform,@ada",
        formats.owner,
        least=0,
    ),
    # GitHub calls a commit verified where the committer's address is one of the key's owner:
    # https://docs.github.com/en/authentication/managing-commit-signature-verification
    "signer": Setting(
        "the e-mail address that the pipeline signs its commits as; none: it doesn't sign",
        "an e-mail address of the account that has the signing key, or none",
        "1234567+your-bot@users.noreply.github.com",
        pattern(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"),
        optional=True,
    ),
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, without dots:
    # they don't fit the certificate of S3's addresses.
    "backup_bucket": Setting(
        "the bucket of prod's backups; none: prod's data is on its volume alone",
        "3 to 63 lower-case letters, digits and dashes between them, or none",
        "coworking-backups-123456789012",
        pattern(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"),
        optional=True,
    ),
    "backup_days": Setting(
        "how many days back prod can be restored",
        "a number of days from 7 to 3650",
        "28",
        number(7, 3650),
    ),
    "backup_endpoint": Setting(
        "the host of another S3 than AWS's, on port 443; none: AWS's own",
        "a host name, or none",
        "s3.example.com",
        formats.host,
        optional=True,
    ),
    "backup_region": Setting(
        "the bucket's region; none: the cluster's",
        "a region as that S3 names it, or none",
        "eu-west-1",
        pattern(r"[a-z0-9]+(-[a-z0-9]+)*"),
        optional=True,
    ),
    "database_host": Setting(
        "the host of prod's PostgreSQL outside the cluster; none: it is in the cluster",
        "the host name that the server's certificate is for, or none",
        "coworking-prod.abc123.eu-central-1.rds.amazonaws.com",
        formats.host,
        optional=True,
    ),
    "database_port": Setting(
        "the port of that PostgreSQL",
        "a number from 1 to 65535",
        "5432",
        number(1, 65535),
    ),
    "database_network": Setting(
        "the range of addresses that PostgreSQL is in; eksctl makes a VPC of this one",
        "a range of IPv4 addresses",
        "10.20.0.0/16",
        networks.problem,
    ),
}


def registry(account: str, region: str) -> str:
    """The host name of an account's ECR."""
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{account}.dkr.ecr.{region}.{suffix}"


class Settings(NamedTuple):
    """The values of settings.yaml, checked."""

    account: str
    region: str
    repository: str
    git_url: str
    kubernetes: str
    zones: tuple[str, ...]
    environments: tuple[str, ...] = ("dev", "prod")
    prod_cidrs: tuple[str, ...] = ()
    prod_certificate: str = ""
    argocd_cidrs: tuple[str, ...] = ()
    argocd_certificate: str = ""
    place: str = "Coworking"
    time_zone: str = "America/New_York"
    owners: tuple[str, ...] = ()
    signer: str = ""
    backup_bucket: str = ""
    backup_days: str = "28"
    backup_endpoint: str = ""
    backup_region: str = ""
    database_host: str = ""
    database_port: str = "5432"
    database_network: str = "192.168.0.0/16"

    @property
    def registry(self) -> str:
        """The host name of the account's ECR."""
        return registry(self.account, self.region)

    @property
    def image(self) -> str:
        """The image's name without a tag."""
        return f"{self.registry}/{self.repository}"

    @property
    def prod_internal(self) -> bool:
        """Whether prod's load balancer is an internal one."""
        return networks.stay_inside(self.prod_cidrs)

    @property
    def argocd_internal(self) -> bool:
        """Whether the load balancer of Argo CD's optional address is an internal one."""
        return networks.stay_inside(self.argocd_cidrs)


def parse(name: str, text: str) -> Value:
    """A setting's value from what a person typed: `none` clears it, commas separate a list.

    Raises:
        InputError: it is not valid; with a value that would be.
    """
    setting = SETTINGS[name]
    if text == NONE and setting.may_be_empty:
        return "" if setting.least is None else ()
    if setting.least is None:
        return check(name, text)
    return check(name, tuple(part for part in re.split(r"[,\s]+", text) if part))


def typed(value: Value) -> str:
    """A value as a person types it."""
    return (value if isinstance(value, str) else ",".join(value)) or NONE


def check(name: str, value: Value) -> Value:
    """Return a setting's value, or refuse it.

    Raises:
        InputError: it is not valid; with a value that would be.
    """
    setting = SETTINGS[name]
    wrong = _problem(setting, value)
    if wrong:
        shown = repr(value) if isinstance(value, str) else typed(value)
        said = "" if wrong == "?" else f": {wrong}"
        raise InputError(
            f"{name} is {shown}, and it takes {setting.rule}{said}",
            hint=f"For example {setting.example}",
        )
    return value


def _problem(setting: Setting, value: Value) -> str:
    """What is wrong with a value, as Setting.problem says it; empty for a valid one."""
    if isinstance(value, str):
        return "" if not value and setting.optional else setting.problem(value)
    repeated = next((one for one in value if value.count(one) > 1), None)
    if repeated:
        return f"{repeated} is there twice"
    if len(value) < (setting.least or 0):
        return "?"
    if setting.problem is networks.problem and len(value) > networks.MOST:
        return f"{len(value)} are more than the {networks.MOST} that a security group has room for"
    return next(filter(None, map(setting.problem, value)), "")


def check_together(settings: Settings) -> Settings:
    """Return settings whose values fit each other, or refuse them.

    Raises:
        InputError: a zone or a certificate is of another region, a certificate of another account,
            or private ranges are beside others.
    """
    if any(zone[:-1] != settings.region for zone in settings.zones):
        raise InputError(
            f"zones is {typed(settings.zones)}, and the region is {settings.region}",
            hint="Choose two zones that your account has there; the first command lists them.\n"
            f"aws ec2 describe-availability-zones --region {settings.region}\n"
            f"make configure REGION={settings.region}"
            f" ZONES={settings.region}a,{settings.region}b",
        )
    for name in ("prod_certificate", "argocd_certificate"):
        _check_certificate(name, getattr(settings, name), settings)
    for name in ("prod_cidrs", "argocd_cidrs"):
        _check_ranges(name, getattr(settings, name))
    return settings


def _check_certificate(name: str, arn: str, settings: Settings) -> None:
    """A balancer takes those of its own region and account.

    https://docs.aws.amazon.com/acm/latest/userguide/acm-regions.html
    """
    if arn and arn.split(":")[3:5] != [settings.region, settings.account]:
        raise InputError(
            f"{name} is {arn}, and the load balancer is in {settings.region} of account"
            f" {settings.account}. It can use a certificate of its own region and account only",
            hint=f"make configure {name.upper()}={NONE} clears it.",
        )


def _check_ranges(name: str, ranges: tuple[str, ...]) -> None:
    private = [each for each in ranges if networks.is_private(each)]
    if private and len(private) < len(ranges):
        raise InputError(
            f"{name} is {typed(ranges)}, and {private[0]} is private. An internet-facing load"
            " balancer never sees a private address; an internal one sees no other",
            hint="Name ranges of one kind.",
        )


def read(root: Path = ROOT) -> Settings:
    """Read settings.yaml.

    Raises:
        InputError: it is missing, lacks a setting, has an unknown one, or one that is not valid.
    """
    path = root / FILE
    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} can't be read: {error}") from error
    _check_names(path, found)
    values: dict[str, Any] = {
        name: check(name, _typed_right(path, name, found[name])) for name in SETTINGS
    }
    return check_together(Settings(**values))


def _check_names(path: Path, found: object) -> None:
    there = set(found) if isinstance(found, dict) else set()
    if there == set(SETTINGS):
        return
    lacks = [name for name in SETTINGS if name not in there]
    unknown = sorted(str(name) for name in there - set(SETTINGS))
    said = [f"lacks {', '.join(lacks)}"] * bool(lacks)
    said += [f"has the unknown {', '.join(unknown)}"] * bool(unknown)
    raise InputError(
        f"{path} {' and '.join(said)}",
        hint=f"It must have exactly these settings: {', '.join(SETTINGS)}",
    )


def _typed_right(path: Path, name: str, value: object) -> Value:
    """A value of the file, if it is text, or a list of texts for a setting that is a list."""
    setting = SETTINGS[name]
    if setting.least is None:
        if isinstance(value, str):
            return value
        raise InputError(
            f"{path}: {name} is {value!r}, which is not text; quote it",
            hint=f'For example {name}: "{setting.example}"',
        )
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise InputError(
        f"{path}: {name} is {value!r}, which is not a list of texts",
        hint=f"For example {name}: [{setting.example.replace(',', ', ')}]",
    )
