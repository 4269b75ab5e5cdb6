"""`pepys start`, `set`, `pause`, `resume`, `stop`, `status`: the recording under way, whichever host runs it.

Owns their words. All but the completion of an interrupted session without a daemon go over the control socket; nothing
heavy is imported for those.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pepys.cli.count import Count
from pepys.cli.health import (
    disk_text,
    held_text,
    inner_facts,
    restarts_text,
    told_tracks,
    track_detail,
    warnings,
    warnings_apart,
)
from pepys.cli.options import DebugOption, HomeOption, JsonOption
from pepys.cli.output import Output
from pepys.cli.record import (
    AudioOption,
    CountdownOption,
    DisplayOption,
    FpsOption,
    MicOption,
    NameArgument,
    NoCursorOption,
    NoVideoOption,
    PartialOption,
    QualityOption,
    ShotsOption,
    SystemOption,
    TagOption,
    make_request,
)
from pepys.cli.say import clock_text, counted, fallbacks, in_place, left_out, shown_text, size_text, track_word
from pepys.cli.sound import (
    BalanceOption,
    Meters,
    MuteOption,
    SoundGraphOption,
    UnmuteOption,
    check_names,
    heard_text,
    read_graph,
)
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
from pepys.errors import Busy, DeviceMissing, NotFound, PepysError, Usage
from pepys.sessions.control import NoHost, ask_host, connect_host, start_session, status_of, watch_host

if TYPE_CHECKING:
    from pathlib import Path

_AT_ONCE_S = 0.5
SessionArgument = Annotated[str | None, typer.Argument(metavar="[ID]", help="An interrupted session.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(cls=SourcesCommand)(start)
    app.command("set", cls=SourcesCommand)(set_)
    for command in (pause, resume, stop, shot, status):
        app.command()(command)


def start(
    name: NameArgument = None,
    *,
    context: typer.Context,
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
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Begin a recording in the daemon; returns when it records."""
    request = make_request(
        name, tag, shots, no_cursor, no_video, display=display, fps=fps, quality=quality, audio=audio, mic=mic,
        system=system, balance=balance, sound_graph=read_graph(sound_graph), allow_partial=allow_partial,
        webcam=webcam, layout=layout, exclude=exclude, no_exclude=no_exclude, countdown=countdown,
        sources=in_order(context, monitor, region, window, source),
    )  # fmt: skip
    out = Output(as_json)
    count = Count(Output(as_json=False))  # with --json stdout is for one document
    try:
        told = start_session(home, lambda push: _counted(count, push), **request.to_json())
    finally:
        count.clear()
    out.document(told)
    out.text(f"Recording {told['name']} ({told['session']}).")
    for line in (
        *left_out(told["tracks"]),
        *fallbacks(told["tracks"]),
        *(f"  {warning}" for warning in warnings(told)),
    ):
        out.warn(line)


def _counted(count: Count, push: dict[str, Any]) -> None:
    if push.get("push") == "countdown":
        count.tell(int(push["left_s"]))


