"""The worker process: claims jobs and runs their stages. Here engines, codecs and models are loaded, nowhere else.

It runs with low priority, takes one session at a time under that session's lock (a second worker waits, then finds
everything done), brings the catalog up to date after each job, and exits when there has been no job for a while. A kill
at any moment loses the unit under way. No library that is loaded here calls home: `adapters` silences them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import types
from collections.abc import Iterator

from pepys import limits
from pepys.clock import rfc3339
from pepys.enrich.adapters import SILENCED
from pepys.enrich.runner import Cancelled, Progress, run_stages
from pepys.enrich.stages import local_stages
from pepys.errors import PepysError
from pepys.store.catalog import Catalog
from pepys.store.files import locked
from pepys.store.handover import receive
from pepys.store.store import Store
from pepys.store.work import Claimer, Job, WorkQueue


def main(arguments: list[str]) -> int:
    """Run jobs; the exit status is 0 unless the jobs themselves cannot be read."""
    # A usual setting beside Tesseract that makes the speech engine answer with garbage; its runtime reads it once.
    os.environ.pop("OMP_THREAD_LIMIT", None)
    os.environ.update(SILENCED)
    signal.signal(signal.SIGTERM, _end)
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.nice(limits.WORKER_NICE)
    try:
        store, order = receive(arguments)
        queue = WorkQueue(store)
        for job in _jobs(store, queue, tuple(order["jobs"]), float(order["idle_s"])):
            _run(store, queue, job)
    except PepysError as error:
        _log(f"{error.message}; {error.remedy}")
        return error.exit_code
    return 0


def _end(number: int, frame: types.FrameType | None) -> None:
    # Every finished unit is durable; the job goes back to the queue with this process's end.
    os._exit(0)


def _jobs(store: Store, queue: WorkQueue, wanted: tuple[str, ...], idle_s: float) -> Iterator[Job]:
    """The jobs named, or any until none has come for a while; each is claimed when it is given."""
    claimer = Claimer.current(store.clock.boot_id())
    if wanted:
        yield from (job for name in wanted if (job := queue.claim(claimer, name)) is not None)
        return
    idle_since_ns = store.clock.now_ns()
    while store.clock.now_ns() - idle_since_ns < idle_s * limits.NS_PER_S:
        job = queue.claim(claimer)
        if job is None:
            store.clock.sleep_ns(limits.WORKER_POLL_NS)
            continue
        yield job
        idle_since_ns = store.clock.now_ns()


def _run(store: Store, queue: WorkQueue, job: Job) -> None:
    """One job from claim to end. Failed units stand in the manifest; only what stops every stage fails the job."""
    stages = [stage for stage in local_stages() if stage.name in job.stages]
    goes_on = True

    def report(progress: Progress) -> None:
        nonlocal goes_on
        values = {name: getattr(progress, name) for name in ("session", "stage", "done", "total", "state")}
        goes_on = queue.progress(job.id, values)

    try:
        with locked(store.path / "locks" / f"{job.session}.enrich.lock"):
            failures = run_stages(store, job.session, stages, report, lambda: not goes_on)
        _index(store)
    except Cancelled:
        _index(store)
        return
    except PepysError as error:
        queue.progress(job.id, {"error": error.to_json()})
        queue.finish(job.id, "failed", error.message)
        _log(f"job {job.id}: {error.code}", store)
        return
    if failures:
        # What failed stands in the manifest: logs are not sealed, and an engine's words may quote a session's.
        _log(f"job {job.id}: {len(failures)} units failed", store)
    queue.finish(job.id, "done", "; ".join(failures)[: limits.UNIT_ERROR_CHARS])


def _index(store: Store) -> None:
    """Tell the catalog; its readers catch it up, so that no failure of it is one of the job."""
    try:
        with Catalog(store) as catalog:
            catalog.refresh()
    except PepysError as error:
        _log(f"the catalog was not told: {error.code}", store)


def _log(line: str, store: Store | None = None) -> None:
    moment = f"{rfc3339(store.clock.wall_ns())} " if store is not None else ""
    sys.stderr.write(f"{moment}worker {os.getpid()}: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
