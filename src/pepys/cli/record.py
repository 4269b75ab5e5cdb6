"""`pepys record`: a recording in the foreground, with its live status line.

Owns the words, the line and the exit code. What is recorded and what ends it is `sessions.foreground`'s. The line is
drawn once a second from what the recorder tells anyway, and only on a terminal.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from pepys.cli.count import Count
from pepys.cli.health import held_text, short_warning, told_tracks, warnings
from pepys.cli.options import DebugOption, HomeOption, JsonOption
from pepys.cli.output import Output
from pepys.cli.say import clock_text, fallbacks, left_out, size_text, track_word
from pepys.cli.sound import BalanceOption, Meters, SoundGraphOption, read_graph
from pepys.cli.sources import (
    ExcludeOption,
    LayoutOption,
    MonitorOption,
    NoExcludeOption,
    RegionOption,
    SourceOption,
    SourcesCommand,
    WebcamOption,
    WindowOption,
    in_order,
)
from pepys.cli.troubles import Troubles
from pepys.errors import DeviceMissing, Interrupted, Partial, StorageProblem, from_json

if TYPE_CHECKING:
    from pathlib import Path

    from pepys.sessions.foreground import Outcome
    from pepys.sessions.start import StartRequest

_TOLD: Final = frozenset({"failed", "restarting", "degraded", "healthy"})

Quality = Literal["low", "medium", "high", "ultra"]
Audio = Literal["mic", "system", "both", "off"]

NameArgument = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="The session's name; made of day and time without one.")
]
DisplayOption = Annotated[str | None, typer.Option(metavar=":N", help="The X display (the one in force).")]
NoCursorOption = Annotated[bool, typer.Option("--no-cursor", help="Leave the pointer out of the video.")]
FpsOption = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, max=60, help="Most frames a second (15, 30, 30, 60 by quality)."),
]
QualityOption = Annotated[Quality | None, typer.Option(help="At most 720, 1080, 1440 or 2160 lines of video (medium).")]
NoVideoOption = Annotated[bool, typer.Option("--no-video", help="Record no video; shots are still taken.")]
AudioOption = Annotated[Audio | None, typer.Option(help="Which sound (both).")]
MicOption = Annotated[str | None, typer.Option(metavar="DEV", help="The microphone, as the sound server names it.")]
SystemOption = Annotated[str | None, typer.Option(metavar="DEV", help="The source with the system's sound.")]
ShotsOption = Annotated[
    str | None,
    typer.Option(metavar="adaptive|SECONDS|off", help="When shots are taken: as things happen (adaptive), or evenly."),
]
CountdownOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, max=60, help="Check everything, then count N seconds down.")
]
TagOption = Annotated[list[str] | None, typer.Option("--tag", metavar="T", help="A tag (repeatable).")]
PartialOption = Annotated[bool, typer.Option("--allow-partial", help="Go on without a named source that is missing.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(cls=SourcesCommand)(record)


def make_request(
    name: str | None,
    tags: list[str] | None,
    shots: str | None,
    no_cursor: bool,
    no_video: bool,
    **values: Any,
) -> StartRequest:
    """The request that options mean; `start` uses the same. Words are judged before anybody is asked."""
    from pepys import limits
    from pepys.errors import Usage
    from pepys.sessions.sound_request import check_sound
    from pepys.sessions.sources import check_brackets, check_words
    from pepys.sessions.start import StartRequest

    interval: float | str | None = shots
    if shots is not None and shots not in {"adaptive", "off"}:
        try:
            interval = float(shots.removesuffix("s"))
        except ValueError as error:
            raise Usage(f"--shots {shots} is not taken", "give adaptive, off, or seconds such as 10") from error
        if not limits.SHOTS_MIN_S <= interval <= limits.SHOTS_MAX_S:
            raise Usage(
                f"--shots {shots} is out of bounds",
                f"give {limits.SHOTS_MIN_S:g} to {limits.SHOTS_MAX_S:g} seconds, adaptive, or off",
            )
    exclude = tuple(dict.fromkeys(values.pop("exclude") or ()))
    check_brackets(exclude)
    if len(exclude) > limits.PATTERNS_MAX:
        raise Usage(f"{len(exclude)} patterns are too many", f"give at most {limits.PATTERNS_MAX}")
    request = StartRequest(
        name=name, tags=tuple(tags or ()), shots=interval, cursor=not no_cursor, video=not no_video, exclude=exclude,
        countdown_s=values.pop("countdown", None) or 0, **values,
    )  # fmt: skip
    check_words(request)
    check_sound(request)
    return request


def record(
    name: NameArgument = None,
    *,
    context: typer.Context,
    seconds: Annotated[float | None, typer.Option(metavar="N", min=0.1, help="End after N seconds.")] = None,
    display: DisplayOption = None,
    monitor: MonitorOption = None,
    region: RegionOption = None,
    window: WindowOption = None,
    source: SourceOption = None,
    webcam: WebcamOption = False,
    layout: LayoutOption = None,
    exclude: ExcludeOption = None,
    no_exclude: NoExcludeOption = False,
    no_cursor: NoCursorOption = False,
    fps: FpsOption = None,
    quality: QualityOption = None,
    no_video: NoVideoOption = False,
    audio: AudioOption = None,
    mic: MicOption = None,
    system: SystemOption = None,
    balance: BalanceOption = None,
    sound_graph: SoundGraphOption = None,
    shots: ShotsOption = None,
    tag: TagOption = None,
    allow_partial: PartialOption = False,
    countdown: CountdownOption = None,
    enrich: Annotated[bool, typer.Option("--enrich", help="Read text and speech afterwards.")] = False,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Record until Ctrl-C, --seconds, or `pepys stop`.

    A second Ctrl-C returns at once; the recorder finishes by itself. When this command is killed the recorder goes on,
    and `pepys stop` reaches it. With --json every state is one object a line.
    """
    from pepys.sessions.countdown import CountdownStopped
    from pepys.sessions.foreground import record as run

    request = make_request(
        name, tag, shots, no_cursor, no_video, display=display, fps=fps, quality=quality, audio=audio, mic=mic,
        system=system, balance=balance, sound_graph=read_graph(sound_graph), allow_partial=allow_partial,
        webcam=webcam, layout=layout, exclude=exclude, no_exclude=no_exclude, countdown=countdown,
        sources=in_order(context, monitor, region, window, source),
    )  # fmt: skip
    out = Output(as_json)
    line = StatusLine(out)
    try:
        outcome = run(home, request, seconds=seconds, on_push=line.hear)
    except CountdownStopped as stopped:
        line.clear()
        out.record({"event": "cancelled", "session": None, "state": "cancelled"})
        out.text(f"{stopped.message[:1].upper()}{stopped.message[1:]}; {stopped.remedy}.")
        return
    finally:
        line.clear()
    _conclude(out, home, outcome, enrich)