def set_(
    *,
    context: typer.Context,
    monitor: MonitorOption = None,
    region: RegionOption = None,
    window: WindowOption = None,
    source: SourceOption = None,
    webcam: WebcamOption = False,
    layout: LayoutOption = None,
    mute: MuteOption = None,
    unmute: UnmuteOption = None,
    balance: BalanceOption = None,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show other sources, compose them otherwise, mute, or mix otherwise, while it records; returns when it is so.

    Sources that are named take the place of those in force; --webcam alone joins them.
    """
    from pepys.record.layouts import check_count, parse_layout
    from pepys.sessions.sources import check_sources

    sources = list(in_order(context, monitor, region, window, source))
    pictures = bool(sources or webcam or layout)
    sound = bool(mute or unmute or balance is not None)
    if not (pictures or sound):
        raise Usage("nothing is to be changed", "name a --layout, sources, --mute, --unmute or --balance")
    check_sources(sources)
    check_names(mute or (), unmute or ())
    if layout is not None and sources:
        check_count(parse_layout(layout), len(sources) + webcam)
    elif layout is not None:
        parse_layout(layout)
    if webcam:
        sources = _with_camera(home, sources)
    told = ask_host(
        home, "set", layout=layout, sources=sources or None, mute=mute or None, unmute=unmute or None, balance=balance
    )
    out = Output(as_json)
    out.document(told)
    if pictures:
        out.text(f"Showing {shown_text(told)}.")
    if sound:
        out.text(f"Sound: {heard_text(told)}.")


def _with_camera(home: Path, sources: list[str]) -> list[str]:
    """The sources that are named, else those in force, and the first camera."""
    from pepys.sessions.sources import first_camera

    if not sources:
        told = status_of(home)
        if told["session"] is None:
            raise NoHost("nothing is being recorded on this home", "start a recording with `pepys record`")
        sources = list(told["sources"])
    camera, reason = first_camera()
    if camera is None:
        raise DeviceMissing(f"--webcam: {reason}", "`pepys doctor` lists what is there")
    return [*(name for name in sources if name != camera), camera]


def _before(home: Path) -> dict[str, Any]:
    """The status before a command, for its words alone: nothing waits for one that does not come at once."""
    try:
        return ask_host(home, "status", timeout_s=_AT_ONCE_S)
    except PepysError:
        return {}


def pause(*, home: HomeOption, as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """Pause the recording; when this returns nothing can be taken any more."""
    before = _before(home)
    told = ask_host(home, "pause")
    out = Output(as_json)
    out.document(told)
    # A pause of the user's takes the place of one that a locked screen made.
    already = before.get("state") == "paused" and not before.get("held")
    out.text(f"{'Already paused' if already else 'Paused'} at {clock_text(told.get('wall_ms', 0))}.")


def resume(
    session: SessionArgument = None, *, home: HomeOption, as_json: JsonOption = False, debug: DebugOption = False
) -> None:
    """Go on after a pause; with ID, go on with an interrupted session in a new span (needs the daemon)."""
    if session is not None and connect_host(home) is None:
        raise NoHost("no daemon runs on this home to go on with the session", "start one with `pepys serve`")
    before = _before(home)
    told = ask_host(home, "resume", session=session)
    out = Output(as_json)
    out.document(told)
    already = before.get("state") == "recording" and before.get("session") == told.get("session")
    out.text(f"{'Already recording' if already else 'Recording'} {told.get('session', '')}.")


def shot(*, home: HomeOption, as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """Take a shot of the screen now; returns when it is stored."""
    try:
        told = ask_host(home, "shot")
    except Busy as error:
        raise _resting(home) or error from error
    out = Output(as_json)
    out.document(told)
    repeat = " (nothing has changed since the one before)" if told.get("repeat") else ""
    out.text(f"Shot at {clock_text(told['at_ms'])}{repeat}.")


def _resting(home: Path) -> Busy | None:
    """Why a recording that rests takes no shot, and what makes it go on; None where it does not rest."""
    told = status_of(home)
    if told["state"] != "paused":
        return None
    if held := told.get("held"):
        remedy = "unlock it, then take the shot" if held == "locked" else "take it when the recording goes on"
        return Busy(f"no shot is taken: {held_text(held)}", remedy)
    return Busy("the recording is paused: no shot is taken", "`pepys resume` goes on with it")


def stop(
    session: SessionArgument = None, *, home: HomeOption, as_json: JsonOption = False, debug: DebugOption = False
) -> None:
    """End the recording; with ID, complete an interrupted session. When this returns it is stored and listed."""
    if session is not None and connect_host(home) is None:
        told = _complete(home, session)
    else:
        told = ask_host(home, "stop", session=session)
    out = Output(as_json)
    out.document(told)
    if told["session"] is None:
        out.text("The countdown is stopped; nothing was recorded.")
    else:
        out.text(f"Session {told['session']} is {told['state']}.")


def _complete(home: Path, session: str) -> dict[str, Any]:
    """Without a host: end that session's recorder if it lives, else complete what it left."""
    from pepys.sessions.edits import complete_session
    from pepys.sessions.queries import open_library

    with open_library(home) as library:
        return {"session": complete_session(library, session), "state": "completed"}


def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Go on telling: a live view on a terminal.")] = False,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """What is being recorded now, how each track is, and what stands still."""
    out = Output(as_json)
    if watch:
        _watch(out, home)
        return
    told = status_of(home)
    out.document(told)
    if not as_json:
        _print_status(out, told)


def _watch(out: Output, home: Path) -> None:
    from pepys.cli.watch import watch

    try:
        watch(out, watch_host(home))
    except NoHost:
        raise NotFound("no host runs on this home: there is nothing to watch", "start one with `pepys serve`") from None


def _print_status(out: Output, told: dict[str, Any]) -> None:
    if told.get("session") is None:
        counting = told.get("countdown_s")
        name = told.get("name") or "a recording"
        if counting:
            out.text(f"{name} begins in {counting} s")
        else:
            out.text("idle: nothing is being recorded" if told["state"] == "idle" else f"{told['state']} {name}")
    else:
        name = f" {told['name']}" if told.get("name") else ""
        out.text(f"{told['state']}{name} ({told['session']})")
        out.text(f"  recorded {clock_text(told.get('recorded_ms', 0))}, {size_text(told.get('bytes', 0))}")
        if told.get("sources"):
            out.text(f"  showing {shown_text(told)}")
        if heard := heard_text(told):
            out.text(f"  sound: {heard}")
        _print_tracks(out, told)
        for line in (*inner_facts(told), restarts_text(told)):
            if line:
                out.text(f"  {line}")
    if disk := disk_text(told.get("disk")):
        out.text(f"  {disk}")
    for line in warnings_apart(told):
        out.text(f"  ! {line}")


def _print_tracks(out: Output, told: dict[str, Any]) -> None:
    meters = Meters(sys.stdout)
    for track in in_place(told_tracks(told)):
        # A picture of one source is named above; of several, each is named where its health is told.
        name = f" ({track['source']})" if track["track"].startswith("video.") else ""
        loud = f" {meters.word(told, track)}".rstrip()
        dropped = f", {track['dropped']:,} dropped" if track.get("dropped") else ""
        again = f", restarted {counted(track['restarts'], 'time')}" if track.get("restarts") else ""
        detail = f": {text}" if (text := track_detail(track)) else ""
        out.text(f"  {track_word(track)}{loud}{name}{dropped}{again}{detail}")
