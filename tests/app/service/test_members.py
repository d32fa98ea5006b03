"""/api/v1/members: who is behind two of the figures, only for those who have a key."""

from __future__ import annotations

import json
import logging
import random
from typing import TYPE_CHECKING, Protocol

import pytest

from coworking.access import new_key
from coworking.app import create_app
from coworking.web import EXTENSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flask.testing import FlaskClient

    from coworking.config import Config

PATH = "/api/v1/members"
# 40 members: every fourth has left, every third never came; the others came every second day from
# 1 January, member n for n + 1 days.
USERS = """INSERT INTO users (id, first_name, last_name, joined_at, is_active)
           SELECT n, 'Ada', 'Secret', '2024-01-01', n % 4 <> 0 FROM generate_series(1, 40) AS n"""
TOKENS = """INSERT INTO tokens (user_id, token, created_at, used_at)
            SELECT n, 'secret', at, at FROM generate_series(1, 40) AS n,
                 generate_series(0, n) AS day,
                 LATERAL (SELECT '2024-01-01 09:30'::timestamp + day * interval '2 days') AS t(at)
            WHERE n % 3 <> 0"""


class Database(Protocol):
    name: str

    def execute(self, *statements: str) -> None: ...

    def rows(self, query: str) -> list[tuple[object, ...]]: ...


@pytest.fixture
def key() -> str:
    return new_key()


@pytest.fixture
def closed(
    database: Database, configured: Callable[..., Config], tmp_path: Path, key: str
) -> Iterator[FlaskClient]:
    """A client of a service that has a key."""
    (tmp_path / "ACCESS_KEY").write_text(key)
    database.execute(USERS, TOKENS)
    app = create_app(configured(database, ACCESS_KEY_FILE=str(tmp_path / "ACCESS_KEY")))
    yield app.test_client()
    app.extensions[EXTENSION].close()


