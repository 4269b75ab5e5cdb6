"""A compositing manager that shows the windows of a display when it is told to, and not before, as slow ones do."""

from __future__ import annotations

import xcffib.composite
import xcffib.xproto as x

from tests.desk import Desk


class Compositor(Desk):
    """Owns the display's composition; the screen stays as it was until `paint`."""

    def __init__(self, display: str, background: int) -> None:
        super().__init__(display)
        composite = self.connection(xcffib.composite.key)
        composite.QueryVersion(0, 4).reply()
        self._composite, self._context = composite, self.connection.generate_id()
        owner = self.window((0, 0, 1, 1), override=True, shown=False)
        self.core.SetSelectionOwner(owner, self.atom("_NET_WM_CM_S0"), x.Time.CurrentTime)
        composite.RedirectSubwindows(self.root, xcffib.composite.Redirect.Manual)
        mask = x.GC.Foreground | x.GC.SubwindowMode
        self.core.CreateGC(self._context, self.root, mask, [background, x.SubwindowMode.IncludeInferiors])
        self.sync()

    def paint(self) -> None:
        """Show every window as it is now."""
        width, height = self.screen.width_in_pixels, self.screen.height_in_pixels
        self.core.PolyFillRectangle(self.root, self._context, 1, [x.RECTANGLE.synthetic(0, 0, width, height).pack()])
        for window in self.core.QueryTree(self.root).reply().children:
            state = self.core.GetWindowAttributes(window).reply()
            if state.map_state != x.MapState.Viewable or state._class != x.WindowClass.InputOutput:
                continue
            place = self.core.GetGeometry(window).reply()
            pixmap = self.connection.generate_id()
            self._composite.NameWindowPixmap(window, pixmap)
            size = (place.width + 2 * place.border_width, place.height + 2 * place.border_width)
            self.core.CopyArea(pixmap, self.root, self._context, 0, 0, place.x, place.y, *size)
            self.core.FreePixmap(pixmap)
        self.sync()
