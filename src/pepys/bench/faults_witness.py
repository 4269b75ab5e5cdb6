"""A client of the host that notes when it was told that something is wrong, and when all was well again.

It hears what `pepys status --watch` and the page hear. A connection that ends is word enough: whoever watches sees it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pepys.clock import Clock
from pepys.errors import PepysError
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.model.health import WELL
from pepys.record.wire import Client
from pepys.sessions.control import connect_host

_AGAIN_NS: Final = 100 * NS_PER_MS
_STEADY_NS: Final = 1500 * NS_PER_MS
"""All is well when nothing else was told for so long."""
_ANSWER_S: Final = 2.0
_KEPT: Final = 200


class Witness:
    """Subscribed to the host of a home, over the host's deaths."""

    def __init__(self, home: Path, clock: Clock, ignore: frozenset[str] = frozenset()) -> None:
        """Watch `home`; states of the tracks in `ignore` are no trouble."""
        self._home, self._clock, self._ignore = home, clock, ignore
        self._client: Client | None = None
        self.status: dict[str, Any] = {}
        self.heard: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        """The last pushes, for whoever wants to know what was told."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Watch no more."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def wait_trouble(self, within_ns: int) -> int | None:
        """When trouble was told (CLOCK_BOOTTIME); None when it was not in time."""
        return self._wait(lambda message: self.trouble(message), within_ns)

    def wait_state(self, states: frozenset[str], within_ns: int) -> bool:
        """Whether the session comes into one of `states` in time."""
        until_ns = self._clock.now_ns() + within_ns
        while self.status.get("state") not in states:
            if self._clock.now_ns() > until_ns:
                return False
            self._next(_AGAIN_NS)
        return True

    def wait_well(self, within_ns: int) -> int | None:
        """Since when all is well, told and steady; None when it does not become so in time."""
        until_ns = self._clock.now_ns() + within_ns
        since_ns: int | None = None
        while self._clock.now_ns() < until_ns + _STEADY_NS:
            message = self._next(_AGAIN_NS)
            now_ns = self._clock.now_ns()
            if message == {} or (message is not None and self.trouble(message)) or not self.well:
                since_ns = None
            elif since_ns is None:
                since_ns = now_ns
            elif now_ns - since_ns >= _STEADY_NS:
                return since_ns
            if since_ns is None and now_ns > until_ns:
                return None
        return None

    def attend(self, duration_ns: int) -> None:
        """Go on listening for a while."""
        self._wait(lambda _message: False, duration_ns)

    @property
    def well(self) -> bool:
        """Whether the last status told of a recording of which nobody needs to be told anything."""
        return bool(self.status) and not self._bad(self.status)

    def trouble(self, message: Mapping[str, Any] | None) -> bool:
        """Whether a message tells that something is wrong; an empty one stands for a connection that ended."""
        if message is None:
            return False
        if not message:
            return True
        kind = message.get("push")
        if kind == "track":
            return message["track"] not in self._ignore and message["state"] not in WELL
        if kind == "gap":
            return message.get("end_ms") is None
        if kind in {"error", "warning"}:
            return True
        if kind == "session":
            return message.get("state") in {"interrupted", "failed"}
        return self._bad(message.get("status", {})) if "status" in message else False

    def _bad(self, status: Mapping[str, Any]) -> bool:
        if status.get("state") != "recording":
            return bool(status)
        tracks = [track for track in status.get("tracks") or () if track["track"] not in self._ignore]
        return any(track["state"] not in WELL or track.get("stands") for track in tracks)

    def _wait(self, wanted: Callable[[dict[str, Any] | None], bool], within_ns: int) -> int | None:
        until_ns = self._clock.now_ns() + within_ns
        while (left_ns := until_ns - self._clock.now_ns()) > 0:
            if wanted(self._next(left_ns)):
                return self._clock.now_ns()
        return None

    def _next(self, within_ns: int) -> dict[str, Any] | None:
        """The next message; empty when the host is gone, None when there is none in time."""
        if self._client is None:
            self._connect()
            if self._client is None:
                self._clock.sleep_ns(min(_AGAIN_NS, within_ns))
                return None
            return {"push": "status", "status": self.status}
        try:
            message = self._client.next_push(within_ns / NS_PER_S)
        except PepysError:
            self.close()
            self.status = {}
            return {}
        if message is not None:
            self.heard.append(message)
            if "status" in message:
                self.status = message["status"]
            elif message.get("push") == "track" and self.status:
                tracks = [
                    {**track, "state": message["state"]} if track["track"] == message["track"] else track
                    for track in self.status.get("tracks") or ()
                ]
                self.status = {**self.status, "tracks": tracks}
        return message

    def _connect(self) -> None:
        client = connect_host(self._home)
        if client is None:
            return
        try:
            self.status = client.call("subscribe", _ANSWER_S)
        except PepysError:
            client.close()
            return
        self._client = client
