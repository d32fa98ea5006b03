"""Sealing: what is written opens with the controller's key, for one Secret only, and says so."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from unittest import mock

import pytest
import yaml
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ci.tree import seal_cert, sealing
from tests.ci import verbs

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC).replace(microsecond=0)
KEY = rsa.generate_private_key(65537, 2048)
PASSWORD = "correct-horse-battery-staple"


def certificate(key=KEY, *, age: int = 1, valid: int = 365, name: str = "sealing") -> str:
    """A self-signed certificate that is `age` days old and good for `valid` days in all."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    begins = NOW - timedelta(days=age)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=valid))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def open_sealed(value: str, label: str, key: rsa.RSAPrivateKey = KEY) -> str:
    """What the controller does: see pkg/crypto of sealed-secrets."""
    raw = base64.b64decode(value, validate=True)
    size = int.from_bytes(raw[:2], "big")
    wrapped, sealed = raw[2 : 2 + size], raw[2 + size :]
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label.encode())
    return AESGCM(key.decrypt(wrapped, oaep)).decrypt(bytes(12), sealed, None).decode()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with one environment, whose namespace is called space."""
    overlay = tmp_path / "overlays" / "dev"
    (overlay / "postgres").mkdir(parents=True)
    (overlay / "kustomization.yaml").write_text("resources: [postgres]\n")
    (overlay / "postgres" / "kustomization.yaml").write_text("namespace: space\n")
    (overlay / "sealing-cert.pem").write_text(certificate())
    return tmp_path


def seal(tree: Path, *arguments: str, stdin: str = "") -> verbs.Done:
    return verbs.in_this_process("seal", "--root", str(tree), *arguments, stdin=stdin)


def sealed(tree: Path) -> dict:
    return yaml.safe_load((tree / "overlays/dev/postgres/sealedsecret.yaml").read_text())


def test_a_password_from_standard_input_opens_with_the_key_and_the_label(tree: Path) -> None:
    done = verbs.as_a_process("seal", "--root", str(tree), "dev", "--stdin", stdin=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    value = sealed(tree)["spec"]["encryptedData"]["DB_PASSWORD"]
    assert open_sealed(value, "space/coworking-secret") == PASSWORD


def test_with_fetch_it_seals_for_the_certificate_of_the_cluster(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `make seal-cert` and then `make seal` do, in one command."""
    path = tree / "overlays/dev/sealing-cert.pem"
    live = path.read_text()
    path.write_text(certificate(rsa.generate_private_key(65537, 2048), name="throw-away"))
    found = sealing.parse_certificate(live, "the cluster")
    fetch = mock.create_autospec(seal_cert.fetch, return_value=found)
    monkeypatch.setattr(seal_cert, "fetch", fetch)

    done = seal(tree, "dev", "--fetch", "--stdin", stdin=PASSWORD)

    assert done.returncode == 0, done.stderr
    assert fetch.call_args.args == ("kube-system", "sealed-secrets-controller")
    assert path.read_text() == live
    value = sealed(tree)["spec"]["encryptedData"]["DB_PASSWORD"]
    assert open_sealed(value, "space/coworking-secret") == PASSWORD
    assert "throw-away" not in done.stderr


def test_it_does_not_open_under_another_name_or_namespace(tree: Path) -> None:
    seal(tree, "dev", "--stdin", stdin=PASSWORD)
    value = sealed(tree)["spec"]["encryptedData"]["DB_PASSWORD"]
    for label in ("space/other-secret", "other/coworking-secret", "space", ""):
        with pytest.raises((ValueError, InvalidTag)):
            open_sealed(value, label)


def test_without_a_password_it_makes_a_strong_one_and_never_shows_it(tree: Path) -> None:
    done = seal(tree, "dev")
    value = sealed(tree)["spec"]["encryptedData"]["DB_PASSWORD"]
    password = open_sealed(value, "space/coworking-secret")
    assert len(password) >= 43
    assert password not in done.stdout + done.stderr
    seal(tree, "dev")
    again = sealed(tree)["spec"]["encryptedData"]["DB_PASSWORD"]
    assert open_sealed(again, "space/coworking-secret") != password


def test_it_notes_what_it_was_sealed_for_with_what_and_when(tree: Path) -> None:
    seal(tree, "dev")
    found = sealed(tree)
    pem = (tree / "overlays/dev/sealing-cert.pem").read_bytes()
    fingerprint = x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex()
    assert found["metadata"]["annotations"] == {
        "coworking/sealed-for": "space/coworking-secret",
        "coworking/sealed-with": fingerprint,
        "coworking/sealed-on": datetime.now(UTC).date().isoformat(),
    }
    assert found["spec"]["template"]["metadata"] == {
        "name": "coworking-secret",
        "namespace": "space",
    }


def test_it_shows_the_difference_and_what_to_do_where_data_is(tree: Path) -> None:
    seal(tree, "dev")
    done = seal(tree, "dev")
    assert "-    DB_PASSWORD: A" in done.stdout
    assert "+    DB_PASSWORD: A" in done.stdout
    assert "+++ overlays/dev/postgres/sealedsecret.yaml" in done.stdout
    assert "docs/secrets.md" in done.stdout


