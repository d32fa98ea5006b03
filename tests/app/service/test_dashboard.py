"""The dashboard as HTML: what it says, what its links keep, and how it fails."""

from __future__ import annotations

import gzip
import html
import re
from typing import TYPE_CHECKING, Protocol

import pytest

from coworking.app import create_app
from tests.app.service.clients import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.testing import FlaskClient

    from coworking.config import Config

USERS = """INSERT INTO users (id, first_name, last_name, joined_at)
           SELECT n, '', '', '2024-01-01' FROM generate_series(1, 4) AS n"""
TOKENS = """INSERT INTO tokens (user_id, token, created_at, used_at)
            SELECT 1 + day % 3, '', at, at
            FROM generate_series(0, 79) AS day,
                 LATERAL (SELECT '2024-01-01 09:30'::timestamp + day * interval '1 day') AS t(at)"""
UNUSED = "INSERT INTO tokens (user_id, token, created_at) VALUES (1, '', '2024-03-01')"


class Database(Protocol):
    name: str

    def execute(self, *statements: str) -> None: ...


@pytest.fixture
def history(database: Database) -> None:
    """One check-in at 9:30 UTC on each of the 80 days from 1 January to 20 March 2024."""
    database.execute(USERS, TOKENS, UNUSED)


@pytest.mark.usefixtures("history")
def test_it_opens_on_the_newest_thirty_days(client: FlaskClient) -> None:
    shown = words(client.get("/").text)

    assert "20 Feb – 20 Mar 2024 30 days · UTC · compared with 21 Jan – 19 Feb 2024" in shown
    assert "newest check-in Wed 20 Mar 2024, 09:30" in shown
    assert "Check-ins 30 no change 30 in the 30 days before" in shown
    assert "Members who came 3 no change 3 in the 30 days before" in shown
    assert "Tokens left unused 3.2 % 3.2 points more worse 0.0 % in the 30 days before" in shown
    assert "Not seen for 30 days 0 no change 0 on 20 Feb 2024" in shown
    assert "Never came 1 no change 1 on 20 Feb 2024" in shown


@pytest.mark.usefixtures("history")
def test_it_opens_in_the_place_s_own_zone_and_under_its_name(
    configured: Callable[..., Config], database: Database
) -> None:
    place = configured(database, PLACE_NAME="Bob's <Loft>", PLACE_TIME_ZONE="Asia/Kathmandu")
    page = create_app(place).test_client().get("/").text

    assert "Bob's <Loft>" in words(page)
    assert "<Loft>" not in page
    assert "30 days · Asia/Kathmandu" in words(page)
    assert "newest check-in Wed 20 Mar 2024, 15:15" in words(page)
    assert re.search(r"<option selected>Asia/Kathmandu</option>", page)
    assert "tz=Asia/Kathmandu" in page.partition("/api/v1/overview?")[2].partition('"')[0]


@pytest.mark.usefixtures("history")
def test_one_sentence_says_what_changed(client: FlaskClient, database: Database) -> None:
    """On the last 15 days three come on each, where one came before."""
    more = """INSERT INTO tokens (user_id, token, created_at, used_at)
              SELECT 1, '', used_at, used_at FROM tokens, generate_series(1, 2)
              WHERE used_at >= '2024-03-06'"""
    same, alone = (words(client.get(path).text) for path in ("/?days=7", "/?days=90"))
    database.execute(more)

    changed = words(client.get("/?from=2024-03-06&through=2024-03-20").text)

    assert "= Steady No figure changed." in same
    assert "Nothing to compare: there are no check-ins before this period." in alone
    unused = "the share of unused tokens is down 6.2 points"
    assert f"✓ Better Check-ins are up 200 %; {unused}." in changed
    assert "Check-ins 45 200 % more better 15 in the 15 days before" in changed


@pytest.mark.usefixtures("history")
def test_an_hour_of_the_week_lists_its_days(client: FlaskClient) -> None:
    page = client.get("/?at=wed-09&from=2024-03-04&through=2024-03-20&tz=UTC").text

    assert "Wednesday 09:00–10:00" in words(page)
    assert "3 times: 1.0 check-ins on average, 1 at most." in words(page)
    assert "Wed 20 Mar 2024 1 Wed 13 Mar 2024 1 Wed 6 Mar 2024 1" in words(page)
    assert "There is no such hour" in words(
        client.get("/?at=mon-09&from=2024-03-05&to=2024-03-07").text
    )
    assert client.get("/?at=mon-24").status_code == 400


