"""Checks of what gives pictures: the display, the sources that exist, and what is kept out of recordings.

Owns one look at them by a child process (`record.listing`), shared by its checks: codecs and numpy stay out of this
process, and a server or driver that hangs takes down the child alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

from pepys import limits
from pepys.config import load_settings
from pepys.doctor.findings import Finding, less, missing, ok
from pepys.errors import Usage
from pepys.modules import module_words
from pepys.record import probe
from pepys.record.exclusions import Exclusions
from pepys.record.sources import KINDS

_PLURALS: Final = {
    "display": "displays",
    "monitor": "monitors",
    "window": "windows",
    "mss": "screens by number",
    "webcam": "cameras",
}
_NEEDED: Final = {"monitor": "RANDR", "window": "Composite"}
"""The extension of the X server without which a kind cannot be recorded."""
_INSTEAD: Final = {"monitor": "record the display or a --region of it", "window": "record the display or a --region"}
_NAMED_ONLY: Final = {"file": "films", "pattern": "patterns"}
"""Kinds that are not there to be listed: they are named."""


class Pictures:
    """One look at what gives pictures, made when it is first needed."""

    def __init__(self, *, thumbnails: bool = False) -> None:
        self._thumbnails = thumbnails
        self._facts: dict[str, Any] | None = None

    @property
    def sources(self) -> list[dict[str, Any]]:
        """Every source as `record.listing` tells it; none when it could not be asked."""
        found: list[dict[str, Any]] = self._look().get("sources", [])
        return found

    def display(self) -> Iterator[Finding]:
        """The X display in force: its size, and what it does without."""
        if sys.platform != "linux":
            yield missing("display", "X11 displays are recorded on Linux only", "record a screen by its number: mss:1")
            return
        name, reason = probe.find_display()
        if name is None:
            others = [other for other in probe.displays() if other != os.environ.get("DISPLAY")]
            hint = f"; these answer perhaps: {', '.join(others)}" if others else ""
            yield missing("display", reason, f"set DISPLAY, or try `pepys demo`, which starts one{hint}")
            return
        facts = self._look().get("display", {})
        if "width" not in facts:
            remedy = facts.get("remedy") or "start the X server again"
            yield missing("display", facts.get("problem") or f"{name} does not tell its size", remedy)
            return
        size, without = f"{name} {facts['width']}x{facts['height']}", facts["without"]
        if without:
            yield less("display", f"{size}, {'; '.join(without)}", "an X server with these extensions costs less")
        else:
            yield ok("display", size)

    def listed(self) -> Iterator[Finding]:
        """What could be recorded, by kinds."""
        for kind, plural in _PLURALS.items():
            found = [_told(source) for source in self.sources if source["kind"] == kind]
            if found:
                yield ok(plural, "\n".join(found))
            else:
                yield from self._none(kind, plural)
        for kind, plural in _NAMED_ONLY.items():
            yield ok(plural, KINDS[kind])

    def _none(self, kind: str, plural: str) -> Iterator[Finding]:
        """Why there is none of a kind."""
        facts = self._look().get("display", {})
        if kind == "webcam" and "sources" in self._look():
            yield less(plural, "no camera", "connect one and look whether this user may read /dev/video*")
        elif kind in _NEEDED and _NEEDED[kind] in facts.get("lacking", ()):
            found = f"the display lacks {_NEEDED[kind]}, without which --{kind} fails"
            yield less(plural, found, f"{_INSTEAD[kind]}, or start the X server with {_NEEDED[kind]}")
        elif kind in _NEEDED and "lacking" in facts:
            yield ok(plural, f"no {kind} that could be recorded is there now")

    def exclusions(self) -> Iterator[Finding]:
        """Which windows are kept out of recordings when nothing else is said, and whether they are on this display."""
        try:
            patterns = load_settings().record.exclude
        except Usage as error:
            yield missing("exclusions", "they are not known: the settings cannot be read", error.remedy)
            return
        described = Exclusions(patterns).describe()
        count = described.patterns
        told = [
            f"{count} pattern{'' if count == 1 else 's'} of the settings",
            f"private windows of {', '.join(described.private_browsing)}",
            f"{', '.join(described.secret_keepers)}",
            *described.limits,
        ]
        facts = self._look().get("display", {})
        if facts.get("exclusion") == "refused":
            yield less("exclusions", "\n".join(told), "this display cannot keep them out: record single windows")
        else:
            yield ok("exclusions", "\n".join([*told, "kept out on this display"] if "exclusion" in facts else told))

    def _look(self) -> dict[str, Any]:
        if self._facts is None:
            argv = module_words("pepys.record.listing", *(["--thumbnails"] if self._thumbnails else []))
            try:
                told = subprocess.run(
                    argv, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=limits.DOCTOR_CHILD_S
                )
                self._facts = json.loads(told.stdout)
            except (OSError, subprocess.SubprocessError, ValueError) as error:
                problem = f"sources cannot be looked at: {type(error).__name__}"
                self._facts = {"display": {"problem": problem, "remedy": "look at the X server, then try again"}}
        assert self._facts is not None
        return self._facts


def _told(source: dict[str, Any]) -> str:
    size = f"{source['width']}x{source['height']}" if source["width"] else ""
    whose = f"({source['application']})" if source["application"] else ""
    return "  ".join(part for part in (source["name"], size, source["title"], whose) if part)
