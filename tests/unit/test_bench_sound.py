"""The pure parts of `pepys bench capture --sound`: the sounds, the sums, offsets and drift, what is chosen."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import numpy as np
import pytest

from pepys.bench import flash, sound_course
from pepys.bench.flash import Moment, Offset
from pepys.bench.heard import Heard
from pepys.bench.player import Playing
from pepys.bench.processes import family_seconds
from pepys.bench.sound_faults import DEVICE, KILL, PAUSE, SERVER, Done, schedule
from pepys.bench.sound_played import CYCLE_S, SPEECH_PART, cycle
from pepys.bench.sound_signal import (
    CYCLE_NS,
    STEP_NS,
    Samples,
    beep,
    click,
    counting_tone,
    find_beeps,
    find_clicks,
    noise,
    quiet_stretches,
    read_marks,
)
from pepys.bench.sound_sums import Loss, device_at, losses, placed, span_errors, sums, table
from pepys.bench.sound_sync import click_figures, paired, sync_figures
from pepys.bench.sound_told import Told, Watcher, told_figures
from pepys.cli import main
from pepys.clock import FakeClock
from pepys.errors import DeviceMissing, Usage
from pepys.limits import NS_PER_MS, NS_PER_S, SOUND_RATE
from tests.waiting import wait_until

BOOT_NS = 777 * CYCLE_NS


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * SOUND_RATE), np.int16)


def test_blocks_of_the_counting_tone_have_no_seam() -> None:
    first_ns = 123_456_789_012_345
    whole = counting_tone(first_ns, SOUND_RATE)
    parts = [counting_tone(first_ns + n * 10 * NS_PER_MS, SOUND_RATE // 100) for n in range(100)]
    assert np.array_equal(whole, np.concatenate(parts))
    assert 2000 < np.sqrt(np.square(whole.astype(float)).mean()) < 2600


def test_a_tone_tells_when_it_was_played() -> None:
    pcm = counting_tone(BOOT_NS + 37 * NS_PER_MS, 2 * SOUND_RATE)
    marks = read_marks(pcm)
    assert [mark.number for mark in marks] == list(range(1, 21))
    for mark in marks:
        played_ms = 37 + mark.position * 1000 / SOUND_RATE
        assert abs(played_ms - mark.number * STEP_NS / NS_PER_MS) < 3


def test_a_tone_is_read_within_noise_and_quiet_gives_no_marks() -> None:
    pcm = counting_tone(BOOT_NS, SOUND_RATE, 0.4) + noise(-45, SOUND_RATE)
    assert len(read_marks(pcm)) in {9, 10}
    assert read_marks(noise(-45, SOUND_RATE)) == []
    assert read_marks(silence(0.001)) == []


def test_quiet_stretches_are_found_to_two_milliseconds() -> None:
    pcm = np.concatenate((silence(0.1), counting_tone(BOOT_NS, SOUND_RATE), silence(0.3), counting_tone(BOOT_NS, 4800)))
    (first, second) = quiet_stretches(pcm)
    assert first[0] == 0
    assert abs(first[1] - 0.1 * SOUND_RATE) <= 96
    assert abs(second[0] - 1.1 * SOUND_RATE) <= 96
    assert abs(second[1] - 1.4 * SOUND_RATE) <= 96
    assert quiet_stretches(silence(0)) == []


def test_clicks_and_beeps_are_found_where_they_begin() -> None:
    pcm = noise(-50, 3 * SOUND_RATE)
    for at in (10_000, 90_000):
        pcm[at : at + len(click())] += click()
    assert find_clicks(pcm, click()) == [10_000, 90_000]
    assert find_clicks(noise(-50, SOUND_RATE), click()) == []
    pcm = noise(-60, 3 * SOUND_RATE)
    for at in (20_000, 100_000):
        pcm[at : at + len(beep())] += beep()
    assert all(abs(found - at) < 24 for found, at in zip(find_beeps(pcm), (20_000, 100_000), strict=True))
    assert find_beeps(silence(1)) == []


def test_a_cycle_of_a_conversation_is_speech_a_part_of_the_time() -> None:
    voice = np.full(SOUND_RATE, 5000, np.int16)
    made = cycle(voice, None, 5.0)
    assert len(made) == CYCLE_S * SOUND_RATE
    assert np.count_nonzero(made) == pytest.approx(SPEECH_PART * len(made), rel=0.01)
    assert not made[: 5 * SOUND_RATE].any()
    room = cycle(voice, -60.0, 0.0)
    assert np.abs(room[10 * SOUND_RATE : 19 * SOUND_RATE]).max() > 0


def test_thirty_minutes_have_the_faults_of_the_bar() -> None:
    faults = schedule(1800)
    kinds = [fault.kind for fault in faults]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {PAUSE: 20, DEVICE: 5, SERVER: 3, KILL: 3}
    assert schedule(1800) == faults
    ends = [fault.at_s + fault.lasts_s for fault in faults]
    assert all(after.at_s - end > 20 for end, after in zip(ends, faults[1:], strict=False))
    assert faults[-1].at_s + 20 < 1800


def test_a_short_run_has_one_of_each_kind_or_what_there_is_room_for() -> None:
    assert sorted(fault.kind for fault in schedule(40)) == sorted([PAUSE, DEVICE, SERVER, KILL])
    assert [fault.kind for fault in schedule(3)] == [PAUSE]


def heard(span: int, at_ms: int, pcm: Samples, late_ms: int = 30) -> Heard:
    """A span of `audio.mic` that begins at `at_ms` and holds this."""
    at_ns = at_ms * NS_PER_MS
    length_ns = len(pcm) * NS_PER_S // SOUND_RATE
    return Heard(
        "audio.mic", span, at_ns, BOOT_NS + at_ns, at_ns + length_ns, len(pcm), len(pcm), 0,
        tuple(read_marks(pcm)), tuple(quiet_stretches(pcm)),
    )  # fmt: skip


def played(at_ms: int, seconds: float, late_ms: int = 30) -> Samples:
    """What a device gives from a time of the axis on, heard `late_ms` after it was played."""
    return counting_tone(BOOT_NS + (at_ms - late_ms) * NS_PER_MS, int(seconds * SOUND_RATE))


STEPS = {"mic": [(n % 64, BOOT_NS + n * STEP_NS) for n in range(200)]}


def shown(lost: list[dict[str, Any]], gaps: list[dict[str, Any]], **changed: int) -> dict[str, Any]:
    account = {
        "samples": 1000, "delivered": 900, "captured": 880, "dropped": 20, "inserted": 20, "silent": 100, "muted": 0,
        "encoded": 1000, "refused": 0, "untold": 0, "lost": lost, **changed,
    }  # fmt: skip
    return {"tracks": [{"track": "audio.mic", "source": "mic", "account": account}, {"track": "video"}], "gaps": gaps}


def test_the_sums_of_an_account_are_checked_one_by_one() -> None:
    sound = [Heard("audio.mic", 0, 0, 0, NS_PER_S, 1000, 1000, 0, (), ())]
    assert [each.off for each in sums(shown([], []), sound)] == [0] * 5
    assert [each.off for each in sums(shown([], [], delivered=901), sound)] == [1, 0, 0, 0, 0]
    assert [each.off for each in sums(shown([], [], silent=99), sound)] == [0, 1, 0, 0, 0]
    assert [each.off for each in sums(shown([], [], samples=1060), sound)] == [0, 0, -60, 0, 0]
    assert [each.off for each in sums(shown([], [], samples=1060, refused=60), sound)] == [0] * 5
    assert sums({"tracks": [{"track": "audio.mic", "account": None}], "gaps": []}, sound) == []


def test_a_span_holds_as_many_samples_as_it_is_long() -> None:
    whole = Heard("audio.mic", 0, 0, 0, NS_PER_S, 48_000, 48_000, 0, (), ())
    short = Heard("audio.mic", 1, 0, 0, NS_PER_S, 47_000, 47_000, 0, (), ())
    assert span_errors([whole, short], killed=[]) == [0, -1000]
    assert span_errors([whole, short], killed=[1]) == [0]


def test_the_loss_of_a_dead_server_is_declared_and_heard() -> None:
    sound = [heard(0, 0, np.concatenate((played(0, 4), silence(2.5), played(6500, 4))))]
    lost = [{"at_ms": 4000, "samples": 2510 * 48, "reason": "device_lost", "detail": ""}]
    fault = Done(SERVER, BOOT_NS + 4000 * NS_PER_MS, BOOT_NS + 5000 * NS_PER_MS)
    (loss,) = losses(shown(lost, []), sound, fault, [], STEPS)
    assert loss.declared_ms == 2510
    assert loss.clock_ms == pytest.approx(2500, abs=4)
    assert loss.moved_ms == pytest.approx(0, abs=2)
    assert loss.error_ms == pytest.approx(10, abs=4)


def test_sound_that_comes_back_at_the_wrong_place_is_a_wrong_loss() -> None:
    # 100 ms of what the device gave are missing more than the axis says.
    sound = [heard(0, 0, np.concatenate((played(0, 4), silence(2), played(6100, 4))))]
    lost = [{"at_ms": 4000, "samples": 2000 * 48, "reason": "device_lost", "detail": ""}]
    (loss,) = losses(shown(lost, []), sound, Done(SERVER, BOOT_NS + 4 * NS_PER_S, BOOT_NS + 5 * NS_PER_S), [], STEPS)
    assert loss.error_ms == pytest.approx(-100, abs=4)
    assert loss.moved_ms == pytest.approx(-100, abs=4)


def test_a_killed_recorder_costs_the_gap_and_what_was_not_durable() -> None:
    sound = [heard(0, 0, played(0, 4)), heard(1, 7000, played(7000, 4))]
    lost = [{"at_ms": 4000, "samples": 1000 * 48, "reason": "crash", "detail": ""}]
    gaps = [{"start_ms": 5000, "end_ms": 7000, "reason": "crash"}]
    fault = Done(KILL, BOOT_NS + 5 * NS_PER_S, BOOT_NS + 7 * NS_PER_S)
    (loss,) = losses(shown(lost, gaps), sound, fault, [], STEPS)
    assert loss.declared_ms == 3000
    assert abs(loss.error_ms) < 4


def test_a_player_that_comes_back_after_its_device_is_no_loss_of_the_recorder() -> None:
    sound = [heard(0, 0, np.concatenate((played(0, 4), silence(2.5), played(6500, 4))))]
    lost = [{"at_ms": 4000, "samples": 2000 * 48, "reason": "device_lost", "detail": ""}]
    fault = Done(SERVER, BOOT_NS + 4 * NS_PER_S, BOOT_NS + 5 * NS_PER_S)
    (late,) = losses(shown(lost, []), sound, fault, [], STEPS)
    assert late.error_ms == pytest.approx(-500, abs=4)
    (loss,) = losses(shown(lost, []), sound, fault, [BOOT_NS + 6450 * NS_PER_MS], STEPS)
    assert abs(loss.error_ms) < 4


def test_a_change_without_a_hole_costs_nothing() -> None:
    sound = [heard(0, 0, played(0, 6))]
    fault = Done(DEVICE, BOOT_NS + 3 * NS_PER_S, BOOT_NS + 3 * NS_PER_S, "another default")
    (loss,) = losses(shown([], []), sound, fault, [], STEPS)
    assert (loss.declared_ms, loss.clock_ms) == (0, 0)
    assert placed(sound[0], BOOT_NS, BOOT_NS + 6 * NS_PER_S, STEPS["mic"]) == pytest.approx(
        30 * NS_PER_MS, abs=2 * NS_PER_MS
    )
    assert placed(sound[0], 0, 1, STEPS["mic"]) is None
    assert placed(sound[0], BOOT_NS, BOOT_NS + 6 * NS_PER_S, []) is None


def test_the_device_in_force_is_the_last_that_began() -> None:
    track = {"devices": [{"device": "one", "from_ms": 0}, {"device": "two", "from_ms": 5000}], "source": "one"}
    assert [device_at(track, at_ms * NS_PER_MS) for at_ms in (0, 4999, 5000)] == ["one", "one", "two"]
    assert device_at({"source": "one"}, 0) == "one"


def test_the_account_is_told_as_a_table() -> None:
    fault = Done(SERVER, BOOT_NS + 64 * NS_PER_S, BOOT_NS + 65 * NS_PER_S)
    lines = table(shown([], []), [(fault, [Loss("audio.mic", 2510.0, 2500.0, 0.0)])], BOOT_NS)
    assert lines[1].split() == ["0:01:04", "the", "sound", "server", "died", "2.510", "s", "(2.500", "s)"]
    assert any(line.split() == ["delivered", "900"] for line in lines)


def test_an_offset_is_what_the_recording_adds() -> None:
    moments = [Moment(n * NS_PER_S, n * NS_PER_S + 25 * NS_PER_MS) for n in range(1, 6)]
    flashes = [moment.flash_ns + 20 * NS_PER_MS for moment in moments[:-1]]
    beeps = [moment.beep_ns + 5 * NS_PER_MS for moment in moments]
    found = flash.offsets(moments, flashes, beeps)
    assert [each.late_ns for each in found] == [-15 * NS_PER_MS] * 4
    figure, drift = sync_figures(moments, flashes, beeps, 5)
    assert (figure.value, figure.held, drift.bar) == (15, True, None)
    with pytest.raises(DeviceMissing):
        sync_figures(moments, [], beeps, 5)


def test_a_drift_is_the_slope_of_all_offsets() -> None:
    found = [Offset(n * NS_PER_S, n * 10_000 + (-1) ** n * NS_PER_MS) for n in range(1200)]
    assert flash.drift_ms_an_hour(found) == pytest.approx(36, abs=1)
    assert flash.drift_ms_an_hour(found[:1]) == 0


def test_clicks_are_paired_with_the_nearest() -> None:
    assert paired([100, 5000], [90, 4000, 5010], near_ns=50) == [(100, 90), (5000, 5010)]
    assert paired([100], [], near_ns=50) == []
    one = [n * NS_PER_S for n in range(1, 9)]
    (figure,) = click_figures([at + 11 * NS_PER_MS for at in one], one, one)
    assert (figure.value, figure.held) == (11, False)


def test_logs_are_read_without_a_torn_last_line(tmp_path: Any) -> None:
    assert flash.read_log(["1 2\n", "3 4"]) == [Moment(1, 2)]
    log = tmp_path / "begun"
    playing = Playing("x", log, tmp_path / "heard")
    assert (playing.begun_ns, playing.steps) == ([], [])
    log.write_text("12\n34\n5")
    (tmp_path / "heard").write_text("7 100\n8 200\n9 3")
    assert playing.begun_ns == [12, 34]
    assert playing.steps == [(7, 100), (8, 200)]


class FakeClient:
    """What a host pushes, one message a call; the clock goes on meanwhile."""

    def __init__(self, clock: FakeClock, pushes: list[dict[str, Any]]) -> None:
        self.clock, self.pushes = clock, pushes

    def call(self, do: str) -> dict[str, Any]:
        assert do == "subscribe"
        return {"tracks": [{"track": "audio.mic", "state": "healthy"}]}

    def next_push(self, timeout_s: float) -> dict[str, Any] | None:
        self.clock.advance(100 * NS_PER_MS)
        return self.pushes.pop(0) if self.pushes else None


def test_a_watcher_knows_what_a_client_was_told_and_when() -> None:
    clock = FakeClock(0)
    push = {"push": "status", "status": {"tracks": [{"track": "audio.mic", "state": "restarting"}]}}
    watcher = Watcher(FakeClient(clock, [{"push": "levels"}, push]), clock)  # type: ignore[arg-type] # all that it uses
    told_ns = watcher.wait(lambda states: states["audio.mic"] != "healthy", NS_PER_S)
    assert told_ns == 200 * NS_PER_MS
    assert watcher.wait(lambda states: states["audio.mic"] == "healthy", NS_PER_S) is None


def test_one_death_that_is_told_late_or_never_breaks_the_bar() -> None:
    soon = [Told("reader killed", "audio.mic", 200.0)] * 9
    in_time, after = told_figures([*soon, Told("reader stopped", "audio.mic", 2500.0)])
    assert (in_time.value, in_time.held, after.value, after.held) == (9, False, 2500, False)
    in_time, _ = told_figures([*soon, Told("server killed", "", None)])
    assert not in_time.held
    in_time, after = told_figures(soon)
    assert (in_time.held, after.held) == (True, True)


def test_sound_measures_are_chosen_and_their_time_is_told() -> None:
    assert sound_course.choose([]) == tuple(sound_course.MEASURES)
    assert sound_course.choose(["click", "account"]) == ("account", "click")
    assert sound_course.lasts_s(["sync"], 60, 3) < 120
    with pytest.raises(Usage):
        sound_course.choose(["frames"])


@pytest.mark.parametrize(
    "words",
    [["--sound", "--video"], ["--sound", "--measure", "masks"], ["--sound", "--load", "idle"], ["--measure", "told"]],
)
def test_wrong_words_are_refused(home: Any, words: list[str]) -> None:
    assert main(["bench", "capture", *words]) == 2


def test_a_family_is_told_by_program() -> None:
    # A family of its own: other tests of this process may have left a server running for the rest.
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        wait_until(lambda: "sleep" in family_seconds(parent.pid), what="the child to become sleep")
        assert set(family_seconds(parent.pid)) == {"recorder", "sleep"}
        os.kill(child, signal.SIGKILL)