@pytest.mark.usefixtures("history")
def test_members_who_have_left_are_shown_apart(client: FlaskClient, database: Database) -> None:
    database.execute("UPDATE users SET is_active = false WHERE id = 4")

    shown = words(client.get("/").text)

    assert "Never came 0 no change 0 on 20 Feb 2024 active; 1 other left" in shown
    assert "Not seen for 30 days 0 no change 0 on 20 Feb 2024 active members " in shown


@pytest.mark.usefixtures("history")
def test_each_chart_has_its_sentence_and_its_table(client: FlaskClient) -> None:
    shown = words(client.get("/?days=7&tz=Asia/Kathmandu").text)

    assert "7 check-ins, 1.0 per day on average; most on Thu 14 Mar 2024: 1." in shown
    assert "Day Check-ins Thu 14 Mar 2024 1 Fri 15 Mar 2024 1" in shown
    assert "Busiest: Monday 15:00–16:00, 1.0 check-ins on average." in shown


@pytest.mark.usefixtures("history")
def test_it_says_when_the_data_cover_the_previous_period_only_in_part(client: FlaskClient) -> None:
    """Compared with a part of a period, every figure seemed to grow."""
    shown = words(client.get("/?from=2024-02-01&to=2024-03-15").text)

    assert (
        "Nothing to compare the data begin on 1 Jan 2024, within the period to compare with"
        in shown
    )
    assert "compared with" not in shown.partition("What the figures mean")[0]


@pytest.mark.usefixtures("history")
def test_it_says_when_there_is_nothing_to_compare(client: FlaskClient) -> None:
    shown = words(client.get("/?days=90").text)

    assert "Nothing to compare there are no check-ins before this period" in shown
    assert "compared with" not in shown.partition("What the figures mean")[0]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("query", "heading"),
    [
        ("from=2024-03-01&to=2024-03-02", "Check-ins by hour"),
        ("days=90", "Check-ins by day"),
        ("days=365", "Check-ins by week"),
        ("from=2021-01-01&to=2024-03-02", "Check-ins by month"),
        ("by=week", "Check-ins by week"),
        ("from=&to=&by=&tz=", "Check-ins by day"),  # a form that was sent untouched
    ],
)
def test_the_grouping_suits_the_range_unless_picked(
    client: FlaskClient, query: str, heading: str
) -> None:
    answer = client.get(f"/?{query}")

    assert answer.status_code == 200
    assert heading in words(answer.text)


@pytest.mark.usefixtures("history")
def test_every_csv_link_downloads_what_the_page_shows(client: FlaskClient) -> None:
    page = client.get("/?tz=Europe/Berlin&by=week").text

    links = [html.unescape(link) for link in re.findall(r'href="(/api/[^"]+)"', page)]

    assert [link.partition("?")[0] for link in links] == [
        "/api/v1/overview",
        "/api/v1/checkins",
        "/api/v1/heatmap",
    ]
    for link in links:
        assert "from=2024-02-20&to=2024-03-21&tz=Europe/Berlin" in link
        assert client.get(link).mimetype == "text/csv"


@pytest.mark.usefixtures("history")
def test_a_link_keeps_what_else_was_picked(client: FlaskClient) -> None:
    page = html.unescape(client.get("/?tz=Europe/Berlin&theme=dark&days=7&compare=year").text)

    assert 'class="brand" href="/?tz=Europe/Berlin&compare=year&theme=dark"' in page
    assert 'name="kept" value="days=7 2024-03-14 2024-03-20"' in page
    assert 'name="theme" value="dark"' in page
    assert '<html lang="en" data-theme="dark">' in page


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("from=2024-03-01&through=2024-03-07", "1 – 7 Mar 2024 7 days · UTC · compared with 23"),
        ("from=2024-03-01&to=2024-03-08", "1 – 7 Mar 2024 7 days · UTC · compared with 23"),
        (
            "from=2024-03-01&through=2024-03-08&compare=weekdays",
            "compared with 16 – 23 Feb 2024",
        ),
        ("days=7&compare=year", "the data begin on 1 Jan 2024, after the period to compare with"),
    ],
)
def test_the_last_date_is_included_and_the_comparison_is_picked(
    client: FlaskClient, query: str, shown: str
) -> None:
    assert shown in words(client.get(f"/?{query}").text)


