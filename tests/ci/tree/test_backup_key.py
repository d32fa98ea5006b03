"""Sealing the backups' key: as pgBackRest's settings, once, and shown once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from ci.tree import carried, settings
from tests.ci.tree.test_seal import PASSWORD, open_sealed, seal, sealed, tree

if TYPE_CHECKING:
    from tests.ci import verbs

__all__ = ["tree"]  # the fixture

LABEL = "space/coworking-secret"
S3_NAME, S3_SECRET = "0Q7Zz1kNameOfS3", "bDq8-Ys3kSecretOfS3-4vT0"
KEPT = "kept-in-a-safe-0123456789abcdefghij"
COMPONENT = Path(__file__).parents[3] / "base/postgres/backups"


@pytest.fixture
def with_password(tree: Path) -> Path:
    """The tree, with a password sealed."""
    seal(tree, "dev", "--stdin", stdin=PASSWORD)
    return tree


def ask_prod(tree: Path, *arguments: str, endpoint: str) -> verbs.Done:
    """Seal prod's key in a tree whose settings name an S3."""
    (tree / "overlays/dev").rename(tree / "overlays/prod")
    values = settings.read()._replace(backup_endpoint=endpoint)
    text = (Path(__file__).parents[3] / settings.FILE).read_text()
    (tree / settings.FILE).write_text(carried.edit_file(text, values))
    return seal(tree, "prod", "--backup-key", *arguments)


def s3_file(tree: Path, text: str = f"{S3_NAME}\n{S3_SECRET}\n") -> str:
    path = tree / "s3-key.txt"
    path.write_text(text)
    return str(path)


def test_the_key_of_another_s3_is_sealed_with_it_and_not_shown(with_password: Path) -> None:
    words = ("--s3-key", s3_file(with_password))
    done = ask_prod(with_password, *words, endpoint="s3.example.com")
    assert done.returncode == 0, done.stderr
    path = with_password / "overlays/prod/postgres/sealedsecret.yaml"
    value = yaml.safe_load(path.read_text())["spec"]["encryptedData"]["BACKUP_KEY"]
    opened = open_sealed(value, LABEL)
    assert opened.endswith(f"\nrepo1-s3-key={S3_NAME}\nrepo1-s3-key-secret={S3_SECRET}\n")
    assert S3_SECRET not in done.stdout + done.stderr


def test_another_s3_without_its_key_is_refused(with_password: Path) -> None:
    done = ask_prod(with_password, endpoint="s3.example.com")
    assert done.returncode == 2
    assert "knows no roles of AWS" in done.stderr


def test_awss_own_s3_takes_no_key(with_password: Path) -> None:
    done = ask_prod(with_password, "--s3-key", s3_file(with_password), endpoint="")
    assert done.returncode == 2
    assert "needs no key" in done.stderr


@pytest.mark.parametrize("text", ["", "one-line\n", "a\nb\nc\n", "a name\nsecret\n"])
def test_a_file_of_other_lines_is_no_s3_key(with_password: Path, text: str) -> None:
    words = ("--s3-key", s3_file(with_password, text))
    done = ask_prod(with_password, *words, endpoint="s3.example.com")
    assert done.returncode == 2
    assert "is not a valid S3 key" in done.stderr


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
