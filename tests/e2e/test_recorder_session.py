"""A recorder on a real display and sound server: what is recorded is there, exactly as long, and nothing of a pause."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pepys.demo.servers import SoundServer, WindowManager, XServer
from pepys.media.fmp4 import parse_fragments
from pepys.media.image import decode_picture
from pepys.store.journal import journal_locked
from tests.painter import Painter
from tests.recording import MIC, SYSTEM, Recording, pictures, recording, samples
from tests.waiting import wait_until

_FLASH = "while :; do printf '\\033[?5h'; sleep 0.25; printf '\\033[?5l'; sleep 0.25; done"


@contextmanager
def tone(hertz: int, sink: str) -> Iterator[None]:
    """A sine tone played to a sink."""
    wave = ["sox", "-q", "-n", "-r", "48000", "-c", "2", "-b", "16", "-t", "raw", "-"]
    with subprocess.Popen([*wave, "synth", "60", "sine", str(hertz), "gain", "-12"], stdout=subprocess.PIPE) as source:
        play = ["pacat", "--raw", "--format=s16le", "--rate=48000", "--channels=2", f"--device={sink}"]
        with subprocess.Popen(play, stdin=source.stdout, stderr=subprocess.DEVNULL) as player:
            try:
                yield
            finally:
                player.kill()
                source.kill()


@contextmanager
def flashing() -> Iterator[None]:
    """A terminal that inverts its colours four times a second."""
    window = ["xterm", "-geometry", "80x24+100+100", "-T", "flasher"]
    with subprocess.Popen([*window, "-e", "sh", "-c", _FLASH]) as terminal:
        try:
            yield
        finally:
            terminal.terminate()


def _pitch(sound: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum)) * 48_000 / len(sound)


def _check_exact(run: Recording) -> None:
    """Every track fills its span exactly; fragments follow each other without hole or overlap."""
    view = run.session()
    for track in view.tracks:
        for span in view.spans:
            parts = [part for segment in track.segments if segment.span == span.span for part in segment.fragments]
            if not parts:
                continue
            assert parts[0][2] == span.media_ns
            # A sample lasts 20.8 us: the last one may begin within the span and end beyond it by less.
            assert abs(parts[-1][2] + parts[-1][3] - span.media_ns - span.duration_ns) < 21_000
            for before, after in pairwise(parts):
                assert abs(before[2] + before[3] - after[2]) < 21_000
            assert max(part[3] for part in parts) <= 900_000_000


def test_screen_and_sound_are_recorded_and_play(
    home: Path, xserver: XServer, window_manager: WindowManager, sound_server: SoundServer
) -> None:
    asked = {
        "display": xserver.display,
        "mic": MIC,
        "system": SYSTEM,
        "shots_interval_ns": 700_000_000,
        "activity": True,
    }
    with tone(440, "pepys_null"), tone(1000, "pepys_mic"), flashing(), recording(home, **asked) as run:
        run.until_recorded(3200)
        marked = run.client.call("mark", label="here")
        live = run.client.call("status")
        view = run.stop()
    assert view.state == "completed"
    assert {t["track"]: t["state"] for t in live["tracks"]} == dict.fromkeys(
        ("video", "shots", "activity", "audio.mic", "audio.system"), "healthy"
    )
    assert all(t["write_ms_ago"] < 1500 for t in live["tracks"] if t["track"].startswith(("video", "audio")))
    _check_exact(run)
    video, mic, system = (view.track(name) for name in ("video", "audio.mic", "audio.system"))
    assert video is not None and mic is not None and system is not None
    assert (video.width, video.height) == (1920, 1080)
    assert video.dropped <= video.encoded // 5, "a busy machine may lose a change, not many"
    film = run.media(video)
    frames = pictures(film)
    assert len(frames) == video.encoded
    # The terminal's middle is dark and bright in turn, about four times a second.
    bright = [float(grey[200:300, 200:500].mean()) > 128 for _, grey in frames]
    assert sum(a != b for a, b in pairwise(bright)) >= 9
    mixed = samples(film)
    assert abs(len(mixed) / 48_000 - view.duration_ns / 1e9) < 0.05
    middle = slice(96_000, 144_000)
    assert abs(_pitch(samples(run.media(system))[middle]) - 440) < 3
    assert abs(_pitch(samples(run.media(mic))[middle]) - 1000) < 3
    spectrum = np.abs(np.fft.rfft(mixed[middle] * np.hanning(48_000)))
    assert min(spectrum[440], spectrum[1000]) > 20 * float(np.median(spectrum)) and spectrum[440] > 100
    assert {focus.title for focus in view.focus} == {"flasher"}
    assert [(note.kind, note.text, note.at_ns // 1_000_000) for note in view.notes] == [
        ("marker", "here", marked["at_ms"])
    ]
    distinct = view.distinct_shots
    assert 2 <= len(distinct) <= 3 and len(view.shots) >= 4, "two pictures, seen again and again"
    shot = decode_picture(run.store.blobs.read(distinct[0].blob))
    assert shot.shape == (1080, 1920, 4)
    assert next(track.codec for track in view.tracks if track.kind == "shots") == "webp"


def test_fragments_begin_on_the_grid(home: Path, xserver: XServer) -> None:
    with recording(home, display=xserver.display) as run:
        run.until_recorded(1000)
        view = run.stop()
    video = view.track("video")
    assert video is not None
    runs = parse_fragments(b"".join(run.store.blobs.read(segment.blob) for segment in video.segments))
    assert [found.decode_time for found in runs] == [72_000 * n for n in range(len(runs))]
    assert [sum(sample.duration for sample in found.samples) for found in runs[:-1]] == [72_000] * (len(runs) - 1)
    assert not Path(run.spec.socket).exists() and not Path(run.spec.run_file).exists()


def test_nothing_of_a_pause_is_written(home: Path, xserver: XServer, sound_server: SoundServer) -> None:
    with recording(home, display=xserver.display, system=SYSTEM) as run:
        run.until_recorded(900)
        paused = run.client.call("pause")
        before = run.session()
        assert paused["state"] == "paused" and paused["gaps_open"][0]["reason"] == "pause"
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
        assert children.read_text() == "", "no device is open during a pause"
        with tone(880, "pepys_null"), flashing():
            wait_until(lambda: run.client.call("status")["wall_ms"] > paused["wall_ms"] + 800, 5)
            assert run.client.call("status")["bytes"] == paused["bytes"]
        assert run.client.call("resume")["state"] == "recording"
        wait_until(lambda: run.client.call("status")["recorded_ms"] > paused["recorded_ms"] + 900, 8)
        view = run.stop()
    _check_exact(run)
    assert [span.span for span in view.spans] == [0, 1]
    assert view.spans[0] == before.spans[0]
    assert view.spans[1].media_ns == view.spans[0].duration_ns
    (gap,) = view.gaps
    assert (gap.reason, gap.start_ns, gap.end_ns) == ("pause", view.spans[0].end_ns, view.spans[1].start_ns)
    assert view.duration_ns + gap.end_ns - gap.start_ns == view.end_ns
    video, system = view.track("video"), view.track("audio.system")
    assert video is not None and system is not None and len(video.inits) == 2
    for span in (0, 1):
        parts = tuple(segment for segment in system.segments if segment.span == span)
        assert float(np.abs(samples(run.media(system, parts))).max()) < 0.001, "the tone of the pause was recorded"
        film = run.media(video, tuple(segment for segment in video.segments if segment.span == span))
        assert all(grey[110:400, 110:500].mean() < 40 for _, grey in pictures(film)), "the terminal of the pause"


def test_sound_alone_is_a_stream_of_its_own(home: Path, sound_server: SoundServer) -> None:
    with tone(440, "pepys_mic"), recording(home, mic=MIC, absent=(("video", "DISPLAY is not set"),)) as run:
        run.until_recorded(1500)
        view = run.stop()
    _check_exact(run)
    mix, video = view.track("audio.mix"), view.track("video")
    assert (
        mix is not None
        and mix.state == "healthy"
        and mix.captured > 48_000
        and mix.inits[0].mime == 'audio/mp4; codecs="mp4a.40.2"'
    )
    assert abs(_pitch(samples(run.media(mix))[24_000:72_000]) - 440) < 3
    assert video is not None and (video.state, video.detail, video.segments) == ("off", "DISPLAY is not set", ())


def test_shots_and_activity_alone_are_a_session(home: Path, xserver: XServer, window_manager: WindowManager) -> None:
    with recording(home, display=xserver.display, video=False, shots_interval_ns=300_000_000, activity=True) as run:
        wait_until(lambda: run.client.call("status")["tracks"][0]["captured"] >= 3, 5)
        with flashing():
            wait_until(lambda: run.client.call("status")["tracks"][0]["encoded"] >= 3, 8)
        view = run.stop()
    assert [track.track for track in view.tracks] == ["shots", "activity"]
    assert view.shots[1].repeat and view.shots[1].blob == view.shots[0].blob, "a still screen repeats its shot"
    assert len(view.distinct_shots) == 3 and [focus.app for focus in view.focus if focus.app] == ["XTerm"]
    assert view.shots[-1].at_ns <= view.duration_ns < view.shots[-1].at_ns + 1_000_000_000


def test_another_screen_size_begins_a_span_without_a_gap(home: Path, xserver: XServer) -> None:
    with recording(home, display=xserver.display, shots_interval_ns=300_000_000) as run:
        run.until_recorded(900)
        painter = Painter(xserver.display)
        painter.resize_screen(1280, 720)
        wait_until(lambda: run.client.call("status")["spans"] == 2, 5)
        run.until_recorded(int(run.client.call("status")["recorded_ms"]) + 900)
        painter.close()
        view = run.stop()
    _check_exact(run)
    assert view.gaps == () and view.spans[0].end_ns == view.spans[1].start_ns
    video = view.track("video")
    assert video is not None
    for span, shape in ((0, (1080, 1920)), (1, (720, 1280))):
        parts = tuple(segment for segment in video.segments if segment.span == span)
        assert {grey.shape for _, grey in pictures(run.media(video, parts))} == {shape}
    assert {(shot.width, shot.height) for shot in view.shots} == {(1920, 1080), (1280, 720)}


def test_a_paused_recording_is_stopped_by_a_signal(home: Path, xserver: XServer) -> None:
    with recording(home, display=xserver.display) as run:
        run.client.call("pause")
        run.launched.process.send_signal(signal.SIGINT)
        run.launched.process.send_signal(signal.SIGTERM)
        run.launched.process.send_signal(signal.SIGTERM)
        assert run.launched.process.wait(20) == 0
        view = run.session()
    assert view.state == "completed" and view.gaps[0].reason == "pause"
    assert view.spans[0].duration_ns > 0


def test_a_recorder_goes_on_without_its_host_and_ends_as_an_orphan(home: Path, xserver: XServer) -> None:
    with recording(home, display=xserver.display, orphan_ns=500_000_000) as run:
        run.until_recorded(1200)
        run.client.close()
        assert run.launched.process.wait(20) == 0
        view = run.session()
    assert view.state == "completed" and view.duration_ns > 1_400_000_000
    assert not journal_locked(run.store.journal_path(view.id))


@pytest.mark.parametrize("text", ["", "x" * 10_001])
def test_a_note_is_kept_or_refused(home: Path, xserver: XServer, text: str) -> None:
    from pepys.errors import Usage

    with recording(home, display=xserver.display) as run:
        if len(text) > 10_000:
            with pytest.raises(Usage, match="at most"):
                run.client.call("note", text=text)
        else:
            assert run.client.call("note", text=text, id="n1")["id"] == "n1"
        with pytest.raises(Usage, match="knows no command"):
            run.client.call("dance")
        view = run.stop()
    assert [note.id for note in view.notes] == (["n1"] if len(text) <= 10_000 else [])