@pytest.mark.usefixtures("history")
def test_what_the_page_compares_with_the_overview_s_csv_does_too(client: FlaskClient) -> None:
    page = html.unescape(
        client.get("/?from=2024-03-01&through=2024-03-08&compare=weekdays&tz=UTC").text
    )
    (link,) = re.findall(r'href="(/api/v1/overview[^"]*)"', page)

    assert "compare=weekdays" in link
    assert client.get(link.replace("csv", "json")).json["meta"]["previous"] == {
        "from": "2024-02-16",
        "to": "2024-02-24",
        "complete": True,
    }


@pytest.mark.usefixtures("history")
def test_a_range_of_one_day_has_no_rows_of_other_days(client: FlaskClient) -> None:
    """A one-day range had six empty rows."""
    page = client.get("/?from=2024-03-01&through=2024-03-01").text

    assert page.count('class="cell q') == 24 + 9  # and the legend
    assert "Hour Fri 00:00 0.0" in words(page)


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    "query",
    ["from=1924-06-01&to=2024-06-01", "to=1900-01-10", "from=2199-12-25", "from=2199-12-31"],
)
def test_the_longest_and_the_outermost_ranges_are_shown_with_links_that_work(
    client: FlaskClient, query: str
) -> None:
    """A century was refused with an offer to show just it; the outermost links to CSV were 400."""
    answer = client.get(f"/?{query}")

    assert answer.status_code == 200
    links = re.findall(r'href="([^"]*format=csv[^"]*)"', html.unescape(answer.text))
    assert links
    assert all(client.get(link).status_code == 200 for link in links)


def test_without_data_it_says_how_to_get_some(client: FlaskClient) -> None:
    answer = client.get("/")

    assert answer.status_code == 200
    assert "No check-ins yet" in words(answer.text)
    assert "run coworking seed" in words(answer.text)
    assert 'class="card"' not in answer.text


def test_tokens_elsewhere_on_the_search_path_are_not_its_own(
    config: Config, database: Database
) -> None:
    database.execute(
        "CREATE SCHEMA other",
        "CREATE TABLE other.tokens AS SELECT 1 AS user_id",
        f"ALTER DATABASE {database.name} SET search_path = other",
    )
    assert "run coworking seed" in words(create_app(config).test_client().get("/").text)


def test_with_unused_tokens_only_it_says_that_none_was_used(
    client: FlaskClient, database: Database
) -> None:
    database.execute(USERS, UNUSED)

    assert "No token has been used yet" in words(client.get("/").text)


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("from=2023-01-01&to=2023-02-01", "ends before them"),
        ("from=2025-01-01&to=2025-02-01", "begins after them"),
    ],
)
def test_a_range_without_check_ins_says_where_they_are(
    client: FlaskClient, query: str, where: str
) -> None:
    shown = words(client.get(f"/?{query}").text)

    assert f"check-ins from 1 Jan 2024 to 20 Mar 2024, and this range {where}" in shown
    assert "Show the newest 30 days" in shown


def test_a_database_that_is_away_has_a_page_of_its_own(
    configured: Callable[..., Config], database: Database
) -> None:
    answer = create_app(configured(database, DB_PORT="1")).test_client().get("/?tz=Asia/Tokyo")

    assert answer.status_code == 503
    assert "The reports can’t be read just now" in words(answer.text)
    assert 'href="/?tz=Asia/Tokyo">Try again' in answer.text
    assert answer.headers["Retry-After"]


def test_the_page_s_own_files_are_compressed(client: FlaskClient) -> None:
    for path in (
        "/static/dashboard.css",
        "/static/dashboard.js",
        "/openapi/swagger/js/swagger-ui-bundle.js",
    ):
        whole = client.get(path)
        packed = client.get(path, headers={"Accept-Encoding": "gzip"})
        again = client.get(path, headers={"If-None-Match": whole.headers["ETag"]})

        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.data) == whole.data
        assert len(packed.data) < len(whole.data) / 2
        assert again.status_code == 304
    assert client.get("/static/nothing.css").status_code == 404
    assert client.get("/static/../app.py").status_code == 404


def test_the_policy_allows_nothing_inline_and_no_other_host(client: FlaskClient) -> None:
    answer = client.get("/")

    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src)|https?://", answer.text)


def test_it_says_whether_its_figures_are_exact(
    configured: Callable[..., Config], database: Database, client: FlaskClient
) -> None:
    older = create_app(configured(database, REPORT_MAX_AGE="60")).test_client()
    older.get("/")

    assert re.search(r"As of \w+ \d+ \w+ \d+, \d\d:\d\d · exact", words(client.get("/").text))
    assert "s old" in words(older.get("/").text)
