"""Whom the service sends its password: a PostgreSQL 15 with TLS of its own, and what it refuses."""

from __future__ import annotations

import contextlib
import datetime
import shutil
import socket
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from coworking import schema
from coworking.config import Config
from coworking.database import Database as Connections
from coworking.errors import ConfigError, DatabaseAway, DatabaseUntrusted
from tests.app.conftest import PASSWORD, USER, Database, _bin_folder, _initialise, _os_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

VERSION = 15  # production's; the wheel's 18 is built without OpenSSL
NAME = "localhost"  # the certificate's only name
LIFE = datetime.timedelta(hours=1)
FILES = ("server.pem", "server.key")


def new_key(bits: int) -> Key:
    """A private key: of an elliptic curve of 256 or 384 bits, else of RSA."""
    curves = {256: ec.SECP256R1(), 384: ec.SECP384R1()}
    if bits in curves:
        return ec.generate_private_key(curves[bits])
    return rsa.generate_private_key(65537, bits)


class Authority:
    """A certificate authority, made for one test run."""

    def __init__(self, name: str, key: Key | None = None) -> None:
        self._key = key or new_key(256)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        extension = x509.BasicConstraints(ca=True, path_length=None)
        builder = self._builder(self._name, self._key.public_key(), LIFE)
        made = builder.add_extension(extension, critical=True).sign(self._key, hashes.SHA256())
        self.pem = made.public_bytes(serialization.Encoding.PEM)

    def _builder(
        self, subject: x509.Name, key: PublicKey, life: datetime.timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        builder = builder.public_key(key).serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - 2 * LIFE).not_valid_after(now + life)

    def server(self, name: str, life: datetime.timedelta = LIFE) -> tuple[bytes, bytes]:
        """A server's certificate and key, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        builder = self._builder(subject, key.public_key(), life)
        made = builder.add_extension(names, critical=False).sign(self._key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return made.public_bytes(serialization.Encoding.PEM), private


class TlsServer:
    """A server whose certificate a test replaces.

    Attributes:
        authority: who signed its certificate.
        address: its database `postgres`, by the certificate's name.
    """

    def __init__(self, folder: Path, os_user: str, port: int) -> None:
        self.authority = Authority("the database's")
        self.address = Database(NAME, port, USER, PASSWORD, "postgres", VERSION)
        self._data, self._os_user = folder / "data", os_user
        self.present(*self.authority.server(NAME))

    def present(self, certificate: bytes, key: bytes) -> None:
        """Write the certificate and key that it presents from its next reload on."""
        for file, content in zip(FILES, (certificate, key), strict=True):
            path = self._data / file
            path.touch(mode=0o600)
            path.write_bytes(content)
            if self._os_user:
                shutil.chown(path, self._os_user)

    def ready(self) -> bool:
        """Whether it takes connections."""
        with contextlib.suppress(psycopg2.OperationalError):
            self.address.rows("SELECT 1")
            return True
        return False


@pytest.fixture(scope="module")
def server() -> Iterator[TlsServer]:
    bin_folder = _bin_folder(VERSION)
    os_user = _os_user(VERSION, bin_folder)
    folder = _initialise(VERSION, bin_folder, os_user)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = TlsServer(folder, os_user, port)
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
        "ssl": "on",
        "ssl_cert_file": FILES[0],
        "ssl_key_file": FILES[1],
    }
    words = [word for item in settings.items() for word in ("-c", "=".join(item))]
    command = [f"{bin_folder}/postgres", "-D", f"{folder}/data", "-p", str(port), *words]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, user=os_user or None, cwd="/", stdout=log, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 60
        while not found.ready():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield found
    finally:
        process.send_signal(3)  # its immediate shutdown: the data is thrown away
        process.wait()
        shutil.rmtree(folder)


@pytest.fixture
def verified(
    server: TlsServer, configured: Callable[..., Config], tmp_path: Path
) -> Callable[..., Config]:
    """`verified(DB_HOST="…")`: the settings that take this server alone, some of them replaced."""
    file = tmp_path / "ca.pem"
    file.write_bytes(server.authority.pem)
    wanted = {"DB_SSLMODE": "verify-full", "DB_SSLROOTCERT": str(file)}
    return lambda **other: configured(server.address, **wanted | other)


def refused(config: Config) -> DatabaseAway:
    """Why a request can't connect. On a busy machine libpq gives up first: then once more."""
    deadline = time.monotonic() + 60
    while True:
        with pytest.raises(DatabaseAway) as raised:
            Connections(config).connect()
        slow = f"{raised.value} {raised.value.hint}"
        if "timeout expired" not in slow and "no answer" not in slow:
            return raised.value
        assert time.monotonic() < deadline, slow


@pytest.mark.thorough
def test_the_right_server_is_served_from_over_tls(verified: Callable[..., Config]) -> None:
    connections = Connections(verified(), patient=True)
    schema.upgrade(connections.engine)
    with connections.engine.connect() as connection:
        asked = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert tuple(connection.exec_driver_sql(asked).one()) == (True, "TLSv1.3")
    connections.close()


def test_an_unknown_authority_is_refused(verified: Callable[..., Config], tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Authority("somebody else's").pem)
    error = refused(verified(DB_SSLROOTCERT=str(other)))
    assert str(error) == (
        f"the database's certificate is not signed by an authority of {other}, or has expired"
    )
    assert "DB_SSLROOTCERT" in error.hint


