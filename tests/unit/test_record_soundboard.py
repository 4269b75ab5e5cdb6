"""When a device is listened to: until its samples are placed, and for good where its pipe holds too little."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pepys import limits
from pepys.clock import FakeClock
from pepys.errors import DeviceMissing, Usage
from pepys.media.sound_filters import Pcm
from pepys.model import events as ev
from pepys.model.sound_graph import Node, SoundGraph
from pepys.record import capture, following
from pepys.record.devices import Devices
from pepys.record.health import Health
from pepys.record.loop import Loop
from pepys.record.playback import SpanPlace
from pepys.record.ports import SoundBlock, SoundCapabilities, SoundEvent, SourceEnded
from pepys.record.sound import samples_in
from pepys.record.soundboard import SoundBoard
from pepys.record.spec import RecordSpec
from pepys.record.wire import Message

GRAPH = SoundGraph(
    (
        Node("mic", "tone"), Node("mic.gain", "gain"),
        Node("own", "encoder", {"track": "audio.mic"}), Node("mix", "encoder", {"codec": "aac", "track": "audio.mix"}),
    ),
    (("mic", "mic.gain"), ("mic.gain", "own"), ("mic.gain", "mix")),
)  # fmt: skip
_BLOCK_NS = 20 * limits.NS_PER_MS
_ENOUGH_NS = limits.SOUND_HOLD_STEPS * limits.SOUND_STEP_NS


class Piped:
    """A device behind a real pipe; sample n of the world has the value n % 1000 + 1."""

    name = "piped"

    def __init__(self, clock: FakeClock, holds_ns: int) -> None:
        self.capabilities = SoundCapabilities(limits.SOUND_RATE, 1, holds_ns)
        self._clock = clock
        self._out, self._in = os.pipe()
        os.set_blocking(self._out, False)

    def play(self, blocks: int) -> None:
        for _ in range(blocks):
            self._clock.advance(_BLOCK_NS)
            world = samples_in(self._clock.now_ns())
            values = np.arange(world - samples_in(_BLOCK_NS), world) % 1000 + 1
            os.write(self._in, values.astype("<i2").tobytes())

    def die(self) -> None:
        os.close(self._in)

    def fileno(self) -> int:
        return self._out

    def poll(self) -> Sequence[SoundEvent]:
        try:
            data = os.read(self._out, 4096)
        except BlockingIOError:
            return ()
        if not data:
            return (SourceEnded(self._clock.now_ns(), "device_lost", "gone"),)
        return (SoundBlock(self._clock.now_ns(), np.frombuffer(data, "<i2").reshape(-1, 1)),)

    def close(self) -> None:
        os.close(self._out)


class Bench:
    """A board with one device in a span that has begun, and who takes the mix."""

    def __init__(self, holds_ns: int) -> None:
        self.clock = FakeClock()
        self.loop = Loop(self.clock)
        self.events: list[ev.Event] = []
        self.pushed: list[Message] = []
        self.health = Health(lambda events, _then: self.events.extend(events), self.pushed.append)
        self.device = Piped(self.clock, holds_ns)
        self.board = SoundBoard(self.clock, self.loop, self.health, lambda _node, _name: self.device, GRAPH)
        self.board.open()
        self.mixed: list[Pcm] = []
        self.taken = True
        for _ in range(limits.SOUND_SETTLE_BLOCKS):
            self.device.play(1)
            self.loop.turn(0)
        self.board.prepare()
        self.base_ns = self.clock.now_ns()
        self.board.begin(SpanPlace(0, self.base_ns, 0, 0), lambda _work: self.taken, self)
        self.loop.clear_timer("sound")

    def sound(self, pcm: Pcm, active: bool = True) -> None:
        """Takes the mix."""
        self.mixed.append(pcm)

    def play(self, steps: int) -> None:
        """Steps of 180 ms, of which the device's blocks are heard as they come where it is listened to."""
        for step in range(9 * steps):
            self.device.play(1)
            self.loop.turn(0)
            if step % 9 == 8:
                self.board.step()

    @property
    def listens(self) -> bool:
        return self.device.fileno() in self.loop.selector.get_map()

    def finish(self) -> ev.SoundAccounted:
        """End the span now; the account of its only track."""
        self.board.finish(self.clock.now_ns(), rests=True)
        (account,) = [event for event in self.events if isinstance(event, ev.SoundAccounted)]
        return account


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(getattr(request, "param", _ENOUGH_NS))
    yield made
    made.loop.close()


