"""What was said and was not true: in the page, the API and the command, with data as of now."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from coworking import extent, reports
from coworking.periods import Granularity, Period, find_zone
from tests.app.service.test_dashboard import words
from tests.app.versions import BOTH

if TYPE_CHECKING:
    from flask.testing import FlaskClient

UTC_ZONE = find_zone("UTC")
USERS = """INSERT INTO users (id, first_name, last_name, joined_at)
           SELECT n, '', '', '2024-01-01' FROM generate_series(1, 4) AS n"""
# So many check-ins at 00:05 of each of the days before today, and today's so far.
DAILY = """INSERT INTO tokens (user_id, token, created_at, used_at)
           SELECT 1 + n % 4, '', at, at FROM generate_series({since}, {until}) AS ago,
                generate_series(1, {count}) AS n,
                LATERAL (SELECT date_trunc('day', now() AT TIME ZONE 'UTC') - ago * interval '1 day'
                                + interval '5 minutes') AS t(at)"""
AHEAD = """INSERT INTO tokens (user_id, token, created_at, used_at)
           SELECT 1, '', at, at + interval '36 days' FROM (SELECT now() AT TIME ZONE 'UTC') t(at)"""


def daily(since: int, until: int, count: int) -> str:
    return DAILY.format(since=since, until=until, count=count)


def data(client: FlaskClient, path: str) -> Any:
    answer = client.get(path).json
    assert answer is not None
    return answer


def today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@BOTH
def test_a_day_that_runs_is_not_compared_with_a_whole_one(
    postgres_version: int, database: Any, client: FlaskClient
) -> None:
    """At 06:55 the view of 7 days turned from "5 % more" to "17 % fewer"."""
    database.execute(USERS, daily(1, 60, 4), daily(0, 0, 1))

    shown = words(client.get("/?days=7").text)
    found = data(client, "/api/v1/overview")

    assert "Check-ins 28 no change 28 in the 7 days before" in shown
    assert re.search(r"Today so far: 1 check-in; yesterday until \d\d:\d\d: 4\.", shown)
    assert found["meta"]["to"] == f"{today():%Y-%m-%d}"
    assert found["data"]["check_ins"]["change"] == 0
    running = found["meta"]["running"]
    assert (running["by"], running["check_ins"], running["previous"]) == ("day", 1, 4)


def test_a_picked_range_that_runs_is_compared_up_to_the_same_moment(
    database: Any, client: FlaskClient
) -> None:
    """The check-in of yesterday's last quarter hour is not yet due today."""
    late = "UPDATE tokens SET used_at = used_at + interval '23 hours 50 minutes' WHERE id = 1"
    database.execute(USERS, daily(1, 1, 2), daily(0, 0, 1), daily(2, 9, 1), late)
    tomorrow = today() + timedelta(days=1)
    query = f"from={today():%Y-%m-%d}&to={tomorrow:%Y-%m-%d}"

    shown = words(client.get(f"/?{query}").text)
    found = data(client, f"/api/v1/overview?{query}")

    if datetime.now(UTC) < tomorrow - timedelta(minutes=15):
        assert found["data"]["check_ins"] == {
            "value": 1, "previous": 1, "change": 0, "reason": None,
        }  # fmt: skip
        assert "so far, up to" in shown
        assert "up to the same moment" in shown


def test_the_moment_before_is_the_same_on_the_wall() -> None:
    """On 1 May at noon it is noon on 1 April too, whatever the clocks did between."""
    berlin = find_zone("Europe/Berlin")
    now = datetime(2024, 4, 3, 10, 0, tzinfo=UTC)  # 12:00 in Berlin, summer
    month = Period(now.date().replace(day=1), now.date().replace(month=5, day=1), berlin)

    cut = month.cut(now)

    assert cut == now
    assert month.same_moment_before(cut) == datetime(2024, 3, 4, 11, 0, tzinfo=UTC)
    assert month.cut(now + timedelta(days=90)) == month.end_at
    assert month.same_moment_before(month.end_at) == month.start_at


