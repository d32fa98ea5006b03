"""`make snapshots`: what each environment renders to, kept in git so that a change is seen.

What machines write is left out, or each deployment and each sealing would change a snapshot: the
image's version, and a sealed secret's values and notes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import yaml

from ci.tree import overlays, sealed_file, settings
from treecheck import kustomize

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "tests/manifests/snapshots"
IMAGE = "(overlays/{environment}/coworking/image)"
LEFT_OUT = "(written by make seal)"


@click.command(help="Accept what each environment renders to now.")
@overlays.root_option
def command(root: Path) -> None:
    for environment in overlays.environments(root):
        path = snapshot_path(environment, root)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = snapshot(environment, root)
        same = path.exists() and path.read_text(encoding="utf-8") == text
        path.write_text(text, encoding="utf-8")
        click.echo(f"{path.relative_to(root)}: {'no change' if same else 'written'}")


def snapshot_path(environment: str, root: Path = overlays.ROOT) -> Path:
    """Where an environment's snapshot is kept."""
    return root / FOLDER / f"{environment}.yaml"


def snapshot(environment: str, root: Path = overlays.ROOT) -> str:
    """What an environment renders to, without what machines write."""
    image = settings.read(root).image
    resources = kustomize.render_objects(overlays.overlay(environment, root))
    for resource in resources:
        if resource["kind"] == "SealedSecret":
            _mask_sealed(resource)
        pod = resource.get("spec", {}).get("template", {}).get("spec", {})
        for container in pod.get("containers", []):
            if container["image"].rpartition(":")[0] == image:
                container["image"] = IMAGE.format(environment=environment)
    return yaml.safe_dump_all(resources, explicit_start=True, width=100)


def _mask_sealed(resource: kustomize.Resource) -> None:
    """Access keys come and go by `make seal` alone, so the snapshot has none."""
    spec, annotations = resource["spec"], resource["metadata"]["annotations"]
    keys = (overlays.ACCESS_KEY, overlays.ACCESS_KEY_OLD)
    spec["encryptedData"] = {name: LEFT_OUT for name in spec["encryptedData"] if name not in keys}
    for name in sealed_file.OF_ACCESS_KEY:
        annotations.pop(name, None)
    for name in (*sealed_file.OF_PASSWORD, *sealed_file.OF_BACKUP_KEY):
        if name in annotations:
            annotations[name] = LEFT_OUT
