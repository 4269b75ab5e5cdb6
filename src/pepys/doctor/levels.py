"""How loud each sound device is right now: a short look at all of them at once.

Invariants: it ends within `limits.DOCTOR_LISTEN_NS` whatever the devices do, leaves no child behind, and loads neither
codecs nor numpy: the largest of some thousand samples needs none. What a level means is left to `devices`.
"""

from __future__ import annotations

import math
import os
import selectors
import shutil
import subprocess
import sys
from array import array
from collections.abc import Mapping
from itertools import islice
from typing import Final

from pepys import limits
from pepys.clock import Clock
from pepys.record.adapters.pactl import command

FLOOR_DB: Final = -102
"""What silence is told as, as stored levels have it too."""
_FULL_SCALE = 32768
_ENOUGH = 2 * limits.SOUND_RATE * limits.DOCTOR_HEARD_NS // limits.NS_PER_S


def can_listen() -> bool:
    """Whether the program that records is here."""
    return sys.platform not in {"darwin", "win32"} and shutil.which("parec") is not None


def peak_levels(devices: Mapping[str, int], clock: Clock) -> dict[str, float]:
    """The largest sample of each device in dBFS; one that gave no sound in time is left out.

    Args:
        devices: names, each with its channels; at most `limits.DOCTOR_DEVICES` are listened to.
        clock: for the deadline.
    """
    if not can_listen():
        return {}
    children: dict[str, subprocess.Popen[bytes]] = {}
    heard = {name: bytearray() for name in islice(devices, limits.DOCTOR_DEVICES)}
    try:
        with selectors.DefaultSelector() as selector:
            for name in heard:
                children[name] = child = _listen(name, devices[name])
                assert child.stdout is not None
                selector.register(child.stdout, selectors.EVENT_READ, (heard[name], _ENOUGH * devices[name]))
            _fill(selector, clock)
    finally:
        for child in children.values():
            child.kill()
        for child in children.values():
            child.communicate()
    return {name: _peak_db(data) for name, data in heard.items() if len(data) > 1}


def _listen(name: str, channels: int) -> subprocess.Popen[bytes]:
    argv = [*command("parec"), "--raw", "--format=s16le", f"--rate={limits.SOUND_RATE}", f"--channels={channels}"]
    argv += [f"--latency-msec={limits.SOUND_LATENCY_MS}", "--client-name=pepys", f"--device={name}"]
    # Without it PipeWire gives another device's sound for one that has just gone.
    argv += ["--property=node.dont-reconnect=true"]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def _fill(selector: selectors.BaseSelector, clock: Clock) -> None:
    until_ns = clock.now_ns() + limits.DOCTOR_LISTEN_NS
    while selector.get_map() and (left_ns := until_ns - clock.now_ns()) > 0:
        for key, _ in selector.select(left_ns / limits.NS_PER_S):
            kept, enough = key.data
            data = os.read(key.fd, limits.SOUND_READ_BYTES)
            kept.extend(data)
            if not data or len(kept) >= enough:
                selector.unregister(key.fileobj)


def _peak_db(data: bytearray) -> float:
    samples = array("h", bytes(data[: len(data) // 2 * 2]))
    if sys.byteorder == "big":
        samples.byteswap()
    peak = max(max(samples), -min(samples))
    return max(round(20 * math.log10(peak / _FULL_SCALE), 1), FLOOR_DB) if peak else FLOOR_DB
