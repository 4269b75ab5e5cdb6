"""Looking into a recorded film: what a child is asked, and what it answers. The decoder runs in the child alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pepys.errors import PepysError, from_json
from pepys.store.handover import start_child
from pepys.store.store import Store

_MODULE = "pepys.bench.film"


@dataclass(frozen=True, slots=True)
class Mapped:
    """A window that was shown for a moment: where, from when to when (CLOCK_BOOTTIME)."""

    x: int
    y: int
    width: int
    height: int
    begun_ns: int
    ended_ns: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """The film's pictures as (time on CLOCK_BOOTTIME, number or None), and when the recording began and ended."""

    pictures: tuple[tuple[int, int | None], ...]
    begun_ns: int
    ended_ns: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of mapped windows in a film, each by its place in the list: its colour seen, its black seen."""

    pictures: int
    leaked: tuple[int, ...]
    covered: tuple[int, ...]


def read_numbers(store: Store, session: str, points: Sequence[tuple[int, int]]) -> Numbers:
    """Read the frame counter whose squares have their middles at `points`, in the order of `counter.squares`.

    Raises:
        PepysError: the film cannot be read.
    """
    told = _ask(store, {"do": "numbers", "session": session, "points": list(points)})
    pictures = tuple((int(at_ns), number) for at_ns, number in told["pictures"])
    return Numbers(pictures, told["begun_ns"], told["ended_ns"])


def read_windows(store: Store, session: str, log: str) -> Seen:
    """Look for the windows that the load `secret` wrote into the file `log`.

    Raises:
        PepysError: the film cannot be read.
    """
    told = _ask(store, {"do": "windows", "session": session, "log": log})
    return Seen(told["pictures"], tuple(told["leaked"]), tuple(told["covered"]))


def key_frame_bytes(store: Store, session: str, begin_ns: int, end_ns: int) -> int:
    """The bytes of the key frames whose media time lies between two times.

    Raises:
        PepysError: the film cannot be read.
    """
    told = _ask(store, {"do": "keys", "session": session, "begin_ns": begin_ns, "end_ns": end_ns})
    return int(told["bytes"])


def parse_windows(lines: Sequence[str]) -> list[Mapped]:
    """The log of the load `secret`."""
    return [Mapped(*map(int, line.split())) for line in lines if line.endswith("\n")]


def _ask(store: Store, order: dict[str, Any]) -> dict[str, Any]:
    child = start_child(_MODULE, store, order, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, printed = child.communicate()
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    try:
        told: dict[str, Any] = json.loads(out)
    except ValueError:
        last = printed.decode(errors="replace").strip().splitlines()[-1:] or [f"status {child.returncode}"]
        raise PepysError(f"the film could not be read: {last[0]}", "measure again") from None
    if "error" in told:
        raise from_json(told["error"])
    return told
