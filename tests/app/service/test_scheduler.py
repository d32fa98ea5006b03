"""The fold: in one process of however many, on time, whatever happens to the others."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from coworking import checks, scheduler
from coworking.scheduler import Folding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coworking.config import Config

DELTAS = "SELECT count(*) FROM token_deltas"


@pytest.fixture
def replicas(config: Config) -> Iterator[list[Folding]]:
    """Two processes' schedules, which only tick when a test says so."""
    replicas = [Folding(config), Folding(config)]
    yield replicas
    for each in replicas:
        each.stop()


def insert(database: Any) -> None:
    database.execute(
        "INSERT INTO users (id, first_name, last_name, joined_at) VALUES (1, 'a', 'b', now())"
        " ON CONFLICT DO NOTHING",
        "INSERT INTO tokens (user_id, token, created_at, used_at)"
        " VALUES (1, '000001', '2023-02-07 09:00', '2023-02-07 09:01')",
    )


def folded(database: Any) -> bool:
    return bool(database.rows(f"{DELTAS}")[0][0] == 0)


def test_it_folds_and_logs_the_newest_day_in_one_line(
    replicas: list[Folding], database: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="coworking")
    insert(database)
    replicas[0].tick()
    assert folded(database)
    assert database.rows("SELECT day::text, visits FROM daily_visits") == [("2023-02-07", 1)]
    (line,) = [each for each in caplog.records if each.message == "daily_usage"]
    assert line.fields["report"] == {"2023-02-07": 1}
    json.dumps(line.fields)


def test_an_empty_database_has_an_empty_report(
    replicas: list[Folding], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="coworking")
    replicas[0].tick()
    assert [each.fields["report"] for each in caplog.records if each.message == "daily_usage"] == [
        {}
    ]


def test_an_infinite_date_has_a_name_in_the_log(
    replicas: list[Folding], database: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It was logged as "null", since PostgreSQL has no text for it."""
    caplog.set_level("INFO", logger="coworking")
    insert(database)
    database.execute("UPDATE tokens SET created_at = 'infinity'")
    replicas[0].tick()
    (line,) = [each for each in caplog.records if each.message == "daily_usage"]
    assert line.fields["report"] == {"9999-12-31": 1}


def test_only_one_of_two_folds(replicas: list[Folding], database: Any) -> None:
    first, second = replicas
    first.tick()
    insert(database)
    second.tick()
    assert not folded(database)
    first.tick()
    assert folded(database)


def test_another_takes_over_when_the_leader_stops(replicas: list[Folding], database: Any) -> None:
    first, second = replicas
    first.tick()
    first.stop()
    insert(database)
    second.tick()
    assert folded(database)


def test_it_leads_again_after_its_connection_was_lost(
    replicas: list[Folding], database: Any, caplog: pytest.LogCaptureFixture
) -> None:
    first, _ = replicas
    first.tick()
    insert(database)
    database.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name LIKE 'coworking %' AND datname = current_database()"
    )
    first.tick()  # finds out
    first.tick()  # connects again
    assert folded(database)
    warnings = [each for each in caplog.records if each.levelname == "WARNING"]
    assert [each.message for each in warnings] == ["the fold did not run; it is tried again"]


def test_a_problem_is_logged_once_while_it_lasts(
    configured: Callable[..., Config], database: Any, caplog: pytest.LogCaptureFixture
) -> None:
    away = Folding(configured(database, DB_PORT="1"))
    for _ in range(3):
        away.tick()
    assert len(caplog.records) == 1
    assert "can't be reached" in caplog.records[0].fields["reason"]


def test_a_fold_that_has_stopped_is_an_error_that_repeats(
    configured: Callable[..., Config],
    database: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(scheduler, "monotonic", lambda: clock[0])
    away = Folding(configured(database, DB_PORT="1"))
    for _ in range(25):
        away.tick()
        clock[0] += 30
    assert [each.levelname for each in caplog.records] == ["WARNING", "ERROR", "ERROR"]
    assert [each.fields["seconds"] for each in caplog.records[1:]] == [300, 600]
    assert away.watched.registry.get_sample_value("coworking_database_up") == 0


def test_the_fold_is_measured(replicas: list[Folding], database: Any) -> None:
    leader, follower = replicas
    insert(database)
    follower.watched.read(follower._database.engine)
    assert figure(follower, "unfolded_rows") > 0
    for each in replicas:
        each.tick()
    assert [figure(each, "unfolded_rows") for each in replicas] == [0, 0]
    assert [figure(each, "database_up") for each in replicas] == [1, 1]
    assert figure(leader, "fold_age_seconds") > 0
    assert figure(follower, "fold_age_seconds") == 0
    database.execute("ALTER TABLE tokens DISABLE TRIGGER rollups_inserted")
    follower.tick()
    assert figure(follower, "rollup_bypasses") == 1


def test_log_that_is_not_archived_is_measured(
    replicas: list[Folding], monkeypatch: pytest.MonkeyPatch
) -> None:
    """tests/postgres/test_keep_backups.py asks a server whose attempts fail."""
    folding, _ = replicas
    folding.tick()
    assert figure(folding, "log_not_archived_seconds") == 0

    five_minutes_ago = text("SELECT now() - interval '5 minutes'")
    monkeypatch.setattr(checks, "NOT_ARCHIVED_SINCE", five_minutes_ago)
    folding.tick()
    assert 300 <= figure(folding, "log_not_archived_seconds") < 400


def figure(folding: Folding, name: str) -> float:
    value = folding.watched.registry.get_sample_value(f"coworking_{name}")
    assert value is not None, name
    return value


def test_a_bypass_is_logged_once_and_measured_by_every_process(
    replicas: list[Folding], database: Any, caplog: pytest.LogCaptureFixture
) -> None:
    insert(database)
    leader, follower = replicas
    leader.tick()
    database.execute("ALTER TABLE tokens DISABLE TRIGGER rollups_inserted")
    for _ in range(2):
        leader.tick()
        follower.tick()

    lines = [each for each in caplog.records if each.levelname == "ERROR"]
    assert [each.message for each in lines] == [
        "writes have bypassed the rollups; run `coworking rebuild`"
    ]
    for each in replicas:
        value = each.watched.registry.get_sample_value
        assert (value("coworking_rollups_not_verified_seconds") or 0) > 0
        assert (value("coworking_newest_check_in_age_seconds") or 0) > 86_400


@pytest.mark.slow
def test_of_two_services_one_folds_and_the_other_follows_when_it_is_killed(
    serve: Callable[..., Any], database: Any, wait: Callable[..., None]
) -> None:
    first = serve(database, FOLD_SECONDS="0.3")
    wait(lambda: "this process folds" in first.logged(), "leader")
    second = serve(database, FOLD_SECONDS="0.3")
    insert(database)
    wait(lambda: folded(database), "fold")
    assert "daily_usage" not in second.logged()

    first.process.kill()

    wait(lambda: "this process folds" in second.logged(), "new leader")
    insert(database)
    wait(lambda: folded(database), "fold by the new leader")
    assert second.stop(signal.SIGINT) == 0