@pytest.mark.parametrize(
    ("by", "start", "before", "previous_until"),
    [
        ("hour", "2024-05-31T10:00", "2024-05-31T09:00", "2024-05-31T09:30"),
        ("day", "2024-05-31T00:00", "2024-05-30T00:00", "2024-05-30T10:30"),
        ("week", "2024-05-27T00:00", "2024-05-20T00:00", "2024-05-24T10:30"),
        ("month", "2024-05-01T00:00", "2024-04-01T00:00", "2024-05-01T00:00"),  # no 31 April
    ],
)
def test_each_thing_that_runs_has_its_own_moment_before(
    database: Any, by: str, start: str, before: str, previous_until: str
) -> None:
    database.execute(
        USERS, "INSERT INTO tokens VALUES (1, 1, '', '2024-04-01', '2024-04-01 00:10')",
        "INSERT INTO tokens VALUES (2, 1, '', '2024-05-31', '2024-05-31 10:10')",
    )  # fmt: skip
    now = datetime(2024, 5, 31, 10, 20, tzinfo=UTC)
    engine = create_engine(database.url, poolclass=NullPool)
    with engine.connect() as connection:
        known = extent.extent_of(connection, now)
        found = reports.so_far(connection, Granularity(by), UTC_ZONE, known)

    assert found is not None
    assert [
        f"{each:%Y-%m-%dT%H:%M}"
        for each in (found.start, found.previous_start, found.previous_until)
    ] == [start, before, previous_until]
    assert (found.check_ins, found.previous) == (1, 1 if by == "month" else 0)


@BOTH
def test_an_average_is_of_whole_buckets_that_the_data_cover(
    postgres_version: int, database: Any, client: FlaskClient
) -> None:
    """ "911 per month" was said of 9,105 in the one month there was."""
    database.execute(
        USERS,
        """INSERT INTO tokens (user_id, token, created_at, used_at)
           SELECT 1, '', at, at FROM generate_series('2024-03-01 09:00', '2024-03-31 09:00',
                                                     interval '1 day') AS t(at)""",
    )
    query = "from=2023-06-01&to=2024-04-01"

    shown = words(client.get(f"/?{query}&by=month").text)
    buckets = data(client, f"/api/v1/checkins?{query}&by=month")["data"]
    cells = data(client, f"/api/v1/heatmap?{query}")["data"]

    assert "31 check-ins, 31.0 per month on average of 1 whole month;" in shown
    assert "The data begin on 1 Mar 2024; averages are of that part." in shown
    assert [each["complete"] for each in buckets] == [False] * 9 + [True]
    assert {each["days"] for each in cells if each["weekday"] == "Monday"} == {4}


def test_a_period_is_not_compared_with_one_that_the_data_cover_in_part(
    database: Any, client: FlaskClient
) -> None:
    database.execute(USERS, daily(1, 40, 1))

    found = data(client, "/api/v1/overview")["data"]["check_ins"]

    begin = today() - timedelta(days=40)
    assert found["value"] == 30
    assert found["reason"] == (
        f"nothing to compare: the data begin on {begin:%-d %b %Y}, within the period to compare "
        "with"
    )


def test_a_period_that_ends_after_the_data_is_no_fall(database: Any, client: FlaskClient) -> None:
    database.execute(USERS, daily(100, 200, 1))
    first, end = (today() - timedelta(days=n) for n in (130, 70))

    found = data(client, f"/api/v1/overview?from={first:%Y-%m-%d}&to={end:%Y-%m-%d}")

    assert found["data"]["check_ins"]["previous"] is None
    assert "the data end on" in found["data"]["check_ins"]["reason"]


@BOTH
def test_members_who_have_left_are_not_counted_among_those_not_seen(
    postgres_version: int, database: Any, client: FlaskClient
) -> None:
    """ "120 not seen" were people for whom nobody can do anything."""
    database.execute(USERS, daily(40, 90, 4), "UPDATE users SET is_active = false WHERE id < 4")
    query = f"from={today() - timedelta(days=5):%Y-%m-%d}&to={today():%Y-%m-%d}"

    shown = words(client.get(f"/?{query}").text)
    found = data(client, f"/api/v1/overview?{query}")["data"]

    assert re.search(r"Not seen for 30 days 1 .* active; 3 others left", shown)
    assert (found["members_not_seen"]["value"], found["left_not_seen"]["value"]) == (1, 3)


@BOTH
def test_a_check_in_in_the_future_is_counted_listed_and_left_out(
    postgres_version: int, database: Any, client: FlaskClient, run: Any
) -> None:
    """One clock that ran ahead: "1 check-in, 100 % fewer"."""
    database.execute(USERS, daily(1, 60, 4), daily(0, 0, 1), AHEAD)

    shown = words(client.get("/").text)
    found = data(client, "/api/v1/checkins")
    listed = data(client, "/api/v1/impossible")
    done = run("check-data", on=database)

    assert "1 check-in with an impossible date" in shown
    assert "Check-ins 120 no change 120" in shown
    assert found["meta"]["to"] == f"{today():%Y-%m-%d}"
    assert [found["meta"][name] for name in ("impossible_check_ins", "silent_since")] == [1, None]
    assert found["meta"]["running"]["check_ins"] == 1
    assert [row["token_id"] for row in listed["data"]] == [242]
    assert listed["meta"]["impossible_check_ins"] == 1
    assert client.get("/api/v1/impossible?format=csv").text.startswith(
        "token_id,user_id,issued_at,used_at\r\n242,1,"
    )
    assert (done.returncode, done.stdout.splitlines()[1]) == (
        1, "Impossible dates: 1; every report leaves them out.",
    )  # fmt: skip
    later = (datetime.now(UTC) + timedelta(days=36)).date()
    around = f"from={later}&to={later + timedelta(days=1)}"
    assert data(client, f"/api/v1/checkins?{around}")["data"][0]["check_ins"] == 0


