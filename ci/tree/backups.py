"""Whether the last environment is backed up and where to: what settings.yaml says of it.

The overlays carry it (ci/tree/carried.py). The other environments' data is not backed up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from ci.tree import outside, overlays

if TYPE_CHECKING:
    from pathlib import Path

    from ci.tree.settings import Settings, Value

BASE = "../../../base/postgres"  # as an overlay names it
COMPONENT = "backups"  # what the overlay has instead of `storage`
STACK = "coworking-backups"
TEMPLATE = "infra/cloudformation/backups.yaml"


def values(settings: Settings) -> dict[str, Value]:
    """What a `# settings:` comment may name beside the settings, by name.

    The other environments run the same image, so that a new one is tried there first.
    """
    last: tuple[str, ...] = ("server", "rotation", "storage", f"{BASE}/upstream")
    other = last
    if settings.backup_bucket:
        last = ("server", "rotation", f"{BASE}/backups", COMPONENT, "claim", "image")
        other = ("server", "rotation", "storage", "image")
    if settings.database_host:
        last = outside.COMPONENTS
    return {
        "prod_database": last,
        "database": other,
        "backup_place": settings.backup_region or settings.region,
        "backup_host": settings.backup_endpoint or _s3(settings.backup_region or settings.region),
        "backup_key_type": "shared" if settings.backup_endpoint else "web-id",
        "backup_uri_style": "path" if settings.backup_endpoint else "host",
        "prod_backups_role": "" if settings.backup_endpoint else role(settings),
    }


def _s3(region: str) -> str:
    """https://docs.aws.amazon.com/general/latest/gr/s3.html"""
    return f"s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def role(settings: Settings) -> str:
    """The ARN of the role that the database's pod takes.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html: three partitions.
    """
    begins = settings.region.split("-", 1)[0]
    partition = "aws-cn" if begins == "cn" else "aws"
    if settings.region.startswith("us-gov-"):
        partition = "aws-us-gov"
    return f"arn:{partition}:iam::{settings.account}:role/{role_name(settings)}"


def environment(settings: Settings) -> str:
    """The environment that can be backed up."""
    return settings.environments[-1]


def role_name(settings: Settings) -> str:
    """The name of the role of infra/cloudformation/backups.yaml."""
    return f"{overlays.namespace(environment(settings))}-backups"


def is_on(environment: str, root: Path = overlays.ROOT) -> bool:
    """Whether an environment's overlay has its database backed up.

    Raises:
        InputError: there is no such environment.
    """
    path = overlays.overlay(environment, root) / "postgres" / "kustomization.yaml"
    found: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return COMPONENT in (found.get("components") or ())
