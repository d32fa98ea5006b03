"""The dashboard's one form: whatever is edited, in whichever order, is never lost."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

VALUES = {
    "from": ("2025-07-01", "2025-08-15", "2025-12-24"),
    "through": ("2025-08-20", "2025-12-24", "2025-12-31"),
    "tz": ("UTC", "Asia/Tokyo", "America/New_York"),
    "by": ("", "hour", "week", "month"),
    "compare": ("previous", "year", "weekdays"),
}
PRESETS = ("7 days", "90 days", "This week", "Last month", "Year to date", "12 months")
DEFAULTS = {"tz": "UTC", "by": "", "compare": "previous"}


class Walk:
    """Somebody who uses the controls in any order, and what the form must show them."""

    def __init__(self, page: Page, seed: int) -> None:
        self.page = page
        self.random = random.Random(seed)
        self.wanted = {name: self.shown(name) for name in VALUES}
        self.edited = False

    def shown(self, name: str) -> str:
        return self.page.locator(f"#{name}").input_value()

    def step(self) -> str:
        act = self.random.choice((*[self.edit] * 5, self.preset, self.show, self.enter))
        act = self.random.choice((act, act, act, self.colour, self.minute))
        done = act()
        assert {name: self.shown(name) for name in VALUES} == self.wanted, done
        return done

    def edit(self) -> str:
        name = self.random.choice(list(VALUES))
        value = self.random.choice(VALUES[name])
        field = self.page.locator(f"#{name}")
        if name in ("from", "through"):
            field.fill(value)
        else:
            field.select_option(value)
        self.wanted[name] = value
        return f"{name}={value}"

    def preset(self) -> str:
        name = self.random.choice(PRESETS)
        self.page.get_by_role("button", name=name, exact=True).click()
        self.wanted |= {each: self.shown(each) for each in ("from", "through")}
        expect(self.page.get_by_role("button", name=name, exact=True)).to_have_attribute(
            "aria-current", "true"
        )
        return self.applied(name)

    def show(self) -> str:
        self.page.get_by_role("button", name="Show", exact=True).click()
        return self.applied("Show")

    def enter(self) -> str:
        self.page.locator("#through").press("Enter")
        return self.applied("Enter")

    def colour(self) -> str:
        name = self.random.choice(("Light", "Dark", "Auto"))
        self.page.get_by_role("button", name=name, exact=True).click()
        expect(self.page.get_by_role("button", name=name, exact=True)).to_have_attribute(
            "aria-current", "true"
        )
        return self.applied(name)

    def minute(self) -> str:
        """Leave the form and wait for longer than the page does between two refreshes."""
        self.page.locator(".foot").click()
        self.page.clock.fast_forward(61_000)
        return "a minute"

    def applied(self, what: str) -> str:
        """Every field is in the address, but those that are as without one."""
        address = {name: text[0] for name, text in parse_qs(urlsplit(self.page.url).query).items()}
        for name, default in DEFAULTS.items():
            assert address.get(name, default) == self.wanted[name], what
        for name in {"from", "through"} & set(address):
            assert address[name] == self.wanted[name], what
        return what


def test_no_edit_is_lost_in_any_order_of_using_the_form(visit: Callable[..., Page]) -> None:
    walk = Walk(visit("/", clock=True), seed=7)

    for _ in range(9):
        walk.step()


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(3))
def test_no_edit_is_lost_in_long_walks(visit: Callable[..., Page], seed: int) -> None:
    walk = Walk(visit("/", clock=True), seed)

    for _ in range(60):
        walk.step()


def test_an_edit_is_kept_and_the_page_says_that_refresh_waits_for_it(
    visit: Callable[..., Page],
) -> None:
    """A refresh once put back what somebody had changed and not sent yet."""
    page = visit("/", clock=True)

    page.get_by_label("Group by").select_option("week")
    page.locator(".foot").click()
    page.clock.fast_forward(61_000)

    expect(page.locator("#status")).to_contain_text("Refresh waits: press Show")
    expect(page.get_by_label("Group by")).to_have_value("week")


def test_dates_that_were_not_edited_stay_the_preset_s(visit: Callable[..., Page]) -> None:
    page = visit("/?days=7")

    page.get_by_label("Compare with").select_option("weekdays")
    page.get_by_role("button", name="Show", exact=True).click()

    expect(page).to_have_url(re.compile(r"/\?days=7&compare=weekdays$"))
    expect(page.locator(".heading")).to_contain_text("compared with 18 – 24 Dec 2025")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (360, 640), (320, 568)])
def test_a_phone_s_first_screen_has_the_controls_in_one_line_and_a_figure(
    visit: Callable[..., Page], width: int, height: int
) -> None:
    page = visit("/", viewport={"width": width, "height": height})

    controls = page.locator("#pickers").bounding_box()
    figure = page.locator(".card .value").first.bounding_box()

    assert controls is not None
    assert figure is not None
    assert controls["height"] <= 60
    assert figure["y"] + figure["height"] <= height
    page.get_by_text("More", exact=False).first.click()
    expect(page.get_by_label("Time zone", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
