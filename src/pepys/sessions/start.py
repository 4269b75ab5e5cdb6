"""From what a user asks to what a recorder is told: validation, devices, defaults.

Owns the rule that a default source which does not exist is left out with its reason, while one that was named is
required (unless partial recordings are allowed). Nothing here starts a process; finding devices may take seconds and
belongs in a thread.
"""

from __future__ import annotations

import unicodedata
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pepys import limits
from pepys.config import load_settings, runtime_dir
from pepys.errors import DeviceMissing, Usage
from pepys.model.ids import new_session_id
from pepys.record import probe
from pepys.record.quality import QUALITIES
from pepys.record.spec import RecordSpec
from pepys.sessions.control import run_dir
from pepys.sessions.sound_request import check_sound, own_graph, required_devices, set_as_before, usual_graph
from pepys.sessions.sources import check_settings, check_words, find_sources, patterns_in_force

if TYPE_CHECKING:
    from pepys.clock import Clock
    from pepys.model.session import Session
    from pepys.model.sound_graph import SoundGraph
    from pepys.settings import Record

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


_LISTS: Final = ("tags", "sources", "exclude")


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What to record. None means the setting or the platform's default; what is given is required.

    Attributes:
        name: the session's name; None for one made of day and time.
        tags: tags from the start on.
        display: the X display in force, such as `:1`; what is shown when no source is named.
        sources: what is shown, each as `KIND:ARG`.
        webcam: whether the first camera is shown too; beside the display when no source is named.
        layout: how several sources are composed.
        exclude: patterns of windows that must not be recorded, beside those of the settings.
        no_exclude: whether nothing is excluded, whatever settings and built-in patterns say.
        cursor: whether the pointer is drawn.
        fps: most frames a second; as the quality has it unless given.
        quality: `low`, `medium`, `high` or `ultra`.
        video: whether the screen is recorded as video.
        audio: `mic`, `system`, `both` or `off`.
        mic: the microphone, as the sound server names it.
        system: the source with the system's sound, as the sound server names it.
        balance: how microphone and system are mixed, 0 to 100; None for both whole.
        sound_graph: the way of sound, as `model.sound_graph` reads it; instead of `audio`, `mic`, `system`, `balance`.
        shots: `adaptive`, seconds between two shots, or `off`.
        allow_partial: whether a named source may be missing.
        countdown_s: seconds between the checks and the begin.
    """

    name: str | None = None
    tags: tuple[str, ...] = ()
    display: str | None = None
    sources: tuple[str, ...] = ()
    webcam: bool = False
    layout: str | None = None
    exclude: tuple[str, ...] = ()
    no_exclude: bool = False
    cursor: bool = True
    fps: int | None = None
    quality: str | None = None
    video: bool = True
    audio: str | None = None
    mic: str | None = None
    system: str | None = None
    balance: int | None = None
    sound_graph: dict[str, Any] | None = None
    shots: float | str | None = None
    allow_partial: bool = False
    countdown_s: int = 0

    def to_json(self) -> dict[str, Any]:
        """The request as plain JSON values."""
        return {**asdict(self), **{name: list(getattr(self, name)) for name in _LISTS}}


def request_from_json(value: dict[str, Any]) -> StartRequest:
    """Read a request.

    Raises:
        Usage: it has a field that does not exist.
    """
    unknown = set(value) - {field.name for field in fields(StartRequest)}
    if unknown:
        raise Usage(f"start takes no {', '.join(sorted(unknown))}", "use the same version of pepys on both sides")
    return StartRequest(**{**value, **{name: tuple(map(str, value.get(name) or ())) for name in _LISTS}})


def check_text(what: str, text: str, chars: int) -> str:
    """A name or tag without surrounding space.

    Raises:
        Usage: it is empty, too long, or has characters that no line can show.
    """
    text = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(text) <= chars:
        raise Usage(f"{what} has {len(text)} characters", f"give it 1 to {chars}")
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in text):
        raise Usage(f"{what} has control characters", "give it as one line of plain text")
    return text


def check_countdown(seconds: int) -> None:
    """Judge how long is counted down before a session begins; 0 for not at all.

    Raises:
        Usage: it is no whole number of seconds, or out of bounds.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 <= seconds <= limits.COUNTDOWN_MAX_S:
        raise Usage(f"a countdown of {seconds} is out of bounds", f"give 1 to {limits.COUNTDOWN_MAX_S} whole seconds")


def validate(request: StartRequest, clock: Clock) -> tuple[StartRequest, Record]:
    """Judge a request by itself, without looking at any device.

    Returns:
        The request with its name, and the settings of recording with the request's values in them.

    Raises:
        Usage: a value is out of bounds, or nothing would be recorded.
    """
    name = default_name(clock.wall_ns()) if request.name is None else request.name
    request = replace(
        request,
        name=check_text("the name", name, limits.SESSION_NAME_CHARS),
        tags=tuple(dict.fromkeys(check_text("a tag", tag, limits.TAG_CHARS) for tag in request.tags)),
    )
    check_words(request)
    check_sound(request)
    check_countdown(request.countdown_s)
    named = {"fps": request.fps, "quality": request.quality, "audio": request.audio, "shots": request.shots}
    settings = load_settings({"record": named}).record
    check_settings(settings)
    for audio, device, flag in (("system", request.mic, "--mic"), ("mic", request.system, "--system")):
        if device is not None and not device.strip():
            raise Usage(f"{flag} names no device", f"`pepys doctor` lists them; leave out {flag} for the default one")
        if device is not None and settings.audio in {audio, "off"}:
            raise Usage(f"{flag} names a device that --audio {settings.audio} leaves out", f"leave out {flag}")
    silent = settings.audio == "off" and request.sound_graph is None
    if not request.video and silent and settings.shots == "off":
        raise Usage("nothing is left to record", "leave out one of --no-video, --audio off, --shots off")
    return request, settings


