"""Asking for enrichment, and waiting for it: what command line, daemon, web page and demo call.

A request is a row in `work.db`; the work is done by a worker process, this daemon's or one started here. Invariants: no
engine and no codec is imported in this process; when `enrich` returns every job has ended; a worker that dies is
replaced, but not for ever; the truth about what is done are the sessions' manifests, never the jobs.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pepys import limits
from pepys.enrich.plan import STAGES
from pepys.enrich.runner import Progress, is_settled
from pepys.enrich.state import enrichment_state, is_growing, whole_state
from pepys.errors import Interrupted, Partial, PepysError, Usage, from_json
from pepys.store.files import make_folder, private_file, storage_errors
from pepys.store.handover import start_child
from pepys.store.reader import load
from pepys.store.store import Store
from pepys.store.waiting import ENDED

if TYPE_CHECKING:
    from pepys.store.work import Job, WorkQueue

__all__ = ["Progress", "Result", "SessionResult", "cancel", "enrich", "request", "spawn_worker", "unfinished"]

ALL: Final = ("all", "local")
"""Words of `--stages` for every stage there is; paid stages are none here."""


@dataclass(frozen=True, slots=True)
class SessionResult:
    """How the enrichment of one session ended.

    Attributes:
        session: its id.
        state: as in `enrichment_state`, of the stages that were asked for.
        stages: as in `enrichment_state`; only those that were asked for.
        error: why the job itself failed; None when it ran, with failed stages or without.
        growing: whether the session is still being recorded; only what was sealed of it has been read.
    """

    session: str
    state: str
    stages: tuple[dict[str, Any], ...]
    error: PepysError | None = None
    growing: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How a request ended."""

    sessions: tuple[SessionResult, ...]

    @property
    def failed(self) -> bool:
        """Whether any stage of any session failed."""
        return any(session.error is not None or session.state == "failed" for session in self.sessions)


def stage_names(words: Sequence[str] | None) -> tuple[str, ...]:
    """The stages that `words` name, in the order they run in.

    Raises:
        Usage: a word names no stage.
    """
    if not words:
        return STAGES
    for word in words:
        if word not in (*STAGES, *ALL):
            raise Usage(f"there is no stage {word}", f"choose among {', '.join((*STAGES, *ALL))}")
    return tuple(name for name in STAGES if name in words or any(word in ALL for word in words))


def request(store: Store, session: str, stages: Sequence[str] | None = None) -> str:
    """Ask for stages of a session; whoever runs a worker is to be woken then. Returns the job's id.

    Raises:
        Usage: no such stage.
        StorageProblem: the jobs cannot be written.
    """
    return _queue(store).enqueue(session, stage_names(stages)).id


def cancel(store: Store, job: str) -> bool:
    """Cancel a job; its worker stops after the unit under way. False when it had ended."""
    return _queue(store).cancel(job)


def unfinished(store: Store) -> tuple[str, ...]:
    """The sessions whose jobs have not ended, oldest job first."""
    queue = _queue(store)
    waiting = [job.session for state in ("running", "queued") for job in queue.list(state=state)]
    return tuple(dict.fromkeys(waiting))


def _queue(store: Store) -> WorkQueue:
    # SQLAlchemy stays out of a daemon that only starts workers.
    from pepys.store.work import WorkQueue

    return WorkQueue(store)


def spawn_worker(
    store: Store, *, jobs: Sequence[str] = (), idle_s: float = limits.WORKER_IDLE_S
) -> subprocess.Popen[bytes]:
    """Start a worker process.

    Args:
        store: whose jobs it runs; the keys go through a pipe.
        jobs: the jobs it runs, after which it exits; any that wait when empty.
        idle_s: it exits after so long without a job.

    Raises:
        StorageProblem: it cannot be started, or its log cannot be written.
    """
    log = store.path / "logs" / "worker.log"
    make_folder(log.parent)
    with storage_errors(log), open(log, "ab", opener=private_file) as sink:
        order = {"jobs": list(jobs), "idle_s": idle_s}
        return start_child("pepys.enrich", store, order, stdout=sink, stderr=sink)


