"""Whether an environment's database is outside the cluster: what git says of it.

    components: [rotation, ../../../base/postgres/outside] # settings: {prod_database}

Where settings.yaml names a host, the last environment's overlay lists this, and neither the server
nor its claim, backups and policies. The service's overlay then builds on base/coworking-outside.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Any

import yaml

from ci.tree import overlays

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from ci.tree.settings import Settings, Value

COMPONENT = "../../../base/postgres/outside"  # as an overlay names it
COMPONENTS = ("rotation", COMPONENT)
CA_FILE = "base/postgres/outside/ca.pem"
CA = "database-ca"  # the ConfigMap of that file
SERVICE = overlays.SERVICE
SERVICE_OUTSIDE = f"{SERVICE}-outside"  # below base/, instead of the service's own folder
PAGE = "docs/database.md"
TEMPLATE = "infra/cloudformation/database.yaml"
_HAS = "[DBSubnetGroup.DBSubnetGroupName,DBParameterGroups,VpcSecurityGroups]"
# The certificates of a region's authorities:
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html
_BUNDLE = "https://truststore.pki.rds.amazonaws.com/{region}/{region}-bundle.pem"


def values(settings: Settings) -> dict[str, Value]:
    """What a `# settings:` comment may name beside the settings, by name."""
    return {
        "prod_service": SERVICE_OUTSIDE if settings.database_host else SERVICE,
        "service": SERVICE,
    }


def names_it(overlay: str) -> bool:
    """Whether the text of an overlay's postgres/kustomization.yaml names a database outside.

    A text that is not YAML doesn't; `validate` says so of it.
    """
    try:
        found: Any = yaml.safe_load(overlay)
    except yaml.YAMLError:
        return False
    components = (found if isinstance(found, dict) else {}).get("components") or ()
    return COMPONENT in components


def is_on(environment: str, root: Path = overlays.ROOT) -> bool:
    """Whether an environment's database is outside the cluster, by its overlay.

    Raises:
        InputError: there is no such environment.
    """
    path = overlays.overlay(environment, root) / "postgres" / "kustomization.yaml"
    return names_it(path.read_text(encoding="utf-8"))


def host_in(text: str) -> str:
    """The host that the text of a settings.yaml names; empty for none."""
    try:
        found: Any = yaml.safe_load(text)
    except yaml.YAMLError:
        return ""
    return str((found if isinstance(found, dict) else {}).get("database_host") or "")


def instance_of(host: str) -> str:
    """The name of the RDS instance at a host; empty for a host of somebody else.

    >>> instance_of("coworking-prod.abc123.us-east-1.rds.amazonaws.com")
    'coworking-prod'
    """
    is_rds = re.fullmatch(r"[^.]+\.[^.]+\.[^.]+\.rds\.amazonaws\.com(\.cn)?", host)
    return host.partition(".")[0] if is_rds else ""


def how_to_restore(host: str, region: str, at: datetime | None) -> str:
    """What restores a database outside the cluster: commands, where it is RDS.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html: it makes a second
    instance, and the first one keeps running.
    """
    name = instance_of(host)
    if not name:
        return f"Ask who runs {host or 'it'}. The new host:\nmake configure DATABASE_HOST=HOST"
    moment = "--use-latest-restorable-time"
    if at:
        moment = f"--restore-time {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    rds, instance = "aws rds", f"--region {region} --db-instance-identifier {name}"
    return f"""\
AWS restores it into a second instance. What the first one has; the restore; its host ({PAGE}):
{rds} describe-db-instances {instance} --query "DBInstances[0].{_HAS}"
{rds} restore-db-instance-to-point-in-time --region {region} \
--source-db-instance-identifier {name} --target-db-instance-identifier {name}-2 {moment} \
--multi-az --deletion-protection --db-subnet-group-name SUBNETS \
--db-parameter-group-name SETTINGS --vpc-security-group-ids GROUP
{rds} describe-db-instances {instance}-2 --query "DBInstances[0].Endpoint.Address"
make configure DATABASE_HOST=HOST"""


def has_certificates(text: str) -> bool:
    """Whether a text has a certificate in it, in PEM."""
    return "-----BEGIN CERTIFICATE-----" in text and "-----END CERTIFICATE-----" in text


def fetch_certificates(region: str) -> str:
    """The command that puts the certificates of RDS in a region where they belong."""
    return f"curl --fail --output {CA_FILE} {_BUNDLE.format(region=region)}"
