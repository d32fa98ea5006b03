"""Whether an environment's database is outside the cluster: what git says of it.

    components: [rotation, ../../../base/postgres/outside] # settings: {prod_database}

Where settings.yaml names a host, the last environment's overlay lists this, and neither the server
nor its claim, backups and policies. The service's overlay then builds on base/coworking-outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from ci.tree import overlays

if TYPE_CHECKING:
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
    """Whether the text of an overlay's postgres/kustomization.yaml names a database outside."""
    found: Any = yaml.safe_load(overlay)
    components = (found if isinstance(found, dict) else {}).get("components") or ()
    return COMPONENT in components


def is_on(environment: str, root: Path = overlays.ROOT) -> bool:
    """Whether an environment's database is outside the cluster, by its overlay.

    Raises:
        InputError: there is no such environment.
    """
    path = overlays.overlay(environment, root) / "postgres" / "kustomization.yaml"
    return names_it(path.read_text(encoding="utf-8"))


def has_certificates(text: str) -> bool:
    """Whether a text has a certificate in it, in PEM."""
    return "-----BEGIN CERTIFICATE-----" in text and "-----END CERTIFICATE-----" in text


def fetch_certificates(region: str) -> str:
    """The command that puts the certificates of RDS in a region where they belong."""
    return f"curl --fail --output {CA_FILE} {_BUNDLE.format(region=region)}"
