"""Jobs: claimed once, freed by their claimer's death, and told when they were cancelled. And the empty ledger."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pepys.errors import Damaged, NotFound
from pepys.store.database import open_database
from pepys.store.ledger import Ledger
from pepys.store.store import Store
from pepys.store.verify import verify
from pepys.store.work import Claimer, WorkQueue, process_start
from tests.stored_session import make_store, reopen

ME = Claimer.current("fake-boot")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


@pytest.fixture
def queue(store: Store) -> WorkQueue:
    return WorkQueue(store)


def test_a_job_goes_through_its_states(queue: WorkQueue) -> None:
    job = queue.enqueue("s", ["screen_text", "transcript"])
    assert (job.state, job.stages, job.claimer) == ("queued", ("screen_text", "transcript"), None)
    claimed = queue.claim(ME)
    assert claimed is not None and (claimed.id, claimed.state, claimed.claimer) == (job.id, "running", ME)
    assert queue.claim(ME) is None
    assert queue.progress(job.id, {"done": 1, "of": 2})
    assert queue.get(job.id).progress == {"done": 1, "of": 2}
    assert queue.finish(job.id, "failed", "an engine is missing")
    assert (queue.get(job.id).state, queue.get(job.id).error) == ("failed", "an engine is missing")
    assert not queue.finish(job.id, "done")
    with pytest.raises(NotFound):
        queue.get("none")
    with pytest.raises(ValueError, match="end as"):
        queue.finish(job.id, "running")


def test_an_equal_request_is_made_once_until_it_begins(queue: WorkQueue) -> None:
    first = queue.enqueue("s", ["a"])
    assert queue.enqueue("s", ["a"]).id == first.id
    assert queue.enqueue("s", ["b"]).id != first.id
    assert queue.claim(ME, first.id) is not None
    assert queue.enqueue("s", ["a"]).id != first.id


def test_priority_then_age_and_the_one_named(queue: WorkQueue) -> None:
    late, soon, named = (queue.enqueue("s", [name], priority) for name, priority in [("a", 5), ("b", 1), ("c", 9)])
    taken = [queue.claim(ME, named.id), queue.claim(ME), queue.claim(ME)]
    assert [job.id for job in taken if job] == [named.id, soon.id, late.id]


def test_cancelled_is_told_to_whoever_runs_it(queue: WorkQueue) -> None:
    job = queue.enqueue("s", ["a"])
    queue.claim(ME)
    assert queue.cancel(job.id)
    assert not queue.progress(job.id, {})
    assert not queue.finish(job.id, "done")
    assert not queue.cancel(job.id)
    assert [found.id for found in queue.list(state="cancelled")] == [job.id]


def test_many_claimers_never_get_the_same_job(queue: WorkQueue, tmp_path: Path) -> None:
    for number in range(12):
        queue.enqueue("s", [str(number)])
    reading, writing = os.pipe()
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            try:
                mine = WorkQueue(reopen(tmp_path))
                while (job := mine.claim(ME)) is not None:
                    os.write(writing, f"{job.id}\n".encode())
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        claimed = pipe.read().split()
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
    assert len(claimed) == len(set(claimed)) == 12


def test_a_dead_claimer_s_job_is_queued_again(queue: WorkQueue) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    started = process_start(child)
    queue.enqueue("s", ["a"])
    claimed = queue.claim(Claimer(child, started, "fake-boot"))
    assert claimed is not None and queue.reclaim() == [] and queue.claim(ME) is None
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)
    assert process_start(child) == ""
    again = queue.claim(ME)
    assert again is not None and again.id == claimed.id


@pytest.mark.parametrize(
    "claimer", [Claimer(os.getpid(), "another start", "fake-boot"), Claimer(ME.pid, ME.start, "old")]
)
def test_a_pid_used_again_or_before_a_reboot_is_another_process(queue: WorkQueue, claimer: Claimer) -> None:
    job = queue.enqueue("s", ["a"])
    queue.claim(claimer)
    assert queue.reclaim() == [job.id]


@pytest.mark.parametrize("where", ["everywhere", "inside"])
def test_a_damaged_database_of_jobs_is_made_anew(
    store: Store, queue: WorkQueue, where: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = store.database_path("work")
    steps = [
        lambda: queue.list() == [],
        lambda: queue.claim(ME) is None,
        lambda: not queue.progress("none", {}),
        lambda: not queue.cancel("none"),
        lambda: queue.enqueue("s", ["b"]).state == "queued",
    ]
    for step in steps:
        queue.enqueue("s", ["a"])
        data = bytearray(path.read_bytes())
        if where == "everywhere":
            data[:] = os.urandom(len(data))
        else:
            for at in range(4096, len(data), 4096):
                data[at + 100] ^= 1
        for beside in store.path.glob("work.db*"):
            beside.unlink()
        path.write_bytes(data)
        assert step()
    assert [job.stages for job in queue.list()] == [("b",)]
    assert capfd.readouterr() == ("", "")


def test_a_damaged_ledger_is_told_and_stays(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    open_database(store, "ledger").close()
    path = store.database_path("ledger")
    path.write_bytes(b"damaged " * 2000)
    with pytest.raises(Damaged, match=str(path)):
        Ledger(store).total_nanos("s")
    assert [damage.what for damage in verify(store).damages] == ["ledger"]
    assert path.read_bytes() == b"damaged " * 2000
    assert capfd.readouterr() == ("", "")
