"""Which pictures this machine could give: displays, monitors, windows, cameras, each by the name that opens it.

`python -m pepys.record.listing [--thumbnails]` prints them as one JSON object, for the doctor, whose process loads no
codecs. Invariants: an excluded window is in no list and in no thumbnail, nor is it counted; without readable settings
nothing of a display is listed, for its exclusions are not known; a camera is never switched on to be listed.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from pepys import limits
from pepys.clock import Clock, SystemClock
from pepys.config import load_settings
from pepys.errors import PepysError, Usage
from pepys.record import probe
from pepys.record.adapters.opening import open_now
from pepys.record.cameras import list_cameras
from pepys.record.exclusions import Exclusions
from pepys.record.ports import Bgra
from pepys.record.sources import SourceName, Wish, parse_source

_THUMBNAIL_PX: Final = 160
_DISPLAYS_MOST: Final = 8
_DISPLAY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Listed:
    """A source that exists.

    Attributes:
        kind: such as `window`.
        name: how it is named to record it, such as `window:0x1400003`.
        title: what a person knows it by.
        application: whose window it is; empty for what is none.
        width: in pixels; 0 where only opening it would tell.
        height: likewise.
        thumbnail: a small PNG; None where there is none.
    """

    kind: str
    name: str
    title: str
    application: str = ""
    width: int = 0
    height: int = 0
    thumbnail: bytes | None = None

    def to_json(self) -> dict[str, Any]:
        """The source in JSON; the thumbnail in base64."""
        told = asdict(self)
        told["thumbnail"] = base64.b64encode(self.thumbnail).decode("ascii") if self.thumbnail is not None else None
        return told


def list_video(wish: Wish, *, thumbnails: bool) -> tuple[Listed, ...]:
    """Every source that exists; what cannot be asked is left out. May take seconds."""
    display = _in_force(wish)
    answers = bool(display) and not probe.display_problem(display, limits.OPEN_S)
    return _list(wish, answers=answers, thumbnails=thumbnails)


def _in_force(wish: Wish) -> str:
    return wish.display or os.environ.get("DISPLAY", "")


def _list(wish: Wish, *, answers: bool, thumbnails: bool) -> tuple[Listed, ...]:
    """`answers`: whether it is worth asking the display in force."""
    clock, display = SystemClock(), _in_force(wish)
    found: list[Listed] = []
    if answers:
        wish = replace(wish, display=display)
        found += _of_display(wish, clock)
        found += _of_mss(display)
    found += _other_displays(wish, clock, display)
    found += [Listed("webcam", f"webcam:{camera.path}", camera.words) for camera in list_cameras()]
    return tuple(_with_thumbnails(found, wish, clock)) if thumbnails else tuple(found)


def _of_display(wish: Wish, clock: Clock) -> list[Listed]:
    from pepys.record.adapters.x11.display import list_x11

    try:
        there = list_x11(wish, clock)
    except PepysError:
        return []
    return [Listed(one.name.kind, str(one.name), one.title, one.application, one.width, one.height) for one in there]


def _of_mss(display: str) -> list[Listed]:
    from pepys.record.adapters.mss_source import list_monitors

    try:
        there = list_monitors(display)
    except PepysError:
        return []
    return [Listed("mss", f"mss:{one.number}", one.words, "", one.width, one.height) for one in there]


def _other_displays(wish: Wish, clock: Clock, display: str) -> list[Listed]:
    """Displays that answer to this user besides the one in force: each as a whole, without its windows."""
    others = [name for name in probe.displays() if name != display][:_DISPLAYS_MOST]
    if not others:
        return []
    # Servers that hang are waited for together.
    with ThreadPoolExecutor(len(others)) as threads:
        problems = list(threads.map(lambda name: probe.display_problem(name, _DISPLAY_S), others))
    answering = [name for name, problem in zip(others, problems, strict=True) if not problem]
    return [
        listed
        for name in answering
        for listed in _of_display(replace(wish, display=name), clock)
        if listed.kind == "display"
    ]


def _with_thumbnails(found: Iterable[Listed], wish: Wish, clock: Clock) -> Iterable[Listed]:
    until_ns = clock.now_ns() + limits.THUMBNAILS_NS
    for listed in found:
        # Opening a camera lights its lamp: nobody asked for that.
        wanted = listed.kind != "webcam" and clock.now_ns() < until_ns
        yield replace(listed, thumbnail=_thumbnail(listed.name, wish, clock)) if wanted else listed


def _thumbnail(name: str, wish: Wish, clock: Clock) -> bytes | None:
    from pepys.media.image import encode_png

    try:
        source = open_now(parse_source(name), wish, clock)
    except PepysError:
        return None  # iconified, gone, or a screen that cannot keep out what is excluded
    try:
        return encode_png(smaller(source.grab()))
    except PepysError:
        return None
    finally:
        source.close()


def smaller(pixels: Bgra, most: int = _THUMBNAIL_PX) -> Bgra:
    """The picture with neither side above `most`, each pixel the mean of those it stands for."""
    height, width = pixels.shape[:2]
    step = max(1, -(-max(width, height) // most))
    across, down = min(step, width), min(step, height)
    whole = pixels[: height // down * down, : width // across * across]
    blocks = whole.reshape(height // down, down, width // across, across, 4)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32), np.uint8)


def describe_display(wish: Wish) -> dict[str, Any]:
    """The display in force: what it does without, whether it keeps excluded windows out, or why it has no pictures."""
    display = _in_force(wish)
    if not display:
        return {"problem": "DISPLAY is not set"}
    try:
        source = open_now(SourceName("display", display), wish, SystemClock())
    except PepysError as error:
        return {"problem": error.message, "remedy": error.remedy}
    try:
        can, geometry = source.capabilities, source.geometry
        size = {"width": geometry.width, "height": geometry.height}
        told = {"without": list(can.without), "exclusion": can.exclusion, "lacking": _lacking(display)}
        return {"display": display, **size, **told}
    except PepysError as error:
        return {"problem": error.message, "remedy": error.remedy}
    finally:
        source.close()


def _lacking(display: str) -> list[str]:
    from pepys.record.adapters.x11.display import lacking_x11

    return list(lacking_x11(display))


def main(arguments: list[str]) -> int:
    """Write what there is."""
    try:
        patterns = load_settings().record.exclude
    except Usage as error:
        told: dict[str, Any] = {"display": {"problem": error.message, "remedy": error.remedy}}
    else:
        wish = Wish(None, pointer=False, exclusions=Exclusions(patterns))
        display = describe_display(wish)
        listed = _list(wish, answers="width" in display, thumbnails="--thumbnails" in arguments)
        told = {"sources": [one.to_json() for one in listed], "display": display}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
