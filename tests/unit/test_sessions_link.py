"""The host's link to a recorder: what was said first is heard first."""

from __future__ import annotations

import asyncio
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
