"""A real Chromium, and a page of it for one person; every request that leaves the machine is a failure."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page, Request, sync_playwright

from accounts.models import User
from tests.doors.admin_fixtures import Firm, firm

# Playwright runs an event loop in this thread, and Django refuses the database where it sees one.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def desk(transactional_db: None) -> Firm:
    return firm()


@pytest.fixture
def open_page(chromium: Browser, live_server: Any) -> Iterator[OpenPage]:
    """Open an address as a user at a width and in a theme; faults of the page fail the test at its end."""
    faults: list[str] = []
    contexts = []

    def open_as(user: User | None, address: str, *, width: int = 1440, theme: str = "light") -> Page:
        context = chromium.new_context(
            base_url=live_server.url, viewport={"width": width, "height": 900}, color_scheme=theme
        )
        contexts.append(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            session = client.cookies["sessionid"].value
            context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        page = context.new_page()
        page.on("request", lambda request: _stays_here(request, live_server.url, faults))
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        page.goto(address)
        return page

    yield open_as
    for context in contexts:
        context.close()
    assert faults == []


def _stays_here(request: Request, home: str, faults: list[str]) -> None:
    if not request.url.startswith((home, "data:", "blob:", "about:")):
        faults.append(f"left the machine: {request.url}")
