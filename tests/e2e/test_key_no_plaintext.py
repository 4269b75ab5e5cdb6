"""Nothing that was recorded can be read without the key: not in the home, nor in any other file that is left.

Marker words stand in a terminal and its title, in a note, a name, a tag, speech and a summary; the pixels of the
terminal are markers too. While it is recorded and after it was enriched, searched and looked at in a browser, the raw
bytes of every file are searched: home, config, cache, runtime and temporary folders, and the browser's profile.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zstandard
from PIL import Image
from playwright.sync_api import BrowserContext, expect

from pepys.cli import main
from pepys.demo.servers import WindowManager
from pepys.model.artifacts import Summary, Utterance, Word, to_json
from pepys.model.manifest import ArtifactRef
from pepys.store.edits import add_artifacts
from pepys.store.reader import load, session_ids
from pepys.store.store import Store, open_store
from tests.plain_bytes import Needles, found_in, of_data, of_picture, of_text
from tests.waiting import wait_until
from tests.web_daemon import PEPYS, serving
from tests.web_page import browser, until

__all__ = ["browser"]  # a fixture, found by its name
pytestmark = pytest.mark.unhurried
TYPED = "marzipan clavichord"
TITLE = "obsidian gazebo"
NOTE = "the porcupine clause"
NAME = "Tangerine quorum"
TAG = "vellum-sextant"
SPOKEN = "the halberd committee"
SUMMARY = "an ultramarine verdict"
MARKERS = (TYPED, TITLE, NOTE, NAME, TAG, SPOKEN, SUMMARY)
ROOMS = ("tmp", "user", "run", "home")


def pepys(*words: str) -> str:
    """Run the program as a user does; what it printed."""
    done = subprocess.run([*PEPYS, *words], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture
def terminal(
    home: Path, window_manager: WindowManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A terminal that shows the markers; temporary files of whatever starts from now on have a folder of their own."""
    folder = home.parent / "tmp"
    folder.mkdir()
    script = f"printf '%s\\n' '{TYPED}' '{TYPED}'; exec cat"
    shown = subprocess.Popen(
        ["xterm", "-T", TITLE, "-fa", "DejaVu Sans Mono", "-fs", "18", "-e", "sh", "-c", script],
        env={**os.environ, **window_manager.env}, cwd=tmp_path,
    )  # fmt: skip
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(folder))
    yield
    shown.kill()
    shown.wait()


def searched(text: str, capsys: pytest.CaptureFixture[str]) -> list[object]:
    """What the search finds."""
    capsys.readouterr()
    assert main(["search", text, "--json"]) == 0
    found: list[object] = json.loads(capsys.readouterr().out)
    return found


def enriched(store: Store, session: str) -> None:
    """What stages make of speech and a model's words, stored as they do."""
    words = tuple(Word(word, 1_000 + 300 * n, 1_300 + 300 * n) for n, word in enumerate(SPOKEN.split()))
    made = {
        "transcript": [to_json(Utterance("audio.mic", 1_000, 2_000, SPOKEN, words))],
        "summary": [to_json(Summary(SUMMARY, f"It was {SUMMARY}.", (SUMMARY,)))],
    }
    references = [(ArtifactRef(stage, "all", stage, "", "made"), items) for stage, items in made.items()]
    add_artifacts(
        store, session, [(made, {"stage": made.stage, "unit": "all", "items": items}) for made, items in references]
    )


def needles(store: Store, session: str) -> Needles:
    """Words and pixels, and bytes from inside every picture, segment and init as they are before they are sealed."""
    seen = load(store, session)
    found: Needles = {}
    for text in MARKERS:
        # The longest word of each is in all that holds the text.
        found |= of_text(max(text.replace("-", " ").split(), key=len))
    for number, shot in enumerate(seen.distinct_shots):
        data = store.blobs.read(shot.blob)
        found |= of_data(data, f"shot {number} as it is packed")
        found |= of_picture(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), f"shot {number}")
    assert any(" row " in name for name in found), "no shot shows the terminal"
    segments = [segment.blob for track in seen.tracks for segment in track.segments]
    assert segments and seen.distinct_shots
    for number, blob in enumerate(segments):
        found |= of_data(store.blobs.read(blob), f"segment {number}")
    # The keys themselves: neither they nor what they derive stands anywhere but in the one file of the master key.
    for what, key in (("store key", store.keys.store_key), ("blob key", store.keys.blob_key)):
        found |= {what: key, f"{what} in hex": key.hex().encode(), f"{what} in base64": base64.b64encode(key)[:-4]}
    return found