def listed(client: FlaskClient, key: str, query: str) -> dict[str, object]:
    answer = client.get(f"{PATH}?{query}", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json or {}
    return found


def test_it_lists_who_stopped_coming_with_their_last_visit_and_rhythm(
    closed: FlaskClient, key: str
) -> None:
    found = listed(closed, key, "to=2024-03-01&tz=Europe/Berlin&limit=2")

    assert found == {
        "data": [
            {
                "member_id": 1,
                "joined_at": "2024-01-01T01:00:00+01:00",
                "last_check_in": "2024-01-03T10:30:00+01:00",
                "days_with_check_ins": 2,
                "usual_days_between": 2.0,
            },
            {
                "member_id": 2,
                "joined_at": "2024-01-01T01:00:00+01:00",
                "last_check_in": "2024-01-05T10:30:00+01:00",
                "days_with_check_ins": 3,
                "usual_days_between": 2.0,
            },
        ],
        "meta": {
            "list": "not-seen",
            "tz": "Europe/Berlin",
            "until": "2024-03-01T00:00:00+01:00",
            "next": 2,
        },
    }


@pytest.mark.parametrize("which", ["not-seen", "never-came"])
@pytest.mark.parametrize("to", ["2024-01-10", "2024-02-15", "2024-03-01", "2024-06-01"])
def test_its_pages_together_are_as_many_as_the_overview_counts(
    closed: FlaskClient, key: str, which: str, to: str
) -> None:
    after, ids = 0, list[int]()
    while after is not None:
        page = listed(closed, key, f"list={which}&to={to}&limit=3&after={after}&tz=Asia/Tokyo")
        ids += [row["member_id"] for row in page["data"]]  # type: ignore[attr-defined]
        after = page["meta"]["next"]  # type: ignore[index]
    figures = closed.get(
        f"/api/v1/overview?to={to}&tz=Asia/Tokyo", headers={"Authorization": f"Bearer {key}"}
    ).json["data"]

    assert ids == sorted(set(ids))
    name = {"not-seen": "members_not_seen", "never-came": "members_never_came"}[which]
    assert len(ids) == figures[name]["value"]


@pytest.mark.slow
def test_it_is_exact_while_tokens_come_and_go(
    closed: FlaskClient, key: str, database: Database
) -> None:
    source = random.Random(5)
    for _ in range(25):
        user, day = source.randint(1, 40), source.randint(0, 90)
        at = f"'2024-01-01 08:00'::timestamp + {day} * interval '1 day'"
        columns = "(user_id, token, created_at, used_at)"
        changes = (
            f"DELETE FROM tokens WHERE user_id = {user}",
            f"UPDATE tokens SET used_at = NULL WHERE user_id = {user}",
            f"INSERT INTO tokens {columns} SELECT {user}, '', {at}, {at}",
        )
        database.execute(source.choice(changes))
        expected = database.rows(
            """SELECT id FROM users WHERE is_active
               AND EXISTS (SELECT FROM tokens WHERE user_id = users.id AND used_at < '2024-03-15')
               AND NOT EXISTS (SELECT FROM tokens WHERE user_id = users.id
                               AND used_at >= '2024-02-14' AND used_at < '2024-03-15')
               ORDER BY id"""
        )

        rows = listed(closed, key, "to=2024-03-15&limit=1000")["data"]

        assert [row["member_id"] for row in rows] == [row[0] for row in expected]  # type: ignore[attr-defined]


def test_as_csv_it_has_the_same_rows_and_no_name(closed: FlaskClient, key: str) -> None:
    answer = closed.get(
        f"{PATH}?list=never-came&to=2024-03-01&format=csv",
        headers={"Authorization": f"Bearer {key}"},
    )

    assert answer.mimetype == "text/csv"
    assert answer.text.startswith(
        "member_id,joined_at,last_check_in,days_with_check_ins,usual_days_between\r\n"
        "3,2024-01-01T00:00:00Z,,0,\r\n"
    )
    assert "Ada" not in answer.text
    assert "ecret" not in answer.text
    assert "private" in answer.headers.getlist("Cache-Control")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Cookie": "a=b"}])
def test_without_the_key_it_is_401(closed: FlaskClient, headers: dict[str, str]) -> None:
    answer = closed.get(PATH, headers=headers)

    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert "member_id" not in answer.text


def test_where_the_other_reports_answer_everybody_it_still_needs_a_key(
    client: FlaskClient,
) -> None:
    assert client.get("/api/v1/overview").status_code == 200
    assert client.get(PATH).status_code == 401
    assert client.get(f"{PATH}?list=x").status_code in (400, 401)
    wrong = client.get(PATH, headers={"Authorization": f"Bearer {new_key()}"})
    assert wrong.status_code == 401


def test_each_access_is_logged_without_ids(
    closed: FlaskClient, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="coworking"):
        for _ in range(2):  # the second is answered from what was kept
            listed(closed, key, "list=never-came&to=2024-03-01")
        closed.get(PATH)

    lines = [each.__dict__["fields"] for each in caplog.records if "listed" in each.message]
    assert [line["list"] for line in lines] == ["never-came", "never-came"]
    assert all(set(line) == {"request_id", "list"} for line in lines)
    assert key not in json.dumps(lines)


@pytest.mark.parametrize(
    "query", ["list=gone", "after=-1", "after=x", "limit=0", "limit=1001", "after=99999999999"]
)
def test_what_it_cannot_use_is_refused(closed: FlaskClient, key: str, query: str) -> None:
    answer = closed.get(f"{PATH}?{query}", headers={"Authorization": f"Bearer {key}"})

    assert answer.status_code == 400
    assert answer.json["parameter"] == query.partition("=")[0]


def test_the_page_links_the_lists_only_for_who_is_logged_in(
    closed: FlaskClient, client: FlaskClient, key: str
) -> None:
    closed.post("/login", data={"key": key, "goal": "/"})

    assert "/api/v1/members?list=not-seen&amp;" in closed.get("/").text
    assert "/api/v1/members" not in client.get("/").text
