"""The main job, as a stranger would check it: record a screen and a voice, then find both again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepys.demo.activity import Activity
from pepys.demo.servers import MIC_SINK, SoundServer, WindowManager

MARKER = "zanzibar ledger 7741"
SPOKEN = "The quarterly budget was moved to Thursday."
FRAME_MIN_BYTES = 10_000


def pepys(*words: str, code: int = 0) -> str:
    """Run the program as a user does; return what it printed on stdout."""
    done = subprocess.run([sys.executable, "-m", "pepys", *words], capture_output=True, text=True, timeout=100)
    assert done.returncode == code, f"pepys {' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def recorded(
    home: Path, window_manager: WindowManager, sound_server: SoundServer, tmp_path: Path
) -> Iterator[tuple[Path, str]]:
    """A home with one enriched session of a terminal that types the marker while somebody speaks."""
    env = {**window_manager.env, **sound_server.env}
    with Activity(env, tmp_path, lines=[MARKER], spoken=SPOKEN, sink=MIC_SINK):
        pepys("record", "The main job", "--seconds", "9", "--shots", "2", "--tag", "proof")
    pepys("enrich", "last")
    yield home, json.loads(pepys("list", "--json"))[0]["id"]


def raw_bytes_with(folder: Path, *needles: bytes) -> list[Path]:
    """Every file below `folder` that holds one of the needles in plain bytes."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if any(needle in path.read_bytes() for needle in needles)]


def kinds(hits: str) -> set[str]:
    return {hit["kind"] for hit in json.loads(hits)}


def test_what_was_typed_and_said_is_found_proven_and_rebuilt(recorded: tuple[Path, str], tmp_path: Path) -> None:
    home, session = recorded

    shown = json.loads(pepys("show", session, "--json"))
    assert shown["state"] == "completed"
    assert shown["enrichment"]["state"] == "completed"
    assert 8_000 <= shown["duration_ms"] <= 11_000
    for track in shown["tracks"]:
        # The promise is one frame in fifty; a machine that runs tests beside the recording may cost some.
        assert track["frames_dropped"] * 50 <= max(track["frames_captured"], 1), track

    assert "screen_text" in kinds(pepys("search", "zanzibar", "--json"))
    assert "transcript" in kinds(pepys("search", "budget", "--json"))
    at_ms = json.loads(pepys("search", "budget", "--kind", "transcript", "--json"))[0]["at_ms"]
    assert 0 <= at_ms <= shown["wall_ms"]

    pepys("verify")
    before = {
        words: pepys(*words)
        for words in (("list", "--json"), ("show", session, "--json"), ("search", "zanzibar", "--json"))
    }
    for database in home.glob("catalog.db*"):
        database.unlink()
    pepys("rebuild")
    assert {words: pepys(*words) for words in before} == before

    for name in ("film.mp4", "sound.wav", "words.srt", "diary.md", "all.json"):
        pepys("export", session, "--to", str(tmp_path / name))
        assert (tmp_path / name).stat().st_size > 0
    assert (tmp_path / "film.mp4").stat().st_size > FRAME_MIN_BYTES
    assert "zanzibar" in json.loads((tmp_path / "all.json").read_text())["screen_text"][-1]["text"].lower()

    pepys("enrich", session)
    assert json.loads(pepys("show", session, "--json"))["manifest"] == shown["manifest"], "enriching again did work"

    plain = [text.encode(form) for text in ("zanzibar", "budget", "The main job") for form in ("utf-8", "utf-16-le")]
    assert raw_bytes_with(home, *plain) == []
