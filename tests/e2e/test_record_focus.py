"""The window in front, told by a real X server, with windows that come, go and lie behind."""

from __future__ import annotations

import select
import struct
import threading
from collections.abc import Iterator

import pytest

from pepys.clock import SystemClock
from pepys.demo.servers import XServer
from pepys.errors import DeviceMissing
from pepys.record.activity import Focus
from pepys.record.adapters.ewmh import EwmhFocus
from pepys.record.exclusions import Exclusions
from tests.desk import Desk
from tests.waiting import wait_until


class Front:
    """A program that says which window is in front, as a window manager does, and who listens to it."""

    def __init__(self, display: str, *patterns: str) -> None:
        self.desk = Desk(display)
        self.focus = opened_elsewhere(display, Exclusions(patterns, builtin=False))
        self.told: list[Focus] = []

    def put(self, window: int) -> None:
        self.desk.put(self.desk.root, "_NET_ACTIVE_WINDOW", "WINDOW", struct.pack("<I", window), 32)
        self.desk.sync()

    def until(self, app: str, title: str, *, excluded: bool = False) -> None:
        def told() -> bool:
            select.select([self.focus.fileno()], [], [], 0.02)
            self.told += [item for item in self.focus.poll() if isinstance(item, Focus)]
            return bool(self.told) and self.told[-1] == Focus(self.told[-1].at_ns, app, title, excluded)

        wait_until(told, 5, f"{title!r} in front")


def opened_elsewhere(display: str, exclusions: Exclusions) -> EwmhFocus:
    """A focus that a thread opened, for the one that asks."""
    made: list[EwmhFocus] = []
    thread = threading.Thread(target=lambda: made.append(EwmhFocus(display, SystemClock(), exclusions)))
    thread.start()
    thread.join(10)
    return made[0]


@pytest.fixture
def front(xserver: XServer) -> Iterator[Front]:
    made = Front(xserver.display, "*secret*")
    yield made
    made.focus.close()
    made.desk.close()


def test_a_window_that_lies_behind_again_is_heard_no_more(front: Front) -> None:
    first = front.desk.window((0, 0, 50, 50), title="first", wm_class="One")
    second = front.desk.window((60, 0, 50, 50), title="second", wm_class="Two")
    front.put(first)
    front.until("One", "first")
    front.put(second)
    front.until("Two", "second")
    for number in range(20):
        front.desk.retitle(first, f"spinning {number}")
    front.desk.retitle(second, "second still")
    heard: list[object] = []
    connection = front.focus._connection
    following = connection.next_event

    def counted() -> object:
        event = following()
        heard.extend([event] if event is not None else [])
        return event

    connection.next_event = counted
    front.until("Two", "second still")
    assert len(heard) == 1
    front.put(first)
    front.until("One", "spinning 19")


def test_an_excluded_window_is_told_as_one(front: Front) -> None:
    front.put(front.desk.window((0, 0, 50, 50), title="my secret", wm_class="One"))
    front.until("excluded", "", excluded=True)
    front.put(front.desk.window((0, 0, 50, 50), title="plain", wm_class="excluded"))
    front.until("excluded", "plain")


def test_no_server_is_said() -> None:
    with pytest.raises(DeviceMissing, match="no X server"):
        EwmhFocus(":7655", SystemClock(), Exclusions())
