"""What the service's settings may hold: each type with its validation.

    db_host: Name
    db_sslrootcert: File | None

An error says what is wrong; `Config` adds the variable's name, its value and an example.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from coworking.periods import nearest, zone_names


def _without_blanks(value: str) -> str:
    if not value or value != value.strip() or "\x00" in value:
        raise ValueError("it must not be empty, nor begin or end with a blank")
    return value


def _not_empty(value: SecretStr) -> SecretStr:
    if not value.get_secret_value():
        raise ValueError("it must not be empty; leave it out where no password is needed")
    return value


def _named(value: object) -> object:
    if value == "":  # it would be the present folder
        raise ValueError("it must not be empty")
    return value


Name = Annotated[str, AfterValidator(_without_blanks)]


def _zone(value: str) -> str:
    if value not in zone_names():
        near = nearest(value, zone_names(), otherwise="Europe/Berlin")
        raise ValueError(f"it is not the name of an IANA time zone; did you mean {near}?")
    return value


Zone = Annotated[str, AfterValidator(_zone)]
Port = Annotated[int, Field(ge=1, le=65535)]
Password = Annotated[SecretStr, AfterValidator(_not_empty)]
File = Annotated[Path, BeforeValidator(_named)]
# libpq's own, without `allow`.
TlsMode = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]
