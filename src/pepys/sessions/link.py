"""The host's line to one recorder: calls and pushes over the recorder's socket, in the event loop.

Invariants: replies reach the call they belong to; pushes are given on in order; when the recorder is gone every
waiting call fails and `lost` is called once. What pushes mean is left to the host.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from pepys import errors, limits
from pepys.errors import DeviceMissing
from pepys.record.wire import LineReader, Message, encode_line

OnPush = Callable[[Message], Awaitable[None]]


class NoAnswer(DeviceMissing):
    """The recorder lives, as far as anybody knows, and does not answer in time."""


class RecorderLink:
    """One open connection to a recorder.

    Attributes:
        lost: whether the recorder is gone, or was left.
        seen_to: set when whoever owns the line has seen to its loss.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._replies: dict[int, asyncio.Future[Message]] = {}
        self._next_id = 0
        self._task: asyncio.Task[None] | None = None
        self.lost = False
        self.seen_to = asyncio.Event()

    def listen(self, on_push: OnPush, on_lost: Callable[[], Awaitable[None]]) -> None:
        """Begin to read; `on_lost` is awaited once when the recorder closes the connection."""
        self._task = asyncio.get_running_loop().create_task(self._read(on_push, on_lost))

    async def call(self, do: str, timeout_s: float = limits.CONTROL_S, **args: Any) -> Message:
        """Ask and wait for the answer.

        Raises:
            PepysError: what the recorder answered.
            NoAnswer: it does not answer in time.
            DeviceMissing: it is gone.
        """
        if self.lost:
            raise _ended()
        self._next_id += 1
        number = self._next_id
        waiting: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._replies[number] = waiting
        try:
            self._writer.write(encode_line({"id": number, "do": do, "args": args}))
            async with asyncio.timeout(timeout_s):
                reply = await waiting
        except TimeoutError as error:
            raise NoAnswer(f"the recorder has not answered to {do} for {timeout_s:g} s", "try again") from error
        finally:
            self._replies.pop(number, None)
        if "error" in reply:
            raise errors.from_json(reply["error"])
        result: Message = reply.get("ok", {})
        return result

    def post(self, do: str) -> None:
        """Ask without waiting for the answer, which nobody will read."""
        if not self.lost:
            self._next_id += 1
            self._writer.write(encode_line({"id": self._next_id, "do": do, "args": {}}))

    async def close(self) -> None:
        """Leave without `on_lost`; the recorder goes on. May be called from `on_push` or `on_lost`, and twice."""
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.wait([self._task])
        self._fail_waiting()
        self.seen_to.set()
        self._writer.close()

    def _fail_waiting(self) -> None:
        self.lost = True
        for waiting in self._replies.values():
            if not waiting.done():
                waiting.set_exception(_ended())

    async def _read(self, on_push: OnPush, on_lost: Callable[[], Awaitable[None]]) -> None:
        lines = LineReader()
        with contextlib.suppress(OSError, errors.Usage):
            while data := await self._reader.read(65536):
                for message in lines.feed(data):
                    waiting = self._replies.get(message.get("id", -1))
                    if "push" in message:
                        await on_push(message)
                    elif waiting is not None and not waiting.done():
                        waiting.set_result(message)
                        # Who asked takes the answer before a later push is heard: the answer is the older word.
                        await asyncio.sleep(0)
        self._fail_waiting()
        # Nobody need close a line that is lost: the socket of each session would stay open until garbage is collected.
        self._writer.close()
        try:
            await on_lost()
        finally:
            self.seen_to.set()


def _ended() -> DeviceMissing:
    return DeviceMissing("the recorder ended", "see `pepys list`, and logs/recorder.log in the home")


async def open_link(socket: str) -> RecorderLink:
    """Connect to a recorder.

    Raises:
        DeviceMissing: nobody listens there.
    """
    if sys.platform == "win32":
        raise DeviceMissing("this system has no control sockets", "record on Linux")
    try:
        async with asyncio.timeout(limits.CONTROL_CONNECT_S):
            reader, writer = await asyncio.open_unix_connection(socket, limit=limits.WIRE_LINE_BYTES)
    except (OSError, TimeoutError) as error:
        raise DeviceMissing("the recorder is gone", "see logs/recorder.log in the home") from error
    return RecorderLink(reader, writer)
