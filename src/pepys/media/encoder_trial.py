"""`python -m pepys.media.encoder_trial CODEC WIDTH HEIGHT FPS QP`: whether a driver's encoder can be trusted.

A child of its own, because drivers crash and hang. It encodes changing pictures, some of which must be key frames,
decodes them from exactly what a recording would hold, and compares. Invariants: the outcome is one JSON object on
stdout; the child ends by itself after the deadline, even if nobody waits for it any more.
"""

from __future__ import annotations

import json
import math
import signal
import sys
from collections.abc import Sequence
from typing import Any

import av
import numpy as np

from pepys.clock import SystemClock
from pepys.limits import ENCODER_TRIAL_S, NS_PER_S
from pepys.media.colour import Picture, Pixels
from pepys.media.driver_encoder import DRIVERS, Driver, DriverEncoder, EncoderFailed

PICTURES = 12
KEYS = frozenset((0, 7))
LEAST_DB = 32.0
"""x264 gives 37 dB and more at every quality; far less means that pictures are wrong, not coarse."""


def trial(driver: Driver, width: int, height: int, fps: int, qp: int) -> dict[str, Any]:
    """Encode, decode, compare: `psnr` of the worst picture in dB, and `reason`, empty when all is well."""
    try:
        encoder = DriverEncoder(driver, width, height, fps, qp=qp)
        decoder = _decoder(encoder.config.avcc)
        picture, clock, worst, begun = Picture(width, height), SystemClock(), math.inf, 0
        for number in range(PICTURES):
            _paint(picture, number)
            begun -= clock.now_ns()
            data = encoder.encode(picture, number * NS_PER_S // fps, number in KEYS)
            begun += clock.now_ns()
            if number not in KEYS and _is_key(data):
                return _failed(f"{driver.codec} set a key frame of its own will")
            worst = min(worst, _compare(picture, decoder.decode(av.Packet(data))))
        data = encoder.repeat(PICTURES * NS_PER_S // fps)
        worst = min(worst, _compare(picture, decoder.decode(av.Packet(data))))
    except EncoderFailed as error:
        return _failed(str(error))
    except (av.FFmpegError, ValueError) as error:
        return _failed(f"what {driver.codec} gave does not decode: {type(error).__name__}")
    if worst == -math.inf:
        return _failed(f"not every picture of {driver.codec} comes back at once")
    told = {"psnr": round(worst, 1), "ms": round(begun / PICTURES / 1e6, 2), "reason": ""}
    if worst < LEAST_DB:
        told["reason"] = f"{driver.codec} gave wrong pictures ({worst:.0f} dB)"
    elif begun > PICTURES * NS_PER_S // fps:
        told["reason"] = f"{driver.codec} takes {told['ms']} ms a picture, too long for {fps} a second"
    return told


def _failed(reason: str) -> dict[str, Any]:
    return {"psnr": 0.0, "ms": 0.0, "reason": reason}


def _decoder(avcc: bytes) -> av.VideoCodecContext:
    decoder: av.VideoCodecContext = av.CodecContext.create("h264", "r")
    decoder.extradata = avcc
    decoder.thread_count = 1
    # A decoder that knows of no frames out of order gives each one back at once: frames that refer forward are seen.
    decoder.flags |= av.codec.context.Flags.low_delay
    return decoder


def _paint(picture: Picture, number: int) -> None:
    """A still gradient, a band of text-like noise that scrolls, and a block that changes wholly."""
    height, width = picture.luma.shape
    noise = np.random.default_rng(7).integers(0, 2, (height // 4 + 1, width // 4 + 1), np.uint8)
    picture.luma[:] = (16 + np.arange(width) * 200 // width).astype(np.uint8)
    picture.chroma[:] = 128
    text = np.roll(np.kron(noise, np.full((4, 4), 180, np.uint8)), -8 * number, 0)[: height // 2, :width]
    picture.luma[: height // 2] = text + 20
    picture.luma[height - height // 4 :, : width // 2] = 16 + number * 17
    picture.chroma[(height - height // 4) // 2 :, : width // 2] = 60 + number * 10


def _compare(picture: Picture, frames: Sequence[av.VideoFrame]) -> float:
    """Luma PSNR in dB; minus infinity where not exactly one picture came."""
    if len(frames) != 1 or (frames[0].width, frames[0].height) != (picture.width, picture.height):
        return -math.inf
    plane = frames[0].planes[0]
    shown: Pixels = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
        : picture.height, : picture.width
    ]
    error = float(np.mean((shown.astype(np.int32) - picture.luma) ** 2))
    return 10 * math.log10(255**2 / error) if error else math.inf


def _is_key(data: bytes) -> bool:
    """Whether length-prefixed units hold a key frame."""
    at, kinds = 0, set()
    while at < len(data):
        kinds.add(data[at + 4] & 31)
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return 5 in kinds


def main(argv: Sequence[str]) -> int:
    """Try the encoder named by the arguments and tell the outcome."""
    if sys.platform != "win32":
        signal.alarm(math.ceil(ENCODER_TRIAL_S) + 1)
    codec, *numbers = argv
    driver = next(driver for driver in DRIVERS if driver.codec == codec)
    width, height, fps, qp = (int(number) for number in numbers)
    sys.stdout.write(json.dumps(trial(driver, width, height, fps, qp)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
