"""The login as people meet it: where it stands, what it says, and when it comes back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from coworking.access import new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}},
}


def log_in(page: Page, key: str) -> None:
    page.get_by_label("Access key").fill(key)
    page.get_by_role("button", name="Log in").click()


def heading(page: Page) -> Any:
    return page.get_by_role("heading", level=1)


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_it_leads_to_the_page_that_was_asked_for(
    visit: Callable[..., Page], closed_site: Any, script: bool
) -> None:
    page = visit("/?days=7", at=closed_site.address, script=script)
    expect(heading(page)).to_have_text("Log in")

    log_in(page, closed_site.key)

    expect(page).to_have_url(re.compile(r"/\?days=7$"))
    expect(heading(page)).to_have_text("25 – 31 Dec 2025")
    cookie = page.context.cookies()[0]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Lax", False)


def test_the_cursor_is_in_the_field_and_enter_is_enough(
    visit: Callable[..., Page], closed_site: Any
) -> None:
    page = visit("/", at=closed_site.address)
    expect(page.get_by_label("Access key")).to_be_focused()

    page.keyboard.type(closed_site.key)
    page.keyboard.press("Enter")

    expect(heading(page)).to_have_text("2 – 31 Dec 2025")


def test_a_wrong_key_is_explained_and_the_right_one_still_leads_there(
    visit: Callable[..., Page], closed_site: Any
) -> None:
    page = visit("/?days=7", at=closed_site.address)

    log_in(page, "wrong")

    expect(page.get_by_role("alert")).to_contain_text("This is not a valid access key.")
    field = page.get_by_label("Access key")
    expect(field).to_have_accessible_description(re.compile("not a valid access key"))
    expect(field).to_have_value("")
    log_in(page, closed_site.key)
    expect(page).to_have_url(re.compile(r"/\?days=7$"))


def test_a_file_and_the_api_s_page_come_with_the_same_login(
    visit: Callable[..., Page], closed_site: Any
) -> None:
    page = visit("/openapi/", at=closed_site.address)
    log_in(page, closed_site.key)

    expect(page.get_by_text("/api/v1/heatmap")).to_be_visible()
    page.goto(closed_site.address + "/?days=7")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of the check-ins by day").click()
    assert download.value.suggested_filename == "coworking-checkins.csv"


def test_a_logout_shows_the_login_again(visit: Callable[..., Page], closed_site: Any) -> None:
    page = visit("/", at=closed_site.address)
    log_in(page, closed_site.key)

    page.get_by_role("button", name="Log out").click()

    expect(heading(page)).to_have_text("Log in")
    assert page.context.cookies() == []
    page.reload()
    expect(heading(page)).to_have_text("Log in")


def test_an_open_page_shows_the_login_when_its_key_is_gone(
    visit: Callable[..., Page], closed_site: Any
) -> None:
    """It tried again for ever, and the figures looked as if they might come back."""
    page = visit("/?days=7", at=closed_site.address, clock=True)
    log_in(page, closed_site.key)
    expect(heading(page)).to_have_text("25 – 31 Dec 2025")

    closed_site.file.write_text(new_key())
    try:
        page.wait_for_timeout(1100)  # the keys are looked at once a second
        page.clock.fast_forward(61_000)
        expect(heading(page)).to_have_text("Log in")
        expect(page).to_have_url(re.compile(r"/\?days=7$"))
    finally:
        closed_site.file.write_text(closed_site.key)
        page.wait_for_timeout(1100)


@pytest.mark.parametrize(
    ("look", "tried"),
    [
        *[("light", False), ("dark", True)],
        *(
            pytest.param(*each, marks=pytest.mark.thorough)
            for each in [("dark", False), ("phone", False), ("light", True), ("phone", True)]
        ),
    ],
)
def test_axe_finds_nothing_wrong(
    visit: Callable[..., Page], closed_site: Any, look: str, tried: bool
) -> None:
    page = visit("/", at=closed_site.address, **LOOKS[look])
    if tried:
        log_in(page, "wrong")
        expect(page.get_by_role("alert")).to_be_visible()

    found = Axe().run(page).response["violations"]

    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []


@pytest.mark.thorough  # the page beside its button is the report, which axe sees above
def test_axe_finds_nothing_wrong_with_the_logout(
    visit: Callable[..., Page], closed_site: Any
) -> None:
    page = visit("/", at=closed_site.address)
    log_in(page, closed_site.key)
    expect(page.get_by_role("button", name="Log out")).to_be_visible()

    found = Axe().run(page).response["violations"]

    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []


def test_it_does_not_scroll_sideways(visit: Callable[..., Page], closed_site: Any) -> None:
    page = visit("/", at=closed_site.address)
    log_in(page, "wrong")

    for width in (320, 360, 768, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_colours_can_be_picked_before_the_login(
    visit: Callable[..., Page], closed_site: Any
) -> None:
    page = visit("/?days=7", at=closed_site.address)

    page.get_by_role("link", name="Dark").click()

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    log_in(page, closed_site.key)
    expect(page).to_have_url(re.compile(r"days=7&theme=dark$"))
