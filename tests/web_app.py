"""The web application over a real socket, with a store of its own and a host that a test steers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx

from pepys.clock import SystemClock
from pepys.errors import Busy, NotFound, Usage
from pepys.sessions.feed import Feed, Subscription
from pepys.sessions.start import StartRequest
from pepys.store.ledger_tokens import IssuedTokens
from pepys.store.store import Store, open_store
from pepys.web.app import create_app
from pepys.web.auth import SignIn
from pepys.web.server import Server, bind, make_server
from tests.waiting import wait_until

T = TypeVar("T")
SHELL = b"<!doctype html><title>pepys</title><script src=/assets/app-abc123.js></script>"


class SteeredHost:
    """A host whose status a test sets and whose calls it reads."""

    def __init__(self) -> None:
        self.closing = asyncio.Event()
        self.told: dict[str, Any] = {"state": "idle", "session": None, "recorded_ms": 0, "tracks": [], "disk": {}}
        self.calls: list[tuple[str, Any]] = []
        self.feed = Feed()

    def status(self) -> dict[str, Any]:
        return self.told

    def subscribe(self) -> Subscription:
        return self.feed.subscribe()

    async def start(self, request: StartRequest) -> dict[str, Any]:
        if self.told["state"] == "recording":
            raise Busy("a session is being recorded", "end it first")
        self.calls.append(("start", request))
        self.told = {**self.told, "state": "recording", "session": "0" * 26}
        return self.told

    async def set(self, **asked: Any) -> dict[str, Any]:
        if {*asked.get("mute", []), *asked.get("unmute", [])} - {"mic"}:
            raise Usage("there is no gain of that name", "name mic")
        self.calls.append(("set", asked))
        gains = {"mic": {"muted": "mic" in asked.get("mute", []), "gain_db": 0.0}}
        self.told = {**self.told, "sound": {"gains": gains, "balance": asked.get("balance", 50)}}
        return self.told

    async def pause(self) -> dict[str, Any]:
        self.calls.append(("pause", None))
        return self.told

    async def resume(self, session: str | None = None) -> dict[str, Any]:
        self.calls.append(("resume", session))
        return self.told

    async def shot(self) -> dict[str, Any]:
        if self.told["state"] != "recording":
            raise NotFound("nothing is being recorded", "begin with `pepys start`")
        self.calls.append(("shot", None))
        return {"at_ms": 1234, "repeat": False}

    async def stop(self, session: str | None = None) -> dict[str, Any]:
        self.calls.append(("stop", session))
        return {"session": self.told["session"], "state": "completed"}

    async def note(self, text: str) -> dict[str, Any]:
        self.calls.append(("note", text))
        return {"id": "n", "at_ms": 1}

    async def mark(self, label: str) -> dict[str, Any]:
        self.calls.append(("mark", label))
        return {"id": "m", "at_ms": 2}


class Served:
    """A running server: `url`, `token`, the store and what a test needs of the inside."""

    def __init__(self, home: Path, static: Path) -> None:
        self.store: Store = open_store(home)
        self.token = self.store.keys.api_token()
        self.host = SteeredHost()
        self.woken = 0
        self._static = static
        self._listener: socket.socket = bind("127.0.0.1", 0)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.desk = SignIn(self.token, SystemClock(), self.port, IssuedTokens(self.store).accepts)
        self.loop: asyncio.AbstractEventLoop | None = None
        self._server: Server | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def client(self, *, signed_in: bool = True) -> httpx.Client:
        """A client of programs: with the token, or without any proof."""
        headers = {"Authorization": f"Bearer {self.token}"} if signed_in else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def call(self, work: Callable[[], T]) -> T:
        """Run a function in the server's loop and return its result."""

        async def run() -> T:
            return work()

        assert self.loop is not None
        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(10)

    def __enter__(self) -> Served:
        self._thread.start()
        wait_until(lambda: self._server is not None and self._server.started, 15, "the server")
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(RuntimeError):
            self.call(self.host.closing.set)
        assert self._server is not None
        self._server.should_exit = True
        self._thread.join(15)
        self._listener.close()
        assert not self._thread.is_alive(), "the server did not end"

    async def _run(self) -> None:
        self.loop = asyncio.get_running_loop()
        app = create_app(
            self.host, self.store, SystemClock(), sign_in_desk=self.desk, bound="127.0.0.1", port=self.port,
            wake_worker=self._wake, static=self._static,
        )  # fmt: skip
        server = make_server(app)
        self._server = server
        await server.serve(sockets=[self._listener])

    def _wake(self) -> None:
        self.woken += 1


@contextlib.contextmanager
def served(home: Path) -> Iterator[Served]:
    """A server on a home of its own, with a tiny built page."""
    static = home.parent / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_bytes(SHELL)
    (static / "assets" / "app-abc123.js").write_bytes(b"console.log(1)")
    with Served(home, static) as server:
        yield server
