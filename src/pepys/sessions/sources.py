"""Which pictures a recording shows: the words of a request judged, then made into names that a recorder opens.

Owns the rules of naming: what counts as named, what is required, which layout suits. Invariants: words are judged
without a look at any device; a default source that is not there is left out with its reason, a named one is required.
Opening, and saying what exists instead of a source that does not, is the recorder's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pepys import limits
from pepys.errors import DeviceMissing, Usage
from pepys.record import probe
from pepys.record.layouts import check_count, default_layout, fitting, parse_layout
from pepys.record.sources import OF_DISPLAY, OF_FOCUS, SourceName, parse_region, parse_source

if TYPE_CHECKING:
    from pepys.sessions.start import StartRequest
    from pepys.settings import Record

_CAMERA: Final = "webcam"
_NOT_WRITTEN: Final = frozenset({"Cc", "Cs"})
_CLOSED: Final = re.compile(r"\[!?\]?[^\]]*\]", re.DOTALL)
_VIDEO_ONLY: Final = "leave out --no-video; with it only shots of the display are taken"


@dataclass(frozen=True, slots=True)
class Found:
    """What a recorder is asked to show.

    Attributes:
        display: the X11 display in force; None where none is needed, or there is none.
        names: sources as `KIND:ARG`; none when nothing can be shown.
        layout: how they are composed; it fits their number.
        required: whether every one of them must be there.
    """

    display: str | None = None
    names: tuple[str, ...] = ()
    layout: str = "passthrough"
    required: bool = False

    @property
    def activity(self) -> bool:
        """Whether windows in front are noted: only where the screen that they lie on is shown."""
        return self.display is not None and any(parse_source(name).kind in OF_FOCUS for name in self.names)


def check_words(request: StartRequest) -> None:
    """Judge sources, layout and patterns by themselves; settings and devices are not looked at.

    Raises:
        Usage: a source, a layout or a pattern is none, or they do not go together.
    """
    if not request.video and (request.sources or request.webcam or request.layout):
        raise Usage("--no-video leaves out what sources and layout are for", _VIDEO_ONLY)
    if request.exclude and request.no_exclude:
        raise Usage("--exclude and --no-exclude contradict each other", "leave out one of them")
    check_patterns(request.exclude)
    kinds = [name.kind for name in check_sources(request.sources)] or ["display"]
    kinds += [_CAMERA] if request.webcam else []
    if len(kinds) > limits.SOURCES_MAX:
        raise Usage(f"{len(kinds)} sources are too many", f"name at most {limits.SOURCES_MAX}")
    if request.layout is not None:
        check_count(parse_layout(request.layout), len(kinds))


def check_patterns(patterns: Sequence[str]) -> None:
    """Judge patterns of windows that must not be recorded; an error does not repeat them.

    Raises:
        Usage: one is empty or too long, or they are too many.
    """
    if any(not pattern.strip() for pattern in patterns):
        raise Usage("--exclude got an empty pattern", "give a title or a name, with * for any characters")
    if any(len(pattern) > limits.PATTERN_CHARS for pattern in patterns):
        raise Usage(f"--exclude got a pattern of more than {limits.PATTERN_CHARS} characters", "shorten it with *")


def check_brackets(patterns: Sequence[str]) -> None:
    """Judge patterns that are being written: a bracket that nothing closes stands for itself, which few mean.

    Raises:
        Usage: one has such a bracket; the error does not repeat it.
    """
    if any("[" in _CLOSED.sub("", pattern) for pattern in patterns):
        raise Usage(
            "--exclude got a pattern with a [ that no ] closes", "close it, or write [[] for the bracket itself"
        )


def check_settings(settings: Record) -> None:
    """Judge the layout of the settings.

    Raises:
        Usage: there is none of that name.
    """
    if settings.layout is not None:
        try:
            parse_layout(settings.layout)
        except Usage as error:
            raise Usage(f"the setting record.layout: {error.message}", error.remedy) from error


def check_sources(sources: Sequence[str]) -> list[SourceName]:
    """Read names of sources.

    Raises:
        Usage: one is none, is named twice, or they are too many.
    """
    if len(sources) > limits.SOURCES_MAX:
        raise Usage(f"{len(sources)} sources are too many", f"name at most {limits.SOURCES_MAX}")
    names = [_name(text) for text in sources]
    twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if twice is not None:
        raise Usage(f"{twice} is named twice", "name every source once")
    return names


def first_camera() -> tuple[str | None, str]:
    """The first camera as a source and an empty reason, or None and why there is none."""
    from pepys.record.cameras import list_cameras

    cameras = list_cameras()
    return (f"{_CAMERA}:{cameras[0].path}", "") if cameras else (None, "there is no camera on this machine")


def find_sources(request: StartRequest, settings: Record, absent: list[tuple[str, str]]) -> Found:
    """Find what is shown; may take seconds, for a thread.

    Args:
        request: judged by `check_words`.
        settings: the settings in force.
        absent: gets the default sources that are not there, each with its reason.

    Raises:
        DeviceMissing: a named source cannot be there.
    """
    if not request.video and settings.shots == "off":
        return Found()
    named = check_sources(request.sources)
    display, reason = _display(request, named)
    names, lost = _those_there(named, display, reason)
    if request.webcam:
        camera, no_camera = first_camera()
        names += [] if camera is None else [parse_source(camera)]
        lost += [(_CAMERA, no_camera)] if camera is None else []
    required = not request.allow_partial and bool(request.display or named or request.webcam)
    meant = [*map(str, named), *([_CAMERA] if request.webcam else [])]
    if required:
        _require(lost, meant)
    if not names:
        reason = "; ".join(dict.fromkeys(why for _, why in lost))
        lost = [("video", reason)] if request.video else []
        lost += [("shots", reason)] if settings.shots != "off" else []
    absent.extend(lost)
    return Found(display, tuple(map(str, names)), _layout(request, settings, names), required)


def patterns_in_force(request: StartRequest, settings: Record) -> tuple[str, ...]:
    """The patterns of the command line and of the settings; none when nothing is to be excluded."""
    return () if request.no_exclude else tuple(dict.fromkeys((*request.exclude, *settings.exclude)))


def _name(text: str) -> SourceName:
    if len(text) > limits.SOURCE_CHARS or any(unicodedata.category(char) in _NOT_WRITTEN for char in text):
        raise Usage("a source is no line of plain text", f"write KIND:ARG in at most {limits.SOURCE_CHARS} characters")
    name = parse_source(text)
    if name.kind == "region":
        parse_region(name.arg)
    return name


def _display(request: StartRequest, named: Sequence[SourceName]) -> tuple[str | None, str]:
    """The display in force, or None and why; no reason where none is needed."""
    asked = request.display or next((name.arg for name in named if name.kind == "display"), None)
    if asked is not None:
        reason = probe.display_problem(asked)
        if not reason:
            return asked, ""
        if request.allow_partial:
            return None, f"no display: {reason}"
        there = ", ".join(probe.displays())
        remedy = f"these are there: {there}" if there else "start an X server, or use --no-video --shots off"
        raise DeviceMissing(f"display {asked} cannot be recorded: {reason}", remedy)
    if named and not any(name.kind in OF_DISPLAY or name.kind == "mss" for name in named):
        return None, ""
    display, reason = probe.find_display()
    return display, f"no display: {reason}" if display is None else ""


def _those_there(
    named: Sequence[SourceName], display: str | None, reason: str
) -> tuple[list[SourceName], list[tuple[str, str]]]:
    """The sources that can be there with this display, and those that cannot."""
    if not named:
        return ([SourceName("display", display)], []) if display is not None else ([], [("display", reason)])
    lost = [name for name in named if display is None and name.kind in OF_DISPLAY]
    return [name for name in named if name not in lost], [(str(name), reason) for name in lost]


def _require(lost: Iterable[tuple[str, str]], meant: Iterable[str]) -> None:
    """Refuse when a source that was named is lost."""
    for name, reason in lost:
        if name in meant:
            what = "`pepys doctor` lists what is there" if name == _CAMERA else "name a display with --display"
            remedy = f"{what}; --allow-partial goes on without it"
            raise DeviceMissing(f"{name} cannot be recorded: {reason}", remedy)


def _layout(request: StartRequest, settings: Record, names: Sequence[SourceName]) -> str:
    """The layout asked for, else that of the settings where it fits, else the one that suits the sources."""
    if not names:
        return "passthrough"
    kinds = [name.kind for name in names]
    if request.layout is not None:
        return str(fitting(parse_layout(request.layout), len(names)))
    if settings.layout is not None:
        wished = parse_layout(settings.layout)
        if fitting(wished, len(names)) == wished:
            return str(wished)
    return str(default_layout(kinds))
