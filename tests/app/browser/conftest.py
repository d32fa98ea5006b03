"""The dashboard in a real Chromium: one browser and one seeded service for all these tests.

    def test_it_opens(visit): page = visit("/")

A page that asks another host, logs an error or breaks its own policy fails its test.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pytest
from playwright.sync_api import expect, sync_playwright
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool
from werkzeug.serving import make_server

from coworking import schema, seed
from coworking.access import new_key
from coworking.app import create_app
from coworking.config import Config
from coworking.web import EXTENSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Chromium as root has no sandbox; the rest keeps it from asking its makers' hosts by itself.
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
# As long as the pages may take; five seconds are not enough for the API's page on a busy machine.
expect.set_options(timeout=20_000)
DESKTOP = {"width": 1440, "height": 900}
PLAN = seed.Plan(users=150, tokens=12_000, days=200, seed=1, end=date(2026, 1, 1))


class Database(Protocol):
    url: Any
    host: str
    port: int
    user: str
    password: str
    name: str

    def execute(self, *statements: str) -> None: ...


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, as the machine has it or as CHROMIUM names it."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("Chromium is missing (install it, or name it in CHROMIUM)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


def _sow(database: Database, plan: seed.Plan = PLAN) -> None:
    engine = create_engine(database.url, poolclass=NullPool)
    schema.upgrade(engine)
    seed.sow(engine, plan)


@pytest.fixture(scope="session")
def seeded(postgres_servers: Any) -> Iterator[Database]:
    """A database with the demo data, whose newest check-in is on 31 December 2025."""
    template = postgres_servers.template(18, "template_demo", _sow)
    server = postgres_servers(18)
    database = server.create(template)
    yield database
    server.drop(database)


@pytest.fixture
def fresh_site(postgres_servers: Any) -> Iterator[str]:
    """The address of the service on demo data that end today, as `make up` shows them."""
    plan = dataclasses.replace(PLAN, end=datetime.now(UTC).date())
    template = postgres_servers.template(18, "template_fresh", functools.partial(_sow, plan=plan))
    with _serving(postgres_servers(18).create(template)) as address:
        yield address


@contextmanager
def _serving(database: Database, **settings: Any) -> Iterator[str]:
    config = Config(
        **settings,
        DB_HOST=database.host,
        DB_PORT=database.port,
        DB_USERNAME=database.user,
        DB_PASSWORD=database.password,
        DB_NAME=database.name,
        DB_CHECK_TIMEOUT=10,
    )
    app = create_app(config)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    app.extensions[EXTENSION].close()


@pytest.fixture(scope="session")
def site(seeded: Database) -> Iterator[str]:
    """The address of the service on the demo data."""
    with _serving(seeded) as address:
        yield address


@pytest.fixture
def empty_site(database: Database) -> Iterator[str]:
    """The address of the service on a database without rows."""
    with _serving(database) as address:
        yield address


@pytest.fixture(scope="session")
def closed_site(seeded: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    """The same behind an access key; the file may be changed, as a rotation does."""
    file = tmp_path_factory.mktemp("keys") / "ACCESS_KEY"
    key = new_key()
    file.write_text(key)
    with _serving(seeded, ACCESS_KEY_FILE=file) as address:
        yield Closed(address, key, file)


class Closed(NamedTuple):
    """A service that needs a key: its address, the key, and the file of it."""

    address: str
    key: str
    file: Path


class Watched:
    """A page, and what went wrong on it."""

    def __init__(self, browser: Browser, *, clock: bool) -> None:
        context = browser.new_context(viewport=DESKTOP)
        self.page = context.new_page()
        self._tools = context.new_cdp_session(self.page)
        if clock:
            self.page.clock.install()
        self.page.set_default_timeout(10_000)
        self.faults: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on("request", self._asked)

    def allow_script(self, yes: bool) -> None:
        """Switch JavaScript on or off, as a context's `java_script_enabled` does."""
        self._tools.send("Emulation.setScriptExecutionDisabled", {"value": not yes})

    def leave(self) -> None:
        """Go where nothing happens, and forget what a test had answered in the service's place."""
        self.page.unroute_all()
        self.page.context.clear_cookies()
        self.page.goto("about:blank")

    def _said(self, message: ConsoleMessage) -> None:
        """Errors and warnings are faults; a page's own 400, which a test asked for, is none."""
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:")):
            self.faults.append(f"another host: {request.url}")


@pytest.fixture(scope="session")
def pages(browser: Browser) -> Callable[..., Watched]:
    """`pages(clock=True)`: the page of its kind for all tests; making one takes three visits."""
    return functools.cache(functools.partial(Watched, browser))


@pytest.fixture
def visit(pages: Callable[..., Watched], site: str) -> Iterator[Callable[..., Page]]:
    """`visit("/", color_scheme="dark")`: the page, watched to the end of the test.

    `at` is another service's address; `clock` puts the page's timers into the test's hands;
    `script=False` switches JavaScript off.
    """
    used: list[Watched] = []

    def visit(
        path: str,
        *,
        at: str = "",
        clock: bool = False,
        script: bool = True,
        viewport: Any = DESKTOP,
        color_scheme: Any = "light",
    ) -> Page:
        watched = pages(clock=clock)
        if watched not in used:
            watched.faults.clear()
            used.append(watched)
        page = watched.page
        page.set_viewport_size(viewport)
        watched.allow_script(script)
        page.emulate_media(color_scheme=color_scheme)
        page.goto((at or site) + path)
        return page

    yield visit
    for watched in used:
        watched.leave()
    assert [fault for watched in used for fault in watched.faults] == []
