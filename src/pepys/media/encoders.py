"""Which encoder a recording gets: a driver's where a trial succeeds, x264 otherwise.

Owns the port of video encoders and the choice, made once in a recorder's life, before media time 0. Invariants: no
driver runs in the recorder that has not passed a trial in a child process just before; every answer comes within a
deadline; why a driver is not used is kept in words. How drivers are asked is left to `driver_encoder`.
"""

from __future__ import annotations

import json
import select
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import av
import av.codec

from pepys.clock import SystemClock
from pepys.errors import Usage
from pepys.limits import ENCODER_CHOICE_S, ENCODER_TRIAL_BYTES, ENCODER_TRIAL_S, NS_PER_S
from pepys.media.colour import Picture
from pepys.media.driver_encoder import DRIVERS, Driver, DriverEncoder, EncoderFailed
from pepys.media.fmp4_init import VideoConfig
from pepys.media.h264_hint import Area
from pepys.media.video import H264Encoder
from pepys.modules import module_words

__all__ = ["X264", "Choice", "EncoderFailed", "Encoders", "Trial", "VideoEncoder", "choose_encoder", "run_trial"]

X264: Final = "x264"
_KILLED_S = 1.0


class VideoEncoder(Protocol):
    """An H.264 encoder without latency: one access unit comes out for each picture, at once.

    Attributes:
        name: `x264` or libavcodec's name of a driver's encoder.
        config: what a decoder must know.
    """

    name: str
    config: VideoConfig

    def encode(self, picture: Picture, pts_ns: int, key: bool, changed: Sequence[Area] | None = None) -> bytes:
        """Encode the picture as it stands; returns length-prefixed NAL units.

        Args:
            picture: what to encode; it may be overwritten as soon as this returns.
            pts_ns: its time, which must rise.
            key: whether it is a key frame.
            changed: all that was written since the last picture, to spare looking at the rest; None for anything.

        Raises:
            EncoderFailed: a driver did not do what it was asked; never of x264.
        """
        ...

    def repeat(self, pts_ns: int) -> bytes:
        """The picture of the last `encode` once more, at a later time, never as a key frame.

        Raises:
            EncoderFailed: as `encode`.
        """
        ...

    def close(self) -> None:
        """Let go of the encoder; what it was given has come out already."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """The encoder in use.

    Attributes:
        name: `x264` or a driver's.
        reason: why it is not another; empty where the wish was met.
        failed: whether a driver that is there, or was asked for by name, cannot be used.
    """

    name: str
    reason: str = ""
    failed: bool = False

    @property
    def told(self) -> str:
        """What `show` says; that a machine has no hardware for it is worth no word there."""
        return f"{self.name} ({self.reason})" if self.failed else self.name


Trial = Callable[[str, int, int, int, int, float], str]
"""From codec, width, height, fps, qp and deadline in seconds to why it failed; empty when it did not."""


def choose_encoder(
    wish: str,
    width: int,
    height: int,
    fps: int,
    qp: int,
    *,
    drivers: Sequence[Driver] = DRIVERS,
    trial: Trial | None = None,
) -> Choice:
    """The encoder for pictures of this size; blocks for as long as trials last, at most `ENCODER_CHOICE_S`.

    Args:
        wish: `auto`, `x264` or the name of a driver's encoder, which is then the only one tried.
        width: of the pictures.
        height: of the pictures.
        fps: most pictures a second.
        qp: the quantiser.
        drivers: the candidates, best first.
        trial: how one is tried; None for a real trial in a child.

    Raises:
        Usage: the wish names no encoder.
    """
    if wish == X264:
        return Choice(X264)
    candidates = [driver for driver in drivers if wish in ("auto", driver.codec)]
    if not candidates:
        known = ", ".join(("auto", X264, *(driver.codec for driver in drivers)))
        raise Usage(f"there is no encoder {wish!r}", f"one of: {known}")
    clock = SystemClock()
    end_ns, reasons = clock.now_ns() + int(ENCODER_CHOICE_S * NS_PER_S), []
    failed = wish != "auto"
    for driver in candidates:
        reason = _absent(driver)
        if not reason:
            failed = True
            left_s = min(ENCODER_TRIAL_S, (end_ns - clock.now_ns()) / NS_PER_S)
            reason = (
                (trial or run_trial)(driver.codec, width, height, fps, qp, left_s) if left_s > 0 else "no time left"
            )
        if not reason:
            return Choice(driver.codec)
        reasons.append(reason)
    return Choice(X264, "; ".join(dict.fromkeys(reasons)), failed)


def _absent(driver: Driver) -> str:
    """Why a trial is not worth a process; empty when it is."""
    if not any(next(Path("/").glob(pattern.lstrip("/")), None) for pattern in driver.nodes):
        return f"no {' or '.join(driver.nodes)}"
    try:
        av.codec.Codec(driver.codec, "w")
    except ValueError:
        return f"PyAV was built without {driver.codec}"
    return ""


def run_trial(
    codec: str, width: int, height: int, fps: int, qp: int, deadline_s: float, *, argv: Sequence[str] | None = None
) -> str:
    """Try an encoder in a child process; why it failed, or nothing.

    Args:
        codec: the encoder's name.
        width: of the pictures.
        height: of the pictures.
        fps: most pictures a second.
        qp: the quantiser.
        deadline_s: after it the child is killed; one that even survives that is left behind.
        argv: another child than the trial.
    """
    numbers = [str(number) for number in (width, height, fps, qp)]
    command = argv or module_words("pepys.media.encoder_trial", codec, *numbers)
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
    except OSError as error:
        return f"the trial of {codec} cannot be started: {error.strerror}"
    told = _hear(child, deadline_s)
    if told is None:
        child.kill()
    try:
        code = child.wait(_KILLED_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return f"the trial of {codec} does not end"
    finally:
        if child.stdout is not None:
            child.stdout.close()
    if told is None:
        return f"the trial of {codec} gave no answer within {deadline_s:.0f} s"
    if code < 0:
        return f"the trial of {codec} crashed ({_signal_name(-code)})"
    return _reason(codec, code, told)


def _hear(child: subprocess.Popen[bytes], deadline_s: float) -> bytes | None:
    """What the child writes until it closes its end; None past the deadline or when it writes without end."""
    if child.stdout is None:
        return None
    clock, told = SystemClock(), b""
    end_ns = clock.now_ns() + int(deadline_s * NS_PER_S)
    while (left_ns := end_ns - clock.now_ns()) > 0 and len(told) <= ENCODER_TRIAL_BYTES:
        if select.select([child.stdout], [], [], left_ns / NS_PER_S)[0]:
            piece = child.stdout.read(ENCODER_TRIAL_BYTES)
            if not piece:
                return told
            told += piece
    return None


def _reason(codec: str, code: int, told: bytes) -> str:
    if code:
        return f"the trial of {codec} failed (exit {code})"
    try:
        return str(json.loads(told)["reason"])
    except (ValueError, KeyError, TypeError):
        return f"the trial of {codec} told nothing that can be read"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Encoders:
    """The encoders of one recorder: the choice is made once, and given up for good when the driver fails later."""

    def __init__(self, wish: str = "auto", *, drivers: Sequence[Driver] = DRIVERS, trial: Trial | None = None) -> None:
        self._wish, self._drivers, self._trial = wish, drivers, trial
        self._choice: Choice | None = None

    @property
    def choice(self) -> Choice:
        """The choice in force; x264 as long as nothing was chosen."""
        return self._choice or Choice(X264)

    def prepare(self, width: int, height: int, fps: int, qp: int) -> Choice:
        """Choose, unless that was done; to be called before media time 0, because a trial takes its time."""
        if self._choice is None:
            self._choice = choose_encoder(self._wish, width, height, fps, qp, drivers=self._drivers, trial=self._trial)
        return self._choice

    def open(self, width: int, height: int, fps: int, qp: int) -> VideoEncoder:
        """A fresh encoder; x264 from now on if the driver does not open at this size."""
        choice = self.prepare(width, height, fps, qp)
        driver = next((driver for driver in self._drivers if driver.codec == choice.name), None)
        if driver is not None:
            try:
                return DriverEncoder(driver, width, height, fps, qp=qp)
            except EncoderFailed as error:
                self.give_up(str(error))
        return H264Encoder(width, height, fps, qp=qp)

    def give_up(self, reason: str) -> None:
        """Use x264 from the next `open` on: the driver failed while it recorded."""
        self._choice = Choice(X264, reason, failed=True)
