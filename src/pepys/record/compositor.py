"""From the patches of one source or several to the one picture that the encoder reads.

Invariants: a source that fills the canvas unscaled is converted straight into it, and nothing is copied; what did not
change is not drawn again; sources below are drawn before those above them; a late source is not waited for, its last
picture stays; the place of a source that has ended is black where others go on. What is kept (a picture a source at
most, two where it is scaled into an inset) goes when the source or the arrangement goes. When to capture is left to
`video`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pepys.limits import STALE_NS, STALE_TAKES
from pepys.media.colour import Converter, Picture, converter
from pepys.media.h264_hint import Area
from pepys.media.swscale import Scaler, SwscaleConverter
from pepys.record.layouts import Arrangement, Layout, Place, Size, arrange
from pepys.record.ports import Patch, VideoSource

_BLACK_LUMA, _GREY_CHROMA = 16, 128
_Mask = NDArray[np.uint16]


class View:
    """One source as the compositor sees it; which source that is may change, its place among others does not.

    Attributes:
        source: what is shown; None while there is nothing to show.
        size: the source's size, or the last one it had.
        pending: it told of a change that has not been taken.
        captured: how many times pixels were taken from it.
        stale: it goes on telling of changes and gives nothing.
        drawn: what is pending is more than the pointer.
        watch: told where the picture changed, as (left, top, width, height) in the source's pixels.
    """

    def __init__(self, source: VideoSource | None = None) -> None:
        self.source: VideoSource | None = None
        self.size: Size = (2, 2)
        self.pending = False
        self.captured = 0
        self.stale = self.drawn = False
        self.watch: Callable[[Sequence[Area]], None] | None = None
        self._empty = self._empty_ns = self._emptied_ns = 0
        if source is not None:
            self.show(source)

    def show(self, source: VideoSource) -> None:
        """Show this source from now on."""
        self.source, self.pending, self.stale, self._empty = source, True, False, 0
        self.drawn = True
        self.measure()

    def drop(self) -> None:
        """There is nothing to show any more."""
        self.source, self.pending, self.stale, self._empty = None, False, False, 0

    def gave(self, patches: Sequence[Patch]) -> None:
        """Its pixels are in the next frame."""
        self.captured += 1
        if self.drawn and self.watch is not None:
            self.watch([(p.x, p.y, p.pixels.shape[1], p.pixels.shape[0]) for p in patches])
        self.drawn = False
        self._empty, self.stale = 0, False

    def gave_nothing(self, now_ns: int) -> None:
        """It told of a change, and there was none.

        That happens now and then: the pixels came with the change before. A source that goes on like this hangs.
        """
        if not self._empty or now_ns - self._emptied_ns > STALE_NS:
            self._empty, self._empty_ns = 0, now_ns
        self._empty, self._emptied_ns = self._empty + 1, now_ns
        self.stale = self._empty >= STALE_TAKES and now_ns - self._empty_ns > STALE_NS

    def measure(self) -> None:
        """Take over the size that the source has now."""
        if self.source is not None:
            self.size = (self.source.geometry.width, self.source.geometry.height)


class _Tile:
    """The kept pixels of one view in one place."""

    def __init__(self, view: View, place: Place, canvas: Picture, way: Converter, *, apart: bool) -> None:
        """Make room.

        Args:
            view: what is shown.
            place: where.
            canvas: the picture of all.
            way: converts what need not be scaled.
            apart: something overlaps it, so that its own pixels must be kept beside the canvas.
        """
        native = (max(2, view.size[0] & ~1), max(2, view.size[1] & ~1))
        self.place, self._way, self._canvas = place, way, canvas
        self._scaler = Scaler(*native) if native != (place.width, place.height) else None
        whole = (place.width, place.height) == (canvas.width, canvas.height)
        self._direct = not apart and (self._scaler is None or whole)
        self._own = canvas if self._direct else Picture(place.width, place.height)
        self._at = (place.x, place.y) if self._direct else (0, 0)
        self._native = native
        self._changed: list[Place] = []
        self.align = 2 if self._scaler is not None else way.align

    def put(self, patches: list[Patch]) -> None:
        """Take patches in; `draw` shows them."""
        for patch in patches:
            pixels = patch.pixels[: self._native[1] - patch.y, : self._native[0] - patch.x]
            if self._scaler is not None:
                self._scaler.update(patch.x, patch.y, pixels)
                continue
            left, top = self._at
            self._way.convert(self._own, left + patch.x, top + patch.y, pixels)
            self._changed.append(
                Place(self.place.x + patch.x, self.place.y + patch.y, pixels.shape[1], pixels.shape[0])
            )
        if patches and self._scaler is not None:
            self._scaler.render(self._own)
            self._changed = [self.place]

    def take_changed(self) -> list[Place]:
        """Parts of the canvas that `put` changed since the last call."""
        changed, self._changed = self._changed, []
        return changed

    def draw(self, part: Place) -> None:
        """Bring a part of the place, in canvas coordinates, from the kept pixels onto the canvas."""
        if self._direct:
            return
        left, top = max(part.x, self.place.x), max(part.y, self.place.y)
        right = min(part.x + part.width, self.place.x + self.place.width)
        bottom = min(part.y + part.height, self.place.y + self.place.height)
        if left >= right or top >= bottom:
            return
        x, y = left - self.place.x, top - self.place.y
        own_right, own_bottom = right - self.place.x, bottom - self.place.y
        canvas, own = self._canvas, self._own
        canvas.luma[top:bottom, left:right] = own.luma[y:own_bottom, x:own_right]
        canvas.chroma[top // 2 : bottom // 2, left:right] = own.chroma[y // 2 : own_bottom // 2, x:own_right]

    def draw_over(self) -> None:
        """Draw the whole place over what lies below, which shows through at the corners."""
        radius = self.place.radius
        if not radius:
            self.draw(self.place)
            return
        width, height, mask = self.place.width, self.place.height, _corner(radius)
        across = ((0, mask), (width - radius, mask[:, ::-1]))
        corners = [(x, y, part if y == 0 else part[::-1]) for x, part in across for y in (0, height - radius)]
        below = [self._canvas_block(x, y, radius) for x, y, _ in corners]
        self.draw(self.place)
        for (x, y, part), (luma, chroma) in zip(corners, below, strict=True):
            self._blend(x, y, part, luma, chroma)

    def _canvas_block(self, x: int, y: int, side: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        left, top = self.place.x + x, self.place.y + y
        luma = self._canvas.luma[top : top + side, left : left + side].copy()
        return luma, self._canvas.chroma[top // 2 : (top + side) // 2, left : left + side].copy()

    def _blend(self, x: int, y: int, mask: _Mask, luma: NDArray[np.uint8], chroma: NDArray[np.uint8]) -> None:
        left, top, side = self.place.x + x, self.place.y + y, len(mask)
        over = self._canvas.luma[top : top + side, left : left + side]
        over[:] = (over * mask + luma * (256 - mask)) >> 8
        # Four pixels of luma share one pair of chroma, whose bytes stand where two luma pixels do.
        coarse = np.repeat((mask[::2, ::2] + mask[1::2, ::2] + mask[::2, 1::2] + mask[1::2, 1::2]) >> 2, 2, axis=1)
        over = self._canvas.chroma[top // 2 : (top + side) // 2, left : left + side]
        over[:] = (over * coarse + chroma * (256 - coarse)) >> 8

    def close(self) -> None:
        """Free what native code holds."""
        if self._scaler is not None:
            self._scaler.close()


class Compositor:
    """Draws views on one canvas by a layout."""

    def __init__(self, views: Sequence[View], layout: Layout, lines: int) -> None:
        """Take the views; nothing is kept until `open`.

        Args:
            views: in the order of the layout.
            layout: one that fits their number.
            lines: most pixels of the canvas' shorter side.
        """
        self.views, self.layout, self._lines = tuple(views), layout, lines
        self.dirty = True
        """Whether the canvas was written to since somebody last set this to False."""
        self._areas: list[Area] | None = None
        self._picture: Picture | None = None
        self._tiles: list[_Tile | None] = []
        self._arranged: list[tuple[VideoSource | None, Size]] = []
        self._way = converter()

    @property
    def picture(self) -> Picture:
        """The canvas; the same object from `open` to `close`.

        Raises:
            ValueError: it is not open.
        """
        if self._picture is None:
            raise ValueError("no span is open")
        return self._picture

    @property
    def wanted(self) -> Size:
        """The size of the canvas that suits the sizes in force."""
        found = self._arrange(None)
        return found.width, found.height

    @property
    def alone(self) -> bool:
        """Whether there is but one source, whose last picture is held when it ends."""
        return len(self.views) == 1

    def open(self) -> Picture:
        """A new canvas of the size that suits, black until the next `take`, which takes everything."""
        self.close()
        for view in self.views:
            view.measure()
        self._picture = Picture(*self.wanted)
        self._refit()
        return self._picture

    def close(self) -> None:
        """Let go of all that is kept."""
        self._close_tiles()
        self._picture, self._arranged = None, []
        if isinstance(self._way, SwscaleConverter):
            self._way.close()

    def take(self, now_ns: int) -> bool:
        """Bring the canvas up to date with every view that is pending; whether any gave pixels."""
        if self._arranged != [(view.source, view.size) for view in self.views]:
            self._refit()
        gave = False
        for view, tile in zip(self.views, self._tiles, strict=True):
            if not view.pending or view.source is None or tile is None:
                continue
            view.pending = False
            patches = view.source.take(tile.align)
            if patches and _within(view, patches):
                tile.put(patches)
                view.gave(patches)
                gave = True
            elif view.source is not None:
                view.gave_nothing(now_ns)
        self._draw()
        return gave

    def take_areas(self) -> list[Area] | None:
        """All that was written to the canvas since the last call; None for anything."""
        areas, self._areas = self._areas, []
        return areas

    def _arrange(self, canvas: Size | None) -> Arrangement:
        return arrange(self.layout, [view.size for view in self.views], self._lines, canvas)

    def _close_tiles(self) -> None:
        for tile in self._tiles:
            if tile is not None:
                tile.close()
        self._tiles = []

    def _refit(self) -> None:
        """Give every view its place on the canvas there is, and ask each for its whole picture."""
        canvas = self.picture
        found = self._arrange((canvas.width, canvas.height))
        self._arranged = [(view.source, view.size) for view in self.views]
        self._close_tiles()
        _fill(canvas, Place(0, 0, canvas.width, canvas.height))
        self.dirty, self._areas = True, None
        for view, place in zip(self.views, found.places, strict=True):
            if view.source is None:
                self._tiles.append(None)
                continue
            apart = place.radius > 0 or any(place.meets(other) for other in found.places if other is not place)
            self._tiles.append(_Tile(view, place, canvas, self._way, apart=apart))
            view.source.refresh()
            view.pending = view.drawn = True

    def _draw(self) -> None:
        tiles = sorted((tile for tile in self._tiles if tile is not None), key=lambda tile: tile.place.z)
        changed: list[Place] = []
        for tile in tiles:
            own = tile.take_changed()
            if tile.place.z == 0:
                for part in own:
                    tile.draw(part)
            elif own or any(tile.place.meets(part) for part in changed):
                # What shows through at its corners must be as it lies below.
                _fill(self.picture, tile.place)
                for below in tiles:
                    if below.place.z < tile.place.z:
                        below.draw(tile.place)
                tile.draw_over()
                own = [tile.place]
            changed += own
        self.dirty = self.dirty or bool(changed)
        if self._areas is not None:
            self._areas += [(part.x, part.y, part.width, part.height) for part in changed]


def _within(view: View, patches: list[Patch]) -> bool:
    """Whether patches are of the size that was arranged for: a source may be resized while it is asked."""
    width, height = max(2, view.size[0] & ~1), max(2, view.size[1] & ~1)
    return all(patch.x < width and patch.y < height for patch in patches)


def _fill(picture: Picture, part: Place) -> None:
    luma = picture.luma[part.y : part.y + part.height, part.x : part.x + part.width]
    chroma = picture.chroma[part.y // 2 : (part.y + part.height) // 2, part.x : part.x + part.width]
    luma[:], chroma[:] = _BLACK_LUMA, _GREY_CHROMA


def _corner(radius: int) -> _Mask:
    """How much of an inset shows in the square of its upper left corner, 0 to 256, smooth along the arc."""
    steps = np.arange(radius) + 0.5
    distance = np.hypot(radius - steps[:, None], radius - steps[None, :])
    shown: _Mask = (np.clip(radius - distance + 0.5, 0.0, 1.0) * 256).astype(np.uint16)
    return shown