def test_a_device_whose_clock_is_known_waits_for_the_next_step_and_loses_nothing(bench: Bench) -> None:
    bench.play(80)
    assert not bench.listens
    account = bench.finish()
    heard = np.concatenate(bench.mixed)[:, 0]
    world = np.arange(len(heard)) + samples_in(bench.base_ns)
    assert len(heard) == samples_in(bench.clock.now_ns() - bench.base_ns) == account.encoded == account.delivered
    assert np.array_equal(heard, world % 1000 + 1)
    assert account.final and not account.silent and not account.refused


@pytest.mark.parametrize("bench", [_ENOUGH_NS - 1], indirect=True)
def test_a_device_whose_pipe_holds_little_is_listened_to(bench: Bench) -> None:
    bench.play(80)
    assert bench.listens


def test_a_device_that_dies_unheard_is_told_at_the_next_step(bench: Bench) -> None:
    bench.play(80)
    bench.device.die()
    bench.board.step()
    assert bench.board.inputs["mic"].dead and not bench.board.lives
    (lost,) = [event for event in bench.events if isinstance(event, ev.GapNoted)]
    assert lost.reason == "device_lost" and lost.detail == "tone: gone"
    bench.clock.advance(limits.NS_PER_S)
    account = bench.finish()
    assert account.silent == account.lost["device_lost"] == account.encoded - account.captured > 40_000


def test_a_recording_waits_for_the_device_that_is_started_in_the_place_of_a_dead_one(bench: Bench) -> None:
    """A monitor gives its first block after 2 s: a rest begun before that would end the switch, again and again."""
    bench.play(80)
    bench.device.die()
    bench.board.step()
    assert not bench.board.lives
    bench.device = Piped(bench.clock, _ENOUGH_NS)
    bench.board.inputs["mic"].switch("another", "tone is gone")
    bench.device = Piped(bench.clock, _ENOUGH_NS)
    bench.device.die()
    assert bench.board.lives and bench.board.waits
    bench.clock.advance(limits.SOURCE_START_NS + limits.NS_PER_MS)
    bench.board.step()
    assert not bench.board.lives


def test_each_try_of_a_dead_device_is_counted_where_all_see_it(bench: Bench) -> None:
    bench.play(80)
    bench.device.die()
    bench.board.step()
    seen = [(0, "restarting")]
    while bench.health.tracks["audio.mic"].state != "failed" and len(seen) < 9:
        bench.clock.advance(limits.SOUND_STEP_NS)
        if bench.clock.now_ns() >= bench.board.inputs["mic"].seen.retry_ns:
            bench.device = Piped(bench.clock, _ENOUGH_NS)
            bench.device.die()
        bench.board.step()  # starts it
        bench.board.step()  # hears that it died
        report = bench.health.tracks["audio.mic"]
        if (report.tries, report.state) != seen[-1]:
            seen.append((report.tries, report.state))
    assert seen == [*((tries, "restarting") for tries in range(5)), (5, "failed")]


def test_what_is_muted_is_silent_and_counted(bench: Bench) -> None:
    bench.play(10)
    bench.board.set(["mic"], [], None)
    assert bench.board.graph is not None and bench.board.graph.node("mic.gain").params["muted"] is True
    assert bench.board.desk.to_json() == {"gains": {"mic": {"gain_db": 0.0, "muted": True}}, "balance": None}
    bench.play(10)
    assert not bench.mixed[-1].any()
    bench.board.set([], ["audio.mic"], None)
    bench.play(10)
    assert bench.mixed[-1].all()
    account = bench.finish()
    assert 9 * 8640 <= account.muted <= 10 * 8640 and account.captured == account.encoded


