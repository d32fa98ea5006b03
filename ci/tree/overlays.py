"""The environments: which there are, and where their files lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from ci.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.tree.sealing import SecretName

ROOT = Path(__file__).resolve().parents[2]
SERVICE_SOURCE = "apps/coworking"  # what a build is made of: the pipeline\'s FILE_PATH filter
PIPELINE_TEMPLATE = "infra/cloudformation/pipeline.yaml"
PARTS = ("coworking", "postgres")
SECRET = "coworking-secret"  # noqa: S105 - a name
PASSWORD_KEY = "DB_PASSWORD"  # noqa: S105 - a name
PASSWORD_NEXT = "DB_PASSWORD_NEXT"  # noqa: S105 - the name of the announced one, in a rotation
# The files that the service's ACCESS_KEY_FILE names: the present key, and the one before it.
ACCESS_KEY = "ACCESS_KEY"
ACCESS_KEY_OLD = "ACCESS_KEY_OLD"
BACKUP_KEY = "BACKUP_KEY"  # what the backups are encrypted with, as pgBackRest's settings


def environments(root: Path = ROOT) -> list[str]:
    """The names of the environments: the folders of `overlays/`."""
    return sorted(path.parent.name for path in root.glob("overlays/*/kustomization.yaml"))


def overlay(environment: str, root: Path = ROOT) -> Path:
    """The folder of an environment.

    Raises:
        InputError: there is no such environment.
    """
    if environment not in environments(root):
        raise unknown_environment(environment, environments(root))
    return root / "overlays" / environment


def unknown_environment(name: str, known: Sequence[str]) -> InputError:
    """The error for an environment that there is not: it names those that there are."""
    return InputError(
        f"there is no environment {name!r}; there is {' or '.join(known)}",
        hint=did_you_mean(name, known),
    )


def secret_name(environment: str, root: Path = ROOT) -> SecretName:
    """The Secret that an environment's password belongs to: its overlay's namespace decides."""
    path = overlay(environment, root) / "postgres" / "kustomization.yaml"
    kustomization: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    namespace = kustomization.get("namespace") if isinstance(kustomization, dict) else None
    if not isinstance(namespace, str):
        raise InputError(f"{path} has no `namespace:`, say `namespace: coworking-{environment}`")
    # Here, because the write-back's build installs no cryptography.
    from ci.tree.sealing import SecretName  # noqa: PLC0415

    return SecretName(namespace, SECRET)


def certificate_path(environment: str, root: Path = ROOT) -> Path:
    """Where an environment's sealing certificate is kept."""
    return overlay(environment, root) / "sealing-cert.pem"


def sealed_secret_path(environment: str, root: Path = ROOT) -> Path:
    """Where an environment's sealed secret is kept."""
    return overlay(environment, root) / "postgres" / "sealedsecret.yaml"


root_option = click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=ROOT,
    show_default="this repository",
    help="Another checkout of the tree.",
)
