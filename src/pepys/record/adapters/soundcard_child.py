"""`python -m pepys.record.adapters.soundcard_child DEVICE CHANNELS` (or `--list`): sound through the library soundcard.

It is a process of its own because the library connects to the server when it is imported, and aborts the process when
the server dies. Invariants: stdout carries nothing but samples (interleaved int16, little-endian, 48 kHz) or the list
(one JSON object a line); numbers that are no sound (NaN, infinite) are 0 and told once; the last line on stderr says
why it ended; nothing of the library's own ending is run, for that may hang or abort. A device is one whose id, or else
whose name, is the one that was given, to the letter: the library itself would take any that is alike.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from pepys import limits
from pepys.record.ports import DEFAULT_MICROPHONE, DEFAULT_SYSTEM

_BLOCK: Final = limits.SOUND_RATE * limits.SOUND_LATENCY_MS // 1000
_FULL_SCALE: Final = 32_768


class Samples:
    """Turns what the library gives into the bytes that are written; counts what was no sound."""

    def __init__(self, channels: int, tell: Callable[[str], None]) -> None:
        self._channels, self._tell = channels, tell
        self.bad = 0

    def bytes_of(self, block: NDArray[np.float32]) -> bytes:
        """A block of shape (n, any channels) in -1..1 as int16 of the wished channels."""
        good = np.isfinite(block)
        if not good.all():
            if not self.bad:
                self._tell("the device delivers numbers that are no sound (NaN); they are taken as silence")
            self.bad += int(good.size - np.count_nonzero(good))
            block = np.where(good, block, np.float32(0))
        scaled = np.rint(fit(block, self._channels).astype(np.float64) * _FULL_SCALE)
        return np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes()


def fit(block: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """A block with as many channels as are wished: one is the mean of all, two of many are the front ones."""
    has = block.shape[1]
    if has == channels:
        return block
    if channels == 1:
        mean: NDArray[np.float32] = block.mean(axis=1, keepdims=True, dtype=np.float32)
        return mean
    return np.repeat(block, channels, axis=1) if has == 1 else block[:, :channels]


def main(words: list[str]) -> int:
    """Record until somebody ends it; the exit status is never 0 then."""
    if words == ["--list"]:
        return _told(_list)
    if len(words) != 2 or words[1] not in {"1", "2"}:
        _say("usage: soundcard_child DEVICE 1|2, or --list")
        return 2
    return _told(lambda: _record(words[0], int(words[1])))


def _told(run: Callable[[], None]) -> int:
    try:
        run()
    except BrokenPipeError:
        return 0  # nobody listens any more
    except Exception as error:  # noqa: BLE001 - the library raises what it likes, asserts too; the last line says it
        said = " ".join(str(error).split())[: limits.UNIT_ERROR_CHARS]
        _say(said or "the sound server is gone or cannot be reached")
        return 1
    return 0


def _record(device: str, channels: int) -> None:
    found = _find(_library(), device)
    samples = Samples(channels, _say)
    # What the device has is recorded whole: the library's own way to fewer channels differs from system to system.
    with found.recorder(samplerate=limits.SOUND_RATE, channels=found.channels, blocksize=_BLOCK) as recorder:
        while True:
            try:
                block = recorder.record(None)
            except Exception as error:
                # Whatever it raises when the device or its server has gone; one call more would abort the process.
                why = f": {error}" if isinstance(error, RuntimeError) else ""
                raise _Gone(f"the sound server or the device is gone{why}") from error
            _write(samples.bytes_of(block))


class _Gone(Exception):
    """The device delivers no more."""


def _find(library: Any, device: str) -> Any:
    """The device of that id or name.

    Raises:
        LookupError: there is none, or no default.
    """
    found = list(library.all_microphones(include_loopback=True))
    if device == DEFAULT_MICROPHONE:
        return library.default_microphone()
    if device == DEFAULT_SYSTEM:
        device = _default_loopback(library, found)
    for item in found:
        if str(item.id) == device:
            return item
    for item in found:
        if str(item.name) == device:
            return item
    raise LookupError(
        f"there is no sound device {device!r}" if device else "the system's sound cannot be recorded here"
    )


def _default_loopback(library: Any, found: list[Any]) -> str:
    """The id of what records the default speaker; empty where the system has no such thing."""
    speaker = str(library.default_speaker().id)
    # A loopback goes by its speaker's id on Windows, by a name made of it on PulseAudio; macOS has none.
    return next((i for i in _loopbacks(found) if i in {speaker, f"{speaker}.monitor"}), "")


def _loopbacks(found: list[Any]) -> Iterator[str]:
    return (str(item.id) for item in found if item.isloopback)


def _list() -> None:
    library = _library()
    found = list(library.all_microphones(include_loopback=True))
    microphone = str(library.default_microphone().id) if found else ""
    loopback = _default_loopback(library, found) if found else ""
    for item in found:
        line = {
            "name": str(item.name),
            "id": str(item.id),
            "loopback": bool(item.isloopback),
            "channels": int(item.channels),
            "default_microphone": str(item.id) == microphone,
            "default_system": str(item.id) == loopback,
        }
        _write(f"{json.dumps(line)}\n".encode())


def _library() -> Any:
    """The library, which connects to the server now.

    Raises:
        LookupError: it is not installed.
    """
    try:
        import soundcard
    except ImportError as error:
        raise LookupError("the library soundcard is not installed: pip install soundcard") from error
    # "data discontinuity in recording": holes are found by the clock, and stderr is for last words.
    warnings.simplefilter("ignore")
    if sys.platform == "linux":
        soundcard.set_name("pepys")
    return soundcard


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _leave(status: int) -> NoReturn:
    """End without the library's own ending."""
    os._exit(status)


if __name__ == "__main__":
    _leave(main(sys.argv[1:]))
