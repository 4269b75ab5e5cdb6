"""`python -m pepys.bench.health_leaks FD`: decodes one session, looks for what must not be in it, answers in JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pepys.bench.health_leaks import OPEN_HZ, TONE_HZ
from pepys.errors import PepysError
from pepys.limits import NS_PER_S
from pepys.media.pcm import Span, decode_pcm
from pepys.media.playback_pictures import StoredPicture, decode_pictures
from pepys.model.session import Session, Track
from pepys.store import reader
from pepys.store.handover import receive
from pepys.store.store import Store

_RATE: Final = 16_000
_BLOCK: Final = _RATE // 100
_BLUE, _RED, _NEAR = 202, 222, 24
"""Magenta in BT.601, limited range."""
_SPOT_PIXELS: Final = 64
_LEVEL: Final = 0.01
"""A hundredth of full scale: what is played is twenty times as loud, the smear of a coder a tenth."""


def look(store: Store, session: Session) -> dict[str, Any]:
    """Everything that was recorded, picture by picture and 10 ms by 10 ms."""
    found: dict[str, Any] = {"pictures": 0, "samples": 0, "bad_pictures": [], "bad_sound": [], "open_sound": 0}
    for track in session.tracks:
        if track.kind == "video" and track.segments:
            for at_ns, picture in _pictures(store, session, track):
                found["pictures"] += 1
                if _is_secret(picture):
                    found["bad_pictures"].append(at_ns)
        elif track.kind == "audio" and track.segments:
            for at_ns, samples in _sound(store, session, track):
                found["samples"] += len(samples)
                secret, opened = loudness(samples, TONE_HZ), loudness(samples, OPEN_HZ)
                found["open_sound"] += int((opened > _LEVEL).sum())
                found["bad_sound"] += [
                    (track.track, at_ns + int(block) * _BLOCK * NS_PER_S // _RATE)
                    for block in np.flatnonzero(secret > _LEVEL)
                ]
    return found


def loudness(samples: NDArray[np.int16], hertz: int) -> NDArray[np.float64]:
    """How loud a tone is in each 10 ms, of full scale; shape (blocks,). One term of a discrete Fourier transform."""
    blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK).astype(np.float64) / 32768
    wave = np.exp(-2j * np.pi * hertz * np.arange(_BLOCK) / _RATE) * np.hanning(_BLOCK)
    strength: NDArray[np.float64] = np.abs(blocks @ wave) * 4 / _BLOCK
    return strength


def _pictures(store: Store, session: Session, track: Track) -> Iterator[tuple[int, StoredPicture]]:
    for span in session.spans:
        for part in _parts(store, track, span.span):
            for picture in decode_pictures([part]):
                yield span.start_ns + picture.media_ns - span.media_ns, picture


def _sound(store: Store, session: Session, track: Track) -> Iterator[tuple[int, NDArray[np.int16]]]:
    for span in session.spans:
        for part in _parts(store, track, span.span):
            for block in decode_pcm([part], _RATE):
                yield span.start_ns + block.media_ns - span.media_ns, block.samples


def _parts(store: Store, track: Track, span: int) -> Iterator[Span]:
    for init in track.inits:
        segments = [segment for segment in track.segments if segment.span == span]
        if init.span == span and segments:
            yield Span(store.blobs.read(init.blob), (store.blobs.read(segment.blob) for segment in segments))


def _is_secret(picture: StoredPicture) -> bool:
    near = abs(picture.blue.astype("int16") - _BLUE) < _NEAR
    near &= abs(picture.red.astype("int16") - _RED) < _NEAR
    return int(near.sum()) > _SPOT_PIXELS


def main(arguments: list[str]) -> int:
    """Do the one order; the exit status is the error's."""
    try:
        store, order = receive(arguments)
        told = look(store, reader.load(store, order["session"]))
    except PepysError as error:
        sys.stdout.write(json.dumps({"error": error.to_json()}) + "\n")
        return error.exit_code
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
