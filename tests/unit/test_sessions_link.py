"""The host's link to a recorder: what was said first is heard first."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable
from pathlib import Path

import pytest

from pepys.record.wire import LineReader, Message, encode_line
from pepys.sessions.link import open_link


@pytest.mark.asyncio
async def test_an_answer_is_taken_before_the_push_behind_it(short_folder: Path) -> None:
    """Both arrive in one read; a status that is older than a track's failure must not cover it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (request,) = LineReader().feed(await reader.readline())
        writer.write(encode_line({"id": request["id"], "ok": {}}) + encode_line({"push": "track"}))
        await reader.read()
        writer.close()

    heard: list[str] = []
    pushed, over = asyncio.Event(), asyncio.Event()

    async def on_push(push: Message) -> None:
        heard.append("push")
        pushed.set()

    async def on_lost() -> None:
        over.set()

    server = await asyncio.start_unix_server(answer, short_folder / "socket")
    link = await open_link(str(short_folder / "socket"))
    link.listen(on_push, on_lost)
    await link.call("subscribe")
    heard.append("answer")
    await asyncio.wait_for(pushed.wait(), 10)
    await link.close()
    server.close()
    assert heard == ["answer", "push"]


@pytest.mark.asyncio
async def test_a_line_that_is_lost_is_closed_by_itself(short_folder: Path) -> None:
    """Catches a daemon that keeps a socket of each session until garbage is collected: 10 descriptors, then 12."""
    come: list[asyncio.StreamWriter] = []

    async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        come.append(writer)

    async def on_push(_push: Message) -> None:
        raise AssertionError("nothing is pushed")

    over = asyncio.Event()

    async def on_lost() -> None:
        over.set()

    server = await asyncio.start_unix_server(take, short_folder / "socket")
    before = _sockets()
    gc.disable()
    try:
        link = await open_link(str(short_folder / "socket"))
        link.listen(on_push, on_lost)
        await _until(lambda: len(come) == 1)
        assert len(_sockets() - before) == 2, "both ends are this process's"
        come.pop().close()
        await asyncio.wait_for(over.wait(), 10)
        await _until(lambda: not _sockets() - before)
    finally:
        gc.enable()
        server.close()
    assert link.lost


def _sockets() -> set[str]:
    """The sockets that this process has open."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(entry.readlink()))
    return {name for name in found if name.startswith("socket:")}


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)
