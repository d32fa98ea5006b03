"""`coworking report`: a month on one page, with the API's own figures."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from coworking import pdf
from coworking.web import words as said
from tests.app.service.clients import words

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient

PLACE = {"PLACE_NAME": "Bob's <Loft>", "PLACE_TIME_ZONE": "Europe/Berlin"}


class Database(Protocol):
    name: str

    def execute(self, *statements: str) -> None: ...


@pytest.fixture
def spring(database: Database) -> Database:
    """Check-ins from January to May 2024, more of them from April on."""
    database.execute(
        "INSERT INTO users (id, first_name, last_name, joined_at)"
        " SELECT n, 'Ada', 'Secret', '2024-01-01' FROM generate_series(1, 40) AS n",
        """INSERT INTO tokens (user_id, token, created_at, used_at)
           SELECT 1 + n % 31, '', at, at + interval '1 hour' FROM generate_series(
               '2024-01-01 07:00'::timestamp, '2024-05-31 20:00', '3 hours') WITH ORDINALITY
               AS times(at, n), generate_series(1, 3) AS times_again
           WHERE at >= '2024-04-01' OR times_again = 1""",
        "INSERT INTO tokens (user_id, token, created_at) VALUES (1, '', '2024-04-02')",
    )
    return database


def test_its_figures_are_the_api_s(
    run: Any, spring: Database, client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "chromium", lambda: None)
    done = run("report", "--month=2024-04", f"--folder={tmp_path}", on=spring, **PLACE)
    page = (tmp_path / "coworking-2024-04.html").read_text()
    shown = words(page.partition("<body>")[2])
    query = "from=2024-04-01&to=2024-05-01&tz=Europe/Berlin"
    figures = client.get(f"/api/v1/overview?{query}").json["data"]
    days = client.get(f"/api/v1/checkins?{query}").json["data"]
    hours = client.get(f"/api/v1/heatmap?{query}").json["data"]

    assert done.returncode == 0
    assert "No PDF: Chromium is missing." in done.stderr
    assert "April 2024 Bob's <Loft> · Europe/Berlin · compared with 2 – 31 Mar 2024" in shown
    assert "Better. Check-ins are up " in shown
    for label, name in (("Check-ins", "check_ins"), ("Members who came", "unique_members")):
        assert f"{label} {said.number(figures[name]['value'])} " in shown
        assert f" {said.number(figures[name]['previous'])} in the 30 days before" in shown
    assert f"Tokens left unused {words(said.share(figures['unused_share']['value']))}" in shown
    assert f"(active members) {figures['members_never_came']['value']} no change" in shown
    for number, day in enumerate(days, 1):
        assert re.search(rf"\w+ {number} Apr 2024 {day['check_ins']}\b", shown)
    rows = [[each for each in hours if each["hour"] == hour] for hour in range(24)]
    for hour, row in enumerate(rows):
        averages = " ".join(said.average(each["check_ins"] / each["days"]) for each in row)
        assert f"{hour:02d}:00 {averages}" in shown
    assert 'href="http://127.0.0.1:5153/?from=2024-04-01&amp;through=2024-04-30' in page


def test_it_needs_nothing_else_and_is_always_light(
    run: Any, spring: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "chromium", lambda: None)
    run(
        *("report", "--month=2024-05", f"--folder={tmp_path}", "--address=https://example.org/"),
        on=spring,
        **PLACE,
    )
    page = (tmp_path / "coworking-2024-05.html").read_text()

    assert "color-scheme: light;" in page
    assert re.findall(r'(?:src|href)="([^"]+)"', page) == [
        "https://example.org/?from=2024-05-01&amp;through=2024-05-31&amp;tz=Europe/Berlin"
    ]
    assert "<script" not in page
    assert "<Loft>" not in page
    assert "Secret" not in page


@pytest.mark.parametrize("month", ["2024-13", "2024-04-01", "2190-01"])
def test_a_month_that_cannot_be_is_refused(
    run: Any, spring: Database, tmp_path: Path, month: str
) -> None:
    done = run("report", f"--month={month}", f"--folder={tmp_path}", on=spring, **PLACE)

    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
@pytest.mark.browser
def test_as_pdf_it_is_one_page(run: Any, spring: Database, tmp_path: Path) -> None:
    if pdf.chromium() is None or not shutil.which(str(pdf.chromium())):
        pytest.skip("Chromium is missing (install it, or name it in CHROMIUM)")

    done = run("report", "--month=2024-05", f"--folder={tmp_path}", on=spring, **PLACE)

    assert done.returncode == 0, done.stderr
    printed = (tmp_path / "coworking-2024-05.pdf").read_bytes()
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", printed)) == 1