def enrich(
    store: Store,
    sessions: Sequence[str],
    stages: Sequence[str] | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
    wake: Callable[[], bool] | None = None,
) -> Result:
    """Run stages over sessions and wait until it is done. What is done already costs nothing.

    Args:
        store: where the sessions lie.
        sessions: their ids.
        stages: names; all local stages when None.
        progress: called whenever a stage has come further.
        wake: wakes the daemon, and says whether there is one; a worker is started here when there is none.

    Raises:
        NotFound: no such session.
        Usage: no such stage.
        Interrupted: Ctrl-C; the jobs are cancelled, finished units are kept.
        StorageProblem: the jobs cannot be written.
    """
    # The stages' numerics stay out of a daemon that only passes requests on.
    from pepys.enrich.stages import local_stages

    names = stage_names(stages)
    wanted = dict.fromkeys(sessions)
    chosen = [stage for stage in local_stages() if stage.name in names]
    unsettled = [session for session in wanted if not is_settled(load(store, session), chosen)]
    queue = _queue(store)
    jobs = {session: queue.enqueue(session, names) for session in unsettled}
    waiting = _Waiting(store, queue, [job.id for job in jobs.values()], progress)
    try:
        waiting.until_ended(woken=wake() if wake is not None else False)
    except KeyboardInterrupt:
        waiting.give_up()
        raise Interrupted(
            "the enrichment was interrupted", "pepys enrich takes it up again where it was; nothing is done twice"
        ) from None
    except BaseException:
        waiting.give_up()
        raise
    ended = {session: queue.get(job.id) for session, job in jobs.items()}
    return Result(tuple(_result(store, session, ended.get(session), names) for session in wanted))


class _Waiting:
    """Watches jobs until they have ended, and keeps a worker alive that runs them."""

    def __init__(
        self, store: Store, queue: WorkQueue, jobs: list[str], progress: Callable[[Progress], None] | None
    ) -> None:
        self._store = store
        self._queue = queue
        self._jobs = jobs
        self._progress = progress
        self._told: dict[str, dict[str, Any]] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self._started = 0

    def until_ended(self, woken: bool) -> None:
        """Return when every job has ended."""
        clock = self._store.clock
        woken_until_ns = clock.now_ns() + limits.JOB_UNCLAIMED_NS if woken else 0
        while left := self._look():
            queued = any(job.state == "queued" for job in left)
            if any(job.state == "running" for job in left) and not queued:
                woken_until_ns = 0
            elif clock.now_ns() >= woken_until_ns and not self._child_lives():
                self._start(left)
            self._wait()
        self._end_child()

    def give_up(self) -> None:
        """Cancel what is left, and end the worker that was started here: its unit is lost, nothing else."""
        for job in self._jobs:
            self._queue.cancel(job)
        if self._child_lives():
            assert self._child is not None
            self._child.terminate()
        self._end_child()

    def _look(self) -> list[Job]:
        """Tell progress; the jobs that have not ended."""
        self._queue.reclaim()
        left = []
        for name in self._jobs:
            job = self._queue.get(name)
            if self._progress is not None and job.progress and job.progress != self._told.get(name):
                self._told[name] = job.progress
                if "stage" in job.progress:
                    self._progress(Progress(**{key: job.progress[key] for key in _PROGRESS}))
            if job.state not in ENDED:
                left.append(job)
        return left

    def _start(self, left: Iterable[Job]) -> None:
        if self._started >= limits.WORKER_STARTS:
            raise Partial(
                f"the worker ended {self._started} times without finishing",
                f"see {self._store.path / 'logs' / 'worker.log'}; what was finished is kept",
            )
        self._started += 1
        self._child = spawn_worker(self._store, jobs=[job.id for job in left], idle_s=0.0)

    def _child_lives(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def _wait(self) -> None:
        """A moment, shorter when the worker started here ends."""
        if self._child is not None and self._child.poll() is None:
            try:
                self._child.wait(limits.WORKER_POLL_NS / limits.NS_PER_S)
            except subprocess.TimeoutExpired:
                return
        else:
            self._store.clock.sleep_ns(limits.WORKER_POLL_NS)

    def _end_child(self) -> None:
        if self._child is None:
            return
        try:
            self._child.wait(limits.WORKER_STOP_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


_PROGRESS: Final = ("session", "stage", "done", "total", "state")


def _result(store: Store, session: str, job: Job | None, names: Sequence[str]) -> SessionResult:
    """What the manifest says of the stages that were asked for, and what the job says of itself."""
    error: PepysError | None = None
    if job is None:
        pass  # everything was there
    elif job.state == "cancelled":
        error = Interrupted("the enrichment was cancelled", "pepys enrich takes it up again where it was")
    elif job.state == "failed":
        told = job.progress.get("error")
        error = (
            from_json(told) if told else Partial(job.error or "the worker failed", "see logs/worker.log in the home")
        )
    view = load(store, session)
    stages = tuple(stage for stage in enrichment_state(view)["stages"] if stage["name"] in names)
    return SessionResult(session, whole_state(view, stages), stages, error, is_growing(view))
