"""Sealing access keys: beside the password, one after the other, and without knowing the last."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from coworking.access import weakness
from tests.ci.tree.test_seal import PASSWORD, certificate, open_sealed, seal, sealed, tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ci import verbs

__all__ = ["tree"]  # the fixture

LABEL = "space/coworking-secret"
SOME_KEY = "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MGFiY2RlZmdoaWo"
ON, WITH = "coworking/access-key-sealed-on", "coworking/access-key-sealed-with"


def entries(tree: Path) -> dict[str, str]:
    return sealed(tree)["spec"]["encryptedData"]


def printed(done: verbs.Done) -> str:
    """The one key that stands in the output, on a line of its own."""
    assert done.returncode == 0, done.stderr
    (key,) = re.findall(r"^  ([\w-]{43})$", done.stdout, re.MULTILINE)
    return str(key)


@pytest.fixture
def with_password(tree: Path) -> Path:
    """The tree, with a password sealed."""
    seal(tree, "dev", "--stdin", stdin=PASSWORD)
    return tree


def test_a_key_is_made_sealed_beside_the_password_and_shown_once(with_password: Path) -> None:
    password = entries(with_password)["DB_PASSWORD"]
    done = seal(with_password, "dev", "--access-key")
    key = printed(done)
    assert weakness(key) is None
    assert (done.stdout + done.stderr).count(key) == 1
    assert open_sealed(entries(with_password)["ACCESS_KEY"], LABEL) == key
    assert entries(with_password).keys() == {"DB_PASSWORD", "ACCESS_KEY"}
    assert entries(with_password)["DB_PASSWORD"] == password
    assert "docs/secrets.md" in done.stdout


def test_a_second_key_leaves_the_first_valid_without_knowing_it(with_password: Path) -> None:
    """The sealed value moves to another name: it is bound to the Secret's name, not to its own."""
    first = printed(seal(with_password, "dev", "--access-key"))
    done = seal(with_password, "dev", "--access-key")
    second = printed(done)
    found = {name: open_sealed(value, LABEL) for name, value in entries(with_password).items()}
    assert found == {"DB_PASSWORD": PASSWORD, "ACCESS_KEY": second, "ACCESS_KEY_OLD": first}
    assert "make seal ENV=dev ARGS=--drop-old" in done.stdout


def test_a_third_key_is_refused_before_it_ends_the_first(with_password: Path) -> None:
    for _ in range(2):
        seal(with_password, "dev", "--access-key")
    before = entries(with_password)
    done = seal(with_password, "dev", "--access-key")
    assert done.returncode == 2
    assert "dev has two access keys already" in done.stderr
    assert "make seal ENV=dev ARGS=--drop-old" in done.stderr
    assert entries(with_password) == before


def test_the_old_key_can_be_dropped(with_password: Path) -> None:
    seal(with_password, "dev", "--access-key")
    second = printed(seal(with_password, "dev", "--access-key"))
    assert seal(with_password, "dev", "--drop-old").returncode == 0
    assert entries(with_password).keys() == {"DB_PASSWORD", "ACCESS_KEY"}
    assert open_sealed(entries(with_password)["ACCESS_KEY"], LABEL) == second


def test_the_only_key_is_not_dropped_as_an_old_one(with_password: Path) -> None:
    seal(with_password, "dev", "--access-key")
    done = seal(with_password, "dev", "--drop-old")
    assert done.returncode == 2
    assert "has no ACCESS_KEY_OLD, so there is nothing to drop" in done.stderr
    assert "ACCESS_KEY" in entries(with_password)


def test_a_new_password_leaves_the_keys_as_they_are(with_password: Path) -> None:
    """It would open the door."""
    for _ in range(2):
        seal(with_password, "dev", "--access-key")
    before = entries(with_password)
    seal(with_password, "dev")
    after = entries(with_password)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {"DB_PASSWORD"}


