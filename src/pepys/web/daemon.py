"""`pepys serve`: host, HTTP server and worker in one event loop, from the first address to an orderly end.

Owns the order: the port is bound before anything is taken over, so that a port in use changes nothing; the address is
told when connections are accepted; at the end pages are let go first, then the recording ends, then the lock is free.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pepys import heap
from pepys.clock import Clock, SystemClock
from pepys.enrich.asking import request_apart as request_enrichment
from pepys.errors import PepysError
from pepys.sessions.control import refuse_second_host
from pepys.sessions.host import Host
from pepys.store.catalog import resolve_session
from pepys.store.ledger_tokens import IssuedTokens
from pepys.store.making import make_missing
from pepys.web.app import STATIC, create_app
from pepys.web.auth import SignIn
from pepys.web.server import Server, bind, make_server
from pepys.web.static import Bundle
from pepys.web.worker import Worker

_LOG: Final = logging.getLogger(__name__)
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Daemon:
    """One run of `pepys serve`.

    Args:
        home: the data folder.
        bound: the address to bind.
        port: the port, 0 for any free one.
        announce: told the sign-in address once connections are accepted.
        page: the path that the announced address leads to.
        warn: told what the user must know of what was found on the home, such as another version's recorder.

    Attributes:
        interrupted: whether Ctrl-C ended it.
        has_page: whether this installation has the built page.
    """

    def __init__(
        self,
        home: Path,
        bound: str,
        port: int,
        announce: Callable[[str], None],
        page: str = "/",
        warn: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._home = home
        self._bound = bound
        self._port = port
        self._announce = announce
        self._warn = warn
        self._page = page
        self._clock: Clock = SystemClock()
        self._failure: BaseException | None = None
        self.interrupted = False
        self.has_page = Bundle(STATIC).built

    async def run(self) -> None:
        """Serve until a signal or a `shutdown` command.

        Raises:
            Busy: the home has a host, or the port is in use.
            Exception: what a part of the daemon failed with; the rest of it ended in order.
            PepysError: why the home cannot be served.
        """
        heap.keep_small()
        await asyncio.to_thread(refuse_second_host, self._home)
        listener = bind(self._bound, self._port)
        try:
            self._port = listener.getsockname()[1]
            host = Host(self._home, kind="daemon", clock=self._clock)
            await host.open()
            try:
                await self._serve(host, listener)
            finally:
                await host.close()
        finally:
            listener.close()

    async def _serve(self, host: Host, listener: socket.socket) -> None:
        issued = IssuedTokens(host.store)
        self._desk = SignIn(host.store.keys.api_token(), self._clock, self._port, issued.accepts)
        worker = Worker(host.store)
        app = create_app(
            host, host.store, self._clock, sign_in_desk=self._desk, bound=self._bound, port=self._port,
            wake_worker=worker.wake,
        )  # fmt: skip
        server = make_server(app)
        await asyncio.to_thread(make_missing, host.store)
        self._add_commands(host, worker)
        self._take_signals(host)
        tasks = [
            self._watched(part, host) for part in (worker.run(), _enrich_ended(host, worker), _end_with(host, server))
        ]
        try:
            heap.give_back()
            self._announce(self.address(self._page))
            for notice in host.status()["notices"]:
                self._warn(str(notice["text"]))
            await server.serve(sockets=[listener])
            if self._failure is not None:
                raise self._failure
            if not host.closing.is_set():
                raise PepysError("the server ended by itself", "run it again with --debug")
        finally:
            host.closing.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await worker.close()

    def _watched(self, part: Coroutine[Any, Any, None], host: Host) -> asyncio.Task[None]:
        """Run a part of the daemon; when it fails, the daemon ends in order, and says so."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                self._failure = error
                host.closing.set()

        task = asyncio.create_task(part)
        task.add_done_callback(ended)
        return task

    def address(self, page: str = "/") -> str:
        """A new sign-in address, good once."""
        name = _EVERYWHERE.get(self._bound, self._bound)
        name = f"[{name}]" if ":" in name else name
        following = "" if page == "/" else f"&next={quote(page)}"
        return f"http://{name}:{self._port}/sign-in?code={self._desk.new_code()}{following}"

    def _add_commands(self, host: Host, worker: Worker) -> None:
        async def sign_in(args: dict[str, Any]) -> dict[str, Any]:
            wanted = args.get("session")
            if wanted is None:
                return {"address": self.address()}
            session = await asyncio.to_thread(resolve_session, host.store, str(wanted))
            return {"address": self.address(f"/s/{session}"), "session": session}

        async def wake(args: dict[str, Any]) -> dict[str, Any]:
            worker.wake()
            return {"taken": True}

        host.add_command("signin", sign_in)
        host.add_command("wake", wake)

    def _take_signals(self, host: Host) -> None:
        def interrupt() -> None:
            self.interrupted = True
            host.closing.set()

        loop = asyncio.get_running_loop()
        # Where the loop takes no signals (Windows), Ctrl-C arrives as KeyboardInterrupt instead.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(signal.SIGTERM, host.closing.set)
            loop.add_signal_handler(signal.SIGINT, interrupt)


async def _enrich_ended(host: Host, worker: Worker) -> None:
    """Run the free stages of each session that ends."""
    with host.subscribe() as pushes:
        async for push in pushes:
            if push.get("push") == "session" and push.get("state") == "completed":
                try:
                    await asyncio.to_thread(request_enrichment, host.store, str(push["session"]))
                except PepysError as error:
                    # Reaches stderr, as no log is set up; `pepys enrich` makes good for it.
                    _LOG.warning("pepys: session %s is not enriched: %s", push["session"], error.message)
                worker.wake()


async def _end_with(host: Host, server: Server) -> None:
    await host.closing.wait()
    server.should_exit = True
