"""Settings: read strictly, explained in a sentence, documented from the same registry."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coworking.config import SETTINGS, Config, markdown, unknown_names
from coworking.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENT = Path(__file__).parents[3] / "docs" / "configuration.md"

NEEDED = {"DB_USERNAME": "coworking", "DB_PASSWORD": "hunter2"}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Config]:
    """`read(DB_PORT="1")`: the settings of exactly this environment."""

    def read(**environment: str) -> Config:
        for name in set(os.environ) & set(SETTINGS):
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return Config.read()

    return read


def test_two_variables_are_enough(read: Callable[..., Config]) -> None:
    config = read(**NEEDED)
    assert (config.db_host, config.db_port, config.app_port) == ("127.0.0.1", 5432, 5153)
    assert config.password() == "hunter2"
    assert config.report_max_age == 0


@pytest.mark.parametrize(
    ("name", "value", "fault", "example"),
    [
        ("DB_PORT", "65536", "input should be less than or equal to 65535", "5432"),
        (
            "DB_HOST",
            "",
            "it must not be empty, nor begin or end with a blank",
            "postgresql-service",
        ),
        ("REPORT_MAX_AGE", "-1", "input should be greater than or equal to 0", "1"),
        ("REPORT_MAX_AGE", "nan", "input should be a finite number", "1"),
        (
            "PLACE_TIME_ZONE",
            "Europe/Berln",
            "it is not the name of an IANA time zone; did you mean Europe/Berlin?",
            "Europe/Berlin",
        ),
        ("LOG_LEVEL", "chatty", "input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'", "INFO"),
        (
            "DB_PORT",
            "tcp://10.0.0.7:5432",
            "input should be a valid integer, unable to parse string as an integer",
            "5432",
        ),
    ],
)
def test_it_names_what_is_wrong_and_what_would_be_right(
    read: Callable[..., Config], name: str, value: str, fault: str, example: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        read(**NEEDED | {name: value})
    assert str(raised.value) == f"{name}={value}: {fault}; for example {name}={example}"


def test_two_passwords_are_one_too_many(read: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError, match="DB_PASSWORD and DB_PASSWORD_FILE are both set"):
        read(**NEEDED, DB_PASSWORD_FILE="/run/secrets/password")


def test_one_port_for_reports_and_metrics_is_refused(read: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError) as raised:
        read(**NEEDED, APP_PORT="9153")
    assert str(raised.value) == (
        "APP_PORT and METRICS_PORT are both 9153; set another METRICS_PORT, for example "
        "METRICS_PORT=9154"
    )


def test_it_names_everything_that_is_wrong_at_once(read: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError) as raised:
        read(DB_PORT="x", APP_PORT="y")
    assert [line.split(":")[0] for line in str(raised.value).splitlines()] == [
        "DB_USERNAME is not set; for example DB_USERNAME=coworking",
        "DB_PORT=x",
        "APP_PORT=y",
    ]


def test_a_missing_password_is_an_error_unless_the_host_is_a_socket(
    read: Callable[..., Config],
) -> None:
    with pytest.raises(ConfigError, match="neither DB_PASSWORD nor DB_PASSWORD_FILE is set"):
        read(DB_USERNAME="coworking")
    assert read(DB_USERNAME="coworking", DB_HOST="/run/postgresql").password() is None


def test_no_error_shows_a_password(read: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError) as raised:
        read(**NEEDED | {"DB_PASSWORD_FILE": "/x", "DB_PORT": "x"})
    assert "hunter2" not in str(raised.value)


def test_the_settings_can_be_printed_without_the_password(read: Callable[..., Config]) -> None:
    assert "hunter2" not in repr(read(**NEEDED))


def test_the_password_file_is_read_each_time(read: Callable[..., Config], tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("first\n")
    config = read(DB_USERNAME="coworking", DB_PASSWORD_FILE=str(file))
    assert config.password() == "first"
    file.write_text(" second with blanks \n")
    assert config.password() == " second with blanks "


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "can't be read: No such file or directory"),
        (b"", "is empty"),
        (b"\xff", "not UTF-8"),
        (b"h\0u\0", "has a NUL character"),  # it was a stack trace of the driver's
    ],
)
def test_an_unusable_password_file_is_named(
    read: Callable[..., Config], tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    config = read(DB_USERNAME="coworking", DB_PASSWORD_FILE=str(file))
    with pytest.raises(ConfigError, match=sentence) as raised:
        config.password()
    assert f"DB_PASSWORD_FILE={file}" in str(raised.value)
    assert "for example DB_PASSWORD_FILE=/run/secrets/coworking/password" in str(raised.value)


@pytest.mark.parametrize("name", ["DB_PASSWORD", "DB_PASSWORD_FILE"])
def test_an_empty_password_is_an_error(read: Callable[..., Config], name: str) -> None:
    """DB_PASSWORD= passed for a password, and DB_PASSWORD_FILE= for the present folder."""
    with pytest.raises(ConfigError, match=f"^{name}=: it must not be empty"):
        read(DB_USERNAME="coworking", **{name: ""})


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("DB_USER", "DB_USER is not a setting; did you mean DB_USERNAME?"),
        ("DB_PASS", "DB_PASS is not a setting; did you mean DB_PASSWORD?"),
        ("DB_HOSTNAME", "DB_HOSTNAME is not a setting; did you mean DB_HOST?"),
    ],
)
def test_an_unknown_name_gets_the_nearest_one(name: str, sentence: str) -> None:
    assert unknown_names({name: "x", "PATH": "y", **NEEDED}) == {name: sentence}


def test_a_name_like_no_setting_gets_the_list(read: Callable[..., Config]) -> None:
    found = unknown_names({"DB_ZZZZZZZZZZZZ": "x"})["DB_ZZZZZZZZZZZZ"]
    assert "the settings are DB_USERNAME, DB_PASSWORD" in found


def test_every_setting_has_a_help_and_an_example_that_is_valid(
    read: Callable[..., Config],
) -> None:
    passwords = {"DB_PASSWORD", "DB_PASSWORD_FILE"}
    examples = {name: each.example for name, each in SETTINGS.items() if name not in passwords}
    assert all(examples.values())
    assert all(each.help.endswith(".") for each in SETTINGS.values())
    read(**examples, DB_PASSWORD="x")


def test_the_documented_table_is_current() -> None:
    assert markdown() in DOCUMENT.read_text(encoding="utf-8"), (
        "docs/configuration.md differs: paste what `coworking check-config --markdown` prints"
    )
