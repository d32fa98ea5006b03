"""Who the database's server is: settings that check its certificate, and why one was refused.

    tls.check_settings("verify-full", Path("ca.pem"), "db.example.com")
    tls.refusal(error, config)     # ("the database's certificate …", "what to do"), or None

A refusal comes before the password is sent.
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

from coworking.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from coworking.config import Config

VERIFYING = ("verify-ca", "verify-full")
_OTHER_NAME = re.compile(
    r'server certificate for "([^"]*)"(?: \(and \d+ other names?\))? does not match'
)
# An authority of the right name with another key, such as a renewed one: the words are those of the
# signature's check, by the kinds of the two keys, and by chance: a signature that another RSA key
# made may be larger than its modulus.
_NOT_SIGNED = re.compile(
    r"SSL error: (certificate verify failed"
    r"|.*(signature|padding|modulus|octet|block type|digest|lib\b))"
)


def check_settings(mode: str, authorities: Path | None, host: str) -> None:
    """Refuse settings that say less than they seem to.

    Raises:
        ValueError: the certificate would be checked against nothing, or against something that
            nobody reads.
    """
    if mode in VERIFYING and host.startswith("/"):
        raise ValueError(
            f"DB_SSLMODE={mode} and DB_HOST={host}: a Unix socket has no certificate; leave "
            "DB_SSLMODE out, or name a host"
        )
    if mode in VERIFYING and authorities is None:
        raise ValueError(
            f"DB_SSLMODE={mode} and DB_SSLROOTCERT is not set; name the file of the certificates "
            "to trust, for example DB_SSLROOTCERT=/etc/coworking/database-ca/ca.pem"
        )
    if mode not in VERIFYING and authorities is not None:
        raise ValueError(
            f"DB_SSLROOTCERT is set and DB_SSLMODE={mode} takes a server with any certificate; set "
            "DB_SSLMODE=verify-full"
        )


def check_file(authorities: Path | None) -> None:
    """Refuse a file of authorities that can't be used; each new connection would say the same.

    Raises:
        ConfigError: it can't be read, or holds no certificate.
    """
    if authorities is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(authorities)
    except OSError as error:  # ssl.SSLError is one
        no_certificate = isinstance(error, ssl.SSLError)
        why = "it holds no certificate in PEM" if no_certificate else error.strerror
        raise ConfigError(
            f"DB_SSLROOTCERT={authorities} can't be used: {why}; name a file of certificates in "
            "PEM, readable by this user"
        ) from None


def refusal(error: BaseException, config: Config) -> tuple[str, str] | None:
    """Why the server wasn't trusted and what to do, two texts; None where that isn't the reason.

    libpq gives no code for it, so its words are read (fe-secure-openssl.c, fe-secure-common.c and
    fe-connect.c of PostgreSQL 15 to 18, without translation in our wheel).
    """
    said = str(error)
    host, file = config.db_host, config.db_sslrootcert
    other = _OTHER_NAME.search(said)
    if other:
        return (
            f"the database's certificate is for {other[1]!r}, and DB_HOST is {host!r}",
            "Set DB_HOST to a name that is in the certificate: RDS's own endpoint, not an alias.",
        )
    if _NOT_SIGNED.search(said):
        return (
            f"the database's certificate is not signed by an authority of {file}, or has expired",
            "Put the authority of this server's certificate into the file of DB_SSLROOTCERT.",
        )
    if "server does not support SSL" in said:
        return (
            f"the database at {host!r} speaks no TLS, and DB_SSLMODE={config.db_sslmode} needs it",
            "Turn it on there (`ssl = on`). No password was sent.",
        )
    if "root certificate file" in said:
        return (
            f"the file of DB_SSLROOTCERT={file} can't be read as certificates",
            "It must be readable by this user and hold certificates in PEM.",
        )
    return None