def test_no_file_tells_what_was_recorded(
    home: Path, terminal: None, browser: BrowserContext, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a name in a file's name, a log with a title, a temporary picture, a page that browsers keep."""
    rooms = [home.parent / name for name in ROOMS]
    words: Needles = {}
    for text in MARKERS:
        words |= of_text(text)
    recording = subprocess.Popen(
        [*PEPYS, "record", NAME, "--tag", TAG, "--audio", "off", "--shots", "1", "--seconds", "3"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_until(lambda: subprocess.run([*PEPYS, "note", NOTE], capture_output=True).returncode == 0, 20, "a recording")
    assert any((home / "journals").glob("*.journal")), "it is looked at while it is being recorded"
    assert found_in(rooms, words) == []
    assert recording.wait(30) == 0

    pepys("enrich", "last")
    store = open_store(home, create=False)
    (session,) = session_ids(store)
    enriched(store, session)
    for marker in MARKERS:
        assert searched(marker, capsys) or marker == TAG, f"{marker} was not recorded"
    with serving() as daemon:
        page = browser.pages[0]
        page.goto(daemon.address)
        page.get_by_role("link", name=NAME).click()
        until(page, "video.readyState >= 2")
        page.get_by_role("textbox", name="Search").fill(TYPED.split()[0])
        expect(page.get_by_role("main").get_by_text(TYPED.split()[0]).first).to_be_visible()
        browser.close()
    rooms.append(tmp_path / "profile")
    assert all(any(room.rglob("*")) for room in rooms if room.name != "tmp")
    assert found_in(rooms, needles(store, session)) == []
    # What is written in plain on request is found: the search is not blind.
    plain = tmp_path / "plain"
    plain.mkdir()
    pepys("export", session, "--to", str(plain / "all.json"))
    seen = load(store, session)
    (plain / "shot").write_bytes(store.blobs.read(seen.distinct_shots[0].blob))
    (plain / "segment").write_bytes(store.blobs.read(next(t for t in seen.tracks if t.segments).segments[0].blob))
    told = " ".join(found_in([plain], needles(store, session)))
    assert all(word in told for word in ("clavichord", "obsidian", "porcupine", "Tangerine", "sextant", "committee"))
    assert "shot 0 as it is packed" in told and "segment 0 near" in told


def test_the_search_sees_every_form(tmp_path: Path) -> None:
    """Catches a search that finds nothing because it looks at nothing."""
    picture = np.random.default_rng(6).integers(0, 255, (90, 160, 3), np.uint8)
    looked_for = of_text(TYPED) | of_picture(picture, "picture")
    row = next(iter(of_picture(picture, "picture").values()))
    plain = f"before {TYPED} after".encode()
    forms = {
        "plain": plain, "wide": plain.decode().encode("utf-16-le"), "hex": plain.hex().encode(),
        "gzip": b"header" + gzip.compress(plain), "zlib": b"header" + zlib.compress(plain),
        "zstd": b"header" + zstandard.compress(plain), "pixels": b"header" + picture.tobytes(), "row": row,
        "bgra": np.dstack([picture[:, :, ::-1], np.full((90, 160, 1), 255, np.uint8)]).tobytes(),
    }  # fmt: skip
    forms |= {f"base64 {n}": base64.b64encode(b"x" * n + plain) for n in range(3)}
    for name, data in forms.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "file").write_bytes(data)
        assert found_in([folder], looked_for), name
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / f"{TYPED}.log").touch()
    assert found_in([tmp_path / "named"], looked_for)
