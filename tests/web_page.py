"""Debian's Chromium on the page, with a fresh profile, and everything that goes wrong there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response, sync_playwright

from pepys.web.app import STATIC
from tests.waiting import wait_until

ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-quic", "--disable-component-update"]


class Watched:
    """A page and everything that went wrong on it."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.pages[0] if context.pages else context.new_page()
        self.trouble: list[str] = []
        self.page.set_default_timeout(20_000)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.trouble.append(f"console {message.type}: {message.text}")

    def _failed(self, request: Request) -> None:
        # The page gives up what it no longer needs: a long poll, an event stream, a segment that a seek made stale.
        if request.failure != "net::ERR_ABORTED":
            self.trouble.append(f"failed: {request.url} {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.trouble.append(f"{response.status}: {response.url}")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[BrowserContext]:
    """A browser that ends with the test; its profile is `tmp_path / "profile"`."""
    assert (STATIC / "index.html").exists(), "the page is not built: run `make ui`"
    program = shutil.which("chromium")
    assert program, "chromium is in the list of test packages"
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=program, headless=True, args=ARGUMENTS,
            viewport={"width": 1440, "height": 900},
        )  # fmt: skip
        yield context
        context.close()


def video(page: Page, expression: str) -> Any:
    """The value of a JavaScript expression over `video`; None where the page has none."""
    return page.evaluate(f"() => {{ const video = document.querySelector('video'); return video && ({expression}); }}")


def until(page: Page, expression: str) -> None:
    """Wait until the expression over `video` is true."""
    # Playwright's own wait compiles the expression inside the page, which the page's policy forbids.
    wait_until(lambda: video(page, expression), 15, expression)