@pytest.mark.parametrize(
    ("pem", "sentence"),
    [
        ("no certificate\n", "is not a certificate"),
        ("", "is not a certificate"),
        (certificate(age=400), "expired on "),
        (certificate(age=-2), "is not valid before "),
        (certificate(rsa.generate_private_key(65537, 1024)), "has 1024 bits"),
        (certificate(ec.generate_private_key(ec.SECP256R1())), "a key that is not RSA"),
    ],
    ids=["text", "empty", "expired", "future", "short", "elliptic"],
)
def test_a_certificate_that_cannot_be_used_is_refused(tree: Path, pem: str, sentence: str) -> None:
    (tree / "overlays/dev/sealing-cert.pem").write_text(pem)
    done = seal(tree, "dev")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "sealing-cert.pem" in done.stderr
    assert "make seal-cert" in done.stderr
    assert not (tree / "overlays/dev/postgres/sealedsecret.yaml").exists()


def test_a_missing_certificate_is_named(tree: Path) -> None:
    (tree / "overlays/dev/sealing-cert.pem").unlink()
    done = verbs.as_a_process("seal", "--root", str(tree), "dev")
    assert done.returncode == 2
    assert "sealing-cert.pem" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "has 0 characters; it takes 16 to 512"),
        ("too-short", "has 9 characters"),
        ("x" * 513, "has 513 characters"),
        ("a space in the middle", "printable ASCII without spaces"),
        ("sixteen-characters-ä", "printable ASCII without spaces"),
    ],
)
def test_a_password_that_would_not_do_is_refused_and_not_shown(
    tree: Path, password: str, sentence: str
) -> None:
    done = seal(tree, "dev", "--stdin", stdin=f"{password}\n")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert not password or password not in done.stdout + done.stderr


def test_an_unknown_environment_is_refused_with_those_there_are(tree: Path) -> None:
    done = seal(tree, "staging")
    assert done.returncode == 2
    assert "there is no environment 'staging'; there is dev" in done.stderr


def test_no_environment_is_refused(tree: Path) -> None:
    done = seal(tree)
    assert done.returncode == 2
    assert "name the environment" in done.stderr


def test_two_environments_do_not_share_a_password_from_standard_input(tree: Path) -> None:
    done = seal(tree, "dev", "prod", "--stdin", stdin=PASSWORD)
    assert done.returncode == 2
    assert "must not share a password" in done.stderr


def test_the_ages_can_be_asked(tree: Path) -> None:
    seal(tree, "dev")
    done = seal(tree, "--age")
    ends = (NOW + timedelta(days=364)).date()
    assert done.returncode == 0
    assert "dev: sealed 0 days ago" in done.stdout
    assert "for space/coworking-secret;" in done.stdout
    assert f"made 1 days ago, valid until {ends}." in done.stdout
    assert "another" not in done.stdout


def test_a_secret_of_another_certificate_is_told(tree: Path) -> None:
    seal(tree, "dev")
    (tree / "overlays/dev/sealing-cert.pem").write_text(certificate(valid=366))
    done = seal(tree, "dev", "--age")
    assert "The secret was sealed with another" in done.stdout


def test_a_secret_without_notes_is_told(tree: Path) -> None:
    (tree / "overlays/dev/postgres/sealedsecret.yaml").write_text("kind: SealedSecret\n")
    done = seal(tree, "--age")
    assert done.returncode == 2
    assert "does not say when and for what it was sealed" in done.stderr


def test_the_throw_away_certificate_is_told(tree: Path) -> None:
    (tree / "overlays/dev/sealing-cert.pem").write_text(certificate(name="throw-away of dev"))
    done = seal(tree, "dev")
    assert done.returncode == 0
    assert "no cluster can open this" in done.stderr


def test_two_lines_on_standard_input_are_taken_for_the_mistake_they_are(tree: Path) -> None:
    done = seal(tree, "dev", "--stdin", stdin=f"{PASSWORD}\nanother-line-of-it\n")
    assert done.returncode == 2
    assert "standard input has 2 lines, and password is one line" in done.stderr
    assert PASSWORD not in done.stderr
    assert "another-line" not in done.stderr
    assert not (tree / "overlays/dev/postgres/sealedsecret.yaml").exists()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_certificate_in_utf_16_is_named_as_such(tree: Path, encoding: str) -> None:
    """A codec's sentence about byte 0xff was shown."""
    path = tree / "overlays/dev/sealing-cert.pem"
    path.write_text("\ufeff" * (encoding != "utf-16") + path.read_text(), encoding=encoding)
    done = seal(tree, "dev", "--stdin", stdin=PASSWORD)
    assert done.returncode == 2
    assert "sealing-cert.pem is UTF-16, as PowerShell's > writes it" in done.stderr
    assert "python -m ci seal-cert dev\n" in done.stderr


@pytest.mark.parametrize("same", [True, False])
def test_where_a_cluster_is_there_its_certificate_is_compared(
    tree: Path, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    ours = (tree / "overlays/dev/sealing-cert.pem").read_text()
    live = sealing.parse_certificate(ours if same else certificate(), "the cluster")
    monkeypatch.setenv("KUBECONFIG", "/some/config")
    monkeypatch.setattr(
        seal_cert, "fetch", mock.create_autospec(seal_cert.fetch, return_value=live)
    )
    done = seal(tree, "dev", "--stdin", stdin=PASSWORD)
    assert done.returncode == 0
    warned = f"warning: the cluster of KUBECONFIG seals with {live.fingerprint[:12]}"
    assert (warned in done.stderr) is not same
    assert ("make seal ENV=dev ARGS=--fetch" in done.stderr) is not same


def test_a_cluster_that_does_not_answer_keeps_nobody_from_sealing(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tree / "config"
    config.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        'clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}]\n'
        "contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(config))
    done = seal(tree, "dev", "--stdin", stdin=PASSWORD)
    assert done.returncode == 0
    assert "warning: not compared with the cluster of KUBECONFIG: " in done.stderr
    assert sealed(tree)
