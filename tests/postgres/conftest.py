"""A claim, PostgreSQL 15 on it, real pgBackRest, and S3 by moto behind TLS: all on this machine.

The programs are those of the image (apps/postgres/bin), with the settings of base/postgres/backups;
only paths, the address of S3 and its keys are the tests' own.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.postgres.claim import ROOT, Claim, Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
BUCKET = "backups"


def _missing() -> str:
    if not (DEBIAN_15 / "postgres").exists():
        return f"PostgreSQL 15 is missing (Debian's postgresql-15, in {DEBIAN_15})"
    return "" if shutil.which("pgbackrest") else "pgBackRest is missing (Debian's pgbackrest)"


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own user can reach, which pytest's are not."""
    if _missing():
        pytest.skip(_missing())
    path = Path(tempfile.mkdtemp(prefix="coworking-backups-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "s3.pem", folder / "s3.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, private


@pytest.fixture(scope="session")
def s3(folder: Path) -> Iterator[tuple[int, Path]]:
    """The port of an S3 that speaks TLS, and the certificate to trust.

    moto is a WSGI application, so the server of the service serves it; moto's own ends a TLS
    connection without the closing alert, which pgBackRest refuses.
    """
    pem, key = _certificate(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = (folder / "s3.log").open("wb")
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(port), "--blocking-threads", "8"),
            *("--ssl-certificate", pem, "--ssl-keyfile", key, "tests.postgres.s3:application"),
        ],
        cwd=ROOT,
        stdout=log,
        stderr=log,
    )
    deadline = time.monotonic() + 60
    while not _answers(port):
        if server.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"S3 does not start: {(folder / 's3.log').read_text()[-2000:]}")
        time.sleep(0.05)
    yield port, pem
    server.terminate()
    server.wait(20)
    log.close()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def bucket(s3: tuple[int, Path]) -> Any:
    """boto3's client of that S3, with the bucket made."""
    port, pem = s3
    client = boto3.client(
        "s3",
        endpoint_url=f"https://localhost:{port}",
        verify=str(pem),
        region_name="us-east-1",
        aws_access_key_id="an-access-key",
        aws_secret_access_key="its-other-half",
        config=Config(retries={"max_attempts": 1}),
    )
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def repository(s3: tuple[int, Path], bucket: Any, request: pytest.FixtureRequest) -> Repository:
    """A path of the bucket that nobody has used."""
    port, pem = s3
    return Repository(f"/{request.node.name}", port, pem, BUCKET, bucket)


@pytest.fixture
def new_claim(folder: Path, repository: Repository) -> Iterator[Callable[[], Claim]]:
    """Make an empty claim; its server and programs end with the test."""
    made: list[Claim] = []

    def make() -> Claim:
        path = Path(tempfile.mkdtemp(prefix="claim-", dir=folder))
        made.append(Claim(path, repository))
        return made[-1]

    yield make
    for claim in made:
        claim.kill()


@pytest.fixture
def claim(new_claim: Callable[[], Claim]) -> Claim:
    """An empty claim."""
    return new_claim()


@pytest.fixture(scope="session")
def template(folder: Path, s3: tuple[int, Path], bucket: Any) -> Claim:
    """What `backed_up` copies; its server is stopped."""
    port, pem = s3
    path = Path(tempfile.mkdtemp(prefix="template-", dir=folder))
    claim = Claim(path, Repository("/template", port, pem, BUCKET, bucket))
    claim.initialise()
    claim.start()
    claim.sql("CREATE ROLE coworking LOGIN PASSWORD 'first'", "CREATE TABLE tokens (id int)")
    claim.sql("INSERT INTO tokens SELECT generate_series(1, 100)")
    claim.backrest("stanza-create")
    claim.backrest("backup", "--type=full")
    claim.stop()
    time.sleep(1.1)  # pgBackRest compares a moment with the second that a backup ended in
    return claim


@pytest.fixture
def backed_up(claim: Claim, template: Claim, bucket: Any) -> Claim:
    """A claim whose server runs, with the table `tokens` of 100 rows and a full backup of it."""
    subprocess.run(["cp", "-a", template.data, claim.data], check=True)
    for key in template.repository.keys(""):
        copy = key.replace("template", claim.repository.path.lstrip("/"), 1)
        bucket.copy_object(Bucket=BUCKET, Key=copy, CopySource={"Bucket": BUCKET, "Key": key})
    claim.start()
    return claim