def _conclude(out: Output, home: Path, outcome: Outcome, enrich: bool) -> None:
    """Say how it ended, enrich if asked, and choose the exit code."""
    out.record({"event": outcome.state, "id": outcome.session, "session": outcome.session, "state": outcome.state,
                "failed_tracks": list(outcome.failed_tracks)})  # fmt: skip
    short = outcome.session
    if outcome.state == "ending":
        raise Interrupted(f"the recorder is finishing session {short} by itself", "see `pepys list`")
    error = None if outcome.error is None else from_json(outcome.error)
    if outcome.state == "failed" and isinstance(error, StorageProblem):  # its home is gone, and nothing of it is seen
        raise StorageProblem(error.message, f"{error.remedy}; `pepys stop {short}` then completes the session")
    if outcome.state != "completed" and error is not None and not isinstance(error, DeviceMissing):
        raise type(error)(error.message, f"`pepys stop {short}` completes the session, which is {outcome.state}")
    if outcome.state != "completed":
        raise Partial(
            f"the recorder died; session {short} is {outcome.state}, what it had recorded is safe",
            f"`pepys stop {short}` completes it; see logs/recorder.log in the home",
        )
    out.text(f"Session {short} is saved. `pepys show {short}` shows it.")
    if enrich:
        from pepys.cli.enrich import enrich_sessions

        enrich_sessions(out, home, [outcome.session], streamed=True)
    if error is not None:
        # A device that goes while it is recorded is no device that was missing: what it gave is safe.
        raise Partial(error.message, "what was recorded is saved") if isinstance(error, DeviceMissing) else error
    if outcome.failed_tracks:
        rest = "the other tracks are whole" if outcome.others else "what they recorded before is saved"
        raise Partial(f"{', '.join(outcome.failed_tracks)} failed while recording", rest)
    if outcome.interrupted:
        raise typer.Exit(Interrupted.exit_code)


