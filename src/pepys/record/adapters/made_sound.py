"""Sound that no device delivers: a tone, silence, a file; paced by the clock as a device would be.

Invariants: samples are given as time passes, never ahead of it; after a reader has stood still it gets what has passed,
up to `limits.STALL_NS`: beyond that the sound goes on later, from where it was, and none of it is left out;
`at_ns` is the moment at which a block's last sample is due; the end is told once. A file is opened and decoded in a
thread of its own, a little ahead, and nobody waits for it. What is decoded how is `media.sound_file`'s; whether a name
means anything is the callers'.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from pepys import limits
from pepys.clock import Clock
from pepys.record.adapters.wake import Wake
from pepys.record.ports import SoundBlock, SoundCapabilities, SoundEvent, SourceEnded

if TYPE_CHECKING:
    from pepys.media.sound_file import SoundFile

Pcm = NDArray[np.int16]

_STALL: Final = limits.STALL_NS * limits.SOUND_RATE // limits.NS_PER_S
_AHEAD: Final = limits.SOUND_FILE_AHEAD_NS * limits.SOUND_RATE // limits.NS_PER_S
_BLOCK: Final = limits.SOUND_READ_BYTES // 4
_FULL_SCALE: Final = 32_767
_HANGING: Final[set[Path]] = set()
"""Files that a thread still opens though nobody waits for it: no second one is sent after the first."""


class MadeSound:
    """Silence, and what all made sounds share; `_make` says what is given."""

    def __init__(self, name: str, channels: int, clock: Clock) -> None:
        """Begin now, by the clock."""
        self.name = name
        self.capabilities = SoundCapabilities(limits.SOUND_RATE, channels, limits.STALL_NS)
        self._clock = clock
        self._start_ns = clock.now_ns()
        self._given = 0
        self._over = False
        self._wake = Wake()
        self._stop = threading.Event()
        threading.Thread(target=self._pace, name="sound pace", daemon=True).start()

    def fileno(self) -> int:
        """Readable when samples are due; -1 when it is closed."""
        return self._wake.fileno()

    def poll(self) -> Sequence[SoundEvent]:
        """What is due: at most one block, or the end."""
        self._wake.quiet()
        if self._over:
            return ()
        now_ns = self._clock.now_ns()
        due = (now_ns - self._start_ns) * limits.SOUND_RATE // limits.NS_PER_S - self._given
        if due > _STALL:
            self._start_ns, due = now_ns - _lasts(self._given + _STALL), _STALL
        if due <= 0:
            return ()
        made = self._make(self._given, min(due, _BLOCK))
        if isinstance(made, SourceEnded):
            self._over = True
            self._stop.set()
            return (made,)
        self._given += len(made)
        if due > len(made) > 0:
            self._wake.ring()
        return (SoundBlock(self._start_ns + _lasts(self._given), made),) if len(made) else ()

    def close(self) -> None:
        """Let go; safe to call twice."""
        self._over = True
        self._stop.set()
        self._wake.close()

    def _make(self, position: int, count: int) -> Pcm | SourceEnded:
        """At most `count` samples from `position` on, or why there are no more; never waits."""
        return np.zeros((count, self.capabilities.channels), np.int16)

    def _pace(self) -> None:
        """Wake the reader as often as a device would; what is due is decided when it asks."""
        while not self._stop.wait(limits.SOUND_LATENCY_MS / 1000):
            self._wake.ring()


class Tone(MadeSound):
    """A sine; `level_db` is its peak in dB of full scale."""

    def __init__(self, frequency_hz: float, level_db: float, channels: int, clock: Clock) -> None:
        self._turns = frequency_hz / limits.SOUND_RATE
        self._peak = _FULL_SCALE * 10 ** (level_db / 20)
        super().__init__("tone", channels, clock)

    def _make(self, position: int, count: int) -> Pcm:
        # By the position, so that no error adds up; the part of a turn only, so that none grows.
        phase = np.arange(position, position + count, dtype=np.float64) * self._turns % 1.0
        wave = np.rint(np.sin(2 * np.pi * phase) * self._peak).astype(np.int16)
        return np.repeat(wave[:, None], self.capabilities.channels, axis=1)


class FileSound(MadeSound):
    """The sound of a file, played once or again and again.

    Attributes:
        begun: whether it plays, or has told why it cannot.
    """

    def __init__(self, path: Path, channels: int, clock: Clock, *, loop: bool = False) -> None:
        """Begin to open the file: it plays from when its beginning is decoded; why it cannot is told as its end."""
        self._path, self._loop, self._channels = path, loop, channels
        self._changed = threading.Condition()
        self._ready: deque[Pcm] = deque()
        self._held = 0
        self._decoded = self._closed = False
        self.begun = False
        self._trouble = ""
        super().__init__(str(path), channels, clock)
        if path in _HANGING:
            self._trouble, self._decoded = "does not answer", True
        else:
            threading.Thread(target=self._decode, name="sound file", daemon=True).start()

    def poll(self) -> Sequence[SoundEvent]:
        """What is due: at most one block, or the end; nothing while the file is being opened."""
        if not self.begun and not self._over:
            self._wake.quiet()
            with self._changed:
                self.begun = bool(self._held or self._decoded)
                trouble = "" if self._held else self._trouble or "holds no sound"
            if not self.begun:
                return ()
            self._start_ns = self._clock.now_ns()
            if trouble:
                self._over = True
                self._stop.set()
                return (SourceEnded(self._start_ns, "device_lost", f"{self._path} {trouble}"),)
        return super().poll()

    def close(self) -> None:
        """Let go of the file without waiting for its thread, which closes it."""
        with self._changed:
            self._closed = True
            if not self.begun and not self._decoded:
                _HANGING.add(self._path)
            self._changed.notify_all()
        super().close()

    def _make(self, position: int, count: int) -> Pcm | SourceEnded:
        with self._changed:
            parts: list[Pcm] = []
            while count and self._ready:
                part = self._ready.popleft()
                if len(part) > count:
                    self._ready.appendleft(part[count:])
                    part = part[:count]
                parts.append(part)
                count -= len(part)
                self._held -= len(part)
            self._changed.notify_all()
            if parts:
                return np.concatenate(parts)
            if not self._decoded:
                return np.zeros((0, self._channels), np.int16)
        at_ns = self._start_ns + _lasts(position)
        if self._trouble:
            return SourceEnded(at_ns, "device_lost", f"{self._path} {self._trouble}")
        return SourceEnded(at_ns, "source_closed", f"{self._path} has ended")

    def _decode(self) -> None:
        from pepys.media.sound_file import NoSound, SoundFile

        try:
            _check(self._path)
            while self._play(SoundFile(self._path, self._channels)) and self._loop:
                pass
        except NoSound as error:
            self._trouble = str(error)
        except OSError as error:
            self._trouble = f"cannot be read: {error.strerror}"
        with self._changed:
            self._decoded = True
            _HANGING.discard(self._path)
            self._changed.notify_all()
        self._wake.ring()

    def _play(self, file: SoundFile) -> bool:
        """Decode a file to its end; whether it held anything and more is wanted."""
        any_sound = False
        with contextlib.closing(file):
            for block in file.blocks():
                any_sound = True
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or self._held < _AHEAD)
                    if self._closed:
                        return False
                    self._ready.append(block)
                    self._held += len(block)
                    self._changed.notify_all()
                if not self.begun:
                    self._wake.ring()
        return any_sound


def _check(path: Path) -> None:
    from pepys.media.sound_file import NoSound

    if path.is_dir():
        raise NoSound("is a folder")
    if not path.is_file():
        raise NoSound("is no plain file" if path.exists() else "does not exist")


def _lasts(samples: int) -> int:
    """How long that many samples last, in nanoseconds, rounded up: the moment at which the last one is due."""
    return -(-samples * limits.NS_PER_S // limits.SOUND_RATE)
