"""Copying the home of a running host: the copy opens, holds what was durable before, and says what its end lacks.

A bare process writes a session without a pause: media, notes, chunks, edits. Meanwhile this one copies the home, in the
order of the folders and in random ones, as `cp -r` and a backup program do. Nothing is locked, nothing waits. Catches:
a store that only opens when all of its files are of one moment, a reader that takes a half copied file for damage of
what was there before, a head that is older than the chunks it once named.
"""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pepys.errors import PepysError
from pepys.limits import FRAGMENT_NS
from pepys.model.events import NoteAdded
from pepys.model.session import Track
from pepys.store.edits import apply_edit
from pepys.store.reader import events, load
from pepys.store.recover import recover_all
from pepys.store.store import Store
from pepys.store.verify import Damage, verify
from tests.stored_session import Recording, complete_session, content, make_store, reopen


@dataclass
class Running:
    """The process that writes, and what it has said so far."""

    pid: int
    pipe: int
    said: list[str] = field(default_factory=list)
    rest: str = ""

    def hear(self, at_least: int) -> list[str]:
        """Everything it acknowledged until now; waits until that is so many more than before."""
        wanted = len(self.said) + at_least
        while len(self.said) < wanted or select.select([self.pipe], [], [], 0)[0]:
            text = os.read(self.pipe, 65_536).decode()
            assert text, "the writer died"
            *lines, self.rest = (self.rest + text).split("\n")
            self.said.extend(lines)
        return list(self.said)


def write(store: Store, pipe: int) -> None:
    """Record until killed."""
    recording = Recording.begin(store, acknowledged=lambda what: void(os.write(pipe, f"{what}\n".encode())))
    number = 0
    while True:
        recording.open_segment()
        for _ in range(3):
            recording.fragment(9_000)
            recording.note(f"n{number}")
            number += 1
        recording.seal_segment()
        if number % 2:
            recording.writer.seal()
        apply_edit(store, recording.session, ("tag", {"value": f"t{number % 5}"}))


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """Somebody who records into the store at `folder`."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            write(reopen(folder), writing)
        finally:
            os._exit(1)
    os.close(writing)
    try:
        yield Running(child, reading)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)


def copied(home: Path, target: Path, chance: random.Random) -> None:
    """Copy a home file by file in a random order; what went meanwhile is left out."""
    everything = list(home.rglob("*"))
    chance.shuffle(everything)
    for path in everything:
        to = target / path.relative_to(home)
        if path.is_dir():
            to.mkdir(parents=True, exist_ok=True)
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(path, to)
        except FileNotFoundError:
            continue


@pytest.mark.parametrize("seed", range(6))
def test_a_copy_of_a_running_home(tmp_path: Path, seed: int) -> None:
    store = make_store(tmp_path)
    earlier = complete_session(store, "Earlier")
    copy = tmp_path / "copy"
    with running(tmp_path) as writer:
        before = writer.hear(25)
        if seed:
            copied(store.path, copy / "home", random.Random(seed))
        else:
            copy.mkdir()
            # It complains of files that went while it looked at them, and copies the others.
            subprocess.run(["cp", "-r", store.path, copy / "home"], stderr=subprocess.DEVNULL)
        writer.hear(1)
    shutil.copytree(tmp_path / "config", copy / "config")
    found = reopen(copy)
    missing = verify(found).damages
    assert all(damage.session not in {None, earlier} for damage in missing), missing
    recover_all(found)
    assert load(found, earlier).state == "completed" and verify(found, earlier).damages == ()
    session = before[0].split()[1]
    try:
        notes = {event.id for event in events(found, session) if isinstance(event, NoteAdded)}
        track = load(found, session).track("video")
    except PepysError:
        # The head's manifest, or the edit log that it names, was replaced before it was copied.
        assert missing, "it does not read, and verify did not say why"
        return
    durable = {line.split()[1] for line in before if line.startswith("note")}
    assert durable <= notes or any(damage.what in {"head", "manifest"} or "events" in damage.what for damage in missing)
    media(found, track, before, missing)


def media(store: Store, track: Track | None, acknowledged: list[str], missing: tuple[Damage, ...]) -> None:
    """Every fragment that was durable when the copy began is in it, or is of the segment that was open and told."""
    segments = {segment.n: segment for segment in track.segments} if track is not None else {}
    fragments = [(int(line.split()[1]), int(line.split()[2])) for line in acknowledged if line.startswith("fragment")]
    for n, number in fragments:
        segment = segments.get(n)
        there = segment is not None and segment.blob and store.blobs.exists(segment.blob)
        if segment is None or not there or number >= len(segment.fragments):
            assert n == fragments[-1][0], f"segment {n} was no part of the moving end"
            assert [damage.session for damage in missing], f"segment {n} is not there and nobody said so"
            continue
        offset, length, _, duration = segment.fragments[number]
        assert duration == FRAGMENT_NS
        assert store.blobs.read_range(segment.blob, offset, length) == content("video", n, number, 9_000)


def void(_: object) -> None:
    """Nothing is returned to who only tells."""