def test_a_key_from_standard_input_is_sealed_and_not_shown(with_password: Path) -> None:
    done = seal(with_password, "dev", "--access-key", "--stdin", stdin=f"{SOME_KEY}\n")
    assert done.returncode == 0
    assert open_sealed(entries(with_password)["ACCESS_KEY"], LABEL) == SOME_KEY
    assert SOME_KEY not in done.stdout + done.stderr


def test_a_weak_key_is_refused_and_not_shown(with_password: Path) -> None:
    done = seal(with_password, "dev", "--access-key", "--stdin", stdin="hunter2\n")
    assert done.returncode == 2
    assert "not a valid access key: it has 7 characters" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert "ACCESS_KEY" not in entries(with_password)


def test_it_needs_a_password_first(tree: Path) -> None:
    """A pod can't start without DB_PASSWORD in the Secret."""
    done = seal(tree, "dev", "--access-key")
    assert done.returncode == 2
    assert "no database password is sealed for space/coworking-secret yet" in done.stderr
    assert "make seal ENV=dev" in done.stderr


def test_what_was_sealed_for_another_namespace_is_not_kept(with_password: Path) -> None:
    kustomization = with_password / "overlays/dev/postgres/kustomization.yaml"
    seal(with_password, "dev", "--access-key")
    kustomization.write_text("namespace: elsewhere\n")
    assert seal(with_password, "dev", "--access-key").returncode == 2
    assert seal(with_password, "dev").returncode == 0
    assert entries(with_password).keys() == {"DB_PASSWORD"}


def test_it_notes_when_the_key_was_sealed_and_not_that_the_password_was(
    with_password: Path,
) -> None:
    path = with_password / "overlays/dev/postgres/sealedsecret.yaml"
    text = re.sub(r'(coworking/sealed-on: )"[\d-]+"', r'\1"2026-01-02"', path.read_text())
    path.write_text(text)
    seal(with_password, "dev", "--access-key")
    notes = sealed(with_password)["metadata"]["annotations"]
    assert notes["coworking/sealed-on"] == "2026-01-02"
    assert notes[ON] > "2026-01-02"
    assert notes[WITH] == notes["coworking/sealed-with"]


def test_a_password_of_another_certificate_is_reported_when_a_key_is_sealed(
    with_password: Path,
) -> None:
    """One entry that a cluster can't open keeps it from opening all the others."""
    (with_password / "overlays/dev/sealing-cert.pem").write_text(
        certificate(rsa.generate_private_key(65537, 2048))
    )
    done = seal(with_password, "dev", "--access-key")
    assert done.returncode == 0
    assert "DB_PASSWORD was sealed with another certificate" in done.stderr
    assert done.stderr.rstrip().endswith("make seal ENV=dev")


def test_a_key_of_another_certificate_is_reported_when_a_password_is_sealed(
    with_password: Path,
) -> None:
    seal(with_password, "dev", "--access-key")
    (with_password / "overlays/dev/sealing-cert.pem").write_text(
        certificate(rsa.generate_private_key(65537, 2048))
    )
    done = seal(with_password, "dev")
    assert "ACCESS_KEY was sealed with another certificate" in done.stderr
    assert done.stderr.rstrip().endswith("make seal ENV=dev ARGS=--access-key")


def test_the_ages_say_which_keys_are_valid(with_password: Path) -> None:
    assert "No access key." in seal(with_password, "dev", "--age").stdout
    seal(with_password, "dev", "--access-key")
    one = seal(with_password, "dev", "--age").stdout
    assert "Access key sealed 0 days ago" in one
    assert "--drop-old" not in one
    seal(with_password, "dev", "--access-key")
    two = seal(with_password, "dev", "--age").stdout
    assert "The one before is valid too: make seal ENV=dev ARGS=--drop-old" in two


def test_two_environments_do_not_share_a_key_from_standard_input(with_password: Path) -> None:
    done = seal(with_password, "dev", "prod", "--access-key", "--stdin", stdin=SOME_KEY)
    assert done.returncode == 2
    assert "must not share an access key" in done.stderr
