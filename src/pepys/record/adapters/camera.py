"""Cameras through Video4Linux, by PyAV; decoding is `media.decoding`'s, showing `film_source`'s.

Owns asking a camera for a size and a rate that it may not have; finding cameras is `cameras`'. A camera that shows
nothing for `limits.SOURCE_SILENT_NS`, or is pulled out, ends the source.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pepys.clock import Clock
from pepys.errors import DeviceMissing, PepysError, PermissionMissing
from pepys.record.cameras import DEVICE, list_cameras
from pepys.record.sources import SourceName, Wish

if TYPE_CHECKING:
    from pepys.record.adapters.pushed import PushedSource

FIRST: Final = "first"
"""In place of a device's path: whichever camera works."""

_SIZE: Final = "1280x720"


def open_camera(name: SourceName, wish: Wish, clock: Clock) -> PushedSource:
    """The camera of that device, or with `first` the first one that gives pictures.

    Raises:
        DeviceMissing: there is none, or it is in use; the message lists those that exist.
        PermissionMissing: this user may not use it.
    """
    there = [camera.path for camera in list_cameras()]
    listed = f"there are {', '.join(there)}" if there else "there is no camera on this machine"
    if name.arg != FIRST:
        return _open(name, wish, clock, listed)
    refused: PepysError = DeviceMissing(f"{name}: no camera is there", listed)
    for path in there:
        try:
            return _open(SourceName(name.kind, path), wish, clock, listed)
        except PepysError as error:
            refused = error
    raise refused


def _open(name: SourceName, wish: Wish, clock: Clock, listed: str) -> PushedSource:
    device = Path(name.arg).resolve() if name.arg.startswith("/dev/") else Path("/")
    if DEVICE.fullmatch(device.name) is None or device.parent != Path("/dev") or not device.is_char_device():
        raise DeviceMissing(f"{name}: there is no such camera", listed)
    from pepys.media.decoding import NoFilm, open_video4linux
    from pepys.record.adapters.film_source import play

    reason = ""
    for options in _wishes(wish):
        try:
            film = open_video4linux(str(device), options)
        except PermissionError as error:
            raise PermissionMissing(f"{name} may not be used by you", "join the group `video`, then log in") from error
        except NoFilm as error:
            reason = str(error)
        else:
            return play(name, film, wish, clock, "the camera gives no more", live=True)
    raise DeviceMissing(f"{name} {reason}", f"close what uses it; {listed}")


def _wishes(wish: Wish) -> Iterator[dict[str, str]]:
    """What to ask for, best first: most cameras give their full rate only when they compress."""
    size = {"video_size": _SIZE, "framerate": str(wish.fps)}
    yield {**size, "input_format": "mjpeg"}
    yield size
    yield {}
