"""Every setting of the service: read once from the environment, strictly, with its help beside it.

    config = Config.read()
    config.db_host

A setting is one field of `Config`; the documentation's table, `coworking check-config` and the
tests read `SETTINGS`, which is made from the fields.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict

from coworking import tls
from coworking.errors import ConfigError
from coworking.values import File, Name, Password, Port, TlsMode, Zone  # noqa: TC001 (pydantic)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MASK = "********"


def _setting(name: str, help_text: str, *, example: str, default: Any = PydanticUndefined) -> Any:
    """A field that is read from the environment variable `name`."""
    return Field(default, validation_alias=name, description=help_text, examples=[example])


class Config(BaseSettings):
    """The settings, typed. Fields are named as the variables are, in lower case."""

    model_config = SettingsConfigDict(
        frozen=True,
        case_sensitive=True,
        extra="ignore",
        populate_by_name=True,
        allow_inf_nan=False,
    )

    db_username: Name = _setting("DB_USERNAME", "The database's user.", example="coworking")
    db_password: Password | None = _setting(
        "DB_PASSWORD",
        "The user's password. Not with `DB_PASSWORD_FILE`; neither is needed on a Unix socket.",
        example="the password",
        default=None,
    )
    db_password_file: File | None = _setting(
        "DB_PASSWORD_FILE",
        "A file that holds the password; it is read again at each new connection, so a changed "
        "password needs no restart. One newline at its end is not part of the password. The file "
        "beside it whose name ends in `_NEXT` may announce the next password: a login that "
        "PostgreSQL refuses is tried once with the other one.",
        example="/run/secrets/coworking/password",
        default=None,
    )
    db_host: Name = _setting(
        "DB_HOST",
        "The database's host name or address, or the folder of its Unix socket.",
        example="postgresql-service",
        default="127.0.0.1",
    )
    db_port: Port = _setting("DB_PORT", "The database's port.", example="5432", default=5432)
    db_name: Name = _setting(
        "DB_NAME", "The database's name.", example="coworking", default="postgres"
    )
    db_sslmode: TlsMode = _setting(
        "DB_SSLMODE",
        "How the connection is encrypted, in libpq's words. `verify-full` takes only a server "
        "whose certificate is signed by an authority of `DB_SSLROOTCERT` and names `DB_HOST`; "
        "`prefer` takes any server.",
        example="verify-full",
        default="prefer",
    )
    db_sslrootcert: File | None = _setting(
        "DB_SSLROOTCERT",
        "A file with the certificates of the authorities (PEM) that `verify-ca` and `verify-full` "
        "trust; it is read again at each new connection.",
        example="/etc/coworking/database-ca/ca.pem",
        default=None,
    )
    db_pool_size: Annotated[int, Field(ge=1, le=100)] = _setting(
        "DB_POOL_SIZE",
        "Connections per process for building reports. A process opens at most this many and one "
        "for its checks; one process of all replicas opens one more, for the fold.",
        example="8",
        default=8,
    )
    db_check_timeout: Annotated[float, Field(gt=0, le=30)] = _setting(
        "DB_CHECK_TIMEOUT",
        "Seconds that a request waits for a connection or for the database's first answer before "
        "it gets 503.",
        example="0.8",
        default=0.8,
    )
    db_statement_timeout: Annotated[float, Field(gt=0, le=3600)] = _setting(
        "DB_STATEMENT_TIMEOUT",
        "Seconds after which PostgreSQL ends a request's statement.",
        example="10",
        default=10.0,
    )
    app_host: Name = _setting(
        "APP_HOST",
        "The address that the service listens on.",
        example="127.0.0.1",
        default="0.0.0.0",  # noqa: S104 (a pod's service is reached from outside of it)
    )
    app_port: Port = _setting(
        "APP_PORT", "The port that the service listens on.", example="5153", default=5153
    )
    metrics_port: Port = _setting(
        "METRICS_PORT",
        "The port of `/metrics`, on the same address; publish it to Prometheus alone.",
        example="9153",
        default=9153,
    )
    access_key_file: File | None = _setting(
        "ACCESS_KEY_FILE",
        "A file with one access key a line, each of at least 32 random bytes; the file beside it "
        "whose name ends in `_OLD` counts too. Reports then need one of the keys. Without a key in "
        "them, or without this setting, they answer everybody. Both are read again when they "
        "change.",
        example="/run/secrets/coworking/ACCESS_KEY",
        default=None,
    )
    cookie_secure: bool = _setting(
        "COOKIE_SECURE",
        "Whether browsers send the login's cookie by HTTPS alone: true where people reach the "
        "service by HTTPS.",
        example="true",
        default=False,
    )
    web_processes: Annotated[int, Field(ge=1, le=64)] = _setting(
        "WEB_PROCESSES",
        "Server processes; one per processor core that the pod may use.",
        example="1",
        default=1,
    )
    web_threads: Annotated[int, Field(ge=1, le=256)] = _setting(
        "WEB_THREADS",
        "Requests that a process works on at the same time; more wait in line.",
        example="32",
        default=32,
    )
    place_name: Annotated[Name, Field(max_length=60)] = _setting(
        "PLACE_NAME",
        "The coworking space's name, as the dashboard and the monthly report show it.",
        example="Harbour Loft",
        default="Coworking",
    )
    place_time_zone: Zone = _setting(
        "PLACE_TIME_ZONE",
        "The coworking space's time zone, in which the dashboard and the monthly report begin. The "
        "API's answers stay in UTC unless they are asked for another one.",
        example="Europe/Berlin",
        default="UTC",
    )
    report_max_age: Annotated[float, Field(ge=0, le=3600)] = _setting(
        "REPORT_MAX_AGE",
        "Seconds by which an answer may be behind the database. 0 means never: every answer is "
        "exact. The header `Report-Freshness` says which it was.",
        example="1",
        default=0.0,
    )
    report_keep_mb: Annotated[int, Field(ge=0, le=10_000)] = _setting(
        "REPORT_KEEP_MB",
        "Megabytes per process for keeping answers until the data changes; 0 keeps none.",
        example="24",
        default=24,
    )
    fold_seconds: Annotated[float, Field(gt=0, le=3600)] = _setting(
        "FOLD_SECONDS",
        "Seconds between two folds of the rollups, which one process of all replicas does.",
        example="30",
        default=30.0,
    )
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = _setting(
        "DRAIN_SECONDS",
        "Seconds after SIGTERM in which readiness answers 503 while requests are still served.",
        example="5",
        default=5.0,
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _setting(
        "LOG_LEVEL",
        "The least severe level that is logged. DEBUG adds a line per successful probe.",
        example="INFO",
        default="INFO",
    )
    build: str = _setting(
        "BUILD",
        "The build's number, as `/version` shows it; set in the image.",
        example="118",
        default="dev",
    )
    commit: str = _setting(
        "COMMIT",
        "The commit that was built, as `/version` shows it; set in the image.",
        example="3f2a91c07d5b6e8f9a0b1c2d3e4f5a6b7c8d9e0f",
        default="unknown",
    )

    @model_validator(mode="after")
    def _two_ports(self) -> Self:
        if self.app_port == self.metrics_port:
            raise ValueError(
                f"APP_PORT and METRICS_PORT are both {self.app_port}; set another METRICS_PORT, "
                f"for example METRICS_PORT={self.app_port % 65535 + 1}"
            )
        return self

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if self.db_password is not None and self.db_password_file is not None:
            raise ValueError("DB_PASSWORD and DB_PASSWORD_FILE are both set; set one of them")
        on_socket = self.db_host.startswith("/")
        if self.db_password is None and self.db_password_file is None and not on_socket:
            raise ValueError(
                "neither DB_PASSWORD nor DB_PASSWORD_FILE is set; set one of them, for example "
                "DB_PASSWORD_FILE=/run/secrets/coworking/password"
            )
        return self

    @model_validator(mode="after")
    def _verified(self) -> Self:
        tls.check_settings(self.db_sslmode, self.db_sslrootcert, self.db_host)
        return self

    @classmethod
    def read(cls) -> Config:
        """The settings of this process's environment.

        Raises:
            ConfigError: one line for each thing that is wrong, with the value and a valid one.
        """
        try:
            return cls()
        except ValidationError as error:
            lines = "\n".join(_sentence(fault) for fault in error.errors())
            raise ConfigError(
                lines, hint="`coworking check-config` shows every setting and its source."
            ) from None

    def password(self) -> str | None:
        """The password of DB_PASSWORD or its file now; None means that none is sent.

        Raises:
            ConfigError: the file of DB_PASSWORD_FILE can't be read, or is empty.
        """
        if self.db_password_file is None:
            return None if self.db_password is None else self.db_password.get_secret_value()
        return _password_in(self.db_password_file)

    def next_password(self) -> str | None:
        """The password to come, while one is announced; None at all other times.

        Raises:
            ConfigError: its file is there and can't be read, or is empty.
        """
        file = self.db_password_file
        announced = None if file is None else file.with_name(file.name + "_NEXT")
        if announced is None or not announced.exists():
            return None
        return _password_in(announced)


def _password_in(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise _password_file_fault(file, f"can't be read: {reason}") from None
    password = text.removesuffix("\n").removesuffix("\r")
    if not password:
        raise _password_file_fault(file, "is empty")
    if "\x00" in password:
        raise _password_file_fault(file, "has a NUL character, as text in UTF-16 has")
    return password


def _password_file_fault(file: Path, what: str) -> ConfigError:
    return ConfigError(
        f"DB_PASSWORD_FILE={file} {what}; name a file that holds the "
        f"password in UTF-8, readable by this user, for example "
        f"DB_PASSWORD_FILE={SETTINGS['DB_PASSWORD_FILE'].example}"
    )


@dataclass(frozen=True)
class ServiceSetting:
    """One row of the registry: everything that is said about a setting anywhere."""

    name: str
    field: str
    help: str
    default: str
    example: str

    @property
    def secret(self) -> bool:
        """Whether its value is shown as a mask."""
        return self.name == "DB_PASSWORD"

    def present(self, environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
        """Its value as it may be shown, and where that comes from: environment or default."""
        if self.name not in environment:
            return self.default, "default"
        value = environment[self.name]
        return (MASK if self.secret and value else value or "(empty)"), "environment"


def fault(name: str, value: str) -> str:
    """What is wrong with a setting's value by itself, as `Config.read` says it; "" if nothing is.

    Raises:
        KeyError: there is no such setting.
    """
    info = Config.model_fields[SETTINGS[name].field]
    form: Any = Annotated[info.annotation, name, *info.metadata]
    try:
        TypeAdapter(form).validate_python(value)
    except ValidationError as error:
        return _sentence({**error.errors()[0], "loc": (name,)})
    return ""


def _registry() -> dict[str, ServiceSetting]:
    rows = {}
    for field, info in Config.model_fields.items():
        name = str(info.validation_alias)
        default = "" if info.default in (None, PydanticUndefined) else f"{info.default}"
        if isinstance(info.default, bool):
            default = default.lower()
        example = str((info.examples or [""])[0])
        rows[name] = ServiceSetting(name, field, info.description or "", default, example)
    return rows


SETTINGS: dict[str, ServiceSetting] = _registry()


def _sentence(fault: Any) -> str:
    """A validation error as `NAME=value: what is wrong; for example NAME=example`."""
    if not fault["loc"]:
        return str(fault["ctx"]["error"])
    setting = SETTINGS[str(fault["loc"][0])]
    name = setting.name
    if fault["type"] == "missing":
        return f"{name} is not set; for example {name}={setting.example}"
    value = MASK if setting.secret and fault["input"] else str(fault["input"])
    wrong = fault["msg"].removeprefix("Value error, ")
    wrong = wrong[:1].lower() + wrong[1:]
    return f"{name}={value}: {wrong}; for example {name}={setting.example}"


def unknown_names(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that look like the database's settings and are not: name to a sentence.

    Only names that begin with `DB_` are looked at: a Deployment that says DB_USER would otherwise
    run with the default user, and nobody would know why.
    """
    found = {}
    for name in sorted(environment):
        if name.startswith("DB_") and name not in SETTINGS:
            same_start = [
                each for each in SETTINGS if name.startswith(each) or each.startswith(name)
            ]
            near = same_start or difflib.get_close_matches(name, SETTINGS, n=1)
            known = ", ".join(each for each in SETTINGS if each.startswith("DB_"))
            advice = f"did you mean {near[0]}?" if near else f"the settings are {known}"
            found[name] = f"{name} is not a setting; {advice}"
    return found


def markdown() -> str:
    """The table of all settings, as docs/configuration.md has it."""
    lines = ["| variable | default | what it is |", "| --- | --- | --- |"]
    for setting in SETTINGS.values():
        default = f"`{setting.default}`" if setting.default else ""
        lines.append(f"| `{setting.name}` | {default} | {setting.help} |")
    return "\n".join(lines) + "\n"
