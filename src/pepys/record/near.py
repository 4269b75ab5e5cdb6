"""Whether a shot shows, but for what carries no text, what an earlier one of the session showed.

Owns what is kept of earlier shots: a hash of each 32-px tile, and the picture as NV12, compressed in bands, all in a
bounded number of bytes. Invariants: a shot is compared with shots that were stored, never with one that was itself only
near, so that nothing drifts; of one size only; with the few that have most tiles in common. A shot of which most tiles
differ is always another one, whatever is seen there: a film that fills the screen, the next photograph.

What two pictures tell by themselves is judged in `text_change`, what takes history in `restless`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import zstandard
from numpy.typing import NDArray

from pepys import limits
from pepys.media.colour import Converter, Picture, converter
from pepys.record.rectangles import Plane
from pepys.record.restless import Restless
from pepys.record.shelf import Shelf
from pepys.record.text_change import TILE, Difference, Pair, judge, text_tiles

Pixels = NDArray[np.uint8]
Hashes = NDArray[np.uint64]

_BAND: Final = TILE + TILE // 2
_WORDS: Final = TILE // 8
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_CANDIDATES: Final = 3
_ANOTHER: Final = 0.5
_LEVEL: Final = 1


def _mixed(count: int) -> Hashes:
    """Odd numbers that have nothing to do with one another (splitmix64; numpy.random would be loaded for it alone)."""
    numbers = np.arange(1, count + 1, dtype=np.uint64) * _MULTIPLIER
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (numbers ^ (numbers >> np.uint64(31))) | np.uint64(1)


_WEIGHTS: Final = _mixed(_BAND * _WORDS).reshape(_BAND, _WORDS)


@dataclass(frozen=True, slots=True)
class Look:
    """A shot as it is compared.

    Attributes:
        size: width and height of the shot in pixels.
        picture: the shot as NV12, black beyond its edges up to whole tiles.
        tiles: hashes, shape (tile rows, tile columns).
        text: how many tiles show text.
    """

    size: tuple[int, int]
    picture: Picture
    tiles: Hashes
    text: int


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison found.

    Attributes:
        near: digest of the stored shot that shows the same but for what carries no text; None if there is none.
        changed: share of the text's tiles that changed against the shot before, 0 to 1; None without one.
    """

    near: bytes | None
    changed: float | None


