"""The product in a real browser: served on a port of this machine, looked at by Chromium.

Where there is no Chromium these tests say so and are skipped; in CI they fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from integrator.desk import directory
from tests import database
from tests.story import Stage, opened

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = (
    "No Chromium is installed here (Debian: apt install chromium): nobody looked at the pages."
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread; nothing of Django's runs inside it.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(django_db_setup: None, django_db_blocker: Any, chromium: Browser) -> Iterator[str]:
    """Serves whatever is committed. Not ``live_server``: that empties tables with TRUNCATE."""
    served = LiveServer("127.0.0.1")
    yield str(served.url)
    served.stop()
    # A thread that still talks to the browser would keep the database from being dropped.
    with django_db_blocker.unblock():
        database.alone()
        connections.close_all()  # the browser's loop keeps connections of its own in this thread


@dataclass
class Desk:
    """One person's browser. ``complaints`` are what the console said that it should not."""

    stage: Stage
    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def opens(self, path: str) -> int:
        """The status of the answer."""
        answer = self.page.goto(self.url + path)
        assert answer is not None
        return answer.status

    def hear(self, kind: str, text: str) -> None:
        # What the browser says of an answer that was meant: those have pages of their own.
        if kind == "error" and "status of 4" not in text:
            self.complaints.append(f"{self.page.url}: {text}")


@dataclass
class House:
    """The stage, served. Everybody has a browser of their own."""

    stage: Stage
    url: str
    browser: Browser

    @contextmanager
    def desk(self, name: str = "", **options: Any) -> Iterator[Desk]:
        """Signed in as somebody, or not at all; ``options`` are those of a browser context."""
        # Half-way through a change of colours nothing can be said of them.
        context = self.browser.new_context(reduced_motion="reduce", **options)
        try:
            if name:
                self._sign_in(context, name)
            desk = Desk(self.stage, context.new_page(), self.url)
            desk.page.on("console", lambda said: desk.hear(said.type, said.text))
            desk.page.on("pageerror", lambda error: desk.hear("error", str(error)))
            yield desk
            assert desk.complaints == []
        finally:
            context.close()

    def _sign_in(self, context: BrowserContext, name: str) -> None:
        client = Client()
        client.force_login(self.stage.people[name])
        # Without an end: the stage's clock is not the browser's.
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": self.url}]
        )


@pytest.fixture
def house(
    chromium: Browser, server: str, committed: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[House]:
    # The browser forgets cookies that ended long ago by its own clock.
    monkeypatch.setattr(settings, "SESSION_EXPIRE_AT_BROWSER_CLOSE", True)
    with opened(monkeypatch) as stage:
        directory.forget()
        yield House(stage, server, chromium)
