"""The page in Debian's Chromium: sign in, list, play, seek, search; then nothing readable is left on the disk.

The film is made with the real encoders; each fragment shows its own number as a bar code, so that a wrong picture is
seen as one, and a tone sounds in all of it.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import (
    BrowserContext,
    Locator,
    Page,
    expect,
)

from pepys.limits import FRAGMENT_NS, NS_PER_S
from pepys.model.artifacts import ScreenText, Summary, TextLine, Utterance, Word, to_json
from pepys.model.manifest import ArtifactRef
from pepys.store.edits import add_artifacts
from pepys.store.reader import load
from pepys.store.store import Store, open_store
from tests import made_session
from tests.made_session import Made, make_session
from tests.waiting import wait_until
from tests.web_daemon import Serving, serving
from tests.web_page import Watched, browser, until, video

pytestmark = pytest.mark.unhurried

__all__ = ["browser"]  # a fixture, found by its name
MARKER = "vermilion pelican"
SPOKEN = "the tangerine budget"
SPAN_S = 16.0
FRAGMENTS = 20
FRAGMENT_S = FRAGMENT_NS / NS_PER_S
LOOSE_S = 0.25


@pytest.fixture
def film(home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An ended session of two spans; its markers stand in title, screen text, speech and a note."""
    monkeypatch.setattr(made_session, "screen", _bar_code)
    store = open_store(home)
    seconds = np.arange(int(2 * SPAN_S * 48_000)) / 48_000
    tone = (np.sin(seconds * 2 * np.pi * 440) * 8_000).astype(np.int16)
    session = make_session(
        store,
        Made(
            name=f"Session about {MARKER}", spans=(SPAN_S, SPAN_S), texts=tuple(str(n) for n in range(FRAGMENTS)),
            speech=tone, tags=("proof",), notes=(f"a note on the {MARKER}",), segment_s=4.0, size=(960, 540),
        ),
    )  # fmt: skip
    _enrich(store, session)
    return session


def test_signs_in_plays_seeks_searches_and_leaves_nothing_behind(
    home: Path, film: str, browser: BrowserContext, tmp_path: Path
) -> None:
    with serving() as daemon:
        watched = Watched(browser)
        _signs_in(watched.page, daemon)
        _opens_the_session(watched.page, film)
        _plays_with_sound(watched.page)
        _seeks_to_the_right_pictures(watched.page)
        _searches(watched.page, film)
        assert watched.trouble == []
        assert MARKER.split()[0] not in watched.page.url and watched.page.title() == "pepys"
        browser.close()
    wait_until(lambda: not (home / "run" / "host.json").exists())
    needles = _needles(home, film)
    for folder in (home, tmp_path / "profile"):
        assert any(folder.rglob("*"))
        assert _files_with(folder, needles) == []


def test_a_stranger_sees_the_sign_in_form_alone(home: Path, film: str, browser: BrowserContext) -> None:
    with serving() as daemon:
        page = browser.new_page()
        page.goto(daemon.url)
        field = page.get_by_label(re.compile("token", re.IGNORECASE))
        expect(field).to_be_visible()
        assert MARKER not in page.content()
        field.fill(open_store(home).keys.api_token())
        field.press("Enter")
        expect(_row(page)).to_be_visible()
        assert page.evaluate("document.cookie") == "", "the cookie is not for scripts"


def _signs_in(page: Page, daemon: Serving) -> None:
    page.goto(daemon.address)
    expect(page).to_have_url(f"{daemon.url}/")
    expect(_row(page)).to_be_visible()


def _row(page: Page) -> Locator:
    return page.get_by_role("link", name=re.compile(MARKER))


def _opens_the_session(page: Page, session: str) -> None:
    _row(page).click()
    expect(page).to_have_url(re.compile(f"/s/{session}$"))
    expect(page.get_by_role("heading", name=re.compile(MARKER))).to_be_visible()
    until(page, "video.readyState >= 2")
    assert (video(page, "video.videoWidth"), video(page, "video.videoHeight")) == (960, 540)


def _plays_with_sound(page: Page) -> None:
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "video.currentTime > 1.5")
    assert video(page, "video.webkitAudioDecodedByteCount") > 0
    assert video(page, "video.muted") is False
    page.get_by_role("button", name="Pause", exact=True).click()
    until(page, "video.paused")
    # The clock that stops is the sound's; the picture may be some frames from it.
    assert _shown(page) <= _expected(_media_s(page), LOOSE_S)