def test_a_default_device_that_is_not_there_is_recorded_from_when_there_is_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    told: list[Callable[[Devices], None]] = []
    device = Piped(bench.clock, _ENOUGH_NS)

    def watch(_loop: object, _clock: object, on_devices: Callable[[Devices], None]) -> SimpleNamespace:
        told.append(on_devices)
        return SimpleNamespace(start=lambda: None, stop=lambda: None, ask=lambda: None, answers=True)

    monkeypatch.setattr(following, "DeviceWatch", watch)
    monkeypatch.setattr(capture, "open_device", lambda name, channels, clock: device)
    nodes = (Node("mic", "microphone", {"follow_default": True}), GRAPH.node("own"))
    graph = SoundGraph(nodes, (("mic", "own"),)).to_json()
    spec = RecordSpec(str(home), "s", "n", "s.sock", "s.json", sound_graph=graph)
    board = capture.Capture(spec, bench.loop, bench.health, lambda _work: True, lambda _what, _why: None).sounds
    board.open()
    mic = board.inputs["mic"]
    assert mic.dead and mic.seen.detail == "there is no default microphone"
    told[-1](Devices(("a sink.monitor",), "a sink.monitor", "a sink.monitor"))
    assert mic.dead, "a monitor is no microphone, whatever the server says"
    told[-1](Devices(("m0",), "m0", ""))
    assert [source is device for source in mic.sources] == [True]
    board.stop()


def test_a_gain_behind_a_filter_is_the_sources_own(bench: Bench) -> None:
    nodes = (Node("mic", "microphone"), Node("low", "high_pass"), Node("loud", "gain"), GRAPH.node("own"))
    graph = SoundGraph(nodes, (("mic", "low"), ("low", "loud"), ("loud", "own")))
    board = SoundBoard(bench.clock, bench.loop, bench.health, lambda _node, _name: bench.device, graph)
    board.set(["mic"], [], None)
    assert board.desk.to_json()["gains"] == {"mic": {"gain_db": 0.0, "muted": True}}
    assert not board.desk.warns("mic"), "that nothing is heard of what was muted is no news"


def test_what_cannot_be_set_changes_nothing(bench: Bench) -> None:
    for mute, balance, words in ((["nobody"], None, "nobody"), ([], 10, "balance")):
        with pytest.raises(Usage, match=words):
            bench.board.set(mute, [], balance)
    assert bench.board.graph == GRAPH
    with pytest.raises(DeviceMissing, match="no sound is recorded"):
        SoundBoard(bench.clock, bench.loop, bench.health, lambda _node, _name: bench.device, None).set(
            ["mic"], [], None
        )


def test_what_the_disk_refuses_is_a_gap_and_counted(bench: Bench) -> None:
    bench.play(10)
    bench.taken = False
    bench.board.close_fragments()
    bench.taken = True
    bench.play(5)
    account = bench.finish()
    (gap,) = [event for event in bench.events if isinstance(event, ev.GapNoted) and event.end_ns is not None]
    assert gap.end_ns is not None and gap.reason == "disk_full" and gap.track == "audio.mic"
    assert samples_in(gap.end_ns - gap.start_ns + 1) == account.refused > 0


def test_levels_are_told_and_kept_a_second_at_a_time(bench: Bench) -> None:
    graph = SoundGraph((*GRAPH.nodes, Node("loud", "meter")), (*GRAPH.edges, ("mic.gain", "loud")))
    board = SoundBoard(bench.clock, bench.loop, bench.health, lambda _node, _name: bench.device, graph)
    board.prepare()
    bench.board.finish(bench.clock.now_ns(), rests=True)
    bench.board.stop()
    bench.device = Piped(bench.clock, _ENOUGH_NS)
    bench.board = board
    board.open()
    bench.device.play(limits.SOUND_SETTLE_BLOCKS)
    bench.loop.turn(0)
    board.begin(SpanPlace(1, bench.clock.now_ns(), 5 * limits.NS_PER_S, 0), lambda _work: True, bench)
    bench.loop.clear_timer("sound")
    bench.play(16)
    board.close_fragments()
    noted = [event for event in bench.events if isinstance(event, ev.LevelsNoted)]
    assert [event.at_ns for event in noted] == [5 * limits.NS_PER_S, 6 * limits.NS_PER_S]
    assert all(event.voice == (1 << 20) - 1 for event in noted), "without a voice node nobody may call it silent"
    told = [push for push in bench.pushed if push["push"] == "levels"]
    assert len(told) == 2 and len(told[0]["levels"]["audio.mic"]["peaks"]) == 20
    assert bench.health.tracks["audio.mic"].level is not None


