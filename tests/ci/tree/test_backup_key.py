"""Sealing the backups' key: as pgBackRest's settings, once, and shown once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.ci.tree.test_seal import PASSWORD, open_sealed, seal, sealed, tree

__all__ = ["tree"]  # the fixture

LABEL = "space/coworking-secret"
KEPT = "kept-in-a-safe-0123456789abcdefghij"
COMPONENT = Path(__file__).parents[3] / "base/postgres/backups"


@pytest.fixture
def with_password(tree: Path) -> Path:
    """The tree, with a password sealed."""
    seal(tree, "dev", "--stdin", stdin=PASSWORD)
    return tree


def entries(tree: Path) -> dict[str, str]:
    return sealed(tree)["spec"]["encryptedData"]


def test_a_key_is_made_sealed_as_settings_and_shown_once(with_password: Path) -> None:
    password = entries(with_password)["DB_PASSWORD"]
    done = seal(with_password, "dev", "--backup-key")
    assert done.returncode == 0, done.stderr
    (key,) = re.findall(r"^  ([\w-]{43})$", done.stdout, re.MULTILINE)
    assert (done.stdout + done.stderr).count(key) == 1
    opened = open_sealed(entries(with_password)["BACKUP_KEY"], LABEL)
    assert opened == f"[global]\nrepo1-cipher-pass={key}\n"
    assert entries(with_password)["DB_PASSWORD"] == password


def test_the_component_mounts_what_is_sealed(with_password: Path) -> None:
    seal(with_password, "dev", "--backup-key")
    patch = yaml.safe_load((COMPONENT / "statefulset.yaml").read_text())
    (key,) = [v for v in patch["spec"]["template"]["spec"]["volumes"] if v["name"] == "key"]
    (item,) = key["secret"]["items"]
    assert item["key"] in entries(with_password)
    assert item["path"].endswith(".conf")  # pgBackRest reads no other


def test_a_second_key_is_refused_since_it_opens_nothing(with_password: Path) -> None:
    seal(with_password, "dev", "--backup-key")
    before = entries(with_password)
    done = seal(with_password, "dev", "--backup-key")
    assert done.returncode == 2
    assert "opens with no other" in done.stderr
    assert entries(with_password) == before


def test_the_key_that_the_backups_have_is_sealed_for_another_cluster(with_password: Path) -> None:
    seal(with_password, "dev", "--backup-key")
    done = seal(with_password, "dev", "--backup-key", "--stdin", stdin=f"{KEPT}\n")
    assert done.returncode == 0, done.stderr
    assert open_sealed(entries(with_password)["BACKUP_KEY"], LABEL).endswith(f"={KEPT}\n")
    assert KEPT not in done.stdout + done.stderr


@pytest.mark.parametrize("key", ["too-short", "with a space in between, and long enough", "x" * 31])
def test_a_key_that_would_not_arrive_whole_is_refused(with_password: Path, key: str) -> None:
    done = seal(with_password, "dev", "--backup-key", "--stdin", stdin=f"{key}\n")
    assert done.returncode == 2
    assert "is not a valid key" in done.stderr
    assert "BACKUP_KEY" not in entries(with_password)


def test_a_new_password_and_access_keys_leave_it_as_it_is(with_password: Path) -> None:
    seal(with_password, "dev", "--backup-key")
    before = entries(with_password)["BACKUP_KEY"]
    for arguments in ((), ("--access-key",), ("--access-key",), ("--drop-old",)):
        seal(with_password, "dev", *arguments)
        assert entries(with_password)["BACKUP_KEY"] == before


def test_its_age_is_printed(with_password: Path) -> None:
    seal(with_password, "dev", "--backup-key")
    assert "The backups' key sealed 0 days ago" in seal(with_password, "dev", "--age").stdout


def test_it_wants_the_password_first(tree: Path) -> None:
    done = seal(tree, "dev", "--backup-key")
    assert done.returncode == 2
    assert "make seal ENV=dev" in done.stderr
