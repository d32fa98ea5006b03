"""The dashboard as people use it: with a mouse, a keyboard, a phone, and without JavaScript."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 360, "height": 740}}
DARK = {"color_scheme": "dark"}
BARS = ".plot .column"


class Database(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]
    name: str

    def execute(self, *statements: str) -> None: ...


def heading(page: Page) -> Any:
    return page.get_by_role("heading", level=1)


def test_a_preset_changes_the_chart_and_the_address(visit: Callable[..., Page]) -> None:
    page = visit("/")
    expect(page.locator(BARS)).to_have_count(30)

    page.get_by_role("button", name="7 days").click()

    expect(page).to_have_url(re.compile(r"\?days=7$"))
    expect(heading(page)).to_have_text("25 – 31 Dec 2025")
    expect(page.locator(BARS)).to_have_count(7)
    expect(page.get_by_role("button", name="7 days")).to_have_attribute("aria-current", "true")


def test_dates_change_the_chart_and_the_address(visit: Callable[..., Page]) -> None:
    page = visit("/?tz=Europe/Berlin")

    page.get_by_label("From").fill("2025-10-26")
    page.get_by_label("To", exact=True).fill("2025-10-26")
    page.get_by_role("button", name="Show", exact=True).click()

    expect(page).to_have_url(re.compile(r"from=2025-10-26&through=2025-10-26&tz=Europe/Berlin$"))
    expect(heading(page)).to_have_text("Sun 26 Oct 2025")
    expect(page.locator(BARS)).to_have_count(25)  # clocks went back that night


def test_a_time_zone_and_a_grouping_change_the_charts_and_keep_the_range(
    visit: Callable[..., Page],
) -> None:
    page = visit("/?days=90")
    busiest = page.locator("figcaption", has_text="Busiest").inner_text()

    page.get_by_label("Time zone", exact=True).select_option("Asia/Tokyo")
    page.get_by_label("Group by").select_option("week")
    page.get_by_role("button", name="Show", exact=True).click()

    expect(page).to_have_url(re.compile(r"\?days=90&tz=Asia/Tokyo&by=week$"))
    expect(page.get_by_role("heading", name="Check-ins by week")).to_be_visible()
    expect(page.locator("figcaption", has_text="Busiest")).not_to_have_text(busiest)


def test_it_is_complete_without_javascript(visit: Callable[..., Page]) -> None:
    page = visit("/", script=False)

    page.get_by_label("Group by").select_option("week")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_text("Table of check-ins by week").click()

    expect(page.get_by_role("region", name="Table of check-ins by week")).to_be_visible()
    expect(page.get_by_role("button", name="Pause refresh")).to_have_count(0)


def test_the_keyboard_reaches_the_report_and_the_pickers(visit: Callable[..., Page]) -> None:
    page = visit("/")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the report")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#report")).to_be_focused()

    page.get_by_role("button", name="90 days").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?days=90$"))


def test_a_mistake_is_explained_and_one_click_mends_it(visit: Callable[..., Page]) -> None:
    page = visit("/?tz=Europe/Berln&days=7")
    expect(page.get_by_label("Time zone", exact=True)).to_have_attribute("aria-invalid", "true")

    page.get_by_role("link", name="Show it with Europe/Berlin").click()

    expect(page).to_have_url(re.compile(r"\?days=7&tz=Europe/Berlin$"))
    expect(page.locator(BARS)).to_have_count(7)


def test_an_open_page_shows_new_check_ins_by_itself(
    visit: Callable[..., Page], empty_site: str, database: Database
) -> None:
    page = visit("/", at=empty_site, clock=True)
    expect(page.get_by_role("heading", name="No check-ins yet")).to_be_visible()

    database.execute(
        "INSERT INTO users VALUES (1, '', '', '2024-01-01')",
        "INSERT INTO tokens VALUES (1, 1, '', '2024-05-01 09:00', '2024-05-01 09:30')",
    )
    page.clock.fast_forward(61_000)

    expect(heading(page)).to_have_text("2 Apr – 1 May 2024")
    expect(page.locator("figcaption").first).to_contain_text("1 check-in,")


def test_it_does_not_refresh_while_somebody_is_picking(
    visit: Callable[..., Page], empty_site: str
) -> None:
    page = visit("/", at=empty_site, clock=True)
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda each: "/static/" in each.url or asked.append(each.url))

    page.get_by_label("From").focus()
    page.clock.fast_forward(61_000)
    expect(page.locator("#status")).to_contain_text("Refresh waits while you are in the page.")
    page.get_by_role("button", name="Pause refresh").click()
    page.clock.fast_forward(61_000)
    page.get_by_role("button", name="Refresh every minute").click()
    assert asked == []

    with page.expect_request(empty_site + "/"):
        page.clock.fast_forward(61_000)


def test_a_refresh_that_fails_keeps_the_figures_and_says_so(visit: Callable[..., Page]) -> None:
    page = visit("/", clock=True)

    page.route("**/*", lambda route: route.fulfill(status=503, body=""))
    page.clock.fast_forward(61_000)

    expect(page.locator("#status")).to_contain_text("Not refreshed since; trying again.")
    expect(page.locator(BARS)).to_have_count(30)


def test_what_is_not_whole_not_possible_or_not_coming_is_said_on_the_page(
    visit: Callable[..., Page], empty_site: str, database: Database
) -> None:
    """A day that runs, a date in the future, then check-ins that stop: each was misread once."""
    moment = "date_trunc('day', now() AT TIME ZONE 'UTC') - ago * interval '1 day'"
    database.execute(
        "INSERT INTO users VALUES (1, '', '', '2024-01-01')",
        "INSERT INTO tokens (user_id, token, created_at, used_at) SELECT 1, '', at, at FROM"
        f" generate_series(-20, 70) ago, LATERAL (SELECT {moment}) t(at) WHERE ago NOT IN (-1, 0)",
    )
    page = visit("/?days=7", at=empty_site)
    expect(page.locator(".card").first).to_contain_text("7")
    expect(page.locator(".card").first).to_contain_text("no change")
    expect(page.locator(".running")).to_contain_text("Today so far: 0 check-ins; yesterday until")
    expect(page.locator(".notice")).to_contain_text("19 check-ins with an impossible date")
    database.execute("DELETE FROM tokens WHERE used_at > now() - interval '20 days'")
    page.reload()

    expect(page.locator(".notice")).to_contain_text("No check-in since")
    expect(page.locator(".running")).to_have_count(0)
    assert Axe().run(page).response["violations"] == []


def test_a_page_that_found_no_database_mends_itself(
    visit: Callable[..., Page], empty_site: str, database: Database
) -> None:
    elsewhere = dataclasses.replace(database, name="postgres")
    elsewhere.execute(
        f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}'",
    )
    page = visit("/?days=7", at=empty_site, clock=True)
    expect(heading(page)).to_have_text("The reports can’t be read just now")
    elsewhere.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")
    page.clock.fast_forward(61_000)

    expect(page.get_by_role("heading", name="No check-ins yet")).to_be_visible()
    expect(page.get_by_role("button", name="7 days")).to_have_attribute("aria-current", "true")


PLACES = {
    "report": "/",
    "hours": "/?from=2025-12-29&to=2025-12-31&by=hour",
    "error": "/?tz=Europe/Berln",
    "hour": "/?days=30&at=fri-09&compare=weekdays",
    "empty": "/?from=2030-01-01&to=2030-02-01",
}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": DARK,
    "phone": PHONE,
}


@pytest.mark.parametrize(
    ("place", "look"),
    [  # each look of one of them in `make test`, and all that differ in `make test-long`
        *[("report", "light"), ("error", "dark"), ("hours", "phone")],
        *(
            pytest.param(*each, marks=pytest.mark.thorough)
            for each in (
                *[("report", "dark"), ("report", "phone"), ("hour", "dark")],
                *[("empty", "light"), ("error", "light")],
            )
        ),
    ],
)
def test_axe_finds_nothing_wrong(visit: Callable[..., Page], place: str, look: str) -> None:
    page = visit(PLACES[place], **LOOKS[look])
    for details in page.locator("details").all():
        details.evaluate("each => { each.open = true }")

    found = Axe().run(page).response["violations"]

    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(place, marks=[pytest.mark.thorough] * (place in ("empty", "error", "hours")))
        for place in PLACES
    ],
)
def test_no_page_scrolls_sideways(visit: Callable[..., Page], place: str) -> None:
    page = visit(PLACES[place])

    for width in (320, 360, 768, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    for width in (320, 390, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "text of 200 %"


def test_colours_follow_the_system_unless_picked(visit: Callable[..., Page]) -> None:
    def background(path: str, scheme: str) -> str:
        page = visit(path, color_scheme=scheme)
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light, dark = background("/", "light"), background("/", "dark")

    assert light != dark
    assert background("/?theme=dark", "light") == dark
    assert background("/?theme=light", "dark") == light


@pytest.mark.parametrize("theme", ["", "?theme=dark"])
def test_print_is_light(visit: Callable[..., Page], theme: str) -> None:
    """A page in dark colours was printed in light ink on white paper."""
    page = visit(f"/{theme}", color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")

    ink = page.evaluate("getComputedStyle(document.body).color")
    page.emulate_media(media="screen")

    assert ink == "rgb(23, 32, 30)"


def test_the_api_s_page_works_under_its_policy(visit: Callable[..., Page]) -> None:
    page = visit("/openapi/")

    expect(page.get_by_text("/api/v1/heatmap")).to_be_visible()


@pytest.mark.thorough  # pictures for people; each of their pages has tests of its own
def test_screenshots_are_written(
    visit: Callable[..., Page],
    request: pytest.FixtureRequest,
    empty_site: str,
    closed_site: Any,
    tmp_path: Path,
) -> None:
    """Into the folder that SCREENSHOTS names, for people to look at; docs/ shows these."""
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    at = request.getfixturevalue("fresh_site") if "SCREENSHOTS" in os.environ else ""
    shots: dict[str, dict[str, Any]] = {
        "light": {"path": "/", "at": at},
        "dark": {"path": "/", "at": at, **DARK},
        "phone": {"path": "/", "at": at, **PHONE},
        "empty": {"path": "/", "at": empty_site},
        "error": {"path": "/?tz=Europe/Berln"},
        "login": {"path": "/", "at": closed_site.address},
    }

    for name, place in shots.items():
        visit(**place).screenshot(path=folder / f"{name}.png", full_page=name == "phone")

    assert all((folder / f"{name}.png").stat().st_size > 10_000 for name in shots)