def test_every_track_of_a_source_tells_what_became_of_it(bench: Bench) -> None:
    nodes = (*GRAPH.nodes, Node("clean", "high_pass"), Node("second", "encoder", {"track": "audio.clean"}))
    graph = SoundGraph(nodes, (*GRAPH.edges, ("mic.gain", "clean"), ("clean", "second")))
    health = Health(lambda events, _then: bench.events.extend(events), bench.pushed.append)
    board = SoundBoard(bench.clock, bench.loop, health, lambda _node, _name: bench.device, graph)
    bench.board.finish(bench.clock.now_ns(), rests=True)
    bench.board.stop()
    bench.device, bench.board = Piped(bench.clock, _ENOUGH_NS), board
    bench.events.clear()
    board.open()
    bench.device.play(limits.SOUND_SETTLE_BLOCKS)
    bench.loop.turn(0)
    board.prepare()
    board.begin(SpanPlace(1, bench.clock.now_ns(), 0, 0), lambda _work: True, None)
    bench.play(10)
    bench.device.die()
    board.step()
    bench.clock.advance(limits.NS_PER_S)
    board.finish(bench.clock.now_ns(), rests=True)
    told = {event.track: event for event in bench.events if isinstance(event, ev.SoundAccounted)}
    assert sorted(told) == ["audio.clean", "audio.mic", "audio.mix"]
    assert told["audio.clean"].silent == told["audio.mic"].silent > 40_000
    assert len({account.encoded for account in told.values()}) == 1
    gaps = {event.track for event in bench.events if isinstance(event, ev.GapNoted)}
    assert gaps == {"audio.clean", "audio.mic"}
    warned = [push for push in bench.pushed if push["push"] == "warning"]
    assert len({push["track"] for push in warned}) <= 1


def test_a_source_that_is_heard_past_its_gain_is_not_called_muted(bench: Bench) -> None:
    graph = SoundGraph((*GRAPH.nodes, Node("raw", "encoder", {"track": "audio.raw"})), (*GRAPH.edges, ("mic", "raw")))
    board = SoundBoard(bench.clock, bench.loop, bench.health, lambda _node, _name: bench.device, graph)
    with pytest.raises(Usage, match="it reaches the node raw past its gain"):
        board.set(["mic"], [], None)
    board.set(["mic.gain"], [], None)
    assert board.graph is not None and board.graph.node("mic.gain").params["muted"] is True


def test_a_named_device_that_was_replaced_before_the_beginning_is_missing(bench: Bench) -> None:
    node = Node("mic", "microphone", {"device": "wanted"})
    graph = SoundGraph((node, Node("own", "encoder", {"track": "audio.mic"})), (("mic", "own"),))
    made: list[str] = []

    def opener(_node: Node, name: str) -> Piped:
        made.append(name)
        return Piped(bench.clock, _ENOUGH_NS)

    health = Health(lambda _events, _then: None, lambda _message: None)
    board = SoundBoard(bench.clock, bench.loop, health, opener, graph, ["mic"])
    sound = board.inputs["mic"]
    sound.open()
    sound.lose("wanted is gone", bench.clock.now_ns())
    sound.switch("another", "wanted is gone")
    for source in sound.sources:
        assert isinstance(source, Piped)
        source.play(limits.SOUND_SWITCH_BLOCKS + 1)
    for _ in range(limits.SOUND_SWITCH_BLOCKS + 1):
        sound.read()
    assert made == ["wanted", "another"] and sound.device == "another" and sound.delivers
    with pytest.raises(DeviceMissing, match="the sound device wanted cannot be recorded: it is gone"):
        board.require()
    sound.stop()
