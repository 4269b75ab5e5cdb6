"""The pure parts of `pepys bench`: the counter, the accounts, the figures, what is chosen and how long it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pepys.bench import capture, counter, film
from pepys.bench.capture import choose, lasts_s
from pepys.bench.counter import Shown, kept, read_log, read_number, squares
from pepys.bench.figures import Figure, compared, percentile
from pepys.bench.load.scenes import ticks
from pepys.bench.processes import Account, cpu_seconds, family, pss_bytes, read_rollup, read_stat
from pepys.cli import main
from pepys.clock import FakeClock
from pepys.errors import DeviceMissing, Usage
from pepys.limits import NS_PER_MS, NS_PER_S

PERIOD_NS = NS_PER_S // 30


def brightness(number: int) -> list[float]:
    """The squares of a number as a coder may leave them: neither quite black nor quite white."""
    return [200.0 if white else 40.0 for _, _, white in squares(number)]


@pytest.mark.parametrize("number", [0, 1, 2, 255, 0x5555, 0xAAAA, 0xFFFF])
def test_a_number_is_read_as_it_was_drawn(number: int) -> None:
    assert read_number(brightness(number)) == number


def test_a_torn_picture_is_no_number() -> None:
    torn = brightness(0x00FF)
    torn[::2] = brightness(0x0100)[::2]
    assert read_number(torn) is None
    assert read_number([0.0] * 32) is None
    assert read_number(brightness(7)[:-1]) is None


def test_one_frame_lost_of_many_is_found() -> None:
    shown = [Shown(n, NS_PER_S + n * PERIOD_NS) for n in range(300)]
    pictures = [(each.at_ns + 2 * NS_PER_MS, each.number) for each in shown if each.number != 117]
    result = kept(shown, pictures, NS_PER_S, NS_PER_S + 400 * PERIOD_NS)
    assert [each.number for each in result.lost] == [117]
    assert result.expected == 300
    assert result.lost_percent == pytest.approx(100 / 300)
    assert result.error_ms(95) == pytest.approx(2)


def test_only_what_was_shown_while_it_recorded_counts() -> None:
    shown = [Shown(n, n * PERIOD_NS) for n in range(100)]
    begin_ns, end_ns = shown[10].at_ns, shown[84].at_ns + counter.TAIL_NS
    pictures = [(shown[n].at_ns, n) for n in range(10, 80)] + [(shown[40].at_ns, None)]
    result = kept(shown, pictures, begin_ns, end_ns)
    assert result.expected == 75
    assert [each.number for each in result.lost] == [80, 81, 82, 83, 84]
    assert result.unreadable == 1
    assert kept(shown, [], NS_PER_S * 90, NS_PER_S * 91).lost_percent == 100


def test_a_frame_before_its_number_was_shown_is_as_wrong_as_one_after() -> None:
    shown = [Shown(1, 500 * NS_PER_MS), Shown(2, 533 * NS_PER_MS)]
    result = kept(shown, [(470 * NS_PER_MS, 1), (534 * NS_PER_MS, 2), (560 * NS_PER_MS, 2)], 0, NS_PER_S)
    assert result.error_ms(100) == 30
    assert result.error_ms(50) == 1


def test_a_torn_last_line_of_a_log_is_left_out() -> None:
    assert read_log(["7 1000\n", "8 2000\n", "9 30"]) == [Shown(7, 1000), Shown(8, 2000)]
    assert film.parse_windows(["1 2 3 4 5 6\n", "1 2 3"]) == [film.Mapped(1, 2, 3, 4, 5, 6)]


def test_a_late_tick_makes_the_later_ones_late() -> None:
    clock = FakeClock(0)
    slept: list[int] = []

    def sleep_ns(duration_ns: int) -> None:
        slept.append(duration_ns)
        clock.advance(max(0, duration_ns))

    clock.sleep_ns = sleep_ns  # type: ignore[method-assign] # the test moves time by waiting
    every = ticks(clock, 30)
    assert [next(every), next(every)] == [0, 1]
    clock.advance(PERIOD_NS + 20 * NS_PER_MS)
    # Number 2 comes at once, 20 ms too late; number 3 a whole period after it.
    assert [next(every), next(every)] == [2, 3]
    assert slept[-2] == -20 * NS_PER_MS
    assert slept[-1] == PERIOD_NS


def test_an_account_is_read_whatever_the_program_is_called() -> None:
    numbers = " ".join(["S", "41", *["0"] * 9, "10", "20", "3", "4", *["9"] * 30])
    assert read_stat(f"42 (a) b (c)) {numbers}\n") == Account(41, 37)
    assert read_rollup("00400000-7fff rollup\nRss: 900 kB\nPss:   120 kB\nPss_Dirty: 7 kB\n", "Pss") == 120 * 1024


def test_a_family_is_all_below_a_process() -> None:
    every = {1: Account(0, 9), 5: Account(1, 1), 6: Account(5, 2), 7: Account(6, 4), 8: Account(1, 8)}
    assert family(5, every) == {5, 6, 7}


def test_work_of_a_child_counts_while_it_lives_and_after() -> None:
    before = cpu_seconds(os.getpid())
    spin = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    subprocess.run([sys.executable, "-c", spin], check=True)
    assert cpu_seconds(os.getpid()) - before >= 0.28
    assert 2**20 < pss_bytes(os.getpid()) < 2**32
    with pytest.raises(DeviceMissing):
        pss_bytes(2**22 + 1)


def test_a_figure_knows_whether_its_bar_is_held() -> None:
    values = [Figure("m", "", "n", "w", value, bar=5).held for value in (4.9, 5, 5.1)]
    assert values == [True, True, False]
    assert not Figure("m", "", "n", "w", 5, bar=5, below=True).held
    assert not Figure("m", "", "n", "w", 99, bar=100, least=True).held
    assert Figure("m", "", "n", "w", 99).held is None


def test_a_ratio_is_that_of_the_medians() -> None:
    figure = compared([1, 2, 9], [10, 10, 10], "cpu", "idle", "what", 0.3)
    assert (figure.value, figure.low, figure.high, figure.held) == (0.2, 0.1, 0.9, True)
    assert figure.figure_text.startswith("0.200 (0.100 to 0.900); pepys 2.00")
    assert json.loads(json.dumps(figure.to_json()))["detail"]["ffmpeg_s"] == [10, 10, 10]


def test_percentiles_are_values_that_occurred() -> None:
    assert [percentile(range(1, 101), percent) for percent in (50, 95, 100)] == [50, 95, 100]
    assert percentile([7], 95) == 7
    assert percentile([], 95) == 0


def test_what_is_measured_can_be_chosen() -> None:
    assert choose([], []).measures == tuple(capture.MEASURES)
    assert choose([], []).loads == ("idle", "typing", "scroll", "motion")
    assert choose([], ["motion", "idle"]) == capture.Choice(("cpu", "sound"), ("idle", "motion"))
    assert choose(["masks", "frames"], []).measures == ("frames", "masks")
    with pytest.raises(Usage):
        choose([], ["boredom"])


def test_the_time_is_told_beforehand() -> None:
    # Per run pepys, ffmpeg and pepys with sound; each with 5 s to settle and some for starting.
    assert lasts_s(choose([], ["idle"]), 60, 3) == 9 * 69
    assert lasts_s(choose(["cpu"], ["idle"]), 60, 3) == 6 * 69
    assert lasts_s(choose(["frames"], []), 60, 3) < 120


@pytest.mark.parametrize("missing", ["ffmpeg", "xterm", "Xvfb", "openbox", "parec"])
def test_a_missing_program_is_named_before_anything_runs(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    for name in {*capture.PROGRAMS, *capture.SOUND_PROGRAMS} - {missing}:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["bench", "capture", "--video", "--load", "idle", "--json"]) == 4
    told = capsys.readouterr()
    assert f"the program {missing} is not installed" in told.err
    assert "apt-get install" in json.loads(told.out)["error"]["remedy"]
    assert not home.exists()


@pytest.mark.parametrize(
    "words",
    [["nothing"], ["capture", "--load", "boredom"], ["capture", "--seconds", "0"], ["commands", "--video"]],
)
def test_wrong_words_are_refused(home: Path, words: list[str]) -> None:
    assert main(["bench", *words]) == 2
