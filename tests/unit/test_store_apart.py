"""What a daemon has done without loading SQLAlchemy: databases made, jobs asked for and looked at."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pepys.enrich.asking import request_apart
from pepys.enrich.plan import STAGES
from pepys.errors import StorageProblem
from pepys.store import database as db
from pepys.store.catalog import Catalog
from pepys.store.making import make_missing
from pepys.store.store import Store
from pepys.store.waiting import under_way
from pepys.store.work import Claimer, WorkQueue
from pepys.web.worker import Worker
from tests.stored_session import make_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


def test_databases_are_made_once(store: Store) -> None:
    assert make_missing(store)
    made = [store.database_path(name).stat() for name in ("catalog", "work")]
    assert make_missing(store)
    assert [store.database_path(name).stat().st_ino for name in ("catalog", "work")] == [each.st_ino for each in made]
    assert WorkQueue(store).list() == []
    with Catalog(store) as catalog:
        assert catalog.refresh() == []


def test_databases_that_cannot_be_made_are_left_to_whoever_needs_them(store: Store, tmp_path: Path) -> None:
    store.path.rename(tmp_path / "elsewhere")
    store.path.touch()  # a file where the home was
    assert not make_missing(store)


def test_a_request_is_durable_when_the_process_that_made_it_has_ended(store: Store) -> None:
    request_apart(store, "abc")
    (job,) = WorkQueue(store).list()
    assert (job.session, job.stages, job.state) == ("abc", STAGES, "queued")


def test_a_request_that_cannot_be_made_is_told(store: Store, tmp_path: Path) -> None:
    store.path.rename(tmp_path / "elsewhere")
    store.path.touch()  # a file where the home was
    with pytest.raises(StorageProblem) as told:
        request_apart(store, "abc")
    assert "Traceback" not in told.value.message and "\n" not in told.value.message


def test_jobs_under_way_are_known_without_the_queue(store: Store) -> None:
    assert under_way(store) == []  # and no database was made for it
    assert not store.database_path("work").exists()
    queue = WorkQueue(store)
    jobs = [queue.enqueue(session, ["summary"]) for session in ("done", "running", "queued", "cancelled")]
    me = Claimer.current("fake-boot")
    for job in jobs[:2]:
        assert queue.claim(me, job.id) is not None
    queue.finish(jobs[0].id, "done")
    queue.cancel(jobs[3].id)
    assert sorted(under_way(store)) == [("queued", "queued"), ("running", "running")]


def test_a_damaged_database_has_no_jobs(store: Store) -> None:
    path = store.database_path("work")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(db.DatabaseError):
        db.connect(path, store.keys.database_key("work"))
    assert under_way(store) == []


@pytest.mark.asyncio
async def test_a_job_of_a_dead_worker_is_found_again(store: Store) -> None:
    queue, worker = WorkQueue(store), Worker(store)
    job = queue.enqueue("abc", ["summary"])
    assert queue.claim(Claimer.current("fake-boot"), job.id) is not None
    assert not await asyncio.to_thread(worker._waiting)  # somebody who lives runs it
    queue.reclaim()
    with queue._transaction() as connection:
        connection.exec_driver_sql("UPDATE jobs SET state='running', claimed_pid=1, claimed_start='', claimed_boot='x'")
    assert await asyncio.to_thread(worker._waiting)
    assert [left.state for left in queue.list()] == ["queued"]
