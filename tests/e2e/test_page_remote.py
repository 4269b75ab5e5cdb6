"""A session whose film was left at a remote, on the page: what is where is told, and it plays once it can be had."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from pepys.config import config_dir
from pepys.move.sync_pull import pull
from pepys.move.sync_push import push
from pepys.store.adapters.opening import open_remote
from pepys.store.key_change import import_key
from pepys.store.store import open_store
from tests.made_session import Made, make_session
from tests.synced_homes import first_home
from tests.waiting import wait_until
from tests.web_daemon import serving
from tests.web_page import Watched, browser, until, video

pytestmark = pytest.mark.unhurried

__all__ = ["browser"]  # a fixture, found by its name


def test_a_film_at_a_remote_is_told_and_plays_when_it_can_be_had(
    home: Path, short_folder: Path, browser: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a page that blames the browser, calls shots whole that are not here, and has to be loaded again."""
    here = first_home(short_folder / "a")
    session = make_session(here, Made(spans=(3.0,)))
    folder, unplugged = short_folder / "remote", short_folder / "unplugged"
    remote = open_remote(str(folder))
    push(here, remote)
    import_key(home, config_dir(), here.keys.store_key)
    pull(open_store(home, create=False), remote, with_media=False)
    folder.rename(unplugged)
    folder.write_text("nothing is mounted here")
    monkeypatch.setenv("PEPYS_STORE_REMOTE", str(folder))
    with serving() as daemon:
        page = Watched(browser).page
        page.goto(daemon.address)
        page.goto(f"{daemon.url}/s/{session}")
        told = page.locator(".picture .trouble")
        told.wait_for()
        assert "lies at a remote that cannot be read now" in told.inner_text() and str(folder) in told.inner_text()
        assert "browser" not in told.inner_text()
        answer = page.request.get(f"{daemon.url}/api/v1/sessions/{session}/media/segments/0")
        assert (answer.status, answer.json()["code"]) == (503, "at_remote") and answer.json()["remedy"]
        folder.unlink()
        unplugged.rename(folder)
        told.get_by_role("button", name="Try again").click()
        until(page, "video.readyState >= 3")
        wait_until(lambda: not told.count(), 10, "the sentence to go")
        assert video(page, "video.videoWidth") > 0