class Gallery:
    """Earlier shots of a session, to compare with."""

    def __init__(self) -> None:
        self._convert: Converter = converter()
        self._pack = zstandard.ZstdCompressor(level=_LEVEL)
        self._unpack = zstandard.ZstdDecompressor()
        self._stored = Shelf(limits.SHOT_NEAR_BYTES, limits.SHOT_NEAR)
        self._sizes: dict[bytes, tuple[int, int]] = {}
        self._last: Look | None = None
        self._last_digest = b""
        self._restless = Restless()

    @property
    def size_bytes(self) -> int:
        """Memory that the earlier shots take."""
        last = self._last
        return self._stored.used + (last.picture.array.nbytes + last.tiles.nbytes if last else 0)

    @property
    def count(self) -> int:
        """How many earlier shots there are."""
        return len(self._stored)

    def compare(self, pixels: Pixels) -> Compared:
        """Compare a shot with earlier ones; from now on it is the last one.

        Args:
            pixels: BGRA of shape (height, width, 4).
        """
        height, width = pixels.shape[:2]
        picture = _planes(self._convert, pixels)
        look = Look((width, height), picture, _hashes(picture), text_tiles(picture.luma))
        last, digest = self._last, self._last_digest
        if last is not None and last.size != look.size:
            last, self._restless = None, Restless()
        before = _difference(last.picture, look, last.tiles != look.tiles) if last is not None else None
        near = self._find(look, digest if last is not None else b"", before)
        changed = None if last is None else self._learn(before, last, look)
        self._last, self._last_digest = look, b""
        return Compared(near, changed)

    def keep(self, digest: bytes) -> None:
        """The last shot was stored, or shows exactly what was: later ones are compared with it."""
        last = self._last
        if last is None:
            return
        rows = range(len(last.tiles))
        packed = [self._pack.compress(_band(last.picture, row).data) for row in rows]
        if self._stored.put(digest, [last.tiles.tobytes(), *packed]):
            self._sizes = {key: size for key, size in self._sizes.items() if key in self._stored}
            self._sizes[digest] = last.size
            self._last_digest = digest

    def _find(self, look: Look, last: bytes, before: Difference | None) -> bytes | None:
        """The stored shot that shows the same; `last` is the digest of the last one, where that was stored."""
        alike = []
        for age, digest in enumerate(self._stored):
            if self._sizes[digest] == look.size:
                tiles = self._stored.part(digest, 0).view(np.uint64).reshape(look.tiles.shape)
                alike.append((int(np.count_nonzero(tiles != look.tiles)), -age, digest))
        for differing, _, digest in sorted(alike)[:_CANDIDATES]:
            if differing > _ANOTHER * look.tiles.size:
                break
            found = before if digest == last else self._against(digest, look)
            if found is not None and not found.text and self._restless.cover(found.marks, look.picture.luma):
                self._stored.use(digest)
                return digest
        return None

    def _learn(self, before: Difference | None, last: Look, look: Look) -> float:
        """Take in what changed since the last shot; its share."""
        if before is None:
            return float(np.count_nonzero(last.tiles != look.tiles)) / look.tiles.size
        luma, marks = look.picture.luma, len(before.marks)
        if marks and self._restless.cover(before.marks, luma):
            marks = 0
        self._restless.learn(before.marks, luma)
        return min(1.0, (before.text + marks) / max(1, last.text, look.text))

    def _against(self, digest: bytes, look: Look) -> Difference | None:
        """What differs from a stored shot, of which only the changed bands are unpacked."""
        changed = self._stored.part(digest, 0).view(np.uint64).reshape(look.tiles.shape) != look.tiles
        earlier = Picture(look.picture.width, look.picture.height)
        for row in np.flatnonzero(changed.any(1)).tolist():
            packed = self._unpack.decompress(self._stored.part(digest, row + 1).data)
            band = np.frombuffer(packed, np.uint8).reshape(_BAND, earlier.width)
            earlier.luma[row * TILE : (row + 1) * TILE] = band[:TILE]
            earlier.chroma[row * TILE // 2 : (row + 1) * TILE // 2] = band[TILE:]
        return _difference(earlier, look, changed)


def _difference(earlier: Picture, look: Look, changed: NDArray[np.bool_]) -> Difference | None:
    """What differs in the tiles that changed; None when most of the screen does."""
    if np.count_nonzero(changed) > _ANOTHER * changed.size:
        return None
    picture = look.picture
    return judge(Pair((earlier.luma, picture.luma), (earlier.chroma, picture.chroma)), changed)


def _band(picture: Picture, row: int) -> Plane:
    """A row of tiles: 32 rows of luma above 16 of chroma, so that a tile is 32 bytes wide in both."""
    luma = picture.luma[row * TILE : (row + 1) * TILE]
    return np.concatenate((luma, picture.chroma[row * TILE // 2 : (row + 1) * TILE // 2]))


def _hashes(picture: Picture) -> Hashes:
    rows, columns = picture.height // TILE, picture.width // TILE
    weights = np.tile(_WEIGHTS, (1, columns))
    tiles = np.empty((rows, columns), np.uint64)
    for row in range(rows):
        words = _band(picture, row).view(np.uint64) * _MULTIPLIER
        # Products know nothing of what stands above a bit: the upper half is folded down before the next.
        words ^= words >> np.uint64(32)
        words *= weights
        words ^= words >> np.uint64(29)
        tiles[row] = words.sum(0).reshape(columns, _WORDS).sum(1)
    return tiles


def _planes(convert: Converter, pixels: Pixels) -> Picture:
    """The picture as NV12, black beyond its edges up to whole tiles; an odd edge keeps its last row and column."""
    height, width = pixels.shape[:2]
    picture = Picture(-(-width // TILE) * TILE, -(-height // TILE) * TILE)
    even_width, even_height = width & ~1, height & ~1
    if even_width and even_height:
        convert.convert(picture, 0, 0, pixels[:even_height, :even_width])
    if width & 1:
        edge = np.ascontiguousarray(pixels[: max(even_height, 1), -1:].repeat(2, 1))
        edge = edge if even_height else edge.repeat(2, 0)
        convert.convert(picture, even_width, 0, edge)
    if height & 1 and even_width:
        convert.convert(picture, 0, even_height, np.ascontiguousarray(pixels[-1:, :even_width].repeat(2, 0)))
    return picture
