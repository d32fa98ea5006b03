"""A new key of the backups, as `python -m ci rotate prod backup-key` writes it into the overlay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci.errors import InputError
from ci.tree import backup_place
from tests.manifests import backed_up
from tests.manifests.test_backups import render

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = "prod"


@pytest.fixture
def rotated(tmp_path: Path) -> Path:
    """The tree of an environment that is backed up, after two rotations."""
    root = backed_up.make(tmp_path)
    path = root / backup_place.place_file(ENVIRONMENT)
    for _ in range(2):
        path.write_text(backup_place.moved(path.read_text(), ENVIRONMENT))
    return root


def test_the_pod_and_the_proof_get_the_key_of_the_path_that_they_use(rotated: Path) -> None:
    text = (rotated / backup_place.place_file(ENVIRONMENT)).read_text()
    assert backup_place.repository_path(text, ENVIRONMENT) == "/prod-3"
    tree = render(rotated / "overlays/prod/postgres")
    config = [c for c in tree.all("ConfigMap") if "PGBACKREST_REPO1_PATH" in c.get("data", {})]
    assert [each["data"]["PGBACKREST_REPO1_PATH"] for each in config] == ["/prod-3"]
    (server,), (proof,) = tree.all("StatefulSet"), tree.all("CronJob")
    pods = [server["spec"]["template"], proof["spec"]["jobTemplate"]["spec"]["template"]]
    for pod in pods:
        (volume,) = [each for each in pod["spec"]["volumes"] if each["name"] == "key"]
        assert volume["secret"] == {
            "secretName": "coworking-secret",
            "items": [{"key": "BACKUP_KEY_3", "path": "key.conf"}],
            "defaultMode": 288,
        }


def test_a_file_without_a_path_is_refused() -> None:
    with pytest.raises(InputError, match="has no line PGBACKREST_REPO1_PATH="):
        backup_place.moved("kind: Component\n", ENVIRONMENT)
