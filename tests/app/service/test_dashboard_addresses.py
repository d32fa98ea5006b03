"""What the dashboard does with an address or a form that somebody else wrote."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest

from tests.app.service.clients import words

if TYPE_CHECKING:
    from flask.testing import FlaskClient


FORM = "&from=2024-02-20&through=2024-03-20&tz=Europe/Berlin&by=&compare=previous"


@pytest.mark.parametrize(
    ("sent", "address"),
    [
        (f"kept=days=30 2024-02-20 2024-03-20{FORM}", "/?tz=Europe/Berlin"),
        (f"kept=days=7 2024-02-20 2024-03-20{FORM}", "/?days=7&tz=Europe/Berlin"),
        (f"kept=range=this-week 2024-02-20 2024-03-20{FORM}", "/?range=this-week&tz=Europe/Berlin"),
        (
            f"kept=days=30 2024-02-19 2024-03-20{FORM}",
            "/?from=2024-02-20&through=2024-03-20&tz=Europe/Berlin",
        ),
        (
            f"kept=dates 2024-02-20 2024-03-20{FORM}&theme=dark",
            "/?from=2024-02-20&through=2024-03-20&tz=Europe/Berlin&theme=dark",
        ),
        (f"range=last-month&kept=dates x y{FORM}", "/?range=last-month&tz=Europe/Berlin"),
        (f"theme=auto&kept=days=30 2024-02-20 2024-03-20{FORM}&theme=dark", "/?tz=Europe/Berlin"),
        ("kept=&from=&through=&tz=UTC&by=week&compare=year", "/?by=week&compare=year"),
        ("kept=//evil.example", "/"),
    ],
)
def test_the_form_leads_to_the_shortest_address_of_what_it_was_sent_with(
    client: FlaskClient, sent: str, address: str
) -> None:
    answer = client.get(f"/?{sent}")

    assert (answer.status_code, html.unescape(answer.headers["Location"])) == (302, address)


@pytest.mark.parametrize(
    ("query", "sentence", "field"),
    [
        ("tz=Europe/Berln", "tz='Europe/Berln' is not an IANA time zone", "tz"),
        ("from=2024-02-30", "from='2024-02-30' is not in the calendar", "from"),
        (
            "from=2024-05-02&to=2024-05-01",
            "to='2024-05-01' is not after from=2024-05-02",
            "through",
        ),
        ("range=next-week", "The dates can’t be chosen in this way.", None),
        ("from=2024-05-02&through=2024-05-01", "The last date is before the first one.", "through"),
        ("through=x", "The last date, “x”, can’t be read.", "through"),
        ("from=1024-05-01", "The first date, 1024-05-01, is not between 1900 and 2199.", "from"),
        ("tz=Mars", "There is no time zone “Mars”. Choose one of the list.", "tz"),
        ("compare=never", "There is no comparison “never”.", "compare"),
        ("to=2024-05-01&through=2024-05-01", "to='2024-05-01' can't be combined", "through"),
        ("by=hour&days=90", "These dates have more than 1,000 hours. Choose fewer days", "by"),
        ("by=minute", "by='minute' is not one of hour, day, week, month", "by"),
        ("by=hour&days=365", "by='hour' would cut 365 days into more than 1,000 buckets", "by"),
        ("days=8", "days='8' is not one of 7, 30, 90, 365", None),
        ("days=7&from=2024-01-01", "days='7' can't be combined with from, through or to", None),
        ("theme=pink", "theme='pink' is not one of auto, light, dark", None),
        ("zone=UTC", "zone='UTC' is not a parameter here", None),
        ("tz=UTC&tz=UTC", "tz='UTC, UTC' is given more than once", "tz"),
    ],
)
def test_a_mistake_in_the_url_is_explained_beside_its_picker(
    client: FlaskClient, query: str, sentence: str, field: str | None
) -> None:
    answer = client.get(f"/?{query}")

    assert answer.status_code == 400
    assert sentence in words(answer.text)
    if field:
        picker = re.search(rf'<(?:input|select)[^>]* id="{field}"[^>]*>', answer.text)
        assert picker is not None
        assert 'aria-invalid="true" aria-describedby="wrong"' in picker[0]
        assert 'id="wrong"' in answer.text


def test_an_unknown_parameter_is_not_offered_again(client: FlaskClient) -> None:
    shown = words(client.get("/?zone=UTC").text)

    assert "Show it with" not in shown
    assert "Show the newest 30 days" in shown


def test_hostile_values_are_shown_as_text(client: FlaskClient) -> None:
    answer = client.get("/?tz=<script>alert(1)</script>&from=%22><img src=x>")

    assert answer.status_code == 400
    assert "<script>alert" not in answer.text
    assert "<img" not in answer.text
