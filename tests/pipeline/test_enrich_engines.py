"""The real engines on small real input: what stands on a screen and what is said is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pepys.demo.activity import TYPED
from pepys.enrich.adapters.tesseract import Tesseract
from pepys.enrich.adapters.whisper import Whisper
from pepys.enrich.jobs import enrich
from pepys.enrich.runner import Progress
from pepys.enrich.stage import EngineMissing
from pepys.errors import NotFound, Usage
from pepys.store.catalog import Catalog
from pepys.store.reader import load
from pepys.store.store import Store, open_store
from pepys.store.work import WorkQueue
from tests.made_session import SPEECH, TEXTS, Made, make_session, say, screen


@pytest.fixture
def store(home: Path) -> Store:
    return open_store(home)


def test_marker_on_the_screen_and_spoken_word_are_found_and_a_repeat_starts_no_worker(
    store: Store, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A usual setting that makes the speech engine answer with garbage: the worker must not see it.
    monkeypatch.setenv("OMP_THREAD_LIMIT", "1")
    session = make_session(store, Made(spans=(8.0, 4.0), speech=say(SPEECH, short_folder), name="", levels=True))
    told: list[Progress] = []
    result = enrich(store, [session], progress=told.append)
    (found,) = result.sessions
    assert not result.failed
    assert found.state == "completed"
    assert [(stage["name"], stage["state"]) for stage in found.stages] == [
        ("screen_text", "completed"),
        ("transcript", "completed"),
        ("summary", "completed"),
    ]
    assert told[-1].state == "completed"
    with Catalog(store) as catalog:
        spoken = catalog.search("marmalade", kind="transcript")
        shown = catalog.search("quokka", kind="screen_text")
    assert [hit.session for hit in spoken] == [session]
    assert 4_000_000_000 < spoken[0].at_ns < 8_000_000_000
    assert shown and all(4_000_000_000 <= hit.at_ns < 14_000_000_000 for hit in shown)
    box = shown[0].boxes[0]
    assert 0.0 < box[0] < 0.1 and 0.08 < box[1] < 0.14
    head, jobs = store.heads.read(session), len(WorkQueue(store).list())
    again = enrich(store, [session])
    assert again.sessions[0].state == "completed"
    assert store.heads.read(session) == head
    assert len(WorkQueue(store).list()) == jobs


def test_only_the_stages_asked_for_run(store: Store) -> None:
    session = make_session(store, Made(sound=False, video=False))
    result = enrich(store, [session], ["screen_text"])
    assert [stage["name"] for stage in result.sessions[0].stages] == ["screen_text"]
    assert result.sessions[0].state == "completed"
    assert {ref.stage for ref in load(store, session).artifacts} == {"screen_text"}


def test_an_unknown_session_or_stage_is_refused_before_anything_runs(store: Store) -> None:
    session = make_session(store, Made(sound=False, video=False))
    with pytest.raises(Usage, match="no stage ocr"):
        enrich(store, [session], ["ocr"])
    with pytest.raises(NotFound):
        enrich(store, [session, session[:-1] + ("1" if session.endswith("0") else "0")])
    assert WorkQueue(store).list() == []


def test_dark_and_light_windows_are_both_read() -> None:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(screen(TEXTS[0], (960, 540))[:, :, 2::-1]).save(file, "PNG")
    reader = Tesseract()
    lines = " ".join(line.text for line in reader.read(reader.decode(file.getvalue())))
    assert "zanzibar" in lines
    assert "light window" in lines


@pytest.mark.parametrize("left", [57, 60, 68])
@pytest.mark.parametrize(("ground", "window", "ink"), [(74, 255, 0), (235, 20, 240)])
def test_a_line_at_the_left_edge_of_a_window_keeps_its_first_letter(
    left: int, ground: int, window: int, ink: int
) -> None:
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("L", (900, 500), ground)
    draw = ImageDraw.Draw(image)
    draw.rectangle((left, 80, left + 760, 440), fill=window)
    for row, line in enumerate(TYPED):
        draw.text((left + 2, 82 + 26 * row), line, ink, ImageFont.load_default(21))
    assert [line.text for line in Tesseract().read(np.asarray(image))] == list(TYPED)


def test_silence_is_heard_as_nothing_and_loads_no_model() -> None:
    import numpy as np

    ear = Whisper()
    noise = np.random.default_rng(2).integers(-60, 60, 16_000 * 20).astype(np.int16)
    assert ear.hear(noise) == []
    assert ear._model is None


def test_a_model_that_is_not_the_published_one_is_not_loaded(short_folder: Path) -> None:
    folder = short_folder / "model"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"something else")
    with pytest.raises(EngineMissing, match="not the published"):
        Whisper(folder)._load()


def test_no_engine_and_no_codec_is_imported_where_work_is_only_asked_for() -> None:
    code = (
        "import sys, json, pepys.enrich.jobs, pepys.move.export, pepys.cli.enrich, pepys.cli.export\n"
        "heavy = ('av', 'numpy', 'tesserocr', 'PIL', 'faster_whisper', 'ctranslate2', 'lede')\n"
        "print(json.dumps([name for name in heavy if name in sys.modules]))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, timeout=60, env=dict(os.environ)
    )
    assert json.loads(told.stdout) == []
