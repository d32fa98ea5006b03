"""A month's report as one page of HTML that needs nothing else: for printing, and for a file.

html = month_page(config, connection, date(2026, 10, 1), datetime.now(UTC), "https://example.org")
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from flask import render_template

from coworking.app import create_app
from coworking.comparisons import Compare
from coworking.periods import ONE_DAY, Granularity, ParameterError, local_date
from coworking.web import words
from coworking.web.choice import WantedView
from coworking.web.dashboard import find, shown_of
from coworking.web.pages import address

if TYPE_CHECKING:
    from datetime import date, datetime

    from sqlalchemy import Connection

    from coworking.config import Config


def month_page(
    config: Config, connection: Connection, month: date, now: datetime, base: str
) -> str:
    """The report of a month, in the place's own time zone; the dashboard's figures.

    Args:
        config: the place's name and zone.
        connection: to the database.
        month: its first date.
        now: the present time.
        base: the address of the service, for the link to the dashboard.

    Raises:
        ParameterError: the month has not begun.
    """
    zone = ZoneInfo(config.place_time_zone)
    if month > local_date(now, zone):
        valid = f"{local_date(now, zone):%Y-%m}"
        raise ParameterError("month", f"{month:%Y-%m}", "has not begun", valid)
    end = (month + timedelta(days=31)).replace(day=1)
    asked = WantedView(month, end, 0, None, zone, Granularity.DAY, Compare.PREVIOUS, None)
    found = find(connection, asked, now)
    picked = {"from": str(month), "through": str(end - ONE_DAY), "tz": zone.key}
    app = create_app(config)
    with app.test_request_context("/"):
        return render_template(
            "report.html",
            place=config.place_name,
            month=month,
            period=found.period,
            words=words,
            as_of=now,
            address=base.rstrip("/") + address(picked),
            **shown_of(found, asked),
        )