class StatusLine:
    """What a foreground recording shows: one line that is drawn over, and lines that stay."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._live = sys.stderr.isatty() and not out.as_json
        self._drawn = 0
        self._begun = False
        self._troubles = Troubles()
        self._meters = Meters(sys.stderr)
        self._early: list[dict[str, Any]] = []
        self._reasons: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self._rests = ""
        self._count = Count(out)

    def hear(self, push: dict[str, Any]) -> None:
        """Show one push."""
        kind = push["push"]
        if kind == "countdown":
            self._count.tell(int(push["left_s"]))
        elif kind == "started":
            self._started(push["status"])
        elif kind == "status" and self._begun:
            self._out.record({"event": "status", **push["status"]})
            self._rest(push["status"])
            self._draw(push["status"])
        elif kind == "track":
            self._track(push)
        elif kind == "levels":
            self._meters.hear(push["levels"])
        elif kind == "warning":
            self._warn(push)
        if kind in {"track", "gap", "error"} and self._begun:
            self._out.record({"event": kind, **{key: value for key, value in push.items() if key != "push"}})

    def _warn(self, push: dict[str, Any]) -> None:
        """A warning is told whenever it came: nothing repeats one that came before the first line."""
        if not self._begun:
            self._early.append(push)
            return
        # What the track's own state has said already is no second line. Some warnings are of no track.
        about = str(push.get("track") or "")
        if not about or self._reasons.get(about) != push["text"]:
            self._told[about] = push["text"]
            self._stay(f"{about}: {push['text']}" if about else push["text"])
        self._out.record({"event": "warning", **{key: value for key, value in push.items() if key != "push"}})

    def _rest(self, status: dict[str, Any]) -> None:
        """A recording that rests is told, by whom, and so is that it goes on."""
        if status["state"] not in {"recording", "paused"}:
            return
        rests = ""
        if status["state"] == "paused":
            held = status.get("held")
            rests = held_text(held) if held else "paused: nothing is recorded until `pepys resume`"
        if rests != self._rests:
            self._rests = rests
            self._stay(rests or "recording again")

    def _track(self, push: dict[str, Any]) -> None:
        """A track that fails is told, and one that is well again; one that begins well is not worth a line."""
        line = self._troubles.hear(push)
        if push.get("state") in _TOLD:
            self._reasons[push["track"]] = push.get("detail") or ""
        # A state is told when it is durable: the warning of the same words may have come first.
        reason = push.get("detail") or ""
        if line is not None and not (reason and self._told.pop(push["track"], "") == reason):
            self._stay(line + _because(push))

    def clear(self) -> None:
        """Leave an empty line."""
        self._count.clear()
        if self._drawn:
            sys.stderr.write("\r" + " " * self._drawn + "\r")
            sys.stderr.flush()
            self._drawn = 0

    def _started(self, status: dict[str, Any]) -> None:
        # Before this line nothing was told: a recording that cannot begin leaves its error alone on stdout.
        self._begun = True
        self._troubles.begin(status["tracks"])
        self._out.record({"event": "started", "id": status["session"], **status})
        self._stay(f"Recording {status['name']} ({status['session']}); Ctrl-C ends it.")
        for line in (*left_out(status["tracks"]), *fallbacks(status["tracks"]), *(f"  {w}" for w in warnings(status))):
            self._stay(line)
        for push in self._early:
            self._warn(push)
        self._early.clear()

    def _stay(self, text: str) -> None:
        self.clear()
        self._out.warn(text)

    def _draw(self, status: dict[str, Any]) -> None:
        if not self._live or not status["tracks"]:
            return
        unwell = [track for track in told_tracks(status) if track["state"] not in {"off", "healthy", "paused"}]
        warning = short_warning(status)
        well = [] if warning or status["state"] == "paused" else ["all tracks ok"]
        parts = [
            status["state"], clock_text(status["recorded_ms"]), size_text(status["bytes"]),
            *([warning] if warning else []),
            *([track_word(track) for track in unwell] or well),
            *self._meters.words(status),
        ]  # fmt: skip
        text = "  ".join(parts)[: _width() - 1]
        sys.stderr.write("\r" + text.ljust(self._drawn))
        sys.stderr.flush()
        self._drawn = len(text)


def _because(told: dict[str, Any]) -> str:
    return f": {told['detail']}" if told.get("detail") else ""


def _width() -> int:
    import shutil

    return shutil.get_terminal_size().columns
