"""All sound of a session: its devices, and the graph they go through.

Owns the order of things: what has arrived is pushed into the graph in steps of `limits.SOUND_STEP_NS`, not block by
block, and fragments close on the grid. A device is listened to only while it must be known when its blocks arrive; else
it waits for the next step, because waking for each block costs more than encoding it. Invariant: a device that is
away, late or dead never holds up another, nor the mix; the hole is silence, noted as a gap of its track.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator, Sequence

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing
from pepys.media.sound import SoundEncoder
from pepys.media.sound_filters import Pcm
from pepys.model import events as ev
from pepys.model.sound_graph import Node, SoundGraph
from pepys.record.coordinator import Watched
from pepys.record.devices import Wish
from pepys.record.following import Following
from pepys.record.health import Health
from pepys.record.loop import Loop
from pepys.record.playback import Give, SpanPlace
from pepys.record.ports import SoundSource
from pepys.record.sound import Account, SoundInput, duration_of, samples_in
from pepys.record.sound_desk import SoundDesk
from pepys.record.sound_plan import MIX, joined_tracks, track_of, tracks_of
from pepys.record.sound_span import Playback, SoundSpan, Tapped, make_encoder
from pepys.record.sound_told import SoundTold, WatchedSound

Opener = Callable[[Node, str], SoundSource]


class SoundBoard:
    """The sound of one session over all its spans."""

    def __init__(
        self,
        clock: Clock,
        loop: Loop,
        health: Health,
        opener: Opener,
        graph: SoundGraph | None,
        required: Sequence[str] = (),
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the graph; no device is opened yet.

        Args:
            clock: the clock.
            loop: where devices are waited for.
            health: told how tracks are.
            opener: opens a source node's device by its name.
            graph: how sound goes; None for no sound.
            required: source nodes that must deliver before anything starts.
            ended: told soon after a source came to its end.
        """
        self.desk = SoundDesk(graph)
        self.inputs: dict[str, SoundInput] = {}
        self._tracks: dict[str, tuple[str, ...]] = {}
        """All tracks that hold the sound of one source, by its first."""
        self._required, self._ended = frozenset(required), ended
        self._clock, self._loop, self._health, self._opener = clock, loop, health, opener
        self._encoders: dict[str, SoundEncoder] = {}
        self._watched: dict[int, int] = {}
        self._watched_sounds: dict[str, WatchedSound] = {}
        self._place: SpanPlace | None = None
        self._span: SoundSpan | None = None
        self._stepped_ns = 0
        self.tapped: Tapped | None = None
        """Takes what the taps of the graph give; what nobody takes is let go."""
        wishes = [self._add(graph, node) for node in graph.sources()] if graph is not None else []
        sources = {sound.track: name for name, sound in self.inputs.items()}
        self._told = SoundTold(health, self._tracks, lambda track: self.desk.warns(sources[track]))
        self._joined = joined_tracks(graph) if graph is not None else ()
        for track in self._joined:
            health.add(track, "mix")
        self._following = Following(clock, loop, [wish for wish in wishes if wish is not None], self._watch)

    def _add(self, graph: SoundGraph, node: Node) -> Wish | None:
        """A source to record; what it is to be recorded from where it is a device of the sound server."""
        device = str(node.params.get("device") or node.params.get("path") or node.kind)
        track = track_of(graph, node.name)
        self._tracks[track] = tracks_of(graph, node.name)

        def opener(name: str) -> SoundSource:
            return self._opener(node, name)

        channels = int(node.params["channels"])
        sound = self.inputs[node.name] = SoundInput(track, device, channels, opener, self._clock, self._unwatch)
        for each in self._tracks[track]:
            self._health.add(each, device)
        self._watched_sounds[track] = WatchedSound(self._tracks[track], sound, self.step)
        if node.kind not in {"microphone", "system"}:
            return None
        return Wish(track, device, bool(node.params["follow_default"]), node.kind == "system")

    # --- before a span

    def open(self) -> None:
        """Start all devices."""
        for sound in self.inputs.values():
            if sound.dead:
                sound.open()
            self._watch(sound)
        if self.inputs:
            self._following.start({sound.track: sound for sound in self.inputs.values()})

    @property
    def waits(self) -> bool:
        """Whether a device has been started and has not delivered or failed yet."""
        return any(_turns(sound) or not (sound.delivers or sound.dead) for sound in self.inputs.values())

    @property
    def lives(self) -> bool:
        """Whether any device delivers, or is about to in the place of one that is gone."""
        return any(sound.delivers or _turns(sound) for sound in self.inputs.values())

    @property
    def finished(self) -> bool:
        """Whether every source came to its end."""
        return bool(self.inputs) and all(sound.finished for sound in self.inputs.values())

    def require(self) -> None:
        """Check that every required device delivers.

        Raises:
            DeviceMissing: one does not; it is named with the reason.
        """
        for name, sound in self.inputs.items():
            if name not in self._required:
                continue
            params = self.graph.node(name).params if self.graph is not None else {}
            wanted = str(params.get("device", ""))
            away = wanted not in {"", sound.device} and not params.get("follow_default")
            if away or not sound.delivers:
                reason = "it is gone" if away else sound.seen.detail or "it gives no sound"
                raise DeviceMissing(
                    f"the sound device {wanted or sound.device} cannot be recorded: {reason}",
                    "name another one (`pepys doctor` lists them), or add --allow-partial",
                )

    # --- a span

    def prepare(self) -> None:
        """Open the encoders, before the span's media time begins."""
        if self.graph is not None:
            self._encoders = {node.name: make_encoder(self.graph, node) for node in self.graph.of_kind("encoder")}

    @property
    def mix_encoder(self) -> SoundEncoder | None:
        """The encoder of the mix, once prepared; None where nothing is mixed."""
        found = self.graph.of_kind("encoder") if self.graph is not None else ()
        name = next((node.name for node in found if node.params["track"] == MIX), "")
        return self._encoders.get(name)

    def begin(self, place: SpanPlace, give: Give, playback: Playback | None) -> None:
        """A span starts; `playback` takes the mixed sound, None where it is a track of its own."""
        if self.graph is None:
            return
        self._place = place
        self.desk.begin()
        self._stepped_ns = self._clock.now_ns()
        self._span = SoundSpan(self.graph, self._encoders, place, give, self._health, playback, self._on_tapped)
        for sound in self.inputs.values():
            sound.begin(place.base_ns)
            for track in self._tracks[sound.track] if sound.delivers else ():
                self._health.set(track, "healthy", place.at_ns, self._health.tracks[track].detail)
            self._report(sound)
        for track in self._joined:
            self._health.set(track, "healthy", place.at_ns)
        self._loop.set_timer("sound", self._clock.now_ns() + limits.SOUND_STEP_NS, self.step)

    def step(self) -> None:
        """Move on what has arrived."""
        place, span = self._place, self._span
        if place is None or span is None:
            return
        now_ns = self._clock.now_ns()
        if now_ns - self._stepped_ns > limits.STALL_NS + 2 * limits.FRAGMENT_NS:
            # The process slept, for so long that the grid cannot have missed it: it ends the span where it fell
            # asleep, and no silence is made up for the time.
            return
        self._stepped_ns = now_ns
        # Also after a step at a grid point: they and the steps between them are to be few.
        self._loop.set_timer("sound", now_ns + limits.SOUND_STEP_NS, self.step)
        waits = False
        for name, sound in self.inputs.items():
            self._read_waiting(sound)
            for track in self._tracks[sound.track] if sound.tick() and not sound.seen.tries.in_vain else ():
                self._health.set(track, "restarting", self._at(now_ns), sound.seen.detail)
            self._watch(sound)
            sound.fill(now_ns)
            # A device whose clock is fast must not run ahead of the span, which may end now.
            self._push(name, sound.give(samples_in(now_ns - place.base_ns)))
            self._count(sound)
            self._report(sound)
            waits = waits or (sound.delivers and now_ns - sound.seen.capture_ns > limits.SOUND_STEP_NS)
        if waits:
            # A device that lives gives something in each step: one that did not is looked after.
            self._loop.set_timer("sound", now_ns + limits.SOUND_STEP_NS // 4, self.step)
        span.carry(samples_in(max(0, now_ns - place.base_ns - limits.SOUND_LATE_NS)))

    def reached_ns(self) -> int:
        """The moment on the clock up to which some device has given sound; 0 outside a span."""
        if self._place is None:
            return 0
        return self._place.base_ns + duration_of(max((sound.position for sound in self.inputs.values()), default=0))

    def close_fragments(self) -> None:
        """A grid point: the tracks' fragments close."""
        if self._span is not None:
            self._span.close()

    def finish(self, until_ns: int, *, rests: bool) -> None:
        """The span ends at `until_ns`; what was captured before is waited for, shortly, what comes later is dropped.

        Where recording `rests` after it, not a sample captured later is in it.
        """
        place, span = self._place, self._span
        if place is None or span is None:
            return
        self._loop.clear_timer("sound")
        until = samples_in(until_ns - place.base_ns)
        self._drain(until)
        for name, sound in self.inputs.items():
            self._push(name, sound.end(until, rests=rests))
            self._count(sound)
            self._report(sound)
        span.finish(until)
        self._health.note(*self.accounts(final=True))
        self._place = self._span = None

    def stop(self) -> None:
        """Let go of all devices: no sample can be taken any more."""
        self._following.stop()
        for sound in self.inputs.values():
            sound.stop()

    def accounts(self, *, final: bool = False) -> Iterator[ev.SoundAccounted]:
        """Where the samples of each track went in the span that runs."""
        place, span = self._place, self._span
        if place is None or span is None:
            return
        of = {track: sound for sound in self.inputs.values() for track in self._tracks[sound.track]}
        for track, stream in span.streams.items():
            counted = of[track].account if track in of else Account(
                delivered=stream.samples, captured=stream.samples, encoded=stream.samples
            )  # fmt: skip
            at_ns = place.at_ns + duration_of(counted.encoded)
            muted = self.desk.silenced(span.run, track)
            yield counted.at(
                track=track, span=place.span, at_ns=at_ns, muted=muted, refused=stream.refused, final=final
            )

    def watched(self) -> dict[str, Watched]:
        """What the coordinator looks after, by name."""
        return dict(self._watched_sounds)

    # --- what a user sets

    @property
    def graph(self) -> SoundGraph | None:
        """How sound goes, as it was set; None for no sound."""
        return self.desk.graph

    def set(self, mute: Sequence[str], unmute: Sequence[str], balance: int | None) -> None:
        """Mute, unmute, balance, from now on.

        Raises:
            Usage: there is no such sound; nothing is changed.
            DeviceMissing: no sound is recorded.
        """
        self.step()
        place, run = self._place, self._span.run if self._span is not None else None
        now = samples_in(self._clock.now_ns() - place.base_ns) if place is not None else 0
        self.desk.set(mute, unmute, balance, run, now)

    def samples(self, track: str) -> int:
        """Samples of a track of its own in the span that runs; 0 where it has none."""
        stream = self._span.streams.get(track) if self._span is not None else None
        return stream.samples if stream is not None else 0

    # --- inside

    def _on_tapped(self, name: str, rate: int, at_ns: int, pcm: Pcm) -> None:
        if self.tapped is not None:
            self.tapped(name, rate, at_ns, pcm)

    def _push(self, name: str, pcm: Pcm) -> None:
        assert self._span is not None
        self.desk.push(self._span.run, name, self.inputs[name].account.encoded - len(pcm), pcm)

    def _count(self, sound: SoundInput) -> None:
        account = sound.account
        # One that is there was read just now, one that is away was tried when it was started last.
        attempt_ns = sound.seen.attempt_ns if sound.dead else self._clock.now_ns()
        for track in self._tracks[sound.track]:
            report = self._health.tracks[track]
            report.attempt_ns, report.capture_ns = attempt_ns, sound.seen.capture_ns
            report.captured, report.dropped, report.encoded = account.captured, account.silent, account.encoded
            tries = sound.seen.tries
            # One that was started and has given nothing yet is being tried.
            report.tries = tries.count if sound.seen.state == "restarting" else 0
            report.restarts = tries.restarts

    def _report(self, sound: SoundInput) -> None:
        for change in sound.changes():
            self._told.tell(sound, change, self._place)
            if change.kind == "lost" and sound.finished:
                self._loop.set_timer("sound.ended", self._clock.now_ns(), self._ended)
            elif change.kind == "lost" and sound.dead:
                self._following.died(sound.track)
            elif change.kind == "kept":
                self._following.refused(sound.track, sound.device)
            elif change.kind in {"back", "switched"}:
                self._following.delivers(sound.track)

    def _at(self, clock_ns: int) -> int:
        assert self._place is not None
        return self._place.at_ns + clock_ns - self._place.base_ns

    def _watch(self, sound: SoundInput) -> None:
        """Listen to an input's sources while it must be known when their blocks arrive, or they hold too little."""
        steps_ns = limits.SOUND_HOLD_STEPS * limits.SOUND_STEP_NS
        for source in sound.sources:
            listens = sound.wants_arrivals or source.capabilities.holds_ns < steps_ns
            if not listens:
                self._unwatch(source)
            elif id(source) not in self._watched:
                self._watched[id(source)] = source.fileno()
                self._loop.add_reader(source.fileno(), lambda: self._on_readable(sound))

    def _unwatch(self, source: SoundSource) -> None:
        """Listen to a source no more; before it is closed, for its descriptor may become another's."""
        fd = self._watched.pop(id(source), None)
        if fd is not None:
            self._loop.remove_reader(fd)

    def _on_readable(self, sound: SoundInput) -> None:
        sound.read(at_arrival=True)
        self._watch(sound)
        if self._place is None:
            self._report(sound)

    def _read_waiting(self, sound: SoundInput) -> None:
        """Take all that a device has given since the last step."""
        for _ in range(limits.SOUND_READS_A_STEP):
            if not sound.read():
                return

    def _drain(self, until: int) -> None:
        """Read until every living device has given what it captured before the span's end, for a moment at most."""
        give_up_ns = self._clock.now_ns() + limits.SOUND_DRAIN_NS
        while True:
            behind = {
                source.fileno(): sound
                for sound in self.inputs.values()
                if not sound.reaches(until)
                for source in sound.sources
            }
            left_ns = give_up_ns - self._clock.now_ns()
            if not behind or left_ns <= 0:
                return
            readable, _, _ = select.select(list(behind), [], [], left_ns / limits.NS_PER_S)
            for fd in readable:
                behind[fd].read(at_arrival=True)


def _turns(sound: SoundInput) -> bool:
    """Whether another device was started for it, and has neither taken over yet nor had its time."""
    return any(source is not sound.source for source in sound.sources)
