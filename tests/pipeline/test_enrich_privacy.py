"""No engine leaves a trace outside pepys' home: no file in the user's folders, nothing queued for anybody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pepys.enrich.adapters import SILENCED
from pepys.enrich.jobs import enrich
from pepys.store.reader import load, load_artifact
from pepys.store.store import open_store
from tests.made_session import SPEECH, Made, make_session, say

HEAR = (
    "import sys, numpy\n"
    "from pepys.enrich.adapters.whisper import Whisper\n"
    "print(' '.join(spoken.text for spoken in Whisper().hear(numpy.load(sys.argv[1]))))"
)


@pytest.fixture
def person(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of a user whose environment silences nothing, with every folder a library may write to in it."""
    folder = short_folder / "person"
    folder.mkdir()
    for name in SILENCED:
        monkeypatch.setenv(name, "0")
    # On a build machine the engine keeps quiet by itself, which would prove nothing.
    for name in ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "JENKINS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    return folder


def run(*words: str) -> str:
    told = subprocess.run(
        [sys.executable, *words], capture_output=True, check=True, timeout=120, env=dict(os.environ), text=True
    )
    return told.stdout


def left_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_hearing_speech_leaves_nothing_in_the_user_s_folders(short_folder: Path, person: Path) -> None:
    import numpy as np

    sound = short_folder / "speech.npy"
    np.save(sound, say(SPEECH, short_folder)[::3])
    before = left_in(person)
    assert "marmalade" in run("-c", HEAR, str(sound)).lower()
    assert left_in(person) == before


def test_the_doctor_s_look_at_the_engines_leaves_nothing_in_the_user_s_folders(person: Path) -> None:
    assert "engine" in json.loads(run("-m", "pepys.enrich.adapters"))["speech"]
    assert left_in(person) == []


def test_a_worker_leaves_nothing_in_the_user_s_folders(home: Path, short_folder: Path, person: Path) -> None:
    store = open_store(home)
    session = make_session(store, Made(speech=say(SPEECH, short_folder)))
    before = left_in(person)
    assert not enrich(store, [session]).failed
    spoken = [load_artifact(store, ref)["items"] for ref in load(store, session).artifacts if ref.stage == "transcript"]
    assert "marmalade" in json.dumps(spoken).lower()
    assert left_in(person) == before
