"""All that is captured in a session, span by span: pictures, sound, activity, on one grid.

Owns how long the start waits for sources, and the grid of fragments. Invariants: media time 0 comes when every source
that can deliver does; after `finish` nothing is captured; a source that is missing is left out and told, unless it is
required. Which pictures are shown is left to `stage`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from pepys import limits
from pepys.errors import DeviceMissing, PepysError, Usage
from pepys.media.image import shot_codec
from pepys.model import events as ev
from pepys.model.sound_graph import Node, from_json
from pepys.record.adapters.sound_opening import open_device, open_sound
from pepys.record.coordinator import Coordinator, Watched
from pepys.record.focus import FocusWatch
from pepys.record.health import Health
from pepys.record.loop import Loop
from pepys.record.playback import SpanPlace
from pepys.record.ports import SoundSource
from pepys.record.screen import Screen
from pepys.record.shots import ShotTaker
from pepys.record.sound_plan import MIX
from pepys.record.soundboard import SoundBoard
from pepys.record.spec import RecordSpec
from pepys.record.stage import Done, Stage
from pepys.record.stall import NONE, Slept, judge
from pepys.record.wire import Message
from pepys.record.writing import Fragment, InitHeader, Picture

_ONE_OF_SEVERAL = "video."
_DEFAULTS = {"microphone": "microphone", "system": "speaker"}
_CODECS = {"video": "h264", "audio": "opus", "shots": shot_codec()}


class Capture:
    """The sources of one session."""

    def __init__(
        self,
        spec: RecordSpec,
        loop: Loop,
        health: Health,
        give: Callable[[Fragment | InitHeader | Picture], bool],
        on_source: Callable[[str, str], None],
        waits_ns: Callable[[], int] = lambda: 0,
        written: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """Take what to record; nothing is opened yet.

        Args:
            spec: the order.
            loop: where sources are waited for.
            health: told how tracks are.
            give: takes what was encoded.
            on_source: told `renewal`, `stalled` or `gone`, with a detail: the span cannot go on as it is; `finished`
                when all came to their end, `back` when a display is there again.
            waits_ns: how long the oldest thing that was given waits to be durable.
            written: when something of a track was durable last.
        """
        self._spec, self._loop, self._clock, self._health = spec, loop, loop.clock, health
        self._give, self._on_source = give, on_source
        graph = from_json(spec.sound_graph) if spec.sound_graph is not None else None
        self.sounds = SoundBoard(
            self._clock, loop, health, self._open_sound, graph, spec.sound_required, self._on_sound
        )
        self._stage = Stage(spec, loop, health, self._on_screen)
        self._shots: ShotTaker | None = None
        self._focus = FocusWatch(loop, health, self._stage.wish.exclusions)
        self._focus.on_focus = self._on_focus
        self._coordinator = Coordinator(loop, health, waits_ns, written)
        self._next_grid_ns = 0
        self._gridded = False
        self._place: SpanPlace | None = None
        self._slept = Slept(self._clock)
        self.stall = NONE
        """What came between the last grid point of the span that ended last, and its end."""

    # --- sources

    def open(self) -> None:
        """Begin to open the sources of pictures, and start the devices.

        Raises:
            DeviceMissing: there is nothing to open.
            Usage: what is asked for makes no sense.
        """
        spec = self._spec
        for track, reason in spec.absent:
            self._health.add(track, "", "off", reason)
        self._stage.open()
        self._focus.open(self._focus_display)
        self.sounds.open()
        if not self._stage.waits and not self.sounds.inputs:
            raise self._nothing()

    def _open_sound(self, node: Node, name: str) -> SoundSource:
        if node.kind in {"microphone", "system"}:
            if not node.params["device"] and name == node.kind:
                # The server's own idea of a default may be a monitor: only one that the policy chooses is recorded.
                raise DeviceMissing(f"there is no default {_DEFAULTS[name]}", "connect one")
            return open_device(name, int(node.params["channels"]), self._clock)
        return open_sound(node.kind, node.params, self._clock)

    @property
    def _focus_display(self) -> str | None:
        wanted = self._spec.activity and sys.platform == "linux"
        return self._stage.focus_display if wanted else None

    def await_sources(self, then: Callable[[], None]) -> None:
        """Call `then` once every source delivers, has failed, or had its time; openings keep their own time."""
        until_ns = self._clock.now_ns() + limits.SOURCE_START_NS

        def look() -> None:
            now_ns = self._clock.now_ns()
            if self._stage.waits or self._focus.waits or (self.sounds.waits and now_ns < until_ns):
                self._loop.set_timer("sources", now_ns + limits.SOURCE_LOOK_NS, look)
            else:
                then()

        # Never called from within: the caller's own work comes first.
        self._loop.set_timer("sources", self._clock.now_ns(), look)

    def require(self) -> None:
        """Check what must be there before a session begins, and leave out what need not.

        Raises:
            PepysError: a required source cannot be recorded, or nothing delivers.
        """
        self._stage.require()
        self.sounds.require()
        self._focus.show(self._focus_display)
        self.require_any()

    def require_any(self) -> None:
        """Check that something can be recorded.

        Raises:
            DeviceMissing: nothing can.
        """
        if not self.lives():
            raise self._nothing()

    def _nothing(self) -> DeviceMissing:
        reasons = "; ".join(f"{r.track}: {r.detail}" for r in self._health.tracks.values() if r.detail)
        # What helps is known better where a source was tried.
        tried = self._stage.why_not
        remedy = "start a display or a sound server, or run `pepys demo`" if tried is None else tried.remedy
        return DeviceMissing(f"there is nothing to record ({reasons or 'everything is off'})", remedy)

    @property
    def _screen(self) -> Screen | None:
        return self._stage.screen

    @property
    def layout(self) -> str:
        """How the sources of pictures are composed; empty where there are none."""
        return self._stage.layout

    @property
    def sources(self) -> list[str]:
        """The sources of pictures."""
        return self._stage.sources

    def lives(self) -> bool:
        """Whether any source delivers, or a window that was closed is waited for."""
        screen = self._screen
        seen = screen is not None and (screen.lives or screen.waits)
        return seen or self.sounds.lives

    def reopen(self) -> None:
        """After a pause: start the devices, and try what is away again."""
        self._stage.reopen()
        self.sounds.open()

    def let_go(self) -> None:
        """A pause: the devices are let go, films stand still; the display is heard and not looked at."""
        self.sounds.stop()
        self._stage.suspend()

    def start_anew(self) -> None:
        """Time stood still, and the devices' clocks with it: their streams begin anew."""
        self.sounds.stop()
        self.reopen()

    def close(self) -> None:
        """The end: let go of everything, and give what the shots' thread still holds."""
        self.sounds.stop()
        if self._shots is not None:
            self._shots.finish()
            self._shots = None
        self._focus.close()
        self._stage.close()
        self._loop.clear_timer("sources")

    def shoot(self, done: Callable[[PepysError | None, Message], None]) -> None:
        """Take a shot now; see `Shooting.shoot`."""
        if self._screen is None:
            raise Usage("the session has no screen to take shots of", "record one with --display or --source")
        self._screen.shooting.shoot(done)

    # --- another composition

    def compose(self, layout: str | None, sources: Sequence[str] | None, then: Done) -> None:
        """Make another composition ready for `switch`; see `Stage.compose`."""
        self._stage.compose(layout, sources, then)

    def prepare_switch(self) -> None:
        """Open what takes long for it, while the old one is still recorded; see `Stage.prepare_switch`."""
        self._stage.prepare_switch()

    def switch(self, at_ns: int) -> None:
        """Show the composition that is ready, from `at_ns` on the axis on; between spans."""
        self._stage.switch(at_ns)
        self.use_shots()
        self._focus.show(self._focus_display, at_ns)

    def give_up_switch(self) -> None:
        """The composition that is ready is not wanted any more."""
        self._stage.drop_coming()

    # --- spans

    def use_shots(self) -> None:
        """There is a session that takes shots."""
        if self._spec.shots_interval_ns and self._screen is not None:
            if self._shots is None:
                self._shots = ShotTaker(self._give)
            self._screen.use_shots(self._shots, self._focus if self._focus_display is not None else None)

    def prepare(self, *, pictures: bool = True) -> None:
        """Open what takes long, before the span's media time begins; `pictures` unless they are prepared already."""
        if pictures and self._screen is not None and self._screen.lives:
            self._screen.prepare()
        self._focus.prepare()
        self.sounds.prepare()
        if self._mixes_alone():
            if MIX not in self._health.tracks:
                self._health.add(MIX, "mix")
        elif MIX in self._health.tracks:
            self._health.tracks[MIX].state = "off"

    def tracks(self) -> tuple[ev.TrackStarted, ...]:
        """The tracks of the span that is prepared."""
        found = []
        for report in self._health.tracks.values():
            if report.state == "off":
                continue
            kind = report.track.partition(".")[0]
            codec = "aac" if report.track == MIX else _CODECS.get(kind, "")
            if report.track.startswith(_ONE_OF_SEVERAL):
                codec = ""  # it is shown in `video`, and has no pictures of its own
            width, height = self._screen.size(report.track) if self._screen is not None else (0, 0)
            coded = (self.layout, self._screen.encoder) if self._screen and report.track == "video" else ("", "")
            found.append(ev.TrackStarted(report.track, kind, report.source, codec, width, height, *coded))
        return tuple(found)

    def begin(self, place: SpanPlace) -> None:
        """The span starts at `place`."""
        self._place = place
        self._slept.mark()
        screen = self._screen if self._screen is not None and self._screen.lives else None
        stream = screen.begin(place, self.sounds.mix_encoder, self._give) if screen is not None else None
        if stream is None and self.sounds.mix_encoder is not None:
            self._health.set(MIX, "healthy", place.at_ns)
        self.sounds.begin(place, self._give, stream)
        for report in self._health.tracks.values():
            away = report.state in {"failed", "restarting"} and not report.track.startswith("audio")
            if away and not self._health.lacks(report.track):
                self._health.open_gap(report.track, report.lost_by, place.at_ns, report.detail)
        self._focus.begin(place)
        self._next_grid_ns = place.base_ns + limits.FRAGMENT_NS
        self._gridded = stream is not None or bool(self.sounds.inputs)
        if self._gridded:
            self._loop.set_timer("grid", self._next_grid_ns, self._on_grid)
        self._coordinator.begin(place, self._watched())

    def _watched(self) -> dict[str, Watched]:
        """What is to be looked after in the span that begins."""
        pictures = self._screen.watched() if self._screen is not None else {}
        activity: dict[str, Watched] = {"activity": self._focus} if "activity" in self._health.tracks else {}
        return {**pictures, **self.sounds.watched(), **activity}

    def finish(self, *, rests: bool) -> int:
        """End the span now: nothing is captured from here on, and nothing that was is left out. The time of the end.

        Recording `rests` after it unless another span begins at once. A `stall` of the session puts the end before it.
        """
        self._loop.clear_timer("grid")
        self._coordinator.end()
        now_ns = self._clock.now_ns()
        late_ns, slept_ns = now_ns - self._next_grid_ns, self._slept.since_mark_ns()
        self.stall = judge(late_ns, slept_ns) if self._gridded else NONE
        if self.stall.extent == "session":
            # Nothing was watched since the last grid point, or not for as long as the machine slept.
            now_ns = max(min(now_ns - slept_ns, self._next_grid_ns), self.sounds.reached_ns())
        self._catch_up_stalled(now_ns)
        # The last fragment must not be empty; the wait is shorter than a frame.
        until_ns = max(now_ns, self._next_grid_ns - limits.FRAGMENT_NS + limits.LAST_FRAGMENT_NS)
        if self._screen is not None:
            self._screen.halt(until_ns)
        self._focus.end(until_ns)
        self.sounds.finish(until_ns, rests=rests)
        if self._screen is not None:
            self._screen.finish(until_ns)
        self._place = None
        return until_ns

    def count(self) -> None:
        """Bring the counters of tracks up to date that are not counted as they go."""
        if self._screen is not None:
            self._screen.count()
        mixed = self.sounds.samples(MIX)
        if mixed:
            report = self._health.tracks[MIX]
            report.captured = report.encoded = mixed
            report.capture_ns = report.attempt_ns = self._clock.now_ns()
        self._focus.count()

    # --- inside

    def _on_grid(self) -> None:
        now_ns = self._clock.now_ns()
        self.stall = judge(now_ns - self._next_grid_ns, self._slept.since_mark_ns())
        if self.stall.extent == "session":
            self._on_source("stalled", self.stall.detail)
            return
        self._slept.mark()
        self._catch_up_stalled(now_ns)
        self._loop.set_timer("grid", self._next_grid_ns, self._on_grid)
        self._coordinator.look()

    def _catch_up_stalled(self, now_ns: int) -> None:
        """Bring all up to `now_ns`, which `stall` says how to take."""
        since_ns = max(self._next_grid_ns - limits.FRAGMENT_NS, self._loop.turned_ns)
        self._catch_up(now_ns)
        if self.stall.extent == "pictures":
            self._missed(since_ns, now_ns, self.stall.detail)

    def _missed(self, since_ns: int, until_ns: int, detail: str) -> None:
        """No picture was looked at for a while; the sound of that time waited in pipes, and is whole."""
        place, screen = self._place, self._screen
        if place is None or screen is None:
            return
        for track in screen.tracks:
            if self._health.lacks(track):
                continue
            self._health.open_gap(track, "suspended", place.axis(since_ns), detail)
            self._health.close_gap(track, "suspended", place.axis(until_ns))

    def _catch_up(self, now_ns: int) -> None:
        while self._gridded and self._next_grid_ns <= now_ns:
            self.sounds.step()
            if self._screen is not None:
                self._screen.grid(self._next_grid_ns)
            self.sounds.close_fragments()
            self._next_grid_ns += limits.FRAGMENT_NS

    def pressed(self, pressed: bool) -> None:
        """While the writer is behind, pictures between grid points are left out."""
        if self._screen is not None:
            self._screen.pressed = pressed

    def _mixes_alone(self) -> bool:
        pictures = self._spec.video and self._screen is not None and self._screen.lives
        return self.sounds.mix_encoder is not None and not pictures

    def _on_sound(self) -> None:
        screen = self._screen
        if self.sounds.finished and (screen is None or not (screen.lives or screen.returns)):
            self._on_source("finished", "")

    def _on_focus(self, what: str) -> None:
        if self._screen is not None:
            self._screen.shooting.told(what)

    def _on_screen(self, what: str) -> None:
        screen = self._screen
        if screen is None:
            return
        if what == "renewal":
            self._on_source("renewal", "")
        elif what == "back":
            # The display that came back is the one whose focus was lost with it.
            self._focus.reopen()
            self._on_source("back", "")
        elif not screen.lives and not screen.returns and not self.sounds.inputs:
            what = "finished" if screen.finished else "gone"
            self._on_source(what, next(feed.why_not.message for feed in screen.feeds))