def _seeks_to_the_right_pictures(page: Page) -> None:
    """By the keys of tenths, over the pause between the spans too."""
    axis_s = 2 * SPAN_S + 2.0
    for tenth in (7, 2, 9, 0, 5, 3):
        page.keyboard.press(str(tenth))
        at_s = axis_s * tenth / 10
        media_s = at_s if at_s <= SPAN_S else max(SPAN_S, at_s - 2.0)
        until(page, f"!video.seeking && video.readyState >= 2 && Math.abs(video.currentTime - {media_s}) < {LOOSE_S}")
        wait_until(lambda: _shown(page) <= _expected(_media_s(page)), 5, f"the picture of {media_s} s")


def _searches(page: Page, session: str) -> None:
    page.get_by_role("textbox", name="Search").fill(MARKER.split()[0])
    hit = page.get_by_role("main").get_by_text(MARKER).first
    expect(hit).to_be_visible()
    assert MARKER.split()[0] not in page.url
    page.get_by_role("textbox", name="Search").fill(SPOKEN.split()[1])
    spoken = page.get_by_role("main").get_by_text(re.compile(SPOKEN)).first
    expect(spoken).to_be_visible()
    spoken.click()
    expect(page).to_have_url(re.compile(f"/s/{session}"))
    until(page, "Math.abs(video.currentTime - 12) < 1")


def _media_s(page: Page) -> float:
    return float(video(page, "video.currentTime"))


def _expected(media_s: float, loose_s: float = 0.001) -> set[int]:
    """The bar codes that may be seen at a place: one, or two beside a fragment's edge."""
    return {int((at % SPAN_S) / FRAGMENT_S) for at in (max(0.0, media_s - loose_s), media_s, media_s + loose_s)}


def _shown(page: Page) -> set[int]:
    """The bar code on the picture, read from its pixels; a blank picture has no valid one."""
    code = page.evaluate(
        """() => {
            const video = document.querySelector("video");
            const canvas = Object.assign(document.createElement("canvas"), {width: 960, height: 540});
            const context = canvas.getContext("2d", {willReadFrequently: true});
            context.drawImage(video, 0, 0);
            const light = x => context.getImageData(x, 100, 1, 1).data[1] > 128;
            if (!light(60) || light(180)) return -1;
            return [0, 1, 2, 3, 4].reduce((sum, bit) => sum + (light(300 + bit * 120) ? 1 << bit : 0), 0);
        }"""
    )
    return {int(code)}


def _bar_code(text: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture: one white and one black block, then five blocks of the number's bits."""
    width, height = size
    picture = np.full((height, width, 4), 255, np.uint8)
    picture[:, :, :3] = 16
    number = int(text)
    for block, white in enumerate((True, False, *(bool(number >> bit & 1) for bit in range(5)))):
        picture[:, block * 120 : (block + 1) * 120, :3] = 235 if white else 16
    return picture


def _enrich(store: Store, session: str) -> None:
    """What the stages would have made, with the markers in it."""
    shot = load(store, session).distinct_shots[3].blob
    line = TextLine(f"the {MARKER} was seen", 0.1, 0.2, 0.3, 0.05)
    words = tuple(Word(word, 12_000 + 300 * n, 12_300 + 300 * n) for n, word in enumerate(SPOKEN.split()))
    made = {
        "screen_text": [to_json(ScreenText(shot, (line,)))],
        "transcript": [to_json(Utterance("audio.mic", 12_000, 13_000, SPOKEN, words))],
        "summary": [to_json(Summary("A title", f"All about the {MARKER}.", (f"It was a {MARKER}.",)))],
    }
    add_artifacts(
        store,
        session,
        [
            (ArtifactRef(stage, "all", stage, "", "made"), {"stage": stage, "unit": "all", "items": items})
            for stage, items in made.items()
        ],
    )


def _needles(home: Path, session: str) -> list[bytes]:
    """What must not lie anywhere: the words, in either width of letters, and bytes from inside pictures and film."""
    words = [*MARKER.split(), SPOKEN.split()[1]]
    store = open_store(home)
    seen = load(store, session)
    blobs = [shot.blob for shot in seen.distinct_shots]
    blobs += [segment.blob for track in seen.tracks for segment in track.segments]
    pieces = [data[len(data) // 2 :][:32] for data in map(store.blobs.read, blobs)]
    return [word.encode(code) for word in words for code in ("utf-8", "utf-16-le")] + pieces


def _files_with(folder: Path, needles: list[bytes]) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if any(needle in path.read_bytes() for needle in needles)]