def default_name(wall_ns: int) -> str:
    """A name from the local day and time, such as `Monday 23 November, 14:05`."""
    when = datetime.fromtimestamp(wall_ns // limits.NS_PER_S).astimezone()
    return f"{_DAYS[when.weekday()]} {when.day} {_MONTHS[when.month - 1]}, {when:%H:%M}"


def make_spec(
    home: Path,
    request: StartRequest,
    settings: Record,
    clock: Clock,
    before: Session | None = None,
    again: bool = False,
) -> RecordSpec:
    """Find the devices and write the recorder's order; slow, for a thread.

    Args:
        home: the data folder.
        request: as `validate` returned it.
        settings: as `validate` returned them.
        clock: for the id of a new session.
        before: an interrupted session to go on with, as it was left; None begins a new one.
        again: whether it goes on by itself: no sound device is required then, and one that was named is waited for.

    Raises:
        DeviceMissing: a required source, or every source, is not there.
    """
    absent: list[tuple[str, str]] = []
    shown = find_sources(request, settings, absent)
    heard = replace(request, allow_partial=True) if again else request
    graph = _graph(heard, settings, absent, before, wait=again)
    if not shown.names and graph is None:
        reasons = "; ".join(dict.fromkeys(reason for _, reason in absent))
        raise DeviceMissing(f"there is nothing to record: {reasons}", "run `pepys doctor`, or try `pepys demo`")
    known = new_session_id(clock.wall_ns()) if before is None else before.id
    exclude = patterns_in_force(request, settings)
    return RecordSpec(
        home=str(home),
        session=known,
        name=request.name or "",
        socket=str(runtime_dir(home) / f"{known}.sock"),
        run_file=str(run_dir(home) / f"{known}.json"),
        tags=request.tags,
        # A session that is gone on with later keeps out what it keeps out now, whatever the settings say by then.
        config=replace(request, exclude=exclude, countdown_s=0).to_json(),
        resume=before is not None,
        display=shown.display,
        sources=shown.names,
        sources_required=shown.required,
        layout=shown.layout,
        exclude=exclude,
        exclude_builtin=not request.no_exclude,
        encoder=settings.encoder,
        cursor=request.cursor,
        fps=settings.fps or QUALITIES[settings.quality].fps,
        quality=settings.quality,
        video=request.video and bool(shown.names),
        sound_graph=None if graph is None else graph.to_json(),
        sound_required=() if graph is None else required_devices(heard, graph),
        shots_interval_ns=_shots_ns(settings) if shown.names else 0,
        shots_adaptive=settings.shots == "adaptive",
        when_locked=settings.when_locked,
        memory_limit_bytes=settings.memory_mb * 1024 * 1024,
        activity=shown.activity,
        absent=tuple(absent),
    )


def _shots_ns(settings: Record) -> int:
    """The time between two shots, 0 for none; of adaptive ones the longest."""
    if isinstance(settings.shots, str):
        return 0 if settings.shots == "off" else limits.SHOTS_ADAPTIVE_MAX_NS
    return int(settings.shots * limits.NS_PER_S)


def _graph(
    request: StartRequest, settings: Record, absent: list[tuple[str, str]], before: Session | None, *, wait: bool
) -> SoundGraph | None:
    """The way of sound; None without any."""
    if request.sound_graph is not None:
        graph: SoundGraph | None = own_graph(request, probe.default_sound())
    else:
        graph = usual_graph(request, *_sound(request, settings, absent, wait=wait))
    return graph if graph is None or before is None else set_as_before(graph, before.sound_set)


def _sound(
    request: StartRequest, settings: Record, absent: list[tuple[str, str]], *, wait: bool
) -> tuple[str | None, str | None]:
    if settings.audio == "off":
        return None, None
    found = probe.default_sound()
    devices: list[str | None] = []
    for kind, named, default, reason in (
        ("mic", request.mic, found.mic, found.mic_reason),
        ("system", request.system, found.system, found.system_reason),
    ):
        if settings.audio not in {kind, "both"}:
            devices.append(None)
            continue
        lacks = None if wait and named is not None else found.lacks(named, reason)
        if lacks is not None:
            missing, there = lacks
            required = named is not None or request.audio is not None
            if required and not request.allow_partial:
                raise DeviceMissing(f"audio.{kind}: {missing}", there)
            absent.append((f"audio.{kind}", missing))
        devices.append(None if lacks is not None else default if named is None else named)
    return devices[0], devices[1]