def test_any_impossible_date_can_be_listed(database: Any, client: FlaskClient) -> None:
    dates = ("infinity", "-infinity", "294276-12-31", "0044-03-15 12:00 BC", "1899-12-31")
    insert = "INSERT INTO tokens (user_id, token, used_at) VALUES (1, '', '{}')"
    database.execute(USERS, *(insert.format(date) for date in dates))

    listed = data(client, "/api/v1/impossible")["data"]

    assert [row["used_at"] for row in listed] == [
        "infinity", "294276-12-31 00:00:00", "1899-12-31 00:00:00", "0044-03-15 12:00:00 BC",
        "-infinity",
    ]  # fmt: skip
    assert data(client, "/api/v1/overview")["meta"]["newest_check_in"] is None


@BOTH
def test_check_ins_that_have_stopped_are_a_notice(
    postgres_version: int, database: Any, client: FlaskClient, run: Any
) -> None:
    """Data that stopped eleven months ago was shown as exact, and nothing else was said."""
    database.execute(USERS, daily(330, 400, 4))

    shown = words(client.get("/").text)
    meta = data(client, "/api/v1/overview")["meta"]

    assert "No check-in since" in shown
    assert "so far" not in shown.partition("What the figures mean")[0]
    assert meta["silent_since"] == meta["newest_check_in"]
    assert meta["running"] is None
    done = run("check-data", on=database)
    assert (done.returncode, "No check-in since" in done.stdout) == (1, True)


@pytest.mark.parametrize(
    ("pause", "silent", "expected"),
    [(1, 1, False), (1, 3, True), (4, 4, False), (4, 6, True)],
)
def test_whether_check_ins_have_stopped_follows_their_own_rhythm(
    database: Any, client: FlaskClient, pause: int, silent: int, expected: bool
) -> None:
    """A place that opens every fourth day is not silent on the fourth."""
    days = [daily(silent + n * pause, silent + n * pause, 1) for n in range(8)]
    database.execute(USERS, *days)

    assert (data(client, "/api/v1/checkins")["meta"]["silent_since"] is not None) is expected


def test_good_data_have_no_notice(database: Any, client: FlaskClient, run: Any) -> None:
    database.execute(USERS, daily(0, 70, 2))

    page = client.get("/").text

    assert "notice" not in page
    done = run("check-data", on=database)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)


@BOTH
def test_figures_that_writes_have_bypassed_are_called_not_verified(
    postgres_version: int, database: Any, client: FlaskClient, run: Any
) -> None:
    """They were wrong, readiness was 200, the header said exact, and nobody was told."""
    database.execute(USERS, daily(0, 70, 2))
    assert run("fold", on=database).returncode == 0
    database.execute("ALTER TABLE tokens DISABLE TRIGGER ALL", daily(1, 1, 50))

    done = run("fold", on=database)

    assert done.returncode == 1
    assert "trigger rollups_deleted: expected always, got never" in done.stderr
    assert done.stderr.endswith("This computes them again:\n  coworking rebuild\n")
    for path in ("/", "/api/v1/overview", "/api/reports/daily_usage", "/api/reports/user_visits"):
        header = client.get(path).headers["Report-Freshness"]
        assert re.fullmatch(r"not-verified;since=@\d{10}", header), path
    meta = data(client, "/api/v1/heatmap")["meta"]
    assert datetime.fromisoformat(meta["not_verified_since"]) <= datetime.now(UTC)
    shown = words(client.get("/").text)
    assert "· not verified" in shown
    assert "Not verified since" in shown
    assert client.get("/readiness_check").status_code == 200
    assert "Not verified since" in run("check-data", on=database).stdout
    assert run("verify", on=database).returncode == 1

    assert run("rebuild", on=database).returncode == 0

    assert client.get("/").headers["Report-Freshness"] == "exact"
    assert data(client, "/api/v1/overview")["data"]["check_ins"]["value"] == 110
    assert run("check-data", on=database).returncode == 0
