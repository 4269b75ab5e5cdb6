"""Killing the worker between units: what was finished stays, and nothing is done twice."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pepys.enrich import jobs as enrich_jobs
from pepys.enrich.jobs import cancel, enrich, request, spawn_worker, unfinished
from pepys.enrich.runner import Progress
from pepys.errors import Interrupted, Partial
from pepys.model.manifest import ArtifactRef
from pepys.store.files import locked
from pepys.store.reader import load
from pepys.store.store import Store, open_store
from pepys.store.work import WorkQueue
from tests.made_session import Made, make_session
from tests.waiting import wait_until

# Nine batches of shots, no two alike: enough that a kill lands in the middle.
SHOTS = tuple(f"marker {n} of many words on a screen" for n in range(72))


@pytest.fixture
def store(home: Path) -> Store:
    return open_store(home)


@pytest.fixture
def session(store: Store) -> str:
    return make_session(store, Made(texts=SHOTS, spans=(72.0,), sound=False, video=False, size=(480, 160)))


def refs(store: Store, session: str) -> tuple[ArtifactRef, ...]:
    return tuple(ref for ref in load(store, session).artifacts if ref.stage == "screen_text")


def some_made(store: Store, session: str) -> Callable[[], bool]:
    return lambda: len(refs(store, session)) >= 2


def test_a_killed_worker_loses_no_finished_unit_and_none_is_done_twice(store: Store, session: str) -> None:
    job = request(store, session, ["screen_text"])
    worker = spawn_worker(store, jobs=[job])
    wait_until(some_made(store, session), 30, "two finished units")
    worker.kill()
    worker.wait(10)
    before = refs(store, session)
    assert 2 <= len(before) < 9, "the kill came too late to prove anything"
    assert WorkQueue(store).get(job).state == "running"
    assert unfinished(store) == (session,)
    result = enrich(store, [session], ["screen_text"])
    assert result.sessions[0].state == "completed"
    after = refs(store, session)
    assert len(after) == 9
    # A reference holds how long its unit took: one that was made again would hold another time.
    assert set(before) <= set(after)


def test_a_worker_that_dies_while_somebody_waits_is_replaced(
    store: Store, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawned: list[subprocess.Popen[bytes]] = []

    def spawn(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        spawned.append(spawn_worker(*args, **kwargs))
        return spawned[-1]

    def kill_once(progress: Progress) -> None:
        if len(spawned) == 1 and progress.done >= 1:
            spawned[0].kill()

    monkeypatch.setattr(enrich_jobs, "spawn_worker", spawn)
    result = enrich(store, [session], ["screen_text"], progress=kill_once)
    assert result.sessions[0].state == "completed"
    assert len(spawned) == 2


def test_a_worker_that_always_dies_is_not_started_for_ever(
    store: Store, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    def spawn(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        started.append(1)
        return subprocess.Popen(["false"])

    monkeypatch.setattr(enrich_jobs, "spawn_worker", spawn)
    with pytest.raises(Partial, match="ended 3 times"):
        enrich(store, [session], ["screen_text"])
    assert len(started) == 3
    assert unfinished(store) == ()


def test_ctrl_c_cancels_the_job_ends_the_worker_and_keeps_what_is_done(store: Store, session: str) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.done >= 1:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        enrich(store, [session], ["screen_text"], progress=interrupt)
    assert unfinished(store) == ()
    made = refs(store, session)
    assert 1 <= len(made) < 9
    with locked(store.path / "locks" / f"{session}.enrich.lock"):
        assert refs(store, session) == made


def test_a_cancelled_job_stops_after_its_unit(store: Store, session: str) -> None:
    job = request(store, session, ["screen_text"])
    worker = spawn_worker(store, jobs=[job])
    wait_until(some_made(store, session), 30, "two finished units")
    assert cancel(store, job)
    assert worker.wait(20) == 0
    assert 2 <= len(refs(store, session)) < 9


def test_two_workers_share_the_jobs_and_no_unit_is_made_twice(store: Store, session: str) -> None:
    other = make_session(store, Made(texts=SHOTS[:16], spans=(16.0,), sound=False, video=False, size=(480, 160)))
    before = store.heads.read(session).sequence
    jobs = [request(store, name, stages) for name in (session, other) for stages in (["screen_text"], None)]
    workers = [spawn_worker(store, idle_s=0.5) for _ in range(2)]
    try:
        queue = WorkQueue(store)
        wait_until(lambda: all(queue.get(job).state == "done" for job in jobs), 60, "all jobs")
        assert [worker.wait(10) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert len(refs(store, session)) == 9
    assert len(refs(store, other)) == 2
    # Each unit moves the head on once: nine batches and a summary.
    assert store.heads.read(session).sequence == before + 10


@pytest.mark.quiet
def test_a_worker_told_to_end_leaves_its_job_to_the_next(store: Store, session: str) -> None:
    job = request(store, session, ["screen_text"])
    worker = spawn_worker(store)
    wait_until(some_made(store, session), 30, "two finished units")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(5) == 0
    assert WorkQueue(store).reclaim() == [job]


def test_a_daemon_that_promised_a_worker_and_died_is_not_waited_for_for_ever(
    store: Store, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepys.limits.JOB_UNCLAIMED_NS", 300_000_000)
    result = enrich(store, [session], ["screen_text"], wake=lambda: True)
    assert result.sessions[0].state == "completed"


def test_keys_are_in_neither_arguments_nor_environment_of_the_worker(store: Store, session: str) -> None:
    worker = spawn_worker(store, idle_s=30)
    try:
        folder = Path(f"/proc/{worker.pid}")
        seen = b"".join((folder / name).read_bytes() for name in ("cmdline", "environ"))
        for secret in (store.keys.store_key, store.keys.store_key.hex().encode(), store.keys.to_bytes().hex().encode()):
            assert secret not in seen
    finally:
        worker.kill()
        worker.wait()
