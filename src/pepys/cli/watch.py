"""`pepys status --watch`: a calm live view on a terminal, plain lines elsewhere, objects with `--json`.

Owns how it is drawn. Invariants: anything is drawn only when the host told something, and figures that merely move at
most once a second; the lines of the view keep their places while tracks come and go in health; what is wrong is told
once, not each second.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pepys.cli.health import (
    HEAD,
    disk_text,
    inner_facts,
    restarts_text,
    told_tracks,
    track_detail,
    track_rows,
    warnings,
    warnings_apart,
)
from pepys.cli.output import Output
from pepys.cli.say import clock_text, shown_text, size_text
from pepys.cli.sound import Meters, heard_text
from pepys.clock import Clock, SystemClock
from pepys.limits import NS_PER_MS

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_STYLES = {"degraded": "yellow", "restarting": "yellow", "failed": "bold red", "off": "dim"}
_EACH_NS = 900 * NS_PER_MS
_LEFT = 2  # columns of words; the rest are figures
_CLOCKS = 3  # of those, the clocks


def watch(out: Output, told: Iterable[dict[str, Any]], clock: Clock | None = None) -> None:
    """Show every status of `told` until it ends.

    Args:
        out: where; a terminal is drawn on in place.
        told: statuses, as the host tells them.
        clock: paces what is written; the system's without one.
    """
    clock = clock or SystemClock()
    if not out.as_json and sys.stdout.isatty():
        _live(out.console(), told, clock)
        return
    lines = Lines(out, clock)
    for status in told:
        out.record(status)
        if not out.as_json:
            lines.see(status)


class Lines:
    """A line each second and at each change, and one for each thing that is new; for files and pipes."""

    def __init__(self, out: Output, clock: Clock) -> None:
        self._out, self._clock = out, clock
        self._drawn: tuple[str, ...] = ()
        self._drawn_ns = 0
        self._meters = Meters(sys.stdout)
        self._details: dict[str, str] = {}
        self._warned: set[str] = set()

    def see(self, told: Mapping[str, Any]) -> None:
        """Write what a status tells."""
        self._meters.see(told["tracks"])
        # How long something stands still changes each second; that it does is told once.
        for track in told_tracks(told):
            detail = track_detail(track)
            if detail and _settled(detail) != self._details.get(track["track"]):
                self._out.text(f"  {track['track']}: {detail}")
            self._details[track["track"]] = _settled(detail)
        found = {_settled(line): line for line in warnings_apart(told)}
        for kind in [kind for kind in found if kind not in self._warned]:
            self._out.text(f"  {found[kind]}")
        self._warned = set(found)
        shape, now_ns = _shape(told), self._clock.now_ns()
        if shape == self._drawn and now_ns - self._drawn_ns < _EACH_NS:
            return
        if not self._drawn:
            clocks, counts = "/".join(HEAD[_LEFT : _LEFT + _CLOCKS]), "/".join(HEAD[_LEFT + _CLOCKS :])
            self._out.text(f"# STATE TIME SIZE, then of each track: TRACK STATE {clocks} AGO {counts} LEVEL")
        self._drawn, self._drawn_ns = shape, now_ns
        self._out.text(self._line(told))

    def _line(self, told: Mapping[str, Any]) -> str:
        """All that moves in one line, such as `recording 0:05 1.2 MB  video ok 0.0/0.3/1.2 s 70/70/0/0`."""
        parts = [f"{told['state']:<12} {clock_text(told['recorded_ms']):>8}  {size_text(told['bytes']):>7}"]
        for track, cells in track_rows(told):
            clocks = "/".join(cell.removesuffix(" s") for cell in cells[_LEFT : _LEFT + _CLOCKS])
            figures = "/".join(cells[_LEFT + _CLOCKS :])
            parts.append(f"{' '.join(cells[:_LEFT])} {clocks} s {figures} {self._meters.word(told, track)}".rstrip())
        if told.get("countdown_s"):
            parts.append(f"begins in {told['countdown_s']} s")
        elif told.get("session") is not None:
            parts += [line for line in (*inner_facts(told), disk_text(told.get("disk")), restarts_text(told)) if line]
        return "  ".join(parts).rstrip()


def _settled(line: str) -> str:
    """A warning without its figures."""
    return "".join(char for char in line if not char.isdigit())


def _live(console: Console, told: Iterable[dict[str, Any]], clock: Clock) -> None:
    from rich.live import Live

    meters, drawn_ns = Meters(sys.stdout), 0
    drawn: tuple[str, ...] = ()
    with Live(console=console, auto_refresh=False, transient=False) as live:
        for status in told:
            meters.see(status["tracks"])
            # The host tells more than once a second; figures that merely move wait for their turn.
            shape, now_ns = _shape(status), clock.now_ns()
            if shape != drawn or now_ns - drawn_ns >= _EACH_NS:
                drawn, drawn_ns = shape, now_ns
                live.update(view(status, meters), refresh=True)


def _shape(status: Mapping[str, Any]) -> tuple[str, ...]:
    """What of a status is drawn at once when it changes."""
    healths = (f"{track['track']} {track.get('state')} {track.get('stands')}" for track in status["tracks"])
    counted = str(status.get("countdown_s"))
    return (str(status["state"]), counted, *healths, *map(_settled, warnings(status)))


def view(status: Mapping[str, Any], meters: Meters) -> RenderableType:
    """The whole view of one status."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = [_headline(status)]
    rows = track_rows(status)
    if rows:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for place, name in enumerate((*HEAD, "LEVEL")):
            right = _LEFT <= place < len(HEAD)
            table.add_column(name, justify="right" if right else "left", no_wrap=True)
        for track, cells in rows:
            loud = meters.word(status, track)
            style = _STYLES.get(str(track.get("state")), "")
            table.add_row(*cells, loud, style=style)
        parts += [Text(), table]
        for track, _ in rows:
            if detail := track_detail(track):
                parts.append(Text(f"  {track['track']}: {detail}", _STYLES.get(str(track.get("state")), "dim")))
    parts.append(Text())
    parts += [Text(f"! {line}", "bold yellow") for line in warnings_apart(status)]
    inner = [*([disk] if (disk := disk_text(status.get("disk"))) else []), *inner_facts(status)]
    if inner:
        parts.append(Text("  ".join(inner), "dim"))
    if restarted := restarts_text(status):
        parts.append(Text(restarted))
    return Group(*parts)


def _headline(status: Mapping[str, Any]) -> RenderableType:
    from rich.text import Text

    if status["state"] == "idle":
        return Text("idle: nothing is being recorded")
    line = Text(str(status["state"]), "bold")
    if status.get("countdown_s"):
        line.append(f", begins in {status['countdown_s']} s")
    if status.get("name"):
        line.append(f"  {status['name']}", "default")
    line.append(f"  {clock_text(status['recorded_ms'])}  {size_text(status['bytes'])}", "default")
    for words in (shown_text(status) if status.get("sources") else "", heard_text(status)):
        if words:
            line.append(f"  {words}", "dim")
    return line
