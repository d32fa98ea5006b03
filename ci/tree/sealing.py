"""Seal a value for a sealed-secrets controller: its certificate and its format.

The format is the controller's own: for each value base64 of (2 bytes, big-endian, the length of R;
R; C), where K is a fresh 32-byte key, R = RSA-OAEP with SHA-256 of K under the label, and
C = AES-256-GCM of the value with K and a nonce of zeros (K is used once). In strict scope the label
is `namespace/name`, so a sealed value opens for that namespace and name alone.
Source: sealed-secrets, pkg/crypto and docs/developer/crypto.md.
"""

from __future__ import annotations

import base64
import codecs
import os
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ci.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

NONCE = bytes(12)
SMALLEST_KEY = 2048  # bits
CONTROLLER = ("kube-system", "sealed-secrets-controller")  # upstream's namespace and Service
THROW_AWAY = "throw-away"  # in the subject of a certificate whose key nobody has
HOW_TO_FETCH = "Fetch the cluster's: make seal-cert ENV=dev (or prod)."


class SecretName(NamedTuple):
    """The Secret that a value is sealed for."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Certificate(NamedTuple):
    """A controller's certificate: whom to seal for."""

    pem: str
    key: rsa.RSAPublicKey
    fingerprint: str
    begins: datetime
    ends: datetime
    throw_away: bool


def read_certificate(path: Path) -> Certificate:
    """Read a certificate from a file; errors as `parse_certificate`."""
    try:
        data = path.read_bytes()
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise InputError(
                f"{path} is UTF-16, as PowerShell's > writes it; a certificate is read as UTF-8",
                hint=f"python -m ci seal-cert {path.parent.name}\nfetches it and writes the file as"
                " it must be.",
            )
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} can't be read as a certificate: {error}", hint=HOW_TO_FETCH
        ) from error
    return parse_certificate(text, str(path))


def parse_certificate(text: str, source: str) -> Certificate:
    """Read the first certificate of a PEM text; `source` is what an error calls it.

    Raises:
        InputError: it is not a certificate, or its key is not RSA of at least 2,048 bits.
    """
    try:
        certificate = x509.load_pem_x509_certificate(text.encode())
        key = certificate.public_key()
    except Exception as error:
        raise InputError(
            f"{source} is not a certificate: it has no valid block that begins with"
            " -----BEGIN CERTIFICATE-----",
            hint=HOW_TO_FETCH,
        ) from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise InputError(
            f"the certificate in {source} has a key that is not RSA, and the sealed-secrets"
            " controller opens only what is sealed for RSA",
            hint=HOW_TO_FETCH,
        )
    if key.key_size < SMALLEST_KEY:
        raise InputError(
            f"the key in {source} has {key.key_size} bits; {SMALLEST_KEY} are the least that is"
            " safe, and the controller makes 4096",
            hint=HOW_TO_FETCH,
        )
    return Certificate(
        pem=certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key=key,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        begins=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
        throw_away=THROW_AWAY in certificate.subject.rfc4514_string(),
    )


def require_valid(certificate: Certificate, source: str, now: datetime) -> None:
    """Refuse a certificate outside its time: the controller has a newer one by now.

    Raises:
        InputError: it has expired, or does not begin yet.
    """
    if now > certificate.ends:
        raise InputError(
            f"the certificate in {source} expired on {certificate.ends:%Y-%m-%d}",
            hint=HOW_TO_FETCH,
        )
    if now < certificate.begins:
        raise InputError(
            f"the certificate in {source} is not valid before {certificate.begins:%Y-%m-%d}; does"
            f" this machine's clock say {now:%Y-%m-%d} rightly?",
            hint=HOW_TO_FETCH,
        )


def seal_value(value: bytes, key: rsa.RSAPublicKey, target: SecretName) -> str:
    """Seal one value, strictly for one Secret."""
    session_key = os.urandom(32)
    oaep = padding.OAEP(
        mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=str(target).encode()
    )
    wrapped = key.encrypt(session_key, oaep)
    sealed = AESGCM(session_key).encrypt(NONCE, value, None)
    return base64.b64encode(struct.pack(">H", len(wrapped)) + wrapped + sealed).decode()


def utc_now() -> datetime:
    """The time now."""
    return datetime.now(UTC)
