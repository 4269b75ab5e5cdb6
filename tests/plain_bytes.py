"""Looks for what must not be readable: words and pixels, as raw bytes, in every file of some folders and in its name.

Words are looked for in the codes and escapes in which programs write text; pixels as rows of the layouts in which
pictures lie in memory. What a file holds compressed is unpacked where its magic says so. Memory, swap and core dumps
are not files of a program and are left out.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import zstandard
from numpy.typing import NDArray

UNPACKED_BYTES = 32 * 1024 * 1024
TRIES = 256
ROW_PX = 48
DETAILS = 6
"""So many edges of brightness a row has at least."""
PIECE_BYTES = 32
Needles = dict[str, bytes]


def of_text(text: str) -> Needles:
    """The forms of a text, by what they are called."""
    plain = text.encode()
    forms = {"utf-8": plain, "json": json.dumps(text)[1:-1].encode(), "url": urllib.parse.quote(text).encode()}
    forms |= {code: text.encode(code) for code in ("utf-16-le", "utf-16-be", "utf-32-le")}
    forms |= {"hex": plain.hex().encode(), "HEX": plain.hex().upper().encode(), "reversed": plain[::-1]}
    for shift in range(3):
        # Without the characters at both ends, which depend on what stands beside.
        whole = base64.b64encode(bytes(shift) + plain)
        forms[f"base64 +{shift}"] = whole[4 if shift else 0 : len(whole) // 4 * 4 - 4]
    return {f"{text!r} in {form}": needle for form, needle in forms.items()}


def of_picture(picture: NDArray[np.uint8], name: str, rows: int = 4) -> Needles:
    """Pieces of the rows with the most detail of a picture (height, width, RGB), in the layouts of memory.

    A row of one colour tells nothing: such bytes lie everywhere. A picture of one colour gives none.
    """
    luma = (picture @ np.array([0.299, 0.587, 0.114])).round().astype(np.int16)
    windows = np.lib.stride_tricks.sliding_window_view(np.abs(np.diff(luma, axis=1)) > 8, ROW_PX, axis=1).sum(axis=2)
    found: Needles = {}
    for y in np.argsort(windows.max(axis=1))[::-1][:rows]:
        if windows[y].max() < DETAILS:
            break
        x = int(windows[y].argmax())
        row = picture[y, x : x + ROW_PX]
        full = np.full((ROW_PX, 1), 255, np.uint8)
        layouts = {"RGB": row, "BGR": row[:, ::-1], "RGBA": np.hstack([row, full])}
        layouts |= {"BGRA": np.hstack([row[:, ::-1], full]), "BGRX": np.hstack([row[:, ::-1], 0 * full])}
        limited = np.rint(16 + luma[y, x : x + ROW_PX] * 219 / 255).astype(np.uint8)
        layouts |= {"grey": luma[y, x : x + ROW_PX].astype(np.uint8), "luma": limited}
        found |= {f"{name}, row {y} as {layout}": values.tobytes() for layout, values in layouts.items()}
    return found


def of_data(data: bytes, name: str, pieces: int = 4) -> Needles:
    """Pieces from all over some bytes, the most varied of each part: what is all zeros lies everywhere."""
    found: Needles = {}
    step = max(len(data) // pieces, PIECE_BYTES)
    for start in range(0, len(data) - PIECE_BYTES, step):
        part = data[start : start + step]
        places = range(0, max(len(part) - PIECE_BYTES, 1), PIECE_BYTES)
        piece = max((part[at : at + PIECE_BYTES] for at in places), key=lambda some: len(set(some)))
        if len(set(piece)) > PIECE_BYTES // 2:
            found[f"{name} near {start}"] = piece
    assert found, f"{name} has nothing to tell it by"
    return found


def found_in(folders: Iterable[Path], needles: Needles) -> list[str]:
    """Where a needle lies, in words; empty when none does. A folder that is not there is a mistake."""
    seen = []
    for folder in folders:
        assert folder.is_dir(), folder
        for path in folder.rglob("*"):
            name = str(path.relative_to(folder)).encode()
            data = [name]
            if path.is_file() and not path.is_symlink():
                with contextlib.suppress(FileNotFoundError):
                    data += _unpacked(path.read_bytes())
            seen += [f"{path}: {what}" for what, needle in needles.items() if any(needle in part for part in data)]
    return seen


def _unpacked(data: bytes) -> Iterator[bytes]:
    """A file's bytes, and what is packed in it."""
    yield data
    for magic, unpack in ((b"\x28\xb5\x2f\xfd", _zstd), (b"\x1f\x8b\x08", _gzip)):
        at, tries = data.find(magic), 0
        while at >= 0 and tries < TRIES:
            yield unpack(data[at:])
            at, tries = data.find(magic, at + 1), tries + 1
    for magic in (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"):
        at, tries = data.find(magic), 0
        while at >= 0 and tries < TRIES:
            yield _zlib(data[at:])
            at, tries = data.find(magic, at + 1), tries + 1
    if data.startswith(b"PK\x03\x04"):
        with contextlib.suppress(zipfile.BadZipFile, ValueError), zipfile.ZipFile(io.BytesIO(data)) as packed:
            for entry in packed.infolist():
                yield packed.read(entry)[:UNPACKED_BYTES]


def _zstd(data: bytes) -> bytes:
    with contextlib.suppress(zstandard.ZstdError, MemoryError):
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)[:UNPACKED_BYTES]
    return b""


def _gzip(data: bytes) -> bytes:
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj(31).decompress(data, UNPACKED_BYTES)
    return b""


def _zlib(data: bytes) -> bytes:
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj().decompress(data, UNPACKED_BYTES)
    return b""
