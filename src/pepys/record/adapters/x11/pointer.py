"""The pointer of an X display: where it is, how it looks, and drawing it into pixels.

The server leaves the pointer out of what it gives, so it is drawn here, into patches that were just read: the kept
picture never holds a pointer that cannot be undone. Its place is asked for, ten times a second at rest and fifteen
while it moves; its picture is fetched only when the server tells that it changed. All places are those of the recorded
picture, which may be a part of the screen or one window. A program that hides the pointer gives it an empty picture.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import xcffib
from numpy.typing import NDArray
from xcffib import xfixes

from pepys.limits import POINTER_IDLE_NS, POINTER_MOVING_NS
from pepys.record.adapters.regions import Rect
from pepys.record.adapters.x11.connection import Connection, Request
from pepys.record.ports import Bgra

_DISPLAY_CURSOR: Final = 1
_QUERY_POINTER: Final = 38
_POINTER_PLACE: Final = struct.Struct("=x?10xIhhhh")
_ARROW_PX: Final = 16


class PointerPlace(NamedTuple):
    """Where the pointer is: the child of the window that is under it, its place on the root and in the window."""

    child: int
    root_x: int
    root_y: int
    x: int
    y: int


class PointerQuery:
    """Asks where the pointer is, as often as it must be asked."""

    def __init__(self, connection: Connection, window: int) -> None:
        self._connection, self._window = connection, window
        self._request = Request(connection, None, _QUERY_POINTER, "I", answered=True)

    def send(self) -> int:
        """Ask; `read` takes what this returns."""
        return self._request.send(self._window)

    def read(self, sequence: int) -> PointerPlace | None:
        """The answer; None while the pointer is on another screen.

        Raises:
            xcffib.XcffibException: the window is gone, or the server failed.
        """
        same_screen, *place = _POINTER_PLACE.unpack_from(self._connection.reply_bytes(sequence))
        return PointerPlace(*place) if same_screen else None


class Pointer:
    """Follows and draws the pointer.

    Args:
        connection: to the display.
        root: its root window.
        ask: where the pointer is in the picture; None while it does not belong there.
        within: the picture.
    """

    def __init__(
        self, connection: Connection, root: int, ask: Callable[[], tuple[int, int] | None], within: Rect
    ) -> None:
        self._ask, self._within = ask, within
        self._extension = connection(xfixes.key)
        self._extension.SelectCursorInput(root, _DISPLAY_CURSOR)
        self._place: tuple[int, int] | None = None
        self._image_stale = self._redraw = True
        self._image: NDArray[np.uint8] = np.zeros((0, 0, 4), np.uint8)
        self._hot = (0, 0)
        self._drawn: Rect | None = None
        self._fetched_at: tuple[int, int] | None = None
        self.due_ns = 0

    def image_changed(self) -> bool:
        """The server told that the pointer looks different; whether that matters to the picture."""
        self._image_stale = True
        return self._place is not None

    def picture_changed(self, within: Rect) -> None:
        """The picture is another part of the screen, or another size; all of it is read anew."""
        self._within = within
        self._drawn, self._redraw, self.due_ns = None, True, 0

    def look(self, now_ns: int) -> bool:
        """Ask where the pointer is, if it is time; whether it moved in the picture."""
        if now_ns < self.due_ns:
            return False
        before, self._place = self._place, self._ask()
        if self._place is not None and self._rect() is None:
            self._place = None  # beside the picture: where exactly is nobody's business
        moved = before != self._place
        self.due_ns = now_ns + (POINTER_MOVING_NS if moved else POINTER_IDLE_NS)
        return moved

    def stale(self) -> list[Rect]:
        """The rectangles that drawing it anew touches: the old place and the new; none when it stands as drawn."""
        if self._place is None:
            return [] if self._drawn is None else [self._drawn]
        if self._image_stale:
            self._fetch()
        now = self._rect()
        if now == self._drawn and not self._redraw:
            return []
        return [rect for rect in (self._drawn, now) if rect is not None]

    def settle(self) -> None:
        """What `stale` named is being read: from now on the pointer counts as drawn there."""
        self._drawn, self._redraw = self._rect(), False

    def veil(self, hides: Callable[[int, int], bool]) -> None:
        """Forget a look that was fetched where nothing may be seen: what lies there may have given it.

        Call it before `draw`, once every event that arrived was heard; `hides` judges a place of the root.
        """
        at, self._fetched_at = self._fetched_at, None
        if at is not None and hides(*at):
            self._image, self._image_stale = self._image[:0, :0], True
            self._place = self._drawn = None

    def draw(self, x: int, y: int, pixels: Bgra) -> None:
        """Draw the part of the pointer that lies on a patch at (x, y)."""
        if self._drawn is None:
            return
        height, width = pixels.shape[:2]
        shared = self._drawn.clip(Rect(x, y, x + width, y + height))
        if shared is None:
            return
        left, top = shared.left - self._drawn.left, shared.top - self._drawn.top
        source = self._image[top : top + shared.height, left : left + shared.width]
        target = pixels[shared.top - y : shared.bottom - y, shared.left - x : shared.right - x]
        # The image is premultiplied: what is under it shines through by the rest of its opacity.
        through = 255 - source[:, :, 3:].astype(np.uint16)
        target[:] = np.minimum(255, source + (target * through + 127) // 255)

    def _rect(self) -> Rect | None:
        """Where it is drawn; None where nothing of it lies in the picture.."""
        if self._place is None:
            return None
        if self._image_stale and not self._image.size:
            self._fetch()
        height, width = self._image.shape[:2]
        left, top = self._place[0] - self._hot[0], self._place[1] - self._hot[1]
        rect = Rect(left, top, left + width, top + height)
        return rect if rect.clip(self._within) is not None else None

    def _fetch(self) -> None:
        self._image_stale = False
        try:
            answer = self._extension.GetCursorImage().reply()
        except xcffib.Error:
            # The server gives no picture of a pointer whose program is gone: it looks as before until it changes.
            if not self._image.size:
                self._image, self._hot, self._redraw = _plain_arrow(), (0, 0), True
            return
        values = np.array(answer.cursor_image, dtype="<u4")
        self._image = values.view(np.uint8).reshape(answer.height, answer.width, 4)
        self._hot, self._fetched_at = (answer.xhot, answer.yhot), (answer.x, answer.y)
        self._redraw = True


def _plain_arrow() -> NDArray[np.uint8]:
    """An arrow that points up and left: black within white, premultiplied."""
    rows, columns = np.mgrid[0:_ARROW_PX, 0:_ARROW_PX]
    body = (columns <= rows) & (rows + columns // 2 < _ARROW_PX)
    inner = (columns < rows) & (columns > 0) & (rows + columns // 2 < _ARROW_PX - 1)
    image = np.zeros((_ARROW_PX, _ARROW_PX, 4), np.uint8)
    image[body] = 255
    image[inner, :3] = 0
    return image
