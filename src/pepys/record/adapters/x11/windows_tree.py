"""Every top-level window of an X11 display, kept up to date by events alone: place, order, and who lies in which frame.

Invariants: events are taken in the server's order, so that the model is as the server was at the last one; what an
event does not carry is read when a window is mapped or put into a frame, never for one that nobody can see; an event
that a program sent itself is no event of the server and is ignored. A window that goes away while it is read stays in
the model without facts until the server tells its end. What lies inside windows without a frame's doing is `Inside`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import xcffib.shape
import xcffib.xproto as x

from pepys.record.adapters.regions import Rect
from pepys.record.adapters.x11.connection import Connection
from pepys.record.adapters.x11.identity import Facts, IdentityReader, answer
from pepys.record.adapters.x11.windows_inside import Inside
from pepys.record.adapters.x11.windows_top import Change, Top, outer

_SENT: Final = 0x80
_LEVELS: Final = 3
_PARENTS: Final = 16
_CHILDREN: Final = 256
_KIN: Final = 32
_FRAME_PX: Final = 16
_ICON_PX: Final = 64
_ARGB: Final = 32
_BOUNDING: Final = int(xcffib.shape.SK.Bounding)
WINDOW_EVENTS: Final = int(x.EventMask.PropertyChange | x.EventMask.StructureNotify)
_ANYWHERE: Final = Rect(-32768, -32768, 65536, 65536)


class WindowTree:
    """The top-level windows, bottom first, and the facts of them and of the clients in their frames."""

    def __init__(self, connection: Connection, root: int, reader: IdentityReader) -> None:
        self.tops: dict[int, Top] = {}
        self.stack: list[int] = []
        self.facts: dict[int, Facts | None] = {}
        self._connection, self._root, self._reader = connection, root, reader
        self._core = connection.core
        self._frames_of: dict[int, set[int]] = {}
        self._clients_in: dict[int, set[int]] = {}
        self._guests: set[int] = set()
        self._kin: dict[int, set[int]] = {}
        self._touched: set[int] = set()
        self._wide = False
        self._inside = Inside(connection, reader.client_of)
        name = "SHAPE"
        shaped = connection.core.QueryExtension(len(name), name).reply().present
        self._shape: Any = connection(xcffib.shape.key) if shaped else None
        self._handlers: dict[type, Callable[[Any], Change]] = {
            x.CreateNotifyEvent: self._created,
            x.DestroyNotifyEvent: self._destroyed,
            x.MapNotifyEvent: self._mapped,
            x.UnmapNotifyEvent: self._unmapped,
            x.ConfigureNotifyEvent: self._configured,
            x.GravityNotifyEvent: self._shifted,
            x.CirculateNotifyEvent: self._circulated,
            x.ReparentNotifyEvent: self._reparented,
            x.PropertyNotifyEvent: self._property,
            xcffib.shape.NotifyEvent: self._reshaped,
        }
        self._load()

    def hear(self, event: Any) -> Change:
        """Take one event of the connection, whatever it is."""
        handler = self._handlers.get(type(event))
        change = Change.NOTHING if handler is None or event.response_type & _SENT else handler(event)
        return Change.FAMILY if change and self._wide else change

    def touched(self) -> set[int]:
        """The top-level windows of which something else is known since the last call."""
        found, self._touched, self._wide = self._touched, set(), False
        return found

    def frames(self, top: int) -> bool:
        """Whether a top-level window is a frame around the client of somebody else, and no window of its own."""
        facts = self.facts.get(top)
        if facts is not None and facts.managed:
            return False
        return any(client not in self._guests for client in self.clients_in(top))

    def clients_in(self, top: int) -> Iterable[int]:
        """The windows of programs that lie in a frame, or inside the window of another program."""
        return self._clients_in.get(top, ())

    def client_of(self, window: int) -> int:
        """The X client that made a window; 0 is the server itself."""
        return self._reader.client_of(window)

    def top_of(self, window: int) -> int:
        """The child of the root in which a window lies; 0 when it is gone."""
        for _ in range(_PARENTS):
            if window in self.tops:
                return window
            reply = answer(self._core.QueryTree(window))
            if reply is None:
                return 0
            if reply.parent in (self._root, 0):
                return window
            window = int(reply.parent)
        return 0

    def learn(self, windows: Sequence[int]) -> None:
        """Read what is not known of windows, and watch it from now on."""
        if not windows:
            return
        for window in windows:
            # Selected before it is read, or a change in between is never told.
            self._connection.watch(window, WINDOW_EVENTS)
            if self._shape is not None:
                self._shape.SelectInput(window, True)
        tops = [window for window in windows if window in self.tops]
        asked = [(window, self._core.GetGeometry(window), self._extents(window)) for window in tops]
        for window, facts in self._reader.read(windows).items():
            self._note(window, facts)
        for window, geometry, extents in asked:
            top, size, shape = self.tops[window], answer(geometry), answer(extents)
            if size is not None:
                top.depth, top.shaped = int(size.depth), bool(shape is not None and shape.bounding_shaped)
        known = [facts for facts in map(self.facts.get, windows) if facts is not None]
        owners = {owner for facts in known for owner in (facts.transient_for, *facts.leaders)}
        strangers = [owner for owner in owners - {0, self._root} if owner not in self.facts]
        for owner, facts in self._reader.read(strangers).items():
            if facts is not None:  # an owner that is gone tells nothing: then the group and the client decide
                self._connection.watch(owner, WINDOW_EVENTS)
                self._note(owner, facts)

    def opaque(self, window: int) -> tuple[Rect, ...]:
        """Where nothing below a top-level window can be seen."""
        top = self.tops[window]
        inside = [self.facts.get(other) for other in (window, *self.clients_in(window))]
        # The server's own window (a compositor's overlay) shows what others draw there; one not read may be anything.
        if not top.mapped or top.depth <= 0 or top.shaped or not self._reader.client_of(window):
            return ()
        if any(facts is None or facts.translucent for facts in inside):
            return ()
        if top.depth != _ARGB:
            return (top.place,)
        place = top.place
        told = inside[0].opaque if inside[0] is not None else ()
        moved = (Rect(r.left + place.left, r.top + place.top, r.right + place.left, r.bottom + place.top) for r in told)
        return tuple(shared for rect in moved if (shared := rect.clip(place)) is not None)

    # --- events ---

    def _created(self, event: Any) -> Change:
        if event.parent != self._root:
            return self._admit(self._inside.came(event.window, event.parent))
        if event.window not in self.tops:
            self._add(event.window, Top(outer(event), override=bool(event.override_redirect)))
        return Change.NOTHING

    def _destroyed(self, event: Any) -> Change:
        known = event.window in self.tops or event.window in self.facts
        self._inside.forget(event.window)
        self._drop_top(event.window)
        self._leave_frame(event.window)
        for client in self._clients_in.pop(event.window, ()):
            self._frames_of[client].discard(event.window)
            if self.facts.get(client) is None:
                self._forget(client)  # it was gone before it could be watched, so that nothing tells its end
        self._forget(event.window)
        return Change.TOP if known else Change.NOTHING

    def _mapped(self, event: Any) -> Change:
        top = self.tops.get(event.window)
        if top is None or event.event != self._root:
            return Change.NOTHING
        top.mapped, top.override = True, bool(event.override_redirect)
        if self.facts.get(event.window) is None:
            self.learn([event.window])
        self._touched.add(event.window)
        if top.depth:
            self._admit(self._inside.enter([event.window]))
        facts = self.facts.get(event.window)
        if facts is None or top.override or not facts.identity.named:
            # It may be a menu: whose, only the other windows of its program tell.
            client = self.client_of(event.window)
            unread = [
                other
                for other in self._kin.get(client, ())
                if client and other not in self.facts and other in self.tops
            ]
            self.learn(sorted(unread)[:_KIN])
        return Change.TOP

    def _unmapped(self, event: Any) -> Change:
        top = self.tops.get(event.window)
        if top is None or event.event != self._root or not top.mapped:
            return Change.NOTHING
        top.mapped = top.emptied = False
        self._touched.add(event.window)
        return Change.TOP

    def _configured(self, event: Any) -> Change:
        top = self.tops.get(event.window)
        if top is None or event.event != self._root:
            return Change.NOTHING
        before = top.place
        top.place = outer(event)
        moved = self._restack(event.window, event.above_sibling)
        return Change.PLACE if moved or top.place != before else Change.NOTHING

    def _shifted(self, event: Any) -> Change:
        top = self.tops.get(event.window)
        if top is None or event.event != self._root:
            return Change.NOTHING
        top.place = Rect(event.x, event.y, event.x + top.place.width, event.y + top.place.height)
        return Change.PLACE

    def _circulated(self, event: Any) -> Change:
        if event.event != self._root or event.window not in self.tops:
            return Change.NOTHING
        self.stack.remove(event.window)
        self.stack.insert(len(self.stack) if event.place == x.Place.OnTop else 0, event.window)
        return Change.PLACE

    def _reparented(self, event: Any) -> Change:
        if event.event != self._root and (event.event != event.window or event.window not in self._frames_of):
            return self._admit(self._inside.came(event.window, event.parent))
        self._leave_frame(event.window)
        if event.parent == self._root:
            self._promote(event)
        else:
            self._drop_top(event.window)
            self._enter_frame(event.window, event.parent)
            self._admit(self._inside.enter([event.window]))
        return Change.FAMILY

    def _property(self, event: Any) -> Change:
        if event.atom not in self._reader.relevant or event.window not in self.facts:
            return Change.NOTHING
        before = self.facts[event.window]
        if before is not None and self._reader.is_title(event.atom):
            self._note(event.window, self._reader.retitled(event.window, before))
        else:
            self.learn([event.window])
        return Change.NOTHING if self.facts[event.window] == before else Change.TOP

    def _reshaped(self, event: Any) -> Change:
        top = self.tops.get(event.affected_window)
        if top is None or event.shape_kind != _BOUNDING or top.shaped == bool(event.shaped):
            return Change.NOTHING
        top.shaped = bool(event.shaped)
        return Change.PLACE

    # --- the model ---

    def _load(self) -> None:
        found = [int(window) for window in self._core.QueryTree(self._root).reply().children]
        asked = [(w, self._core.GetGeometry(w), self._core.GetWindowAttributes(w)) for w in found]
        for window, geometry, attributes in asked:
            size, state = answer(geometry), answer(attributes)
            if size is not None and state is not None:
                mapped = state.map_state != x.MapState.Unmapped
                self._add(window, Top(outer(size), mapped, bool(state.override_redirect), int(size.depth)))
        self.learn(list(self.tops))
        holders = []
        for window, top in self.tops.items():
            facts = self.facts.get(window)
            if top.depth > 0 and min(top.place.width, top.place.height) > _FRAME_PX:
                if not (facts and facts.managed):
                    self._search_frame(window)
                holders.append(window)
        self._admit(self._inside.enter(holders))

    def _search_frame(self, top: int) -> None:
        """Find the clients in a frame that was there before: nearest to the root, with the sign of being managed."""
        level = [top]
        for _ in range(_LEVELS):
            asked = [self._core.QueryTree(window) for window in level]
            replies = [reply for reply in map(answer, asked) if reply is not None]
            level = [int(child) for reply in replies for child in reply.children][:_CHILDREN]
            state = self._reader.atoms["WM_STATE"]
            signs = [self._core.GetProperty(False, child, state, 0, 0, 2) for child in level]
            managed = [w for w, sign in zip(level, map(answer, signs), strict=True) if sign and sign.value_len]
            if managed:
                for window in managed:
                    self._enter_frame(window, top)
                return

    def _add(self, window: int, top: Top) -> None:
        if window not in self.tops:
            self.stack.append(window)
        self.tops[window] = top
        self._kin.setdefault(self._reader.client_of(window), set()).add(window)

    def _note(self, window: int, facts: Facts | None) -> None:
        known, before = window in self.facts, self.facts.get(window)
        self.facts[window] = facts
        if not known or facts != before:
            self._changed(window, before, facts)
        self._kin.setdefault(self._reader.client_of(window), set()).add(window)

    def _changed(self, window: int, before: Facts | None, now: Facts | None) -> None:
        """Work out who may be judged otherwise now: the window's own top-level window, or any (see `family`)."""
        self._touched.update(self._frames_of.get(window, () if window not in self.tops else (window,)))
        followed = any(facts is not None and facts.transient_for == window for facts in self.facts.values())
        self._wide = self._wide or followed or _leads(before) != _leads(now)

    def _drop_top(self, window: int) -> None:
        if self.tops.pop(window, None) is not None:
            self.stack.remove(window)
            self._touched.add(window)

    def _forget(self, window: int) -> None:
        self._connection.unwatch(window)
        if window in self.facts:
            self._changed(window, self.facts.pop(window), None)
        client = self._reader.client_of(window)
        windows = self._kin.get(client)
        if windows is not None:
            windows.discard(window)
            if not windows:
                del self._kin[client]
                self._reader.forget_client(client)

    def _leave_frame(self, window: int) -> None:
        for frame in self._frames_of.pop(window, ()):
            self._touched.add(frame)
            self._clients_in[frame].discard(window)
            if not self._clients_in[frame]:
                del self._clients_in[frame]
                # The window of a program around a guest lives on, and is painted anew where the guest was.
                around = self.facts.get(frame) if window in self._guests else None
                if frame in self.tops and not (around is not None and around.identity.named):
                    self.tops[frame].emptied = self.tops[frame].mapped
        self._guests.discard(window)

    def _admit(self, windows: Sequence[int]) -> Change:
        """Take in windows that lie inside those of other programs."""
        guests = [window for window in windows if window not in self._frames_of and window not in self.tops]
        self.learn([window for window in guests if self.facts.get(window) is None])
        for window in guests:
            self._guests.add(window)
            self._enter_frame(window)
        return Change.TOP if guests else Change.NOTHING

    def _enter_frame(self, window: int, parent: int = 0) -> None:
        """Note in which frame a window lies, watching it first so that its next move is told."""
        if self.facts.get(window) is None:
            self.learn([window])
        facts = self.facts.get(window)
        if facts is not None and facts.embedded and self._icon(window):
            return
        # It lies where the event says, as pictures of that moment show it. Had it been moved on before it was watched,
        # that move was not told: then it lies there too.
        now = answer(self._core.QueryTree(window))
        parents = {parent, int(now.parent)} if now is not None else {parent}
        for frame in {self.top_of(other) for other in parents - {self._root, 0}} - {0, window}:
            self._frames_of.setdefault(window, set()).add(frame)
            self._clients_in.setdefault(frame, set()).add(window)
            self._touched.add(frame)
            if frame in self.tops:
                self.tops[frame].emptied = False

    def _icon(self, window: int) -> bool:
        """Whether a window is as small as an icon: in a tray it shows no text, and must not hide the whole panel."""
        size = answer(self._core.GetGeometry(window))
        return size is not None and size.width <= _ICON_PX and size.height <= _ICON_PX

    def _promote(self, event: Any) -> None:
        """A window has become a child of the root, above all others."""
        size = answer(self._core.GetGeometry(event.window))
        place = _ANYWHERE
        if size is not None:
            border = 2 * size.border_width
            place = Rect(event.x, event.y, event.x + size.width + border, event.y + size.height + border)
        self._drop_top(event.window)
        self._add(event.window, Top(place, override=bool(event.override_redirect)))
        self.learn([event.window])

    def _restack(self, window: int, below: int) -> bool:
        """Put a window directly above another (0: below all); whether that changed the order."""
        at = self.stack.index(window)
        if (self.stack[at - 1] if at else 0) == below:
            return False
        if below and below not in self.tops:
            known = (int(w) for w in self._core.QueryTree(self._root).reply().children)
            order = [w for w in known if w in self.tops]
            self.stack = [w for w in self.stack if w not in set(order)] + order
            return True
        self.stack.remove(window)
        self.stack.insert(self.stack.index(below) + 1 if below else 0, window)
        return True

    def _extents(self, window: int) -> Any:
        return self._shape.QueryExtents(window) if self._shape is not None else None


def _leads(facts: Facts | None) -> tuple[int, ...] | None:
    """What others are judged by: the groups of a window that is excluded by itself."""
    return facts.leaders if facts is not None and facts.excluded else None
