"""Which cameras this machine has, found without opening any and without codecs.

Opening one is `adapters.camera`'s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SYSTEM_FOLDER: Final = Path("/sys/class/video4linux")
DEVICE: Final = re.compile(r"video(\d{1,3})")
"""The name of a device of Video4Linux."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A device that gives pictures, and what its driver calls it."""

    path: str
    words: str


def list_cameras(folder: Path = SYSTEM_FOLDER) -> list[Camera]:
    """Cameras in the order of their numbers; devices that only describe pictures are left out."""
    found = []
    for path in folder.glob("video*") if folder.is_dir() else ():
        number = DEVICE.fullmatch(path.name)
        # A camera has several devices; the first of them gives the pictures.
        if number is not None and _text(path / "index") in {"", "0"}:
            found.append((int(number[1]), Camera(f"/dev/{path.name}", _text(path / "name") or path.name)))
    return [camera for _, camera in sorted(found, key=lambda item: item[0])]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
