"""The command `coworking`: each verb's work, its exit status, and no stack trace."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coworking import schema
from coworking.access import weakness
from coworking.cli import group
from coworking.config import SETTINGS
from coworking.errors import ArgumentError, ConfigError, DatabaseAway, SchemaTooOld, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.app.service.conftest import Run


def test_every_verb_has_a_help() -> None:
    assert sorted(group.commands) == [
        *("change-password", "check-config", "check-data", "fold", "health", "migrate"),
        *("new-key", "rebuild", "report", "seed", "serve", "verify"),
    ]
    assert all(command.help for command in group.commands.values())


def test_every_verb_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "service.md").read_text(encoding="utf-8")
    for verb in group.commands:
        assert f"`coworking {verb}`" in page
    for error in (ServiceError, ArgumentError, ConfigError, DatabaseAway, SchemaTooOld):
        assert f"{error.exit_code} " in page


def test_it_runs_as_a_module_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "coworking", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "coworking, version 1.0.0\n"


def test_migrate_adopts_an_older_database_and_goes_back(run: Run, older_database: Any) -> None:
    done = run("migrate", on=older_database)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"The schema is at revision {schema.REQUIRED_REVISION}."
    back = run("migrate", "--to", "base", on=older_database)
    assert (back.returncode, back.stdout.splitlines()[-1]) == (
        0,
        "The schema is at revision none.",
    )
    tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    assert older_database.rows(tables) == [("tokens",), ("users",)]


def test_seed_fold_verify_rebuild_work_together(run: Run, database: Any) -> None:
    size = ("--users", "20", "--tokens", "300", "--days", "30", "--end", "2026-01-01")
    seeded = run("seed", *size, on=database)
    assert seeded.returncode == 0
    assert seeded.stdout == "20 users and 300 tokens over 30 days.\n"
    assert database.rows("SELECT count(*) FROM tokens") == [(300,)]
    for verb in ("fold", "verify"):
        assert run(verb, on=database).returncode == 0

    database.execute("UPDATE daily_visits SET visits = visits + 1")

    wrong = run("verify", on=database)
    assert wrong.returncode == 1
    assert "exact_daily_visits 2025-12-31: expected " in wrong.stdout
    assert "`coworking rebuild` fixes them" in wrong.stderr
    assert run("rebuild", on=database).returncode == 0
    fixed = run("verify", on=database)
    assert (fixed.returncode, fixed.stdout) == (0, "The rollups equal the tokens.\n")


def test_the_demo_data_end_with_yesterday_so_that_no_notice_is_shown(
    run: Run, database: Any
) -> None:
    """They ended on 31 December 2025: a newcomer would have met "no check-in since" first."""
    run("seed", "--users", "30", "--tokens", "4000", "--days", "70", on=database)
    done = run("check-data", on=database)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
    newest = "SELECT max(used_at) > now() - interval '4 days' FROM tokens"
    assert database.rows(newest) == [(True,)]


def test_seed_is_the_same_for_the_same_arguments(run: Run, database: Any) -> None:
    arguments = ("seed", "--users", "5", "--tokens", "50", "--days", "9", "--end", "2026-01-01")
    run(*arguments, on=database)
    first = database.rows("SELECT * FROM tokens ORDER BY id")
    assert run(*arguments, "--replace", on=database).returncode == 0
    again = database.rows("SELECT * FROM tokens ORDER BY id")
    assert [row[1:] for row in again] == [row[1:] for row in first]


def test_seed_refuses_a_database_that_has_data(run: Run, database: Any) -> None:
    run("seed", "--users", "5", "--tokens", "50", "--days", "9", on=database)
    refused = run("seed", on=database)
    assert refused.returncode == 1
    assert "error: " in refused.stderr
    skipped = run("seed", "--if-empty", on=database)
    assert (skipped.returncode, skipped.stdout) == (0, "The database has data; nothing was done.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["seed", "--end", "0001-01-05", "--days", "9"], "--end 0001-01-05 is not within 1900-01-"),
        (["seed", "--end", "2200-01-02"], "and 2200-01-01"),
        (["seed", "--users", "0"], "120000 tokens need users, and users is 0"),
        (["seed", "--users", "99999999999"], "99999999999 is not in the range"),
        (["migrate", "--to", "0815"], "there is no revision '0815'"),
    ],
)
def test_an_argument_that_can_not_be_used_ends_a_verb_with_2_and_a_valid_one(
    run: Run, database: Any, arguments: list[str], sentence: str
) -> None:
    """A year too early was a stack trace, too many users took all memory, the rest was status 1."""
    done = run(*arguments, on=database)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Valid" in done.stderr or "0<=x<=10000000" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_config_shows_every_setting_and_where_it_came_from(run: Run) -> None:
    done = run("check-config", DB_USERNAME="coworking", DB_PASSWORD="hunter2", DB_PORT="6543")
    assert done.returncode == 0
    shown = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert list(shown) == list(SETTINGS)
    assert shown["DB_PORT"] == ["6543", "[environment]"]
    assert shown["APP_PORT"] == ["5153", "[default]"]
    assert shown["DB_PASSWORD"] == ["********", "[environment]"]
    assert "hunter2" not in done.stdout + done.stderr


def test_check_config_fails_on_everything_that_is_wrong(run: Run) -> None:
    done = run("check-config", DB_USER="coworking", DB_PASSWORD="hunter2", DB_PORT="x")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: DB_USERNAME is not set; for example DB_USERNAME=coworking",
        (
            "error: DB_PORT=x: input should be a valid integer, unable to parse string as an "
            "integer; for example DB_PORT=5432"
        ),
        "error: DB_USER is not a setting; did you mean DB_USERNAME?",
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file or directory"), ("no certificate\n", "it holds no certificate in PEM")],
)
def test_check_config_names_a_file_of_authorities_that_can_not_be_used(
    run: Run, tmp_path: Path, content: str | None, why: str
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    settings = {"DB_SSLMODE": "verify-full", "DB_SSLROOTCERT": str(file)}
    done = run("check-config", DB_USERNAME="x", DB_PASSWORD="x", **settings)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: DB_SSLROOTCERT={file} can't be used: {why}; name a file of certificates in PEM, "
        "readable by this user\n"
    )


def test_new_key_prints_a_key_and_nothing_else(run: Run) -> None:
    first, second = (run("new-key").stdout for _ in range(2))
    assert first != second
    assert weakness(first.removesuffix("\n")) is None


def test_a_file_of_access_keys_that_can_not_be_used_is_refused(run: Run, tmp_path: Path) -> None:
    """By `serve` too, which would otherwise answer everybody."""
    file = tmp_path / "ACCESS_KEY"
    file.write_text("hunter2")
    settings = {"DB_USERNAME": "x", "DB_PASSWORD": "x", "ACCESS_KEY_FILE": str(file)}
    for verb in ("check-config", "serve"):
        done = run(verb, **settings)
        assert done.returncode == 2
        assert done.stderr.splitlines()[0] == (
            f"error: ACCESS_KEY_FILE={file}: line 1 is not an access key: it has 7 characters; 32 "
            "random bytes have 43"
        )
        assert "hunter2" not in done.stdout + done.stderr
    assert done.stderr.endswith("This makes one:\n  coworking new-key\n")


@pytest.mark.parametrize("verb", ["serve", "migrate", "fold", "verify", "rebuild", "seed"])
def test_a_missing_setting_ends_every_verb_with_2_and_a_line(run: Run, verb: str) -> None:
    done = run(verb)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        "error: DB_USERNAME is not set; for example DB_USERNAME=coworking"
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", ["fold", "verify", "rebuild", "seed"])
def test_a_database_that_is_away_ends_a_verb_with_3_and_a_line(
    run: Run, database: Any, verb: str
) -> None:
    done = run(verb, on=database, DB_PORT="1")
    assert done.returncode == 3
    assert done.stderr.splitlines()[0] == "error: the database can't be reached"
    assert "Connection refused" in done.stderr
    assert database.password not in done.stderr


@pytest.mark.parametrize("verb", ["fold", "verify", "rebuild", "seed"])
def test_a_schema_that_is_missing_ends_a_verb_with_4_and_advice(
    run: Run, older_database: Any, verb: str
) -> None:
    done = run(verb, on=older_database)
    assert done.returncode == 4
    assert "coworking migrate" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", ["fold", "rebuild", "seed"])
def test_a_database_that_only_reads_ends_a_verb_with_3_and_a_line(
    run: Run, database: Any, verb: str
) -> None:
    """A standby, or one that was set so: it was a stack trace."""
    database.execute(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    done = run(verb, on=database)
    assert done.returncode == 3
    assert "error: the database takes no writes" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_user_without_rights_ends_a_verb_with_1_and_a_line(run: Run, database: Any) -> None:
    """It was a stack trace, and 500 for a request."""
    database.execute(
        "DROP ROLE IF EXISTS guest",
        "CREATE ROLE guest LOGIN PASSWORD 'x'",
        "GRANT SELECT ON alembic_version TO guest",
    )
    try:
        done = run("verify", on=database, DB_USERNAME="guest", DB_PASSWORD="x")
    finally:
        database.execute("DROP OWNED BY guest", "DROP ROLE guest")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == (
        "error: the database's user lacks a right that this needs"
    )
    assert "permission denied for" in done.stderr


def test_health_asks_the_service_of_the_same_settings(
    run: Run, serve: Callable[..., Any], database: Any
) -> None:
    service = serve(database)
    port = service.address.rpartition(":")[2]
    assert run("health", on=database, APP_PORT=port).stdout == "ok\n"
    failed = run("health", on=database, APP_PORT="1")
    assert failed.returncode == 1
    assert "no answer from http://127.0.0.1:1/health_check" in failed.stderr


def test_health_asks_directly_whatever_proxy_the_environment_names(
    run: Run, serve: Callable[..., Any], database: Any
) -> None:
    port = serve(database).address.rpartition(":")[2]
    done = run("health", on=database, APP_PORT=port, http_proxy="http://127.0.0.1:1")
    assert done.stdout == "ok\n"


def test_health_fails_in_a_sentence_on_what_is_not_http(run: Run, database: Any) -> None:
    """It was a stack trace where something else listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=lambda: other.accept()[0].sendall(b"220 mail\r\n")).start()
        port = str(other.getsockname()[1])
        done = run("health", on=database, APP_PORT=port)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: no answer from http://127.0.0.1:{port}/health_check: ")
    assert "Traceback" not in done.stderr