@pytest.mark.parametrize(("kind", "other"), [(256, 256), (384, 256), (2048, 2048), (2048, 3072)])
def test_an_authority_of_the_same_name_with_another_key_is_refused_in_the_same_words(
    server: TlsServer, verified: Callable[..., Config], tmp_path: Path, kind: int, other: int
) -> None:
    signer, renewed = (Authority("the database's", new_key(bits)) for bits in (kind, other))
    files = {}
    for name, authority in {"signer": signer, "renewed": renewed}.items():
        files[name] = tmp_path / f"{name}.pem"
        files[name].write_bytes(authority.pem)
    server.present(*signer.server(NAME))
    server.address.rows("SELECT pg_reload_conf()")
    try:
        right = verified(DB_SSLROOTCERT=str(files["signer"]))
        deadline = time.monotonic() + 30
        while not _connects(right):  # the server reads it a moment after it was asked
            assert time.monotonic() < deadline
        error = refused(verified(DB_SSLROOTCERT=str(files["renewed"])))
        assert "is not signed by an authority of" in str(error)
    finally:
        server.present(*server.authority.server(NAME))
        server.address.rows("SELECT pg_reload_conf()")


def _connects(config: Config) -> bool:
    with contextlib.suppress(DatabaseAway):
        Connections(config).connect().close()
        return True
    return False


def test_a_migration_ends_at_once_with_the_refusal_which_no_waiting_changes(
    verified: Callable[..., Config],
) -> None:
    connections = Connections(verified(DB_HOST="127.0.0.1"), patient=True)
    began, said = time.monotonic(), list[str]()
    with pytest.raises(DatabaseUntrusted, match="certificate is for 'localhost'"):
        schema.upgrade(connections.engine, progress=said.append, patience=60)
    assert time.monotonic() - began < 30
    assert said == []


def test_another_host_s_certificate_is_refused(verified: Callable[..., Config]) -> None:
    error = refused(verified(DB_HOST="127.0.0.1"))
    assert str(error) == (
        "the database's certificate is for 'localhost', and DB_HOST is '127.0.0.1'"
    )
    assert error.hint.startswith("Set DB_HOST to a name that is in the certificate")


def test_verify_ca_takes_another_host_s_certificate(verified: Callable[..., Config]) -> None:
    Connections(verified(DB_HOST="127.0.0.1", DB_SSLMODE="verify-ca")).connect().close()


def test_a_server_without_tls_is_refused(
    database: Database, configured: Callable[..., Config], server: TlsServer, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(server.authority.pem)
    wanted = {"DB_SSLMODE": "verify-full", "DB_SSLROOTCERT": str(file)}
    error = refused(configured(database, **wanted))
    assert str(error) == (
        "the database at '127.0.0.1' speaks no TLS, and DB_SSLMODE=verify-full needs it"
    )
    Connections(configured(database)).connect().close()  # by default it is taken


def test_a_password_that_is_wrong_is_no_matter_of_certificates(
    server: TlsServer, verified: Callable[..., Config], configured: Callable[..., Config]
) -> None:
    right = verified()
    wrong = replace(server.address, password="wrong-4711")
    wanted = {"DB_SSLMODE": "verify-full", "DB_SSLROOTCERT": str(right.db_sslrootcert)}
    error = refused(configured(wrong, **wanted))
    assert str(error) == "the database can't be reached"
    assert "password authentication failed" in error.hint


@pytest.mark.parametrize("content", [None, b"", b"no certificate\n"])
def test_a_file_without_certificates_is_named(
    verified: Callable[..., Config], tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "bad.pem"
    if content is not None:
        file.write_bytes(content)
    error = refused(verified(DB_SSLROOTCERT=str(file)))
    assert str(error) == f"the file of DB_SSLROOTCERT={file} can't be read as certificates"


def test_an_expired_certificate_is_refused(
    server: TlsServer, verified: Callable[..., Config]
) -> None:
    config = verified()
    server.present(*server.authority.server(NAME, life=-LIFE))
    server.address.rows("SELECT pg_reload_conf()")
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:  # the server reads it a moment after it was asked
            with contextlib.suppress(DatabaseAway):
                Connections(config).connect().close()
                continue
            break
        assert str(refused(config)).endswith("or has expired")
    finally:
        server.present(*server.authority.server(NAME))
        server.address.rows("SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"DB_SSLMODE": "verify-full"},
            "DB_SSLMODE=verify-full and DB_SSLROOTCERT is not set; name the file",
        ),
        (
            {"DB_SSLMODE": "require", "DB_SSLROOTCERT": "/ca.pem"},
            "DB_SSLROOTCERT is set and DB_SSLMODE=require takes a server with any certificate",
        ),
        (
            {"DB_SSLROOTCERT": "/ca.pem"},
            "DB_SSLROOTCERT is set and DB_SSLMODE=prefer takes a server with any certificate",
        ),
        (
            {
                "DB_SSLMODE": "verify-full",
                "DB_SSLROOTCERT": "/ca.pem",
                "DB_HOST": "/run/postgresql",
            },
            "a Unix socket has no certificate",
        ),
        ({"DB_SSLMODE": "verify"}, "DB_SSLMODE=verify: input should be 'disable', 'prefer'"),
        (
            {"DB_SSLMODE": "verify-full", "DB_SSLROOTCERT": ""},
            "DB_SSLROOTCERT=: it must not be empty",
        ),
    ],
)
def test_settings_that_say_less_than_they_seem_to_are_refused(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], sentence: str
) -> None:
    for name in ("DB_HOST", "DB_SSLMODE", "DB_SSLROOTCERT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "DB_USERNAME": "coworking",
        "DB_PASSWORD": "wrong-4711",
        **settings,
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as raised:
        Config.read()
    assert sentence in str(raised.value)
