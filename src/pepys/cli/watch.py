"""`pepys status --watch`: a calm live view on a terminal, plain lines elsewhere, objects with `--json`.

Owns how it is drawn. Invariants: the view is drawn anew only when the host told something, at most once a second; its
lines keep their places while tracks come and go in health.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pepys.cli.health import HEAD, disk_text, inner_facts, restarts_text, track_detail, track_rows, warnings
from pepys.cli.output import Output
from pepys.cli.say import clock_text, shown_text, size_text, track_word
from pepys.cli.sound import Meters, heard_text
from pepys.clock import Clock, SystemClock
from pepys.limits import NS_PER_MS

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_STYLES = {"degraded": "yellow", "restarting": "yellow", "failed": "bold red", "off": "dim"}
_EACH_NS = 900 * NS_PER_MS
_LEFT = 2  # columns of words; the rest are figures


def watch(out: Output, told: Iterable[dict[str, Any]]) -> None:
    """Show every status of `told` until it ends.

    Args:
        out: where; a terminal is drawn on in place.
        told: statuses, as the host tells them.
    """
    if not out.as_json and sys.stdout.isatty():
        _live(out.console(), told, SystemClock())
        return
    lines = Lines(out)
    for status in told:
        out.record(status)
        if not out.as_json:
            lines.see(status)


class Lines:
    """A line for each status, and one for each thing that is new; for files and pipes."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._meters = Meters(sys.stdout)
        self._details: dict[str, str] = {}
        self._warned: set[str] = set()

    def see(self, told: Mapping[str, Any]) -> None:
        """Write what a status tells."""
        self._meters.see(told["tracks"])
        words = "  ".join(f"{track_word(track)} {self._meters.word(told, track)}".rstrip() for track in told["tracks"])
        for track in told["tracks"]:
            detail = track.get("detail") or ""
            if detail and detail != self._details.get(track["track"]):
                self._out.text(f"  {track['track']}: {detail}")
            self._details[track["track"]] = detail
        standing = {f"{track['track']}: {track.get('detail')}" for track in told["tracks"]}
        # How long something stands still changes each second; that it does is told once.
        found = {_settled(line): line for line in warnings(told) if line not in standing}
        for kind in [kind for kind in found if kind not in self._warned]:
            self._out.text(f"  {found[kind]}")
        self._warned = set(found)
        counting = f"  begins in {told['countdown_s']} s" if told.get("countdown_s") else ""
        recorded = clock_text(told["recorded_ms"])
        self._out.text(f"{told['state']:<12} {recorded:>8}  {size_text(told['bytes']):>7}  {words}{counting}".rstrip())


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
    parts += [Text(f"! {line}", "bold yellow") for line in warnings(status) if "stands still" not in line]
    inner = [*([disk] if (disk := disk_text(status.get("disk"))) else []), *inner_facts(status)]
    if inner:
        parts.append(Text("  ".join(inner), "dim"))
    if restarted := restarts_text(status):
        parts.append(Text(restarted))
    return Group(*parts)


def _headline(status: Mapping[str, Any]) -> RenderableType:
    from rich.text import Text

    if status.get("session") is None and not status.get("countdown_s"):
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
