"""The charts' marks: their values by mouse, keyboard and touch, and what they open."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

BARS = ".charts .panel:nth-child(1)"
HEAT = ".charts .panel:nth-child(2)"


def test_the_keyboard_reaches_every_value_and_opens_a_day(visit: Callable[..., Page]) -> None:
    page = visit("/?from=2025-12-01&through=2025-12-07&tz=Europe/Berlin")
    bars = page.locator(f"{BARS} .plot a")
    readout = page.locator(f"{BARS} .readout")

    bars.first.focus()
    seen = [readout.inner_text()]
    for _ in range(6):
        page.keyboard.press("ArrowRight")
        seen.append(readout.inner_text())

    assert seen == [bar.get_attribute("aria-label") for bar in bars.all()]
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Tue 2 Dec 2025")
    expect(page).to_have_url(re.compile(r"from=2025-12-02&through=2025-12-02&tz=Europe/Berlin$"))


def test_the_arrow_keys_move_in_both_directions_of_the_hours(visit: Callable[..., Page]) -> None:
    page = visit("/?days=7")
    page.locator(f"{HEAT} .plot a").first.focus()

    for key in ("ArrowDown", "ArrowRight", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)

    expect(page.locator(f"{HEAT} .readout")).to_contain_text("Tuesday 01:00–02:00: ")


def test_a_click_on_an_hour_lists_its_days_and_each_opens(visit: Callable[..., Page]) -> None:
    page = visit("/?days=30")

    page.locator(f"{HEAT} .plot a[aria-label^='Friday 09:00']").click()

    expect(page).to_have_url(re.compile(r"\?days=30&at=fri-09#hour$"))
    hour = page.get_by_role("region", name="Friday 09:00–10:00").first
    expect(hour).to_contain_text("4 times: ")
    hour.get_by_role("link", name="Fri 26 Dec 2025").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Fri 26 Dec 2025")


def test_what_was_changed_in_the_form_goes_along_with_a_click(visit: Callable[..., Page]) -> None:
    page = visit("/?days=7")

    page.get_by_label("Compare with").select_option("year")
    page.locator(f"{BARS} .plot a").first.click()

    expect(page).to_have_url(re.compile("compare=year"))
    expect(page.get_by_label("Compare with")).to_have_value("year")


def test_a_finger_s_first_tap_shows_the_value_and_its_second_opens(
    browser: Browser, site: str
) -> None:
    context = browser.new_context(has_touch=True, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{site}/?days=7")
    bar = page.locator(f"{BARS} .plot a").nth(2)

    bar.tap()
    expect(page.locator(f"{BARS} .readout")).to_contain_text(
        f"{bar.get_attribute('aria-label')} – tap again"
    )
    expect(page).to_have_url(re.compile(r"\?days=7$"))
    bar.tap()

    expect(page).to_have_url(re.compile("from=2025-12-27&through=2025-12-27$"))
    context.close()


def test_every_value_has_a_link_in_a_table_without_javascript(visit: Callable[..., Page]) -> None:
    page = visit("/?days=7", script=False)

    page.get_by_text("Table of check-ins by day").click()
    page.get_by_role("link", name="Sat 27 Dec 2025").first.click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Sat 27 Dec 2025")
