"""The daemon's small parts: the worker child, the feed's bounds, the reading threads, the page's files."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pepys import limits
from pepys.errors import Busy, PermissionMissing, Usage
from pepys.review.playback import find_segment
from pepys.review.shelf import Shelf
from pepys.store.store import Store, open_store
from pepys.store.work import WorkQueue
from pepys.web.feed import ALL, Feed, Moved
from pepys.web.media import read_media
from pepys.web.readers import Readers
from pepys.web.server import bind
from pepys.web.static import Bundle
from pepys.web.worker import Worker
from tests.web_session import Tape, two_spans


@pytest.fixture
def store(home: Path) -> Store:
    return open_store(home)


class Spawner:
    """Starts children that run a line of Python, and counts them."""

    def __init__(self, code: str = "") -> None:
        self.code = code
        self.children: list[subprocess.Popen[bytes]] = []

    def __call__(self, store: Store) -> subprocess.Popen[bytes]:
        self.children.append(subprocess.Popen([sys.executable, "-S", "-c", self.code], stdin=subprocess.DEVNULL))
        return self.children[-1]


async def _until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@contextmanager
def _running(worker: Worker) -> Iterator[None]:
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        task.cancel()


@pytest.mark.asyncio
async def test_a_worker_is_started_for_jobs_that_were_left(store: Store) -> None:
    job = WorkQueue(store).enqueue(two_spans(store).session, ["summary"])
    spawner = Spawner()
    worker = Worker(store, spawner)
    with _running(worker):
        await _until(lambda: spawner.children)
        await asyncio.to_thread(WorkQueue(store).cancel, job.id)


@pytest.mark.asyncio
async def test_no_worker_runs_without_jobs(store: Store) -> None:
    spawner = Spawner()
    worker = Worker(store, spawner)
    with _running(worker):
        worker.wake()
        await _until(lambda: spawner.children and spawner.children[0].poll() is not None)
        await asyncio.sleep(0.1)
        assert len(spawner.children) == 1


@pytest.mark.asyncio
async def test_a_job_that_came_as_the_worker_ended_is_not_forgotten(store: Store, tmp_path: Path) -> None:
    enqueued = tmp_path / "enqueued"
    spawner = Spawner(f"import os\nwhile not os.path.exists({str(enqueued)!r}): pass")
    worker = Worker(store, spawner)
    queue = WorkQueue(store)
    session = two_spans(store).session
    with _running(worker):
        worker.wake()
        await _until(lambda: spawner.children)
        job = await asyncio.to_thread(queue.enqueue, session, ["summary"])
        enqueued.touch()
        await _until(lambda: len(spawner.children) >= 2)
        await asyncio.to_thread(queue.cancel, job.id)


@pytest.mark.asyncio
async def test_a_worker_that_always_fails_is_left_alone(store: Store) -> None:
    spawner = Spawner("raise SystemExit(1)")
    worker = Worker(store, spawner)
    WorkQueue(store).enqueue(two_spans(store).session, ["summary"])
    with _running(worker):
        await _until(
            lambda: len(spawner.children) == limits.WORKER_FAILURES and spawner.children[-1].poll() is not None
        )
        await asyncio.sleep(0.2)
        assert len(spawner.children) == limits.WORKER_FAILURES
        worker.wake()
        await _until(lambda: len(spawner.children) > limits.WORKER_FAILURES)


@pytest.mark.asyncio
async def test_closing_ends_the_worker(store: Store) -> None:
    spawner = Spawner("import time; time.sleep(60)")
    worker = Worker(store, spawner)
    with _running(worker):
        worker.wake()
        await _until(lambda: spawner.children)
        await worker.close()
    assert spawner.children[0].poll() is not None


@contextmanager
def _no_pushes() -> Iterator[AsyncIterator[dict[str, Any]]]:
    async def nothing() -> AsyncIterator[dict[str, Any]]:
        return
        yield {}

    yield nothing()


@pytest.mark.asyncio
async def test_a_page_that_does_not_keep_up_gets_the_latest(store: Store) -> None:
    feed = Feed(_no_pushes)
    events = feed.events({"n": 0})
    assert await anext(events) == ("status", {"n": 0})
    for n in range(1, 100):
        feed.status({"n": n})
        feed.levels({"audio.mic": {"peaks": [-n]}})
        feed.countdown(100 - n)
        feed.changed([f"session {n % 3}"])
    assert await anext(events) == ("status", {"n": 99})
    assert await anext(events) == ("countdown", {"left_s": 1})
    assert await anext(events) == ("levels", {"audio.mic": {"peaks": [-99]}})
    told = [await anext(events) for _ in range(3)]
    assert sorted(told, key=str) == [("sessions", {"id": f"session {n}"}) for n in range(3)]
    feed.changed(str(n) for n in range(limits.SSE_SESSIONS * 2))
    assert await anext(events) == ("sessions", {"id": ALL})


@pytest.mark.asyncio
async def test_pages_that_listen_are_bounded_and_let_go(store: Store) -> None:
    feed = Feed(_no_pushes)
    pages = [feed.events({}) for _ in range(limits.SSE_CLIENTS)]
    for page in pages:
        feed.admit()
        await anext(page)
    with pytest.raises(Busy):
        feed.admit()
    await pages[0].aclose()
    feed.admit()
    feed.close()
    assert [event for page in pages async for event in page] == []


def test_what_moved_is_told_once(store: Store) -> None:
    first = two_spans(store).session
    moved = Moved(store)
    assert moved.look() == []
    second = two_spans(store).session
    assert moved.look() == [second] and first != second
    assert moved.look() == []


@pytest.mark.asyncio
async def test_reads_beyond_the_queue_are_refused_at_once() -> None:
    readers, go = Readers(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> int:
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result(20)
        return 1

    waiting = [asyncio.create_task(readers.run(work)) for _ in range(limits.READ_THREADS + limits.READ_QUEUE)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await readers.run(work)
    go.set()
    assert sum(await asyncio.gather(*waiting)) == limits.READ_THREADS + limits.READ_QUEUE
    assert await readers.run(work) == 1


def test_the_listener_says_that_it_is_tcp() -> None:
    with bind("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_ports_that_cannot_be_had_are_typed_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with bind("127.0.0.1", 0) as taken, pytest.raises(Busy, match="in use"):
        bind("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(Usage, match=r"192\.0\.2\.1"):
        bind("192.0.2.1", 0)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(PermissionMissing, match="80"):
        bind("127.0.0.1", 80)


def test_an_installation_without_a_page_says_so(tmp_path: Path) -> None:
    bundle = Bundle(tmp_path / "none")
    answer = bundle.file("")
    assert not bundle.built and answer.status_code == 503
    assert json.loads(bytes(answer.body))["code"] == "page_missing"
    assert bundle.file("assets/x.js").status_code == 404


@pytest.mark.asyncio
async def test_a_fragment_is_read_though_its_segment_was_sealed_meanwhile(store: Store) -> None:
    tape = Tape(store)
    tape.begin_span()
    tape.write(2, seal=False)
    shelf = Shelf(store)
    stale = find_segment(shelf.session(tape.session), 0)
    assert stale is not None and not stale.blob
    tape.seal_segment()
    around: Any = SimpleNamespace(readers=Readers(), store=store, shelf=shelf)
    offset, length, _, _ = stale.fragments[1]
    assert await read_media(around, tape.session, stale, offset, length) == tape.fragments[0, 1]
    tape.writer.close()
