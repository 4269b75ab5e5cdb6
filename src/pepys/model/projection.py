"""The fold: events and edits in, a `Session` out. Pure, so that the catalog can always be made again.

Every reader of a session (catalog, show, review, export, enrichment) uses this one function. Events may repeat what
an earlier one said more exactly (a gap's end, a sealed segment); the later one wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from pepys.model import events as ev
from pepys.model.edits import apply_edits
from pepys.model.manifest import Edit, Manifest
from pepys.model.session import (
    ClockStep,
    DeviceSwitch,
    Focus,
    Gap,
    Init,
    InputCount,
    Note,
    Segment,
    Session,
    Shot,
    SoundDrift,
    Span,
    Track,
    Unread,
    Windows,
)
from pepys.model.sound_account import accounts_of, losses_of


@dataclass(slots=True)
class _Fold:
    """The state of the fold while it runs; only this module sees it."""

    started: ev.SessionStarted | None = None
    spans: dict[int, Span] = field(default_factory=dict)
    gaps: dict[tuple[int, str | None, str], ev.GapNoted] = field(default_factory=dict)
    tracks: dict[str, Track] = field(default_factory=dict)
    inits: dict[str, dict[int, Init]] = field(default_factory=dict)
    segments: dict[str, dict[int, Segment]] = field(default_factory=dict)
    shots: list[Shot] = field(default_factory=list)
    pictures: set[str] = field(default_factory=set)
    shot_bytes: int = 0
    beats: dict[str, ev.Beat] = field(default_factory=dict)
    focus: list[ev.FocusChanged] = field(default_factory=list)
    windows: list[Windows] = field(default_factory=list)
    inputs: list[InputCount] = field(default_factory=list)
    idle: dict[int, int | None] = field(default_factory=dict)
    clock_steps: list[ClockStep] = field(default_factory=list)
    notes: dict[str, Note] = field(default_factory=dict)
    accounts: dict[str, dict[int, ev.SoundAccounted]] = field(default_factory=dict)
    sound_graph: dict[str, Any] | None = None
    sound_set: dict[str, dict[str, Any]] = field(default_factory=dict)
    lost: dict[tuple[int, int], Unread] = field(default_factory=dict)
    last_ns: int = 0

    def see(self, at_ns: int) -> None:
        """Everything that carries a time moves the end on."""
        if at_ns > self.last_ns:
            self.last_ns = at_ns

    def track(self, name: str) -> Track:
        """The track, made up where its own event is missing."""
        found = self.tracks.get(name)
        if found is None:
            found = self.tracks[name] = Track(name, name.split(".", maxsplit=1)[0], "")
        return found


def _session_started(fold: _Fold, event: ev.SessionStarted) -> None:
    fold.started = event


def _span_started(fold: _Fold, event: ev.SpanStarted) -> None:
    fold.spans[event.span] = Span(event.span, event.at_ns, event.at_ns, event.media_ns, open=True)
    fold.see(event.at_ns)


def _span_ended(fold: _Fold, event: ev.SpanEnded) -> None:
    span = fold.spans.get(event.span)
    if span is not None:
        fold.spans[event.span] = replace(span, end_ns=max(event.at_ns, span.start_ns), open=False)
    fold.see(event.at_ns)


def _track_started(fold: _Fold, event: ev.TrackStarted) -> None:
    track = fold.track(event.track)
    fold.tracks[event.track] = replace(
        track, kind=event.kind, source=event.source, codec=event.codec, width=event.width, height=event.height,
        layout=event.layout, encoder=event.encoder,
    )  # fmt: skip


def _composition_set(fold: _Fold, event: ev.CompositionSet) -> None:
    if fold.started is not None:
        shown = {"sources": list(event.sources), "layout": event.layout, "webcam": False}
        fold.started = replace(fold.started, config={**fold.started.config, **shown})
    fold.see(event.at_ns)


def _init_written(fold: _Fold, event: ev.InitWritten) -> None:
    fold.inits.setdefault(event.track, {})[event.span] = Init(event.span, event.blob, event.mime)


def _segment_opened(fold: _Fold, event: ev.SegmentOpened) -> None:
    fold.track(event.track)
    segment = Segment(event.segment, event.span, "", event.name, 0, 0, 0, 0)
    fold.segments.setdefault(event.track, {})[event.segment] = segment


def _fragment_written(fold: _Fold, event: ev.FragmentWritten) -> None:
    segment = fold.segments.get(event.track, {}).get(event.segment)
    fold.see(event.at_ns + event.duration_ns)
    if segment is None or segment.blob:
        return
    first = not segment.fragments
    fold.segments[event.track][event.segment] = replace(
        segment,
        bytes=event.offset + event.length,
        media_ns=event.media_ns if first else segment.media_ns,
        at_ns=event.at_ns if first else segment.at_ns,
        duration_ns=segment.duration_ns + event.duration_ns,
        fragments=(*segment.fragments, (event.offset, event.length, event.media_ns, event.duration_ns)),
    )


def _segment_sealed(fold: _Fold, event: ev.SegmentSealed) -> None:
    fold.track(event.track)
    fold.segments.setdefault(event.track, {})[event.segment] = Segment(
        event.segment, event.span, event.blob, "", event.bytes, event.media_ns, event.duration_ns, event.at_ns,
        event.fragments,
    )  # fmt: skip
    fold.see(event.at_ns + event.duration_ns)


def _shot_taken(fold: _Fold, event: ev.ShotTaken) -> None:
    # A recorder that resumed the session has not seen what an earlier one took: the picture itself tells.
    repeat = event.repeat or event.blob in fold.pictures
    fold.pictures.add(event.blob)
    fold.shots.append(
        Shot(
            event.at_ns,
            event.blob,
            event.width,
            event.height,
            repeat,
            event.trigger,
            event.app,
            event.title,
            event.near,
        )
    )
    fold.track("shots")
    if not repeat:
        fold.shot_bytes += event.bytes
    fold.see(event.at_ns)


def _focus_changed(fold: _Fold, event: ev.FocusChanged) -> None:
    fold.focus.append(event)
    fold.see(event.at_ns)


def _windows_noted(fold: _Fold, event: ev.WindowsNoted) -> None:
    fold.windows.append(Windows(event.at_ns, event.windows))
    fold.see(event.at_ns)


def _input_counted(fold: _Fold, event: ev.InputCounted) -> None:
    end_ns = event.at_ns + event.duration_ns
    fold.inputs.append(InputCount(event.at_ns, end_ns, event.keys, event.clicks, event.scrolls, event.moves))
    fold.see(end_ns)


def _idle_noted(fold: _Fold, event: ev.IdleNoted) -> None:
    fold.idle[event.start_ns] = event.end_ns
    fold.see(event.start_ns if event.end_ns is None else event.end_ns)


def _anchor_noted(fold: _Fold, event: ev.AnchorNoted) -> None:
    fold.see(event.at_ns)
    if event.step_ns:
        fold.clock_steps.append(ClockStep(event.at_ns, event.step_ns))


def _note_added(fold: _Fold, event: ev.NoteAdded) -> None:
    fold.notes[event.id] = Note(event.id, event.at_ns, event.text, event.kind)


def _gap_noted(fold: _Fold, event: ev.GapNoted) -> None:
    if event.track is not None:
        fold.track(event.track)
    fold.gaps[event.start_ns, event.track, event.reason] = event
    fold.see(event.start_ns if event.end_ns is None else event.end_ns)


def _track_health(fold: _Fold, event: ev.TrackHealth) -> None:
    fold.tracks[event.track] = replace(fold.track(event.track), state=event.state, detail=event.detail)


def _beat(fold: _Fold, event: ev.Beat) -> None:
    fold.track(event.track)
    fold.beats[event.track] = event  # the last one counts, and there are thousands
    fold.see(event.at_ns)


def _sound_graph_set(fold: _Fold, event: ev.SoundGraphSet) -> None:
    fold.sound_graph = event.graph
    nodes = event.graph.get("nodes")
    for node in nodes if isinstance(nodes, list) else ():
        if isinstance(node, dict) and node.get("kind") in ("gain", "mix"):
            params = node.get("params")
            fold.sound_set[str(node.get("name"))] = dict(params) if isinstance(params, dict) else {}
    fold.see(event.at_ns)


def _sound_accounted(fold: _Fold, event: ev.SoundAccounted) -> None:
    fold.track(event.track)
    fold.accounts.setdefault(event.track, {})[event.span] = event
    fold.see(event.at_ns)


def _sound_corrected(fold: _Fold, event: ev.SoundCorrected) -> None:
    track = fold.track(event.track)
    was = track.drift or SoundDrift()
    drift = SoundDrift(was.inserted + event.inserted, was.dropped + event.dropped, was.steps + event.step, event.ppm)
    fold.tracks[event.track] = replace(track, drift=drift)


def _device_switched(fold: _Fold, event: ev.DeviceSwitched) -> None:
    track = fold.track(event.track)
    switch = DeviceSwitch(event.at_ns, event.device, event.before, event.reason)
    fold.tracks[event.track] = replace(track, switches=(*track.switches, switch))


def _events_lost(fold: _Fold, event: ev.EventsLost) -> None:
    fold.lost[event.first, event.end] = Unread("lost", event.first, event.end, event.start_ns, event.end_ns)


def _session_ended(fold: _Fold, event: ev.SessionEnded) -> None:
    fold.see(event.at_ns)


_HANDLERS: dict[type[ev.Event], Callable[[_Fold, Any], None]] = {
    ev.SessionStarted: _session_started,
    ev.SpanStarted: _span_started,
    ev.SpanEnded: _span_ended,
    ev.TrackStarted: _track_started,
    ev.CompositionSet: _composition_set,
    ev.InitWritten: _init_written,
    ev.SegmentOpened: _segment_opened,
    ev.FragmentWritten: _fragment_written,
    ev.SegmentSealed: _segment_sealed,
    ev.ShotTaken: _shot_taken,
    ev.FocusChanged: _focus_changed,
    ev.WindowsNoted: _windows_noted,
    ev.InputCounted: _input_counted,
    ev.IdleNoted: _idle_noted,
    ev.AnchorNoted: _anchor_noted,
    ev.NoteAdded: _note_added,
    ev.GapNoted: _gap_noted,
    ev.TrackHealth: _track_health,
    ev.Beat: _beat,
    ev.SoundGraphSet: _sound_graph_set,
    ev.SoundAccounted: _sound_accounted,
    ev.SoundCorrected: _sound_corrected,
    ev.DeviceSwitched: _device_switched,
    ev.EventsLost: _events_lost,
    ev.SessionEnded: _session_ended,
}


def project(
    manifest: Manifest, events: Iterable[ev.Event], edits: Iterable[Edit] = (), manifest_id: str = ""
) -> Session:
    """Fold a session's events in order, then its edits, into what it is now.

    Args:
        manifest: the current manifest; its state wins over anything in the events.
        events: from the chunks, then from the journal beyond `manifest.next_event`.
        edits: the edits of every device's log, in order (`pepys.model.edits.in_order`).
        manifest_id: the blob id of the manifest, for `show`.

    Returns:
        The session; an event of an unknown type is passed over.
    """
    fold = _Fold()
    for event in events:
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(fold, event)
    return apply_edits(_finish(fold, manifest, manifest_id), edits)


def _finish(fold: _Fold, manifest: Manifest, manifest_id: str) -> Session:
    started = fold.started
    spans = tuple(
        replace(span, end_ns=max(span.start_ns, fold.last_ns)) if span.open else span
        for _, span in sorted(fold.spans.items())
    )
    gaps = sorted(
        (
            Gap(gap.start_ns, max(gap.start_ns, _gap_end_ns(fold, gap, spans)), gap.reason, gap.track, gap.detail)
            for gap in fold.gaps.values()
        ),
        key=lambda gap: gap.start_ns,
    )
    return Session(
        id=manifest.session,
        name=manifest.name,
        state=manifest.state,
        started_wall_ns=started.started_wall_ns if started else manifest.started_wall_ns,
        end_ns=fold.last_ns,
        device=started.device if started else "",
        tags=started.tags if started else (),
        spans=spans,
        gaps=tuple(gap for gap in gaps if gap.track is None),
        tracks=tuple(_track(fold, track, gaps, spans) for track in fold.tracks.values()),
        shots=tuple(fold.shots),
        focus=_focus(fold, spans),
        windows=tuple(fold.windows),
        inputs=tuple(fold.inputs),
        idle=_idle(fold, spans),
        clock_steps=tuple(fold.clock_steps),
        notes=tuple(sorted(fold.notes.values(), key=lambda note: note.at_ns)),
        artifacts=manifest.artifacts,
        config=started.config if started else {},
        origin=started.origin if started else None,
        manifest=manifest_id,
        sound_graph=fold.sound_graph,
        sound_set=fold.sound_set,
        unread=tuple(fold.lost.values()),
    )


def _gap_end_ns(fold: _Fold, gap: ev.GapNoted, spans: tuple[Span, ...]) -> int:
    """Where a gap ends; one of a track whose end nobody could write down ends with the span that it began in."""
    if gap.end_ns is not None:
        return gap.end_ns
    within = [span.end_ns for span in spans if gap.track is not None and span.start_ns <= gap.start_ns <= span.end_ns]
    return within[-1] if within else fold.last_ns


def _track(fold: _Fold, track: Track, gaps: list[Gap], spans: tuple[Span, ...]) -> Track:
    segments = sorted(fold.segments.get(track.track, {}).values(), key=lambda segment: segment.n)
    inits = fold.inits.get(track.track, {})
    own = tuple(gap for gap in gaps if gap.track == track.track)
    whole = replace(
        track,
        inits=tuple(inits[span] for span in sorted(inits)),
        segments=tuple(segment for segment in segments if segment.fragments),
        gaps=own,
        shot_bytes=fold.shot_bytes if track.track == "shots" else 0,
    )
    if (beat := fold.beats.get(track.track)) is not None:
        whole = replace(whole, captured=beat.captured, encoded=beat.encoded, dropped=beat.dropped)
    if track.kind == "shots":
        # The last beat before a crash does not know of every shot, nor what the recorder after it took anew.
        return replace(whole, captured=len(fold.shots) + whole.dropped, encoded=len(fold.pictures))
    if track.kind != "audio":
        return whole
    crashed = frozenset(gap.start_ns for gap in gaps if gap.track is None and gap.reason == "crash")
    accounts = accounts_of(whole, fold.accounts.get(track.track, {}), spans, crashed)
    return replace(whole, accounts=accounts, losses=losses_of(whole, spans, crashed))


def _focus(fold: _Fold, spans: tuple[Span, ...]) -> tuple[Focus, ...]:
    """Each window in front lasts until the next one, and never past the end of its span."""
    result = []
    for index, event in enumerate(fold.focus):
        following = fold.focus[index + 1].at_ns if index + 1 < len(fold.focus) else fold.last_ns
        inside = next((span.end_ns for span in spans if span.start_ns <= event.at_ns <= span.end_ns), following)
        end_ns = max(event.at_ns, min(following, inside))
        result.append(Focus(event.at_ns, end_ns, event.app, event.title, event.excluded))
    return tuple(result)


def _idle(fold: _Fold, spans: tuple[Span, ...]) -> tuple[tuple[int, int], ...]:
    """Stretches without any input; one whose end nobody wrote down ends with its span."""
    found = []
    for start_ns, end_ns in sorted(fold.idle.items()):
        if end_ns is None:
            within = [span.end_ns for span in spans if span.start_ns <= start_ns <= span.end_ns]
            end_ns = within[-1] if within else fold.last_ns
        found.append((start_ns, max(start_ns, end_ns)))
    return tuple(found)
