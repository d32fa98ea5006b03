"""/api/v1 on a small space: what each report answers, in JSON and in CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from flask.testing import FlaskClient


class Database(Protocol):
    def execute(self, *statements: str) -> None: ...


@pytest.fixture(autouse=True)
def small_space(database: Database) -> None:
    """Three members; the last check-in is on Sunday, 31 March, 01:30 UTC: 03:30 in Berlin."""
    database.execute(
        """INSERT INTO users (id, first_name, last_name, joined_at) VALUES
           (1, 'Zenobia', 'Ngata', '2024-01-01'), (2, 'Grace', 'Okafor', '2024-01-01'),
           (3, 'Linus', 'Hale', '2024-03-15')""",
        """INSERT INTO tokens (user_id, token, created_at, used_at) VALUES
           (1, 'aaaaaa', '2024-02-05 08:00', '2024-01-30 09:00'),
           (2, 'bbbbbb', '2024-02-05 08:00', '2024-02-06 09:00'),
           (1, 'cccccc', '2024-03-30 08:00', '2024-03-30 23:30'),
           (1, 'dddddd', '2024-03-30 08:00', '2024-03-31 00:30'),
           (1, 'eeeeee', '2024-03-30 08:00', '2024-03-31 01:30'),
           (3, 'ffffff', '2024-03-30 08:00', NULL)""",
    )


def test_the_overview_compares_with_the_period_before(client: FlaskClient) -> None:
    answer = client.get("/api/v1/overview?from=2024-03-01&to=2024-04-01&tz=Europe/Berlin")

    assert answer.json == {
        "data": {
            "check_ins": {"value": 3, "previous": 2, "change": 1, "reason": None},
            "unique_members": {"value": 1, "previous": 2, "change": -1, "reason": None},
            "unused_share": {"value": 0.25, "previous": 0.0, "change": 0.25, "reason": None},
            "members_not_seen": {"value": 1, "previous": 1, "change": 0, "reason": None},
            "members_never_came": {"value": 1, "previous": 0, "change": 1, "reason": None},
            "left_not_seen": {"value": 0, "previous": 0, "change": 0, "reason": None},
            "left_never_came": {"value": 0, "previous": 0, "change": 0, "reason": None},
        },
        "meta": {
            "from": "2024-03-01",
            "to": "2024-04-01",
            "tz": "Europe/Berlin",
            "oldest_check_in": "2024-01-30T10:00:00+01:00",
            "newest_check_in": "2024-03-31T03:30:00+02:00",
            "impossible_check_ins": 0,
            "silent_since": "2024-03-31T03:30:00+02:00",
            "not_verified_since": None,
            "until": "2024-04-01T00:00:00+02:00",
            "previous": {"from": "2024-01-30", "to": "2024-03-01", "complete": True},
            "running": None,
        },
    }


def test_the_overview_says_when_there_is_nothing_to_compare(client: FlaskClient) -> None:
    answer = client.get("/api/v1/overview?from=2024-01-01&to=2024-03-01")

    assert answer.json is not None
    assert answer.json["data"]["check_ins"] == {
        "value": 2,
        "previous": None,
        "change": None,
        "reason": "nothing to compare: there are no check-ins before this period",
    }


def test_members_who_have_left_are_counted_apart(client: FlaskClient, database: Database) -> None:
    """Of 176 members "not seen for 30 days" 120 had left, and nobody could call them back."""
    database.execute("UPDATE users SET is_active = false WHERE id IN (2, 3)")

    answer = client.get("/api/v1/overview?from=2024-03-01&to=2024-04-01&tz=Europe/Berlin")

    assert answer.json is not None
    figures = answer.json["data"]
    names = ("members_not_seen", "members_never_came", "left_not_seen", "left_never_came")
    assert [figures[name]["value"] for name in names] == [0, 0, 1, 1]


def test_the_overview_as_csv_has_a_row_for_each_figure(client: FlaskClient) -> None:
    answer = client.get("/api/v1/overview?from=2024-03-01&to=2024-04-01&format=csv")

    assert answer.text == (
        "metric,value,previous,change,reason\r\n"
        "check_ins,3,2,1,\r\n"
        "unique_members,1,2,-1,\r\n"
        "unused_share,0.25,0.0,0.25,\r\n"
        "members_not_seen,1,1,0,\r\n"
        "members_never_came,1,0,1,\r\n"
        "left_not_seen,0,0,0,\r\n"
        "left_never_came,0,0,0,\r\n"
    )
    assert answer.content_type == "text/csv; charset=utf-8; header=present"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="coworking-overview.csv"'


def test_check_ins_by_hour_leave_out_the_hour_that_berlin_skipped(client: FlaskClient) -> None:
    url = "/api/v1/checkins?from=2024-03-31&to=2024-04-01&tz=Europe/Berlin&by=hour&format=csv"

    lines = client.get(url).text.splitlines()

    assert len(lines) == 1 + 23
    assert lines[:5] == [
        "start,end,check_ins,partial,complete",
        "2024-03-31T00:00:00+01:00,2024-03-31T01:00:00+01:00,1,false,true",
        "2024-03-31T01:00:00+01:00,2024-03-31T03:00:00+02:00,1,false,true",
        "2024-03-31T03:00:00+02:00,2024-03-31T04:00:00+02:00,1,false,true",
        "2024-03-31T04:00:00+02:00,2024-03-31T05:00:00+02:00,0,false,true",
    ]


def test_check_ins_by_week_list_the_empty_weeks_too(client: FlaskClient) -> None:
    answer = client.get("/api/v1/checkins?from=2024-03-13&to=2024-04-01&by=week")

    assert answer.json is not None
    assert answer.json["data"] == [
        {
            "start": "2024-03-13T00:00:00Z",
            "end": "2024-03-18T00:00:00Z",
            "check_ins": 0,
            "partial": True,
            "complete": False,
        },
        {
            "start": "2024-03-18T00:00:00Z",
            "end": "2024-03-25T00:00:00Z",
            "check_ins": 0,
            "partial": False,
            "complete": True,
        },
        {
            "start": "2024-03-25T00:00:00Z",
            "end": "2024-04-01T00:00:00Z",
            "check_ins": 3,
            "partial": False,
            "complete": True,
        },
    ]
    assert answer.json["meta"]["by"] == "week"


def test_the_heat_map_counts_local_hours_and_how_many_of_each_weekday(client: FlaskClient) -> None:
    answer = client.get("/api/v1/heatmap?from=2024-03-01&to=2024-04-01&tz=Europe/Berlin")

    assert answer.json is not None
    cells = answer.json["data"]
    assert len(cells) == 168
    assert [cell for cell in cells if cell["check_ins"]] == [
        {"weekday": "Sunday", "hour": 0, "check_ins": 1, "days": 5},
        {"weekday": "Sunday", "hour": 1, "check_ins": 1, "days": 5},
        {"weekday": "Sunday", "hour": 3, "check_ins": 1, "days": 5},
    ]
    assert cells[0] == {"weekday": "Monday", "hour": 0, "check_ins": 0, "days": 4}


@pytest.mark.parametrize(
    ("zone", "first", "end"),
    [("UTC", "2024-03-02", "2024-04-01"), ("America/New_York", "2024-03-01", "2024-03-31")],
)
def test_the_default_range_is_the_newest_thirty_local_days(
    client: FlaskClient, zone: str, first: str, end: str
) -> None:
    for report in ("overview", "checkins", "heatmap"):
        answer = client.get(f"/api/v1/{report}?tz={zone}")
        assert answer.json is not None
        meta = answer.json["meta"]
        assert (meta["from"], meta["to"], meta["tz"]) == (first, end, zone)


def test_an_instant_with_seconds_in_its_offset_is_written_in_utc(client: FlaskClient) -> None:
    url = "/api/v1/checkins?from=1971-12-31&to=1972-01-01&tz=Africa/Monrovia"

    answer = client.get(url)

    assert answer.json is not None
    assert answer.json["data"][0]["start"] == "1971-12-31T00:44:30Z"


def test_no_answer_has_a_name_in_it(client: FlaskClient) -> None:
    for path in ("/", "/api/v1/overview", "/api/v1/checkins", "/api/v1/heatmap"):
        text = client.get(path).text
        for name in ("Zenobia", "Ngata", "Grace", "Okafor", "Linus", "Hale"):
            assert name not in text


def test_a_new_check_in_is_in_the_next_answer(client: FlaskClient, database: Database) -> None:
    url = "/api/v1/checkins?from=2024-03-31&to=2024-04-01"
    before = client.get(url)

    database.execute("UPDATE tokens SET used_at = '2024-03-31 12:00' WHERE token = 'ffffff'")
    after = client.get(url, headers={"If-None-Match": before.headers["ETag"]})

    assert before.json is not None
    assert after.json is not None
    assert [answer.json["data"][0]["check_ins"] for answer in (before, after)] == [2, 3]
    assert after.headers["Report-Freshness"] == "exact"
