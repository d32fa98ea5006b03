"""The environments: which there are, in the order of promotion, and where their files lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from ci.errors import InputError, did_you_mean
from ci.tree import settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci.tree.sealing import SecretName

ROOT = settings.ROOT
SERVICE = settings.SERVICE
DATABASE = SERVICE  # the database's own name, which base/postgres/init.sql gives it
SERVICE_SOURCE = "apps/coworking"  # what a build is made of: the pipeline\'s FILE_PATH filter
PIPELINE_TEMPLATE = "infra/cloudformation/pipeline.yaml"
PARTS = (SERVICE, "postgres")
SECRET = "coworking-secret"  # noqa: S105 - a name
PASSWORD_KEY = "DB_PASSWORD"  # noqa: S105 - a name
PASSWORD_NEXT = "DB_PASSWORD_NEXT"  # noqa: S105 - the name of the announced one, in a rotation
# The files that the service's ACCESS_KEY_FILE names: the present key, and the one before it.
ACCESS_KEY = "ACCESS_KEY"
ACCESS_KEY_OLD = "ACCESS_KEY_OLD"
BACKUP_KEY = "BACKUP_KEY"  # what the backups are encrypted with, as pgBackRest's settings


def environments(root: Path = ROOT) -> list[str]:
    """The names of the environments, in the order in which a version is promoted.

    They are the folders of `overlays/`. A folder that settings.yaml doesn't name comes last.

    Raises:
        InputError: settings.yaml is there, and not valid.
    """
    return in_order(_folders(root), root)


def in_order(names: Iterable[str], root: Path = ROOT) -> list[str]:
    """Names of environments in the order of promotion; those that git doesn't know come last."""
    order = promotion_order(root)
    place = {name: index for index, name in enumerate(order)}
    return sorted(names, key=lambda name: (place.get(name, len(order)), name))


def promotion_order(root: Path = ROOT) -> tuple[str, ...]:
    """The order of settings.yaml; its default in a tree that has no such file."""
    if (root / settings.FILE).is_file():
        return settings.read(root).environments
    default: tuple[str, ...] = settings.Settings._field_defaults["environments"]
    return default


def first(root: Path = ROOT) -> str:
    """The environment that the pipeline deploys to."""
    return promotion_order(root)[0]


def last(root: Path = ROOT) -> str:
    """The environment at the end of the order, which the space's people use."""
    return promotion_order(root)[-1]


def before(environment: str, root: Path = ROOT) -> str | None:
    """The environment that a version comes from; None for the first, which the pipeline serves.

    Raises:
        InputError: settings.yaml doesn't name the environment.
    """
    order = promotion_order(root)
    if environment not in order:
        raise unknown_environment(environment, order)
    return order[order.index(environment) - 1] if environment != order[0] else None


def namespace(environment: str) -> str:
    """The namespace of an environment, which is its AppProject's name as well."""
    return f"{SERVICE}-{environment}"


def _folders(root: Path) -> list[str]:
    return [path.parent.name for path in root.glob("overlays/*/kustomization.yaml")]


def overlay(environment: str, root: Path = ROOT) -> Path:
    """The folder of an environment.

    Raises:
        InputError: there is no such environment.
    """
    if environment not in _folders(root):
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
    named = kustomization.get("namespace") if isinstance(kustomization, dict) else None
    if not isinstance(named, str):
        raise InputError(f"{path} has no `namespace:`, say `namespace: {SERVICE}-{environment}`")
    # Here, because the write-back's build installs no cryptography.
    from ci.tree.sealing import SecretName  # noqa: PLC0415

    return SecretName(named, SECRET)


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
